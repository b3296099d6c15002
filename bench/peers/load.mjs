import { setTimeout as sleep } from 'node:timers/promises';

import { event } from './events.mjs';

/**
 * @typedef {object} Bench
 * @property {import('./adapters/index.mjs').Sender} sender
 * @property {import('./events.mjs').Journal} journal
 * @property {Awaited<ReturnType<typeof import('./receiver.mjs').receive>>} receiver
 * @property {{ kind: string, mark: string | undefined }[]} arrivals of this receiver, in order
 * @property {import('./options.mjs').Options} options
 */

/** @typedef {import('./adapters/index.mjs').Target} Target */

/**
 * Publishes as fast as the publishers can. Each waits for the response to its last event.
 *
 * @param {Bench} bench
 * @param {Target} target
 * @param {number} count
 * @returns {Promise<string[]>} the events' marks
 */
export async function publishMany({ sender, journal, options }, target, count) {
  /** @type {string[]} */
  const marks = [];
  await Promise.all(Array.from({ length: options.publishers }, async () => {
    while (marks.length < count) {
      const mark = journal.begin();
      marks.push(mark);
      await sender.publish(target, event(mark));
      journal.accept(mark);
    }
  }));
  return marks;
}

/**
 * Publishes at a steady rate, whether or not the sender keeps up.
 *
 * @param {Bench} bench
 * @param {Target} target
 * @param {number} perSecond
 * @param {number} seconds
 * @param {(error: unknown) => void} [onRefused] by default, a refused event ends the run
 */
export async function publishSteadily({ sender, journal }, target, perSecond, seconds, onRefused) {
  /** @type {string[]} */
  const marks = [];
  const begun = performance.now();
  const pending = [];
  /** @type {unknown} */
  let failure;
  for (let index = 0; index < perSecond * seconds && failure === undefined; index += 1) {
    await sleep(begun + (index * 1000) / perSecond - performance.now());
    const mark = journal.begin();
    marks.push(mark);
    pending.push(sender.publish(target, event(mark)).then(
      () => journal.accept(mark),
      (error) => {
        if (onRefused) onRefused(error);
        else failure ??= error;
      },
    ));
  }
  await Promise.all(pending);
  if (failure !== undefined) throw failure;
  return marks;
}

/**
 * Waits until all accepted events have arrived, or no new one has for `patience` seconds.
 *
 * @param {Bench} bench
 * @param {string[]} marks
 * @param {number} [patience]
 */
export async function arrived({ journal, options }, marks, patience = options.patience) {
  let last = -1;
  let changed = performance.now();
  for (;;) {
    const summary = journal.summary(marks);
    if (summary.lost === 0) return summary;
    if (summary.arrived !== last) {
      last = summary.arrived;
      changed = performance.now();
    }
    if (performance.now() - changed > patience * 1000) return summary;
    await sleep(20);
  }
}
