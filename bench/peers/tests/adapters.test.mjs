// Tests each adapter against the requests and responses that its API documents (shapes/).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { ADAPTERS } from '../adapters/index.mjs';
import { connect, read, Refused } from '../http.mjs';

/**
 * A server that expects the recorded requests, in this order, and returns their responses.
 *
 * @param {any[]} exchanges
 * @param {(received: any) => void} onRequest
 */
async function replay(exchanges, onRequest) {
  const left = [...exchanges];
  const server = createServer(async (request, response) => {
    const text = await read(request);
    const { method, url: path, headers } = request;
    onRequest({ method, path, headers, body: text ? JSON.parse(text) : undefined });
    const { status, answer } = left.shift() ?? { status: 500, answer: { message: 'not recorded' } };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return { base: `http://127.0.0.1:${port}`, close: () => server.close() };
}

/** @param {string} name */
function recorded(name) {
  return JSON.parse(readFileSync(new URL(`../shapes/${name}.json`, import.meta.url), 'utf8'));
}

for (const [name, adapter] of Object.entries(ADAPTERS)) {
  test(`${name} registers and publishes as documented`, async (context) => {
    const { options, headers, exchanges } = recorded(name);
    /** @type {any[]} */
    const received = [];
    const server = await replay(exchanges, (request) => received.push(request));
    const { call, close } = connect(server.base, adapter.headers('the-key'));
    context.after(() => { close(); server.close(); });

    const sender = adapter.open(call, options, '0a1b2c3d');
    const target = await sender.register('http://127.0.0.1:9/ok/hook');
    await sender.publish(target, { order: 1 });

    assert.deepEqual(Object.keys(options), adapter.needs);
    assert.equal(received.length, exchanges.length);
    for (const [index, { method, path, body }] of exchanges.entries()) {
      const { headers: sent, ...request } = received[index];
      if (body?.occurred_at) {
        assert.ok(Math.abs(Date.parse(request.body.occurred_at) - Date.now()) < 60_000);
        request.body.occurred_at = body.occurred_at;
      }
      assert.deepEqual(request, { method, path, body });
      for (const [header, value] of Object.entries(headers)) assert.equal(sent[header], value);
    }
  });

  test(`${name} says why an event was refused`, async (context) => {
    const { options, exchanges } = recorded(name);
    const last = exchanges.at(-1);
    const failing = [...exchanges.slice(0, -1), { ...last, status: 429, answer: { detail: 'too many' } }];
    const server = await replay(failing, () => {});
    const { call, close } = connect(server.base, {});
    context.after(() => { close(); server.close(); });

    const sender = adapter.open(call, options, '0a1b2c3d');
    const target = await sender.register('http://127.0.0.1:9/ok/hook');
    await assert.rejects(
      sender.publish(target, { order: 1 }),
      (error) => error instanceof Refused && error.status === 429 && error.message.includes('too many'),
    );
  });
}
