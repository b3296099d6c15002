import { setTimeout as sleep } from 'node:timers/promises';

import { arrived, publishMany } from '../load.mjs';
import { cpuBetween, usage } from '../processes.mjs';
import { median } from '../statistics.mjs';

/** After the last arrival, a sender still records it, and deletes the message. */
const SETTLING_MS = 1_000;

/**
 * Deliveries a second, from the first publish to the last arrival, and the processes' CPU and
 * memory.
 *
 * @type {import('./index.mjs').Measure}
 */
export async function throughput(bench) {
  const { options, sender, receiver } = bench;
  const atRest = usage(options.processes);
  const target = await sender.register(receiver.url('ok'));
  /** @type {number[]} */
  const rates = [];
  /** @type {Map<string, number[]>} */
  const cpu = new Map();
  let lost = 0;
  for (let round = 0; round < options.rounds; round += 1) {
    const before = usage(options.processes);
    const marks = await publishMany(bench, target, options.events);
    const summary = await arrived(bench, marks);
    if (summary.arrived === 0) throw new Error('no event arrived');
    lost += summary.lost;
    await sleep(SETTLING_MS);
    rates.push(summary.arrived / ((summary.ended - summary.begun) / 1000));
    for (const { name, cpuMs } of cpuBetween(before, usage(options.processes))) {
      cpu.set(name, [...(cpu.get(name) ?? []), cpuMs / summary.arrived]);
    }
  }
  const range = `${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}`;
  const underLoad = usage(options.processes);
  return [
    { name: 'Deliveries a second', value: median(rates).toFixed(0), note: range },
    { name: 'Events lost', value: String(lost) },
    ...[...cpu].map(([name, values]) => ({
      name: `CPU of ${name}, a delivery`,
      value: `${median(values).toFixed(2)} ms`,
    })),
    ...atRest.map(({ name, memoryKiB }, index) => ({
      name: `Memory of ${name}, before and after`,
      value: `${mebibytes(memoryKiB)}, ${mebibytes(underLoad[index]?.memoryKiB ?? 0)} MiB`,
    })),
  ];
}

/** @param {number} kibibytes */
function mebibytes(kibibytes) {
  return (kibibytes / 1024).toFixed(0);
}
