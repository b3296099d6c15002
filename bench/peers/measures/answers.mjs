import { setTimeout as sleep } from 'node:timers/promises';

import { event } from '../events.mjs';

const BODIES = {
  cut: 'A 200 whose body ends early',
  chunks: 'A 200 whose body has broken chunks',
  gzip: 'A 200 whose body is not the declared gzip',
};

/**
 * Whether an attempt whose status line says 200 is repeated because of its body.
 *
 * @type {import('./index.mjs').Measure}
 */
export async function bodies(bench) {
  const rows = await Promise.all(Object.entries(BODIES).map(async ([kind, name]) => {
    const attempts = (await attemptsAt(bench, kind)).length;
    const value = { 0: 'nothing arrived', 1: 'delivered once' }[attempts] ?? 'sent again';
    return { name, value, note: attempted(bench, attempts) };
  }));
  return rows;
}

/**
 * Whether a redirect to a path of the same receiver is followed.
 *
 * @type {import('./index.mjs').Measure}
 */
export async function redirects(bench) {
  const attempts = await attemptsAt(bench, 'redirect');
  const first = attempts.filter(({ kind }) => kind === 'redirect').length;
  const followed = attempts.filter(({ kind }) => kind === 'redirected').length;
  const value = followed > 0 ? 'followed' : 'not followed';
  return [{ name: 'A redirect', value: first === 0 ? 'nothing arrived' : value, note: attempted(bench, first) }];
}

/**
 * Publishes one event to a receiver of this kind, and waits for it to be repeated.
 *
 * @param {import('../load.mjs').Bench} bench
 * @param {string} kind
 */
async function attemptsAt({ sender, journal, receiver, arrivals, options }, kind) {
  const target = await sender.register(receiver.url(kind));
  const mark = journal.begin();
  await sender.publish(target, event(mark));
  journal.accept(mark);
  await sleep(options.retryWait * 1000);
  return arrivals.filter((arrival) => arrival.mark === mark);
}

/**
 * @param {import('../load.mjs').Bench} bench
 * @param {number} attempts
 */
function attempted({ options }, attempts) {
  return `${attempts} ${attempts === 1 ? 'request' : 'requests'} in ${options.retryWait} s`;
}
