import { once } from 'node:events';
import { createServer } from 'node:http';

import { markOf } from './events.mjs';
import { read } from './http.mjs';

/**
 * The receiver's responses, by the first segment of the path.
 *
 * @type {Record<string, (response: import('node:http').ServerResponse, path: string) => void>}
 */
const ANSWERS = {
  ok: (response) => response.writeHead(204).end(),
  // Never responds; the connection is held until the receiver closes.
  hang: () => {},
  // Sends the status line and a part of the body, then closes the connection.
  cut: (response) => {
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '1000' });
    response.write('only this', () => response.socket?.destroy());
  },
  // Sends an invalid chunk length.
  chunks: (response) => {
    response.socket?.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n');
  },
  gzip: (response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'text/plain' });
    response.end('not gzip');
  },
  redirect: (response, path) => {
    response.writeHead(307, { location: path.replace('/redirect/', '/redirected/') }).end();
  },
  redirected: (response) => response.writeHead(204).end(),
};

/**
 * Receives on a loopback address, and reports each request to `onArrival`.
 *
 * @param {(arrival: { kind: string, mark: string | undefined }) => void} onArrival
 * @param {string} [address]
 * @param {number} [port] any free port by default
 */
export async function receive(onArrival, address = '127.0.0.1', port = 0) {
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    const kind = path.split('/')[1] ?? '';
    const answer = ANSWERS[kind];
    if (!answer) {
      response.writeHead(404).end();
      return;
    }
    try {
      const body = await read(request);
      onArrival({ kind, mark: markOf(body) });
      answer(response, path);
    } catch {
      // The sender went away, or sent too much.
      request.destroy();
    }
  });
  server.listen(port, address);
  await once(server, 'listening');
  const bound = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    port: bound.port,
    /** @param {string} kind */
    url: (kind) => `http://${address}:${bound.port}/${kind}/hook`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
