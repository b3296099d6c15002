import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

import { arrived, publishSteadily } from '../load.mjs';

/**
 * Kills a process while events are published and delivered, restarts it with the given command,
 * and counts the accepted events that never arrive.
 *
 * @type {import('./index.mjs').Measure}
 */
export async function killing(bench) {
  const { options, sender, receiver } = bench;
  const { kill, restart } = options;
  if (!kill || !restart) return [{ name: 'Killed in the middle', value: 'not measured', note: 'no --kill and --restart' }];

  const target = await sender.register(receiver.url('ok'));
  let refused = 0;
  const publishing = publishSteadily(bench, target, options.pace, options.seconds, () => { refused += 1; });
  await sleep(options.seconds * 400);
  process.kill(kill.pid, 'SIGKILL');
  await sleep(1000);
  // It outlives the harness, like the process that it replaces.
  const child = spawn('/bin/sh', ['-c', restart], { detached: true, stdio: 'ignore' });
  child.unref();
  const marks = await publishing;
  const summary = await arrived(bench, marks, options.recovery);
  return [{
    name: `${kill.name} killed in the middle: events lost`,
    value: `${summary.lost} of ${summary.accepted} accepted`,
    note: `${summary.repeated} arrived more than once, ${refused} were refused meanwhile; restarted as ${child.pid}`,
  }];
}
