import { arrived, publishSteadily } from '../load.mjs';
import { percentile } from '../statistics.mjs';

/**
 * The time from the start of the publishing request to the arrival, at a steady rate.
 *
 * @type {import('./index.mjs').Measure}
 */
export async function latency(bench) {
  const { options, sender, receiver } = bench;
  const target = await sender.register(receiver.url('ok'));
  const summary = await arrived(bench, await publishSteadily(bench, target, options.pace, options.seconds));
  return percentiles(`Publish to arrival, at ${options.pace} a second`, summary);
}

/**
 * @param {string} name
 * @param {ReturnType<import('../events.mjs').Journal['summary']>} summary
 */
export function percentiles(name, { latencies, accepted, arrived: count }) {
  const shown = [50, 99].map((percent) => percentile(latencies, percent).toFixed(0));
  return [{
    name: `${name}: p50, p99`,
    value: count === 0 ? 'nothing arrived' : `${shown.join(', ')} ms`,
    note: `${count} of ${accepted} arrived`,
  }];
}
