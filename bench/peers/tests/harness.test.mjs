// Tests that the measures find what they look for, in a sender that has every defect.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { parseOptions } from '../options.mjs';
import { markdown, report } from '../report.mjs';
import { run } from '../run.mjs';

const SENDER = new URL('careless-sender.mjs', import.meta.url).pathname;
const FEW = [
  '--events', '30', '--rounds', '2', '--publishers', '4', '--pace', '20', '--seconds', '2',
  '--hanging-pace', '2', '--retry-wait', '3', '--patience', '20', '--recovery', '2',
];
const port = await freePort();
const dnsPort = await freeUdpPort();
const sender = start();
after(() => sender.kill('SIGKILL'));
await listening();

function start() {
  return spawn(process.execPath, [SENDER, String(port), String(dnsPort)], { stdio: 'inherit' });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  return free;
}

async function freeUdpPort() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port: free } = socket.address();
  socket.close();
  return free;
}

async function listening() {
  for (let tries = 0; tries < 300; tries += 1) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  throw new Error('the sender did not start');
}

/**
 * @param {string} measures
 * @param {string[]} more
 */
async function measured(measures, ...more) {
  const args = ['ours', '--api', `http://127.0.0.1:${port}`, '--only', measures, ...FEW, ...more];
  const options = parseOptions(args, { SENDER_KEY: 'unused' });
  const rows = await run(options);
  return { rows, made: report(options, args, rows) };
}

/** @param {{ name: string, value: string }[]} rows */
function values(rows) {
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

test('throughput counts deliveries, CPU and memory', async () => {
  const { rows, made } = await measured('throughput', '--process', `sender=${sender.pid}`, '--version', '1 | 2');
  const found = values(rows);
  assert.ok(Number(found['Deliveries a second']) > 0);
  assert.equal(found['Events lost'], '0');
  assert.match(found['CPU of sender, a delivery'] ?? '', /^\d+\.\d\d ms$/);
  assert.match(found['Memory of sender, before and after'] ?? '', /^\d{2,}, \d{2,} MiB$/);

  assert.ok(!markdown(made).includes('unused'), 'the key is in the report');
  assert.ok(markdown(made).includes(`--process sender=${sender.pid} --version '1 | 2'`));
  assert.match(markdown(made), /\| Events lost \| 0 \| {2}\|/);
});

test('a hanging receiver that delays others is noticed', async () => {
  const { rows } = await measured('latency,hanging');
  const [alone, beside] = rows.map(({ value }) => Number(value.split(', ')[1]?.replace(' ms', '')));
  assert.ok(alone !== undefined && beside !== undefined);
  assert.ok(beside > 300, `${alone} ms alone, ${beside} ms beside it`);
  assert.match(rows[1]?.note ?? '', /^40 of 40 arrived; \d+ requests to the one that hangs$/);
});

test('repeated attempts and followed redirects are noticed', async () => {
  const { rows } = await measured('bodies,redirects');
  assert.deepEqual(rows.map(({ value }) => value), ['sent again', 'sent again', 'sent again', 'followed']);
});

test('rebinding names are caught if the address itself is refused', async () => {
  const { rows } = await measured('names', '--dns-port', String(dnsPort));
  assert.deepEqual(values(rows), {
    'A name of a forbidden address': 'not reached',
    'A name that rebinds to a forbidden address': 'reached',
  });
});

test('the measure of names requires a name server', async () => {
  const { rows } = await measured('names');
  assert.deepEqual(rows.map(({ value }) => value), ['not measured']);
});

test('events lost by a killed sender are counted', async () => {
  const restart = `exec '${process.execPath}' '${SENDER}' ${port} ${dnsPort}`;
  const { rows } = await measured('killing', '--pace', '50', '--kill', `sender=${sender.pid}`, '--restart', restart);
  const [, lost, accepted] = /^(\d+) of (\d+) accepted$/.exec(rows[0]?.value ?? '') ?? [];
  const [, refused, pid] = /(\d+) were refused meanwhile; restarted as (\d+)$/.exec(rows[0]?.note ?? '') ?? [];
  process.kill(Number(pid), 'SIGKILL');
  assert.ok(Number(lost) > 0 && Number(lost) < Number(accepted), rows[0]?.value);
  assert.ok(Number(refused) > 0 && Number(refused) + Number(accepted) === 100, rows[0]?.note);
});
