import { Agent, request } from 'node:http';

import { loopbackUrl } from './loopback.mjs';

const TIMEOUT_MS = 30_000;
const MOST_BYTES = 1024 * 1024;

/** A sender answered something other than 2xx. The body says why. */
export class Refused extends Error {
  /**
   * @param {string} call
   * @param {number} status
   * @param {string} body
   */
  constructor(call, status, body) {
    super(`${call}: ${status} ${body.slice(0, 300)}`);
    this.status = status;
  }
}

/**
 * @callback Call
 * @param {string} method
 * @param {string} path below the base URL
 * @param {object} [body]
 * @returns {Promise<any>} the parsed JSON, or null if there is none
 */

/**
 * Calls an API with JSON over connections that are kept open.
 *
 * @param {string} base
 * @param {Record<string, string>} headers of every request, such as the key
 * @returns {{ call: Call, close: () => void }}
 */
export function connect(base, headers) {
  const { hostname, port, pathname } = loopbackUrl(base);
  const agent = new Agent({ keepAlive: true });
  const prefix = pathname.replace(/\/$/, '');

  /** @type {Call} */
  const call = (method, path, body) => new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const sent = request({
      agent,
      method,
      // An IPv6 address has brackets in a URL only.
      host: hostname.replace(/[[\]]/g, ''),
      port,
      path: prefix + path,
      headers: {
        accept: 'application/json',
        ...headers,
        ...(text && { 'content-type': 'application/json' }),
        'content-length': Buffer.byteLength(text),
      },
      timeout: TIMEOUT_MS,
    }, async (response) => {
      try {
        const answer = await read(response);
        const status = response.statusCode ?? 0;
        if (status < 200 || status > 299) throw new Refused(`${method} ${path}`, status, answer);
        resolve(answer ? JSON.parse(answer) : null);
      } catch (error) {
        reject(error);
      }
    });
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer in ${TIMEOUT_MS} ms`)));
    sent.on('error', reject);
    sent.end(text);
  });
  return { call, close: () => agent.destroy() };
}

/** @param {import('node:http').IncomingMessage} message */
export async function read(message) {
  const chunks = [];
  let size = 0;
  for await (const chunk of message) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`a body of more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
