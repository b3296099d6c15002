import { arrived, publishSteadily } from '../load.mjs';
import { percentiles } from './latency.mjs';

/**
 * Latency at the same rate, while another endpoint of the sender never responds.
 *
 * @type {import('./index.mjs').Measure}
 */
export async function hanging(bench) {
  const { options, sender, receiver } = bench;
  const healthy = await sender.register(receiver.url('ok'));
  const hangs = await sender.register(receiver.url('hang'));
  const seen = bench.arrivals.length;
  const [marks] = await Promise.all([
    publishSteadily(bench, healthy, options.pace, options.seconds),
    publishSteadily(bench, hangs, options.hangingPace, options.seconds),
  ]);
  const summary = await arrived(bench, marks);
  const attempts = bench.arrivals.slice(seen).filter(({ kind }) => kind === 'hang').length;
  const name = `The same, beside ${options.hangingPace} a second to a receiver that hangs`;
  return percentiles(name, summary).map((row) => ({
    ...row,
    note: `${row.note}; ${attempts} requests to the one that hangs`,
  }));
}
