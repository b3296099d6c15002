// A sender with the defects that the harness looks for, behind this service's API. It keeps
// events in memory, sends one at a time, requires a complete body, follows redirects, and checks
// another address than the one that it connects to.
//
// node careless-sender.mjs PORT DNS_PORT

import { Resolver } from 'node:dns/promises';
import { createServer, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { read } from '../http.mjs';

const [, , port, dnsPort] = process.argv;
const TIMEOUT_MS = 300;
// Makes it fall behind, so that it has events to lose.
const PAUSE_MS = 40;
const FORBIDDEN = '127.0.0.2';

const resolver = new Resolver();
resolver.setServers([`127.0.0.1:${dnsPort}`]);
/** @type {Map<string, string>} */
const urls = new Map();
let last = Promise.resolve();

createServer(async (incoming, response) => {
  const body = JSON.parse(await read(incoming));
  if (incoming.url === '/webhooks') {
    urls.set(body.events[0], body.url);
    response.writeHead(201).end(JSON.stringify({ data: { id: body.events[0] } }));
    return;
  }
  const url = urls.get(body.type);
  response.writeHead(202).end('{}');
  if (url) last = last.then(() => sleep(PAUSE_MS)).then(() => attempt(url, JSON.stringify(body.data), 2));
}).listen(Number(port), '127.0.0.1');

/**
 * @param {string} url
 * @param {string} body
 * @param {number} tries
 * @returns {Promise<void>}
 */
async function attempt(url, body, tries) {
  try {
    if (await addressOf(url) === FORBIDDEN) return;
    await post(url, await addressOf(url), body);
  } catch {
    if (tries > 1) await attempt(url, body, tries - 1);
  }
}

/** @param {string} url */
async function addressOf(url) {
  const { hostname } = new URL(url);
  if (/^[\d.]+$/.test(hostname)) return hostname;
  const [address = ''] = await resolver.resolve4(hostname);
  return address;
}

/**
 * @param {string} url
 * @param {string} address
 * @param {string} body
 * @returns {Promise<void>}
 */
function post(url, address, body) {
  const { port: to, pathname } = new URL(url);
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) };
    const sent = request({ host: address, port: to, path: pathname, method: 'POST', headers, timeout: TIMEOUT_MS });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', reject);
    sent.on('response', (response) => {
      const { location } = response.headers;
      if (location) post(new URL(location, url).href, address, body).then(resolve, reject);
      else if (response.headers['content-encoding']) reject(new Error('not gzip'));
      else read(response).then(() => resolve(), reject);
    });
    sent.end(body);
  });
}
