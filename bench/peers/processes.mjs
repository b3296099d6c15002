import { readdirSync, readFileSync } from 'node:fs';

// The unit of CPU times in /proc (USER_HZ), on every architecture that Node runs on.
const MS_PER_TICK = 10;

/**
 * @typedef {{ name: string, pid: number }} Process
 * @typedef {{ name: string, cpuMs: number, memoryKiB: number }} Usage
 */

/** @param {string} text such as `database=1234` */
export function parseProcess(text) {
  const [, name = '', pid = ''] = /^([a-z][a-z0-9-]{0,30})=(\d{1,10})$/.exec(text) ?? [];
  if (!name) throw new Error(`not NAME=PID: ${text}`);
  return { name, pid: Number(pid) };
}

/**
 * CPU time since the start, and memory, of each process with all of its descendants.
 *
 * @param {Process[]} processes
 * @returns {Usage[]}
 */
export function usage(processes) {
  const all = table();
  return processes.map(({ name, pid }) => {
    if (!all.has(pid)) throw new Error(`no process ${pid} (${name})`);
    const members = family(all, pid);
    return {
      name,
      cpuMs: members.reduce((sum, member) => sum + (all.get(member)?.cpuMs ?? 0), 0),
      memoryKiB: members.reduce((sum, member) => sum + memoryOf(member), 0),
    };
  });
}

/**
 * @param {Usage[]} before
 * @param {Usage[]} after
 */
export function cpuBetween(before, after) {
  return after.map(({ name, cpuMs }, index) => ({ name, cpuMs: cpuMs - (before[index]?.cpuMs ?? 0) }));
}

/** @returns {Map<number, { parent: number, cpuMs: number }>} */
function table() {
  const all = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = contents(`/proc/${entry}/stat`);
    // The name is in parentheses, and can contain spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // utime and stime, and cutime and cstime for children that have ended.
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    if (stat) all.set(Number(entry), { parent: Number(fields[1]), cpuMs: ticks * MS_PER_TICK });
  }
  return all;
}

/**
 * @param {Map<number, { parent: number }>} all
 * @param {number} pid
 */
function family(all, pid) {
  const members = [pid];
  // The list grows during the iteration.
  for (const member of members) {
    for (const [child, { parent }] of all) if (parent === member) members.push(child);
  }
  return members;
}

/**
 * The proportional set size, which counts shared pages only once, such as those of PostgreSQL's
 * processes. For another user's process, where it can't be read, the resident set size.
 *
 * @param {number} pid
 */
function memoryOf(pid) {
  const proportional = /^Pss:\s+(\d+)/m.exec(contents(`/proc/${pid}/smaps_rollup`));
  const resident = /^VmRSS:\s+(\d+)/m.exec(contents(`/proc/${pid}/status`));
  return Number((proportional ?? resident)?.[1] ?? 0);
}

/** @param {string} path */
function contents(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended, or belongs to another user.
    return '';
  }
}
