import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { test } from 'node:test';

import { event, Journal, markOf } from '../events.mjs';
import { loopbackUrl } from '../loopback.mjs';
import { serveNames } from '../names.mjs';
import { parseOptions } from '../options.mjs';
import { parseProcess, usage } from '../processes.mjs';
import { median, percentile } from '../statistics.mjs';

test('only literal loopback addresses are accepted', () => {
  for (const url of ['http://127.0.0.1:3000/apps/a', 'http://127.9.9.9', 'http://[::1]:80/']) {
    assert.equal(loopbackUrl(url).protocol, 'http:');
  }
  const refused = [
    'http://localhost:3000', 'http://10.0.0.1', 'https://127.0.0.1', 'http://127.0.0.1.example.com',
    'http://[::ffff:10.0.0.1]', 'http://user@example.com/127.0.0.1', 'http://0.0.0.0', 'nothing',
  ];
  for (const url of refused) assert.throws(() => loopbackUrl(url), url);
});

test('options are limited, and complete for the sender', () => {
  const key = { SENDER_KEY: 'k' };
  const ours = ['ours', '--api', 'http://127.0.0.1:1'];
  assert.equal(parseOptions(ours, key).events, 2000);
  const refused = [
    [],
    ['theirs', '--api', 'http://127.0.0.1:1'],
    ['ours', '--api', 'http://example.com'],
    ['convoy', '--api', 'http://127.0.0.1:1'],
    [...ours, '--events', '100001'],
    [...ours, '--seconds', '1e9'],
    [...ours, '--only', 'latency,toString'],
    [...ours, '--kill', 'sender=1234'],
    [...ours, '--kill', 'sender=1', '--restart', 'true'],
    [...ours, '--kill', 'sender=0', '--restart', 'true'],
    [...ours, '--kill', `harness=${process.pid}`, '--restart', 'true'],
    [...ours, '--process', 'sender'],
  ];
  for (const args of refused) assert.throws(() => parseOptions(args, key), args.join(' '));
  assert.throws(() => parseOptions(ours, {}), /SENDER_KEY/);
});

test('every event has 1,024 bytes and a mark that survives wrapping', () => {
  for (const number of [1, 99_999, 1_000_000]) {
    const mark = `peers-0a1b2c3d-${number}`;
    const text = JSON.stringify(event(mark));
    assert.equal(Buffer.byteLength(text), 1024);
    assert.equal(markOf(JSON.stringify({ payload: text })), mark);
  }
  assert.equal(markOf('{"mark":"other"}'), undefined);
});

test('an event counts as lost if it was accepted and did not arrive', () => {
  const journal = new Journal('0a1b2c3d');
  const marks = [journal.begin(), journal.begin(), journal.begin(), journal.begin()];
  const [once, twice, lost] = marks;
  for (const mark of marks.slice(0, 3)) journal.accept(mark);
  for (const mark of [once, twice, twice, 'peers-ffffffff-1', undefined]) journal.arrive(mark);
  const { accepted, arrived, repeated, attempts, lost: count, latencies } = journal.summary(marks);
  assert.deepEqual({ accepted, arrived, repeated, attempts, count }, { accepted: 3, arrived: 2, repeated: 1, attempts: 3, count: 1 });
  assert.equal(latencies.length, 2);
  assert.equal(journal.entries.get(lost ?? '')?.arrivals.length, 0);
});

test('percentiles use the nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.equal(percentile(hundred, 50), 50);
  assert.equal(percentile(hundred, 99), 99);
  assert.equal(percentile([7], 99), 7);
  assert.ok(Number.isNaN(percentile([], 50)));
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test('the CPU and memory of a process include its own', () => {
  const [before] = usage([parseProcess(`harness=${process.pid}`)]);
  const begun = process.cpuUsage();
  while (process.cpuUsage(begun).user < 60_000) { /* uses CPU */ }
  const [afterwards] = usage([parseProcess(`harness=${process.pid}`)]);
  assert.ok(before && afterwards);
  assert.ok(afterwards.cpuMs - before.cpuMs >= 40, `${afterwards.cpuMs - before.cpuMs} ms`);
  assert.ok(afterwards.memoryKiB > 10_000);
  assert.throws(() => usage([{ name: 'gone', pid: 4_194_305 }]), /no process/);
});

test('the name server alternates between the two addresses', async (context) => {
  const server = await serveNames(0);
  context.after(server.close);
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${server.port}`]);
  const answers = [];
  for (let tries = 0; tries < 4; tries += 1) answers.push(await resolver.resolve4('Rebinding.test', { ttl: true }));
  assert.deepEqual(answers.flat(), ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2'].map((address) => ({ address, ttl: 0 })));
  assert.deepEqual(await resolver.resolve4('forbidden.test'), ['127.0.0.2']);
  await assert.rejects(resolver.resolve6('forbidden.test'), { code: 'ENODATA' });
  await assert.rejects(resolver.resolve4('other.test'), { code: 'ENOTFOUND' });
});
