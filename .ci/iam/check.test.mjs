// The check itself: it fails templates that lack a grant, grant too much, or let others in.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { check } from './check.mjs';
import { ACCOUNT, Stack } from './stack.mjs';

const ARN = (id) => ({ 'Fn::GetAtt': [id, 'Arn'] });

const FUNCTIONS = { DeliverRole: 'DeliverFunction' };

/** What the function of the template below does, as tests would record it. */
const RECORDED = [
  call('dynamodb:GetItem', 'Table', ['APP#a1']),
  call('dynamodb:PutItem', 'Table', ['APP#a1#E#e1']),
  call('sqs:SendMessage', 'DeliveryQueue'),
  call('secretsmanager:DeleteSecret', 'secret:webhook-endpoints/a1/e1', undefined, {
    'secretsmanager:RecoveryWindowInDays': ['7'],
  }),
];

function call(action, resource, keys, more = {}) {
  const context = keys ? { 'dynamodb:LeadingKeys': keys, ...more } : more;
  return { role: 'DeliverRole', action, resource, context, test: 'a_test' };
}

/** A template without anything wrong, in the form that SAM's transform leaves. */
function template() {
  const assume = { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const owned = { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': 'APP#*' } };
  return {
    Parameters: { SecretPrefix: { Default: 'webhook-endpoints' }, KmsKeyArn: { Default: '' }, Bus: { Default: '' } },
    Conditions: { HasBus: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'Bus' }, ''] }] } },
    Resources: {
      Table: { Type: 'AWS::DynamoDB::Table' },
      DeliveryQueue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: { 'Fn::Sub': '${AWS::StackName}-delivery' } } },
      DeliveryQueuePolicy: {
        Type: 'AWS::SQS::QueuePolicy',
        Properties: {
          Queues: [{ Ref: 'DeliveryQueue' }],
          PolicyDocument: { Version: '2012-10-17', Statement: queueStatements() },
        },
      },
      Rule: { Type: 'AWS::Events::Rule', Properties: { Targets: [{ Arn: ARN('DeliveryQueue') }] } },
      LogGroup: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: '/aws/lambda/deliver' } },
      DeliverFunction: {
        Type: 'AWS::Lambda::Function',
        Properties: { Role: ARN('DeliverRole'), LoggingConfig: { LogGroup: { Ref: 'LogGroup' } } },
      },
      DeliverRole: {
        Type: 'AWS::IAM::Role',
        Properties: {
          AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [assume] },
          Policies: [{ PolicyDocument: { Version: '2012-10-17', Statement: roleStatements(owned) } }],
        },
      },
    },
  };
}

function queueStatements() {
  const overHttp = { Bool: { 'aws:SecureTransport': 'false' } };
  const byRule = { ArnEquals: { 'aws:SourceArn': ARN('Rule') } };
  const queue = { Resource: ARN('DeliveryQueue') };
  return [
    { Sid: 'Tls', Effect: 'Deny', Principal: '*', Action: 'sqs:*', ...queue, Condition: overHttp },
    { Sid: 'Rule', Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', ...queue, Condition: byRule },
  ];
}

function roleStatements(owned) {
  const secrets = { 'Fn::Sub': 'arn:aws:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SecretPrefix}/*/*' };
  const restorable = { NumericGreaterThanEquals: { 'secretsmanager:RecoveryWindowInDays': 7 } };
  const logs = ['logs:CreateLogStream', 'logs:PutLogEvents'];
  return [
    { Sid: 'Items', Effect: 'Allow', Action: ['dynamodb:GetItem', 'dynamodb:PutItem'], Resource: ARN('Table'), Condition: owned },
    { Sid: 'Send', Effect: 'Allow', Action: 'sqs:SendMessage', Resource: ARN('DeliveryQueue') },
    { Sid: 'Retire', Effect: 'Allow', Action: 'secretsmanager:DeleteSecret', Resource: secrets, Condition: restorable },
    { Sid: 'Logs', Effect: 'Allow', Action: logs, Resource: ARN('LogGroup') },
  ];
}

/** The findings about the template after a change of its role's and its queue's statements. */
async function findings(change, recorded = RECORDED) {
  const changed = template();
  const { Resources } = changed;
  change({
    resources: Resources,
    role: Resources.DeliverRole.Properties.Policies[0].PolicyDocument.Statement,
    queue: Resources.DeliveryQueuePolicy.Properties.PolicyDocument.Statement,
  });
  return (await check(new Stack(changed, {}), { recorded, functions: FUNCTIONS })).findings;
}

async function mustFind(pattern, change, recorded) {
  const found = await findings(change, recorded);
  assert.ok(found.some((finding) => pattern.test(finding)), found.join('\n'));
}

test('a template that grants what is called passes', async () => {
  assert.deepEqual(await findings(() => {}), []);
});

test('missing grants are found', async () => {
  await mustFind(/^denied: DeliverRole: sqs:SendMessage on .*-delivery .*\(a_test\)/, ({ role }) => role.splice(1, 1));
  await mustFind(/^denied: events.amazonaws.com: sqs:SendMessage/, ({ queue }) => queue.splice(1, 1));
});

test('calls on items of others are denied', async () => {
  const recorded = [...RECORDED, call('dynamodb:GetItem', 'Table', ['APP#a1', 'PLATFORM#h1'])];
  await mustFind(/^denied: DeliverRole: dynamodb:GetItem .*PLATFORM#h1/, () => {}, recorded);
});

test('grants that no call needs are found', async () => {
  const scan = { Sid: 'Scan', Effect: 'Allow', Action: 'dynamodb:Scan', Resource: ARN('Table') };
  await mustFind(/^granted, but no call needs it: DeliverRole, statement Scan: dynamodb:Scan/, ({ role }) => role.push(scan));
  await mustFind(/^granted, .* statement Send: sqs:SendMessage on .*-other$/, ({ role }) => {
    role[1].Resource = [ARN('DeliveryQueue'), { 'Fn::Sub': 'arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:hooks-other' }];
  });
  await mustFind(/^granted, .* statement Items: dynamodb:PutItem on .* if dynamodb:LeadingKeys is KEY#\*/, ({ role }) => {
    role[0].Condition['ForAllValues:StringLike']['dynamodb:LeadingKeys'] = ['APP#*', 'KEY#*'];
  });
  await mustFind(/^granted, .* statement Rule/, ({ queue }) => queue.push({ ...queue[1], Sid: 'Twice' }));
});

test('what is not called is refused', async () => {
  await mustFind(/^allowed, although it does not do this: DeliverRole: dynamodb:PutItem .*PLATFORM#h1/, ({ role }) => {
    delete role[0].Condition;
  });
  await mustFind(/^allowed, although the secret could not be restored/, ({ role }) => delete role[2].Condition);
});

test('queues that are open to others are found', async () => {
  await mustFind(/^allowed, although it is another account: .*sqs:SendMessage/, ({ queue }) => {
    queue[1].Principal = '*';
    delete queue[1].Condition;
  });
  await mustFind(/^allowed, although the service acts for another account: events/, ({ queue }) => delete queue[1].Condition);
  await mustFind(/^allowed, although the service acts for arn:.*rule\/other/, ({ queue }) => {
    queue[1].Condition = { StringEquals: { 'aws:SourceAccount': ACCOUNT } };
  });
  await mustFind(/^allowed, although it is not encrypted/, ({ queue }) => queue.splice(0, 1));
});

test('roles that other services take on are found', async () => {
  await mustFind(/^allowed, although the role is not for this service: ec2/, ({ resources }) => {
    const [trust] = resources.DeliverRole.Properties.AssumeRolePolicyDocument.Statement;
    trust.Principal.Service = ['lambda.amazonaws.com', 'ec2.amazonaws.com'];
  });
});

test('limits that limit nothing are found', async () => {
  await mustFind(/^a limit that refuses nothing: DeliveryQueuePolicy, statement Ftp/, ({ queue }) => {
    queue.push({ Sid: 'Ftp', Effect: 'Deny', Principal: '*', Action: 'sqs:PurgeQueue', Resource: ARN('DeliveryQueue') });
  });
});

test('what the check does not know fails', async () => {
  await assert.rejects(findings(({ role }) => {
    role[1].Condition = { StringEquals: { 'aws:PrincipalTag/team': 'hooks' } };
  }), /uses aws:PrincipalTag\/team/);
  await assert.rejects(findings(({ resources }) => {
    resources.Bucket = { Type: 'AWS::S3::BucketPolicy', Properties: {} };
  }), /AWS::S3::BucketPolicy/);
  await assert.rejects(findings(({ role }) => {
    role[1].Resource = { 'Fn::ImportValue': 'queue' };
  }), /Fn::ImportValue is not supported/);
});

test('resources without their condition do not exist', async () => {
  const changed = template();
  changed.Resources.Rule.Condition = 'HasBus';
  assert.equal(new Stack(changed, {}).has('Rule'), false);
  assert.equal(new Stack(changed, { Bus: 'default' }).has('Rule'), true);
});
