// Runs the code that the portal shows for each language. It must accept the service's
// deliveries and reject manipulated ones. Run it under .ci/with-service.

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Webhook } from 'standardwebhooks';

import { snippetsFor } from '../../portal/snippets.js';

const { API, KEY } = process.env;
const ROOT = join(import.meta.dirname, '../..');
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
const PATH = '/hooks/acme-1';
const folder = mkdtempSync(join(tmpdir(), 'snippets-'));
after(() => rmSync(folder, { recursive: true }));

/**
 * How to start each language's code. Each function gets the code, an empty folder and the
 * port, and returns a command.
 */
const RUNNERS = {
  'Node.js': (code, place) => {
    symlinkSync(join(import.meta.dirname, '../node_modules'), join(place, 'node_modules'));
    return ['node', save(place, 'receiver.mjs', code)];
  },
  Python: (code, place, port) => {
    const python = process.env.PYTHON ?? join(ROOT, '.venv/bin/python');
    return [python, '-m', 'flask', '--app', save(place, 'receiver.py', code), 'run', '--port', port];
  },
  Go: (code, place) => {
    execFileSync('go', ['build', '-o', join(place, 'receiver'), save(place, 'receiver.go', code)]);
    return [join(place, 'receiver')];
  },
  Ruby: (code, place) => ['ruby', save(place, 'receiver.rb', code)],
  PHP: (code, place, port) => ['php', '-S', `127.0.0.1:${port}`, save(place, 'receiver.php', code)],
  Java: (code, place) => ['java', save(place, 'Receiver.java', code)],
  'C#': (code, place, port) => {
    // Debian has no ASP.NET Core, so only the check itself is run.
    const check = code.slice(code.indexOf('static class Webhook'));
    const server = readFileSync(join(import.meta.dirname, 'receiver.cs'), 'utf8').replace('3000', port);
    const program = join(place, 'receiver.exe');
    execFileSync('mcs', ['-r:System.Core', `-out:${program}`, save(place, 'receiver.cs', `${server}\n${check}`)]);
    return ['mono', program];
  },
  Rust: () => {
    // This was built together with the tests.
    const example = readFileSync(join(ROOT, 'examples/receiver.rs'), 'utf8');
    const { code } = snippetsFor('https://example.com/hooks/rust').find(({ language }) => language === 'Rust');
    assert.ok(example.endsWith(code), 'examples/receiver.rs differs from the snippet');
    return [join(TARGET, 'debug/examples/receiver')];
  },
};

/** Languages whose code is built in advance, with this port and path. */
const FIXED = { Rust: { port: '3000', path: '/hooks/rust' } };

function save(place, name, text) {
  const path = join(place, name);
  writeFileSync(path, text);
  return path;
}

async function call(method, path, body) {
  const response = await fetch(API + path, {
    method,
    headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer.data;
}

/** A server that records a request. */
async function recorder() {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(204).end();
    server.emit('recorded', { headers: request.headers, body: Buffer.concat(chunks).toString() });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

async function freePort() {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

/** Starts a receiver, and waits until it listens. */
async function start(command, port, secret) {
  const [program, ...rest] = command;
  const child = spawn(program, rest, { env: { ...process.env, WEBHOOK_SECRET: secret }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { output += data; });
  const stop = async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  for (let tries = 0; tries < 300; tries += 1) {
    if (child.exitCode !== null) break;
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => {
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return { stop, output: () => output };
    await sleep(100);
  }
  await stop();
  throw new Error(`${program} did not start: ${output}`);
}

for (const { language } of snippetsFor('https://example.com/')) {
  test(`the ${language} code accepts deliveries and nothing else`, async () => {
    const { port, path } = FIXED[language] ?? { port: await freePort(), path: PATH };
    const url = `http://127.0.0.1:${port}${path}`;
    const { code } = snippetsFor(url).find((snippet) => snippet.language === language);
    const place = join(folder, language.replace('#', 'sharp'));
    mkdirSync(place);

    const recorded = await recorder();
    const own = await call('POST', '', { url: `http://127.0.0.1:${recorded.address().port}/`, events: ['*'] });
    const [[delivery]] = await Promise.all([once(recorded, 'recorded'), call('POST', `/${own.id}/test-ping`)]);
    recorded.close();

    const command = RUNNERS[language](code.replace('3000', port), place, port);
    const receiver = await start(command, port, own.secret);
    try {
      await call('PUT', `/${own.id}`, { url });
      const ping = await call('POST', `/${own.id}/test-ping`);
      assert.ok(ping.success, `${JSON.stringify(ping)} ${receiver.output()}`);
      await mustReject(url, delivery, own.secret);
    } catch (error) {
      error.message += `\n${receiver.output()}`;
      throw error;
    } finally {
      await receiver.stop();
    }
  });
}

/** Sends a delivery in forms that must be accepted, and in forms that must be rejected. */
async function mustReject(url, { headers, body }, secret) {
  const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => headers[name]);
  const sign = (id, seconds, text, by = secret) => new Webhook(by).sign(id, new Date(seconds * 1_000), text);
  const now = Number(timestamp);
  const unicode = JSON.stringify({ type: 'invoice.paid', data: 'Zoë 王小明 🦀 \u2028' });
  const other = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const accepted = [
    ['the same again', id, timestamp, signature, body],
    ['one of two signatures', id, timestamp, `${sign(id, now, body, other)} ${signature}`, body],
    ['text that is not ASCII', id, timestamp, sign(id, now, unicode), unicode],
  ];
  const rejected = [
    ['another body', id, timestamp, signature, body.replace('{', '{ ')],
    ['another id', `${id}0`, timestamp, signature, body],
    ['another secret', id, timestamp, sign(id, now, body, other), body],
    ['another time', id, String(now + 1), signature, body],
    ['an old time', id, String(now - 600), sign(id, now - 600, body), body],
    ['a future time', id, String(now + 600), sign(id, now + 600, body), body],
    ['an invalid time', id, 'soon', signature, body],
    ['an empty signature', id, timestamp, '', body],
    ['no headers', null, null, null, body],
  ];
  const send = async (id, timestamp, signature, text) => {
    const given = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
    const sent = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...sent }, body: text });
    return response.status;
  };
  for (const [what, ...parts] of accepted) assert.equal(await send(...parts), 204, what);
  for (const [what, ...parts] of rejected) assert.equal(await send(...parts), 401, what);
}
