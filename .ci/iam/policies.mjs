// The policies of a stack, and what takes something away from them.

/** Statements as lists: of actions, resources and values of conditions. */
const list = (value) => (Array.isArray(value) ? value : [value]);

/**
 * A policy: `on` is the id of the role, or the ARN of the resource, that it belongs to.
 * @typedef {{ kind: 'identity' | 'resource', on: string, name: string, document: object }} Policy
 */

/** @returns {Policy[]} */
export function policiesOf(stack) {
  const policies = stack.ids().flatMap((id) => {
    const read = READERS[stack.type(id)] ?? refuseUnknown;
    return read(stack, id);
  });
  return merged(policies);
}

const READERS = {
  'AWS::IAM::Role': (stack, id) => {
    for (const property of ['ManagedPolicyArns', 'PermissionsBoundary']) {
      if (stack.property(id, property) !== undefined) throw new Error(`${id} has ${property}, which is not read`);
    }
    const trust = stack.property(id, 'AssumeRolePolicyDocument');
    const own = stack.property(id, 'Policies') ?? [];
    return [
      { kind: 'resource', on: stack.arn(id), name: `${id}, trust`, document: trust },
      ...own.map((policy) => ({ kind: 'identity', on: id, name: id, document: policy.PolicyDocument })),
    ];
  },
  'AWS::SQS::QueuePolicy': (stack, id) =>
    stack.property(id, 'Queues').map((url) => ({
      kind: 'resource',
      on: queueArn(stack, url),
      name: id,
      document: stack.property(id, 'PolicyDocument'),
    })),
  'AWS::SNS::TopicPolicy': (stack, id) =>
    stack.property(id, 'Topics').map((on) => ({
      kind: 'resource',
      on,
      name: id,
      document: stack.property(id, 'PolicyDocument'),
    })),
  'AWS::KMS::Key': (stack, id) => [
    { kind: 'resource', on: stack.arn(id), name: id, document: stack.property(id, 'KeyPolicy') },
  ],
  'AWS::Lambda::Permission': (stack, id) => [
    { kind: 'resource', on: functionArn(stack, id), name: id, document: permission(stack, id) },
  ],
};

function queueArn(stack, url) {
  const id = stack.ids('AWS::SQS::Queue').find((queue) => url.endsWith(`/${stack.property(queue, 'QueueName')}`)
    || url.endsWith(`/${stack.arn(queue).split(':').pop()}`));
  return stack.arn(id);
}

function functionArn(stack, permissionId) {
  const name = stack.property(permissionId, 'FunctionName');
  return stack.arn(stack.ids('AWS::Lambda::Function').find((id) => stack.arn(id).endsWith(`:${name}`)));
}

/** The statement that Lambda adds to a function's policy for a permission. */
function permission(stack, id) {
  const [source, account] = ['SourceArn', 'SourceAccount'].map((name) => stack.property(id, name));
  const statement = {
    Sid: id,
    Effect: 'Allow',
    Principal: { Service: stack.property(id, 'Principal') },
    Action: stack.property(id, 'Action'),
    Resource: functionArn(stack, id),
    Condition: {
      ...(source && { ArnLike: { 'aws:SourceArn': source } }),
      ...(account && { StringEquals: { 'aws:SourceAccount': account } }),
    },
  };
  return { Version: '2012-10-17', Statement: [statement] };
}

/** Nothing with a policy may go unread. */
function refuseUnknown(stack, id) {
  const type = stack.type(id);
  if (/Policy|Permission/.test(type)) throw new Error(`${id} is a ${type}, which policies.mjs does not read`);
  return [];
}

/** A role has its policies together, so that what two of them grant is seen as granted twice. */
function merged(policies) {
  const byOwner = new Map();
  for (const policy of policies) {
    const key = `${policy.kind} ${policy.on}`;
    const before = byOwner.get(key);
    if (before) before.document.Statement.push(...list(policy.document.Statement));
    else byOwner.set(key, { ...policy, document: { ...policy.document, Statement: [...list(policy.document.Statement)] } });
  }
  return [...byOwner.values()];
}

const title = (policy, statement, index) => `${policy.name}, statement ${statement.Sid ?? index + 1}`;

/**
 * All that each statement allows, in the smallest parts: an action, on a resource, with a
 * value of a condition that has several. `without` is the policy's document without that part.
 */
export function* grantsOf(policy) {
  for (const [index, statement] of policy.document.Statement.entries()) {
    if (statement.Effect !== 'Allow') continue;
    const [actions, resources] = [list(statement.Action), list(statement.Resource ?? '*')];
    for (const action of actions) {
      for (const resource of resources) {
        const rest = [
          { ...statement, Action: actions.filter((other) => other !== action) },
          { ...statement, Action: [action], Resource: resources.filter((other) => other !== resource) },
        ].filter(({ Action, Resource }) => Action.length > 0 && (Resource === undefined || Resource.length > 0));
        for (const { limit, left } of narrowed({ ...statement, Action: [action], Resource: resource })) {
          const name = `${title(policy, statement, index)}: ${action} on ${resource}${limit}`;
          yield { name, action, without: replaced(policy, index, [...rest, ...left].map((part) => asIn(statement, part))) };
        }
      }
    }
  }
}

/** The statement less one of the values of a condition, for each; or without it as a whole. */
function* narrowed(statement) {
  const conditions = Object.entries(statement.Condition ?? {}).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => ({ operator, key, values: list(values) })),
  );
  const lists = conditions.filter(({ values }) => values.length > 1);
  if (lists.length === 0) yield { limit: '', left: [] };
  for (const { operator, key, values } of lists) {
    for (const value of values) {
      const others = { ...statement.Condition[operator], [key]: values.filter((other) => other !== value) };
      yield {
        limit: ` if ${key} is ${value}`,
        left: [{ ...statement, Condition: { ...statement.Condition, [operator]: others } }],
      };
    }
  }
}

/** A trust policy has no resource. */
function asIn(statement, part) {
  if (statement.Resource !== undefined) return part;
  const { Resource: _, ...others } = part;
  return others;
}

/**
 * All that limits what is allowed: each condition of a statement that allows, and each
 * statement that denies. `without` is the policy's document without that limit.
 */
export function* limitsOf(policy) {
  for (const [index, statement] of policy.document.Statement.entries()) {
    if (statement.Effect === 'Deny') {
      yield { name: title(policy, statement, index), without: replaced(policy, index, []) };
      continue;
    }
    for (const [operator, keys] of Object.entries(statement.Condition ?? {})) {
      for (const key of Object.keys(keys)) {
        const { [key]: _, ...others } = keys;
        const Condition = { ...statement.Condition, [operator]: others };
        if (Object.keys(others).length === 0) delete Condition[operator];
        const name = `${title(policy, statement, index)}: ${operator} ${key}`;
        yield { name, without: replaced(policy, index, [{ ...statement, Condition }]) };
      }
    }
  }
}

function replaced(policy, index, statements) {
  const Statement = [...policy.document.Statement];
  Statement.splice(index, 1, ...statements);
  return { ...policy.document, Statement };
}
