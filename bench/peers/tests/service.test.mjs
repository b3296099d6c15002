// Tests this service's adapter and the measures against the service itself. Run it under
// .ci/with-service.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseOptions } from '../options.mjs';
import { run } from '../run.mjs';

test('the service delivers everything once and follows no redirects', async () => {
  const { APP, KEY } = process.env;
  const options = parseOptions([
    'ours', '--api', String(APP), '--only', 'throughput,latency,hanging,bodies,redirects',
    '--events', '40', '--rounds', '1', '--publishers', '4', '--pace', '10', '--hanging-pace', '1',
    '--seconds', '2', '--retry-wait', '10', '--patience', '60',
  ], { SENDER_KEY: KEY });
  const rows = await run(options);
  const [, lost, latency, hanging, ...answers] = rows;
  assert.equal(lost?.value, '0');
  assert.equal(latency?.note, '20 of 20 arrived');
  assert.match(hanging?.note ?? '', /^20 of 20 arrived; /);
  assert.deepEqual(answers.map(({ value }) => value), [
    'delivered once', 'delivered once', 'delivered once', 'not followed',
  ]);
});
