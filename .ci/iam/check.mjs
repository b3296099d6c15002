// Holds the policies of a stack against the calls that are made with them.

import { inStack } from './calls.mjs';
import { grantsOf, limitsOf, policiesOf } from './policies.mjs';
import { refusals } from './refusals.mjs';
import { byServices, ofKey } from './services.mjs';
import { ACCOUNT } from './stack.mjs';
import { World } from './world.mjs';

const DEFAULT_KEY_POLICY = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` }, Action: 'kms:*', Resource: '*' },
  ],
};

/**
 * Checks a stack, and returns what is wrong with it, and how much was checked.
 *
 * `recorded` are the calls of the functions, `functions` their ids by the ids of their
 * roles, and `keyPolicy` the policy of the key that the parameter `KmsKeyArn` names.
 */
export async function check(stack, { recorded = [], functions = {}, keyPolicy } = {}) {
  const own = policiesOf(stack);
  const key = stack.parameter('KmsKeyArn');
  const given = (document) => (key ? [{ kind: 'resource', on: key, name: 'KmsKeyArn', document }] : []);
  const world = new World(stack, [...own, ...given(keyPolicy)]);
  // A key that leaves everything to roles, as keys do by default.
  const openWorld = new World(stack, [...own, ...given(DEFAULT_KEY_POLICY)]);

  const made = [...inStack(stack, recorded, functions), ...byServices(stack, functions)];
  const calls = key ? [...made, ...ofKey(key, made)] : made;
  const refused = await refusals(stack, calls, functions);

  const denied = await denials(world, calls);
  const findings = [...denied, ...(await openings(openWorld, refused))];
  // Until every call is allowed, nothing can be said about what allows it.
  const grants = denied.length ? { findings: [], count: 0 } : await unneeded(world, own, calls);
  const limits = await untested(openWorld, own, refused);
  findings.push(...grants.findings, ...limits.findings);
  const counts = { calls: calls.length, grants: grants.count, refusals: refused.length, limits: limits.count };
  return { findings, counts };
}

const told = ({ by, action, resource, context }) => `${by}: ${action} on ${resource} with ${JSON.stringify(context)}`;

/** Calls that are made and denied. */
async function denials(world, calls) {
  const findings = [];
  for (const call of calls) {
    const decision = await world.decide(call);
    if (decision === undefined) findings.push(`not an action on such a resource: ${told(call)} (${call.why})`);
    else if (decision !== 'Allowed') findings.push(`denied: ${told(call)} (${call.why})`);
  }
  return findings;
}

/** Calls that must be refused and are not. */
async function openings(world, refused) {
  const findings = [];
  for (const call of refused) {
    if ((await world.decide(call)) === 'Allowed') findings.push(`allowed, although ${call.why}: ${told(call)}`);
  }
  return findings;
}

/** Grants without which every call would still be allowed. */
async function unneeded(world, policies, calls) {
  const findings = [];
  let count = 0;
  for (const policy of policies) {
    const concerned = calls.filter((call) => concerns(policy, call));
    for (const { name, action, without } of grantsOf(policy)) {
      count += 1;
      const users = concerned.filter((call) => matches(action, call.action));
      const changed = { ...policy, document: without };
      if (!(await some(users, async (call) => (await world.decide(call, changed)) !== 'Allowed'))) {
        findings.push(`granted, but no call needs it: ${name}`);
      }
    }
  }
  return { findings, count };
}

/** Limits without which everything would still be refused: nothing shows that they work. */
async function untested(world, policies, refused) {
  const findings = [];
  let count = 0;
  const effective = [];
  for (const call of refused) if ((await world.decide(call)) !== 'Allowed') effective.push(call);
  for (const policy of policies) {
    const concerned = effective.filter((call) => concerns(policy, call));
    for (const { name, without } of limitsOf(policy)) {
      count += 1;
      const changed = { ...policy, document: without };
      if (!(await some(concerned, async (call) => (await world.decide(call, changed)) === 'Allowed'))) {
        findings.push(`a limit that refuses nothing: ${name}`);
      }
    }
  }
  return { findings, count };
}

const concerns = ({ kind, on }, { by, resource }) => on === (kind === 'identity' ? by : resource);

/** Whether an action of a policy, with its wildcards, is this one. */
function matches(pattern, action) {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`, 'i').test(action);
}

async function some(calls, test) {
  for (const call of calls) if (await test(call)) return true;
  return false;
}
