import { cpus, release, totalmem, type } from 'node:os';

/**
 * @typedef {object} Report
 * @property {string} sender
 * @property {string} version
 * @property {string} date
 * @property {string} machine
 * @property {string} node
 * @property {string} command without the key, which is in the environment
 * @property {import('./measures/index.mjs').Row[]} rows
 */

/**
 * @param {import('./options.mjs').Options} options
 * @param {string[]} args
 * @param {import('./measures/index.mjs').Row[]} rows
 * @returns {Report}
 */
export function report(options, args, rows) {
  const processors = cpus();
  return {
    sender: options.sender,
    version: options.version,
    date: new Date().toISOString().slice(0, 10),
    machine: [
      `${processors.length} × ${processors[0]?.model ?? 'unknown'}`,
      `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
      `${type()} ${release()}`,
    ].join(', '),
    node: process.version,
    command: ['node', 'bench/peers/measure.mjs', ...args.map(quoted)].join(' '),
    rows,
  };
}

/** @param {Report} made */
export function markdown({ sender, version, date, machine, node, command, rows }) {
  return [
    `${sender}, ${version}; ${date}; ${machine}; Node ${node}:`,
    '',
    '```sh',
    command,
    '```',
    '',
    '| Measured | Value | |',
    '|---|---:|---|',
    ...rows.map((row) => `| ${cell(row.name)} | ${cell(row.value)} | ${cell(row.note ?? '')} |`),
    '',
  ].join('\n');
}

/** @param {string} text */
function cell(text) {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** @param {string} argument */
function quoted(argument) {
  return /^[\w.,:/=@-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
