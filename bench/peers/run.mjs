import { randomBytes } from 'node:crypto';

import { ADAPTERS } from './adapters/index.mjs';
import { Journal } from './events.mjs';
import { connect } from './http.mjs';
import { MEASURES } from './measures/index.mjs';
import { receive } from './receiver.mjs';

/**
 * Runs the measures, one after the other.
 *
 * @param {import('./options.mjs').Options} options
 * @param {(measure: string) => void} [onBegin]
 */
export async function run(options, onBegin = () => {}) {
  const adapter = ADAPTERS[options.sender];
  if (!adapter) throw new Error(`no adapter for ${options.sender}`);
  const id = randomBytes(4).toString('hex');
  const { call, close } = connect(options.api, adapter.headers(options.key));
  const sender = adapter.open(call, options.needs, id);
  const journal = new Journal(id);
  /** @type {import('./measures/index.mjs').Row[]} */
  const rows = [];
  try {
    for (const name of Object.keys(MEASURES).filter((each) => options.measures.includes(each))) {
      onBegin(name);
      // Each measure has its own receiver, so that retries of the last one do not disturb it.
      /** @type {import('./load.mjs').Bench['arrivals']} */
      const arrivals = [];
      const receiver = await receive((arrival) => {
        arrivals.push(arrival);
        journal.arrive(arrival.mark);
      });
      try {
        rows.push(...await MEASURES[name]?.({ sender, journal, receiver, arrivals, options }) ?? []);
      } finally {
        await receiver.close();
      }
    }
  } finally {
    close();
  }
  return rows;
}
