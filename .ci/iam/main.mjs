// Checks the policies of template.yaml, for stacks with several choices of its parameters,
// and those of docs/recipes. Its arguments are the folders of recorded calls and of the
// translated templates. See docs/development/testing.md.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { readRecorded, unseen } from './calls.mjs';
import { check } from './check.mjs';
import { ACCOUNT, REGION, Stack } from './stack.mjs';

const ROOT = join(import.meta.dirname, '../..');

const KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/0a1b2c3d-0000-4000-8000-000000000000`;

/** The functions by their roles. */
const FUNCTIONS = { ApiRole: 'ApiFunction', DeliverRole: 'DeliverFunction' };

/** Parameters that change what policies there are, and what is in them. */
const CHOICES = {
  'by default': {},
  'with everything': {
    AlarmEmail: 'alarms@example.com',
    KmsKeyArn: KEY,
    OperationalEventBus: 'operations',
    Tracing: 'Active',
    VpcSubnetIds: 'subnet-0a1b2c3d',
    VpcSecurityGroupIds: 'sg-0a1b2c3d',
  },
  "with the operator's own alarm topic, event bus and prefix": {
    AlarmTopicArn: `arn:aws:sns:${REGION}:${ACCOUNT}:alarms`,
    OperationalEventBus: 'default',
    SecretPrefix: 'team/hooks',
  },
};

/** Values of the recipes' parameters. */
const RECIPE = {
  Address: 'operator@example.com',
  OperationalEventBus: 'operations',
  Repository: 'example/support',
  SlackWebhookUrl: 'https://hooks.slack.com/services/a',
  Token: 't',
};

const [recordings, templates] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(join(templates, name), 'utf8'));
const recorded = readRecorded(recordings);

let failed = false;
function report(title, findings, counts) {
  failed ||= findings.length > 0;
  const checked = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  console.log(`${title}: ${checked.join(', ')}`);
  for (const finding of findings) console.error(`  ${finding}`);
}

for (const [title, parameters] of Object.entries(CHOICES)) {
  const stack = new Stack(read('template.json'), parameters);
  const { findings, counts } = await check(stack, { recorded, functions: FUNCTIONS, keyPolicy: keyPolicy() });
  report(`template.yaml ${title}`, findings, counts);
}
for (const name of readdirSync(templates).filter((file) => file !== 'template.json')) {
  const template = read(name);
  const taken = Object.entries(RECIPE).filter(([parameter]) => parameter in template.Parameters);
  const { findings, counts } = await check(new Stack(template, Object.fromEntries(taken)));
  report(name.replace('json', 'yaml'), findings, counts);
}
const missing = unseen(ROOT, recorded).map((call) => `no test makes the call ${call}`);
report('src', missing, { kinds: recorded.length });
process.exitCode = failed ? 1 : 0;

/** The policy that the documentation tells operators to give their key. */
function keyPolicy() {
  const guide = readFileSync(join(ROOT, 'docs/deploying.md'), 'utf8');
  const [, statements] = /```json\n(\[\n {2}\{\n {4}"Sid": "TableAndQueues"[\s\S]*?)```/.exec(guide);
  return { Version: '2012-10-17', Statement: JSON.parse(statements.replaceAll('<account>', ACCOUNT)) };
}
