// What IAM decides about a call, by an independent implementation of its rules.

import { runSimulation } from '@cloud-copilot/iam-simulate';

import { ACCOUNT } from './stack.mjs';

/** Condition keys with several values. */
const LISTS = ['dynamodb:LeadingKeys', 'aws:TagKeys'];

/** Other condition keys that calls here come with. A policy can use no others: they would be absent. */
const KNOWN = [
  'aws:SecureTransport',
  'aws:SourceAccount',
  'aws:SourceArn',
  'kms:ViaService',
  'lambda:SourceFunctionArn',
  'secretsmanager:ForceDeleteWithoutRecovery',
  'secretsmanager:RecoveryWindowInDays',
  ...LISTS,
];

/** The rights of a principal that only resource policies keep out. */
const EVERYTHING = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }],
};

/** Actions that do not apply to a resource. */
const INAPPLICABLE = ['no.resource.types', 'must.use.wildcard'];

export class World {
  #stack;
  #identity = new Map();
  #resource = new Map();
  #decisions = new Map();

  /** @param {import('./policies.mjs').Policy[]} policies */
  constructor(stack, policies) {
    this.#stack = stack;
    for (const { kind, on, name, document } of policies) {
      refuseUnknownKeys(name, document);
      (kind === 'identity' ? this.#identity : this.#resource).set(on, document);
    }
  }

  /**
   * Whether a call is `Allowed`, `ImplicitlyDenied` or `ExplicitlyDenied`; undefined if its
   * action does not apply to its resource. `changed` is a policy with another document.
   * @param {import('./calls.mjs').Call} call
   */
  async decide(call, changed) {
    const key = JSON.stringify([call.by, call.action, call.resource, call.context]);
    if (!changed && this.#decisions.has(key)) return this.#decisions.get(key);
    const decision = await this.#simulate(call, changed);
    if (!changed) this.#decisions.set(key, decision);
    return decision;
  }

  async #simulate(call, changed) {
    const document = (kind, on, policies) =>
      changed?.kind === kind && changed.on === on ? changed.document : policies.get(on);
    const { by, action, resource } = call;
    const service = by.endsWith('.amazonaws.com');
    const known = this.#identity.has(by);
    const identity = known ? document('identity', by, this.#identity) : EVERYTHING;
    const result = await runSimulation(
      {
        request: {
          principal: known ? session(this.#stack.arn(by)) : by,
          action,
          resource: { resource, accountId: ACCOUNT },
          contextVariables: variables(call.context),
        },
        identityPolicies: service || identity.Statement.length === 0 ? [] : [{ name: by, policy: identity }],
        serviceControlPolicies: [],
        resourceControlPolicies: [],
        resourcePolicy: orNothing(document('resource', resource, this.#resource)),
      },
      {},
    );
    if (result.resultType === 'single') return result.overallResult;
    if (INAPPLICABLE.includes(result.errors?.message)) return undefined;
    throw new Error(`can't evaluate ${JSON.stringify(call)}: ${JSON.stringify(result.errors ?? result)}`);
  }
}

/** A policy must have a statement, for IAM as well. */
const orNothing = (document) => (document?.Statement.length ? document : undefined);

/** A role's session, as which calls are made. */
const session = (role) => `${role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/session`;

function variables(context) {
  const entries = Object.entries({ 'aws:SecureTransport': 'true', ...context });
  const value = (key, values) => {
    if (LISTS.includes(key)) return [values].flat();
    return [values].flat()[0];
  };
  return Object.fromEntries(entries.map(([key, values]) => [key, value(key, values)]));
}

function refuseUnknownKeys(name, document) {
  for (const { Condition = {} } of document.Statement) {
    for (const key of Object.values(Condition).flatMap(Object.keys)) {
      if (!KNOWN.includes(key)) throw new Error(`${name} uses ${key}, which calls here come without: see world.mjs`);
    }
  }
}
