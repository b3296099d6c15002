// The service under test, and a receiver whose paths decide its answers.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const { APP, PLATFORM_KEY } = process.env;
export const BASE = new URL(APP).origin;
export const PORTAL = `${BASE}/portal/`;
export const platformKey = PLATFORM_KEY;

/** The receiver's answer at /hostile. */
export const HOSTILE_ANSWER = '</pre><script>window.pwned = 1</script><img src=x onerror="window.pwned = 1"> \u202egnp.exe';

/** Calls the API, and returns `data`. */
export async function call(method, path, { key = PLATFORM_KEY, body } = {}) {
  const response = await fetch(BASE + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  const answer = response.status === 204 ? { data: null } : await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer.data;
}

/** A new app, and calls with its key. */
export class App {
  static async create(name = null) {
    const app = new App();
    app.id = `portal-${randomUUID()}`;
    app.path = `/apps/${app.id}`;
    await call('PUT', app.path, { body: { name } });
    app.key = (await call('POST', `${app.path}/keys`, { body: { scope: 'all' } })).key;
    return app;
  }

  call(method, path, body) {
    return call(method, this.path + path, { key: this.key, body });
  }

  /** A link to the portal. */
  session(body = {}) {
    return call('POST', `${this.path}/portal-sessions`, { body });
  }

  async link(body) {
    return (await this.session(body)).url;
  }

  endpoint(url, events = ['*'], more = {}) {
    return this.call('POST', '/webhooks', { url, events, ...more });
  }

  publish(type, data = { invoice: 'inv_1' }) {
    return this.call('POST', '/events', { type, data });
  }

  /** Waits until an endpoint has this many deliveries that are no longer pending. */
  async settled(id, count) {
    for (let tries = 0; tries < 200; tries += 1) {
      let cursor = '';
      let found = 0;
      do {
        const page = await this.call('GET', `/webhooks/${id}/deliveries?limit=100&cursor=${cursor}`);
        found += page.items.filter(({ status, attempts }) => status !== 'PENDING' || attempts > 0).length;
        cursor = page.nextCursor;
      } while (cursor);
      if (found >= count) return;
      await sleep(100);
    }
    throw new Error(`${count} deliveries did not arrive`);
  }
}

/**
 * A receiver on a free port: /status/500 answers with 500, and /slow/1000 after a second.
 * /frame is a page that shows the portal in a frame.
 */
async function receive() {
  const server = createServer(async (request, response) => {
    request.resume();
    const [, kind, number] = /^\/(\w+)\/?(\d*)/.exec(request.url) ?? [];
    if (kind === 'slow') await sleep(Number(number));
    response.statusCode = kind === 'status' ? Number(number) : 200;
    response.setHeader('content-type', 'text/html');
    const pages = { hostile: HOSTILE_ANSWER, frame: `<iframe src="${PORTAL}"></iframe>` };
    response.end(pages[kind] ?? 'thank you');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

export const receiver = await receive();
after(() => receiver.close());
