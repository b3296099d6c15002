import { setTimeout as sleep } from 'node:timers/promises';

import { event } from '../events.mjs';
import { Refused } from '../http.mjs';
import { FORBIDDEN, serveNames } from '../names.mjs';
import { receive } from '../receiver.mjs';

const TRIES = 10;

/**
 * Whether a name makes the sender connect to an address that it must not reach. The sender must
 * be started so that it may reach 127.0.0.1 but not 127.0.0.2, and uses the harness's name
 * server.
 *
 * @type {import('./index.mjs').Measure}
 */
export async function names(bench) {
  const name = 'A name that rebinds to a forbidden address';
  if (bench.options.dnsPort === undefined) return [unmeasured(name, 'no --dns-port')];

  const { port } = bench.receiver;
  /** @type {string[]} */
  const reached = [];
  // On the same port as the allowed receiver, because the URL has the same port whatever the
  // name resolves to.
  const forbidden = await receive(({ kind }) => reached.push(kind), FORBIDDEN, port);
  const server = await serveNames(bench.options.dnsPort);
  try {
    // If the literal address can be reached, the sender is configured to allow it.
    if (await reaches(bench, reached, `http://${FORBIDDEN}:${port}/ok/hook`, 1)) {
      return [unmeasured(name, `the sender is allowed to reach ${FORBIDDEN}`)];
    }
    const rows = [];
    for (const [host, title] of /** @type {const} */ ([
      ['forbidden.test', 'A name of a forbidden address'],
      ['rebinding.test', name],
    ])) {
      const isReached = await reaches(bench, reached, `http://${host}:${port}/ok/hook`, TRIES);
      const note = `asked ${server.asked[host]} times`;
      if (server.asked[host] === 0) rows.push(unmeasured(title, 'the sender never asked our name server'));
      else rows.push({ name: title, value: isReached ? 'reached' : 'not reached', note });
    }
    return rows;
  } finally {
    server.close();
    await forbidden.close();
  }
}

/**
 * Whether any of some events arrives at the forbidden address.
 *
 * @param {import('../load.mjs').Bench} bench
 * @param {string[]} reached
 * @param {string} url
 * @param {number} tries
 */
async function reaches({ sender, journal, options }, reached, url, tries) {
  const before = reached.length;
  try {
    const target = await sender.register(url);
    for (let index = 0; index < tries; index += 1) {
      await sender.publish(target, event(journal.begin()));
      // One at a time, so that no two share a DNS answer or an open connection.
      await sleep(200);
    }
  } catch (error) {
    // Refusing it at registration is just as good.
    if (!(error instanceof Refused && error.status < 500)) throw error;
  }
  await sleep(options.retryWait * 1000);
  return reached.length > before;
}

/**
 * @param {string} name
 * @param {string} why
 */
function unmeasured(name, why) {
  return { name, value: 'not measured', note: why };
}
