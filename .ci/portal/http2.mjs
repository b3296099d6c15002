// A proxy that speaks HTTP/2, as API Gateway does, to a service that speaks HTTP/1.1.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createSecureServer } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A key and a self-signed certificate. */
function identity() {
  const folder = mkdtempSync(join(tmpdir(), 'http2-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-days', '1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const read = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return read;
}

/** Headers without connection headers and HTTP/2 pseudo-headers. */
function endToEnd(headers) {
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith(':') && !['connection', 'keep-alive', 'transfer-encoding'].includes(name));
  return Object.fromEntries(kept);
}

/** Starts a proxy to an origin. Returns the proxy's origin and a function that closes it. */
export async function http2Proxy(origin) {
  const agent = new Agent({ keepAlive: true });
  const server = createSecureServer(identity(), (asked, answer) => {
    const headers = { ...endToEnd(asked.headers), host: new URL(origin).host };
    const forwarded = request(origin + asked.url, { agent, method: asked.method, headers }, (found) => {
      answer.writeHead(found.statusCode, endToEnd(found.headers));
      found.pipe(answer);
    });
    forwarded.on('error', () => answer.stream.destroy());
    asked.pipe(forwarded);
  });
  const sessions = new Set();
  server.on('session', (session) => sessions.add(session));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const close = () => {
    agent.destroy();
    for (const session of sessions) session.destroy();
    server.close();
  };
  return { origin: `https://127.0.0.1:${server.address().port}`, close };
}
