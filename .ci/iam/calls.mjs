// The calls that the functions make, as the tests recorded them.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { ACCOUNT, REGION } from './stack.mjs';

/** The prefix of secrets that the tests use. */
const TESTED_PREFIX = 'webhook-endpoints/';

/** Calls in the source that only the admin command makes, with the rights of whoever runs it. */
const ADMIN_ONLY = ['list_secrets', 'scan'];

/**
 * A call: `by` is the id of a role, a service, or the ARN of another principal. `why` says who
 * has seen it or where AWS documents it.
 * @typedef {{ by: string, action: string, resource: string, context: object, why: string }} Call
 */

/** One call of each kind from the files in this folder. */
export function readRecorded(folder) {
  const calls = new Map();
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.jsonl'))) {
    for (const line of readFileSync(join(folder, name), 'utf8').trim().split('\n')) {
      const call = JSON.parse(line);
      calls.set(call.kind, call);
    }
  }
  if (calls.size === 0) throw new Error(`${folder} has no calls: run the tests first (just tests)`);
  return [...calls.values()];
}

/**
 * The recorded calls as they are in a stack. Those on resources that it does not have are
 * not made there.
 * @returns {Call[]}
 */
export function inStack(stack, recorded, functions) {
  return recorded.flatMap(({ role, action, resource, context, test }) => {
    const arn = arnOf(stack, resource);
    if (!arn) return [];
    const own = { 'lambda:SourceFunctionArn': stack.arn(functions[role]) };
    return [{ by: role, action, resource: arn, context: { ...context, ...own }, why: test ?? 'a test' }];
  });
}

/** The ARN of a resource as recordings name it. */
export function arnOf(stack, resource) {
  if (resource.startsWith('secret:')) {
    const name = resource.slice('secret:'.length + TESTED_PREFIX.length);
    return secret(`${stack.parameter('SecretPrefix')}/${name}`);
  }
  const [id, ...rest] = resource.split('/');
  return stack.has(id) ? [stack.arn(id), ...rest].join('/') : undefined;
}

/** Secrets Manager appends six random letters to a name. */
export const secret = (name) => `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${name}-a1B2c3`;

/** The AWS calls in the source that no test makes. */
export function unseen(root, recorded) {
  const seen = new Set(recorded.map(({ operation }) => operation.toLowerCase()));
  return [...written(join(root, 'src'))].filter(
    (call) => !ADMIN_ONLY.includes(call) && !seen.has(call.replaceAll('_', '')),
  );
}

/** The SDK calls in these sources: methods of a field `client`. */
function written(folder) {
  const calls = new Set();
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    // These call receivers with an HTTP client, not AWS.
    if (!entry.name.endsWith('.rs') || ['sender.rs', 'connections.rs'].includes(entry.name)) continue;
    const source = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    for (const [, name] of source.matchAll(/\.client\s*\.(\w+)\(/g)) calls.add(name);
  }
  if (!calls.has('get_item')) throw new Error('the source has no calls');
  return calls;
}
