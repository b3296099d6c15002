// The calls that AWS's services make with the template's roles or on its resources. The tests
// can't record these; each is documented where `why` says.

import { ACCOUNT, REGION } from './stack.mjs';

const LAMBDA = 'docs.aws.amazon.com/lambda/latest/dg';
const SQS = 'docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide';
const EVENTS = 'docs.aws.amazon.com/eventbridge/latest';

/** Who administers the account. */
export const ADMINISTRATOR = `arn:aws:iam::${ACCOUNT}:role/Administrator`;

const arn = (service, resource) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${resource}`;

/** What consumes a queue: a poller or a pipe. */
const CONSUMING = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];

/** @returns {import('./calls.mjs').Call[]} */
export function byServices(stack, functions) {
  const calls = [
    ...Object.entries(functions).flatMap(([role, id]) => [...runtime(stack, role, id)]),
    ...pollers(stack, functions),
    ...gateway(stack),
    ...rules(stack),
    ...pipes(stack),
    ...alarms(stack),
  ];
  return calls.map((call) => ({ context: {}, ...call }));
}

/** Lambda takes on a function's role, logs, traces and connects to a VPC with it. */
function* runtime(stack, role, id) {
  const trust = { by: 'lambda.amazonaws.com', action: 'sts:AssumeRole', resource: stack.arn(role) };
  yield { ...trust, why: `${LAMBDA}/lambda-intro-execution-role.html` };
  const { LogGroup } = stack.property(id, 'LoggingConfig');
  const resource = arn('logs', `log-group:${LogGroup}:log-stream:2026/01/01/[$LATEST]0a1b2c`);
  for (const action of ['logs:CreateLogStream', 'logs:PutLogEvents']) {
    yield { by: role, action, resource, why: `${LAMBDA}/monitoring-cloudwatchlogs.html` };
  }
  if (stack.property(id, 'TracingConfig')?.Mode === 'Active') {
    for (const action of ['xray:PutTraceSegments', 'xray:PutTelemetryRecords']) {
      yield { by: role, action, resource: '*', why: `${LAMBDA}/services-xray.html` };
    }
  }
  if (stack.property(id, 'VpcConfig')) yield* network(role);
}

function* network(role) {
  const card = arn('ec2', 'network-interface/eni-0a1b2c3d');
  const why = `${LAMBDA}/configuration-vpc.html`;
  for (const resource of [card, arn('ec2', 'subnet/subnet-0a1b2c3d'), arn('ec2', 'security-group/sg-0a1b2c3d')]) {
    yield { by: role, action: 'ec2:CreateNetworkInterface', resource, why };
  }
  for (const action of ['DeleteNetworkInterface', 'AssignPrivateIpAddresses', 'UnassignPrivateIpAddresses']) {
    yield { by: role, action: `ec2:${action}`, resource: card, why };
  }
  for (const action of ['DescribeNetworkInterfaces', 'DescribeSubnets']) {
    yield { by: role, action: `ec2:${action}`, resource: '*', why };
  }
}

/** Lambda's pollers read queues with the function's role. */
function* pollers(stack, functions) {
  for (const id of stack.ids('AWS::Lambda::EventSourceMapping')) {
    const name = stack.property(id, 'FunctionName');
    const [role] = Object.entries(functions).find(([, fn]) => stack.arn(fn).endsWith(`:${name}`));
    const queue = stack.property(id, 'EventSourceArn');
    for (const action of CONSUMING) {
      yield { by: role, action, resource: queue, why: `${LAMBDA}/services-sqs-configure.html` };
    }
  }
}

function* gateway(stack) {
  for (const id of stack.ids('AWS::Lambda::Permission')) {
    const name = stack.property(id, 'FunctionName');
    const fn = stack.ids('AWS::Lambda::Function').find((other) => stack.arn(other).endsWith(`:${name}`));
    const api = stack.ids('AWS::ApiGatewayV2::Api')[0];
    yield {
      by: 'apigateway.amazonaws.com',
      action: 'lambda:InvokeFunction',
      resource: stack.arn(fn),
      context: from(executeApi(stack, api)),
      why: 'docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html',
    };
  }
}

/** What API Gateway names as the source of a request. */
const executeApi = (stack, api) => arn('execute-api', `${stack.ref(api)}/$default/$default`);

/** EventBridge's rules send to queues and topics by the policies of these. */
function* rules(stack) {
  for (const id of stack.ids('AWS::Events::Rule')) {
    for (const { Arn, RoleArn, DeadLetterConfig } of stack.property(id, 'Targets')) {
      const context = from(stack.arn(id));
      const why = `${EVENTS}/userguide/eb-use-resource-based.html`;
      const service = { by: 'events.amazonaws.com', context, why };
      if (RoleArn) yield* destination(stack, { Arn, RoleArn });
      else yield { ...service, resource: Arn, action: Arn.split(':')[2] === 'sns' ? 'sns:Publish' : 'sqs:SendMessage' };
      if (DeadLetterConfig) yield { ...service, resource: DeadLetterConfig.Arn, action: 'sqs:SendMessage' };
    }
  }
}

function* destination(stack, { Arn, RoleArn }) {
  const role = stack.ids('AWS::IAM::Role').find((id) => stack.arn(id) === RoleArn);
  const why = `${EVENTS}/userguide/eb-api-destinations.html`;
  yield { by: 'events.amazonaws.com', action: 'sts:AssumeRole', resource: RoleArn, context: from(), why };
  yield { by: role, action: 'events:InvokeApiDestination', resource: Arn, why };
}

function* pipes(stack) {
  for (const id of stack.ids('AWS::Pipes::Pipe')) {
    const resource = stack.property(id, 'RoleArn');
    const by = stack.ids('AWS::IAM::Role').find((role) => stack.arn(role) === resource);
    const why = `${EVENTS}/userguide/eb-pipes-permissions.html`;
    const context = from(stack.arn(id));
    yield { by: 'pipes.amazonaws.com', action: 'sts:AssumeRole', resource, context, why };
    for (const action of CONSUMING) yield { by, action, resource: stack.property(id, 'Source'), why };
    yield { by, action: 'events:PutEvents', resource: stack.property(id, 'Target'), why };
  }
}

/** CloudWatch publishes alarms, to topics that may be encrypted. */
function* alarms(stack) {
  for (const topic of stack.ids('AWS::SNS::Topic')) {
    const names = stack.ids('AWS::CloudWatch::Alarm');
    for (const id of names.filter((alarm) => stack.property(alarm, 'AlarmActions').includes(stack.arn(topic)))) {
      const by = 'cloudwatch.amazonaws.com';
      const why = 'docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html';
      const context = from(stack.arn(id));
      yield { by, action: 'sns:Publish', resource: stack.arn(topic), context, why };
      for (const action of ['kms:Decrypt', 'kms:GenerateDataKey']) {
        for (const key of stack.ids('AWS::KMS::Key')) {
          yield { by, action, resource: stack.arn(key), context, why };
        }
      }
    }
  }
  for (const key of stack.ids('AWS::KMS::Key')) {
    const why = 'docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html';
    yield { by: ADMINISTRATOR, action: 'kms:PutKeyPolicy', resource: stack.arn(key), why };
  }
}

/** What services say about the resource that they act for. */
function from(source) {
  return { 'aws:SourceAccount': ACCOUNT, ...(source && { 'aws:SourceArn': source }) };
}

/**
 * What DynamoDB and SQS do with a customer managed key for those who make these calls. The key
 * of a table is generated by DynamoDB itself, so that its users only have to decrypt.
 */
export function ofKey(key, calls) {
  const uses = {
    dynamodb: { why: 'docs.aws.amazon.com/kms/latest/developerguide/services-dynamodb.html', other: ['kms:Decrypt'] },
    sqs: {
      why: `${SQS}/sqs-key-management.html`,
      'sqs:SendMessage': ['kms:GenerateDataKey', 'kms:Decrypt'],
      'sqs:ReceiveMessage': ['kms:Decrypt'],
      other: [],
    },
  };
  const needed = calls.flatMap(({ by, action, context }) => {
    const service = action.split(':')[0];
    const { why, ...actions } = uses[service] ?? { other: [] };
    const via = { 'kms:ViaService': `${service}.${REGION}.amazonaws.com` };
    return (actions[action] ?? actions.other).map((use) => ({
      by,
      action: use,
      resource: key,
      // A service that calls for itself is not called through another one.
      context: by.endsWith('.amazonaws.com') ? context : via,
      why,
    }));
  });
  return [...new Map(needed.map((call) => [JSON.stringify(call), call])).values()];
}
