import { parseArgs } from 'node:util';

import { ADAPTERS } from './adapters/index.mjs';
import { loopbackUrl } from './loopback.mjs';
import { MEASURES } from './measures/index.mjs';
import { parseProcess } from './processes.mjs';

/** Numeric options with their default, minimum and maximum, which ensure that every run ends. */
const NUMBERS = {
  events: { usual: 2000, least: 1, most: 100_000, says: 'events in each round of throughput' },
  rounds: { usual: 3, least: 1, most: 20, says: 'rounds of throughput; the median is reported' },
  publishers: { usual: 16, least: 1, most: 256, says: 'concurrent requests in throughput' },
  pace: { usual: 50, least: 1, most: 1000, says: 'events a second in measures with a steady rate' },
  'hanging-pace': { usual: 5, least: 1, most: 1000, says: 'events a second to the receiver that hangs' },
  seconds: { usual: 20, least: 1, most: 600, says: 'duration of measures with a steady rate' },
  patience: { usual: 30, least: 1, most: 600, says: 'seconds to wait for the next arrival' },
  recovery: { usual: 300, least: 1, most: 3600, says: 'the same, after a process was killed' },
  'retry-wait': { usual: 45, least: 1, most: 600, says: 'seconds to wait for an attempt to be repeated' },
};

export const USAGE = `Measures a webhook sender that runs on this machine, through its HTTP API.

node bench/peers/measure.mjs SENDER --api URL [options]

SENDER is one of ${Object.keys(ADAPTERS).join(', ')}. Set its API key in the environment variable SENDER_KEY.

  --api URL            the URL of its API, at a loopback address; for ours, with /apps/<app id>
  --project ID         the project (convoy)
  --application ID     the application (hook0)
  --version TEXT       the sender's version and settings, for the report
  --process NAME=PID   a process to measure, with its descendants; repeatable
  --only LIST          some of ${Object.keys(MEASURES).join(',')}
  --dns-port PORT      port of a name server for the sender to use; 0 for any
  --kill NAME=PID      the process to kill in the middle
  --restart COMMAND    the shell command that starts it again
  --json FILE          also write the report as JSON to this file
${Object.entries(NUMBERS).map(([name, { usual, says }]) => `  --${`${name} N`.padEnd(18)} ${says} (${usual})`).join('\n')}
`;

/**
 * @typedef {import('./processes.mjs').Process} Process
 * @typedef {object} Options
 * @property {string} sender
 * @property {string} api
 * @property {string} key
 * @property {Record<string, string>} needs what the adapter needs
 * @property {string} version
 * @property {Process[]} processes
 * @property {string[]} measures
 * @property {number} [dnsPort]
 * @property {Process} [kill]
 * @property {string} [restart]
 * @property {string} [json]
 * @property {number} events
 * @property {number} rounds
 * @property {number} publishers
 * @property {number} pace
 * @property {number} hangingPace
 * @property {number} seconds
 * @property {number} patience
 * @property {number} recovery
 * @property {number} retryWait
 */

/**
 * @param {string[]} args
 * @param {Record<string, string | undefined>} environment
 * @returns {Options}
 */
export function parseOptions(args, environment) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      api: { type: 'string' },
      project: { type: 'string' },
      application: { type: 'string' },
      version: { type: 'string', default: 'unknown' },
      process: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', default: Object.keys(MEASURES).join(',') },
      'dns-port': { type: 'string' },
      kill: { type: 'string' },
      restart: { type: 'string' },
      json: { type: 'string' },
      ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, { type: /** @type {const} */ ('string') }])),
    },
  });
  const given = /** @type {Record<string, any>} */ (values);
  const [sender = ''] = positionals;
  const adapter = ADAPTERS[sender];
  if (positionals.length !== 1 || !adapter) throw new Error(`name one sender: ${Object.keys(ADAPTERS).join(', ')}`);
  if (!given.api) throw new Error('--api is missing');
  if (!environment.SENDER_KEY) throw new Error('SENDER_KEY is not set');
  if (!given.kill !== !given.restart) throw new Error('--kill and --restart need each other');
  loopbackUrl(given.api);

  /** @param {keyof typeof NUMBERS} name */
  const number = (name) => {
    const { usual, least, most } = NUMBERS[name];
    return given[name] === undefined ? usual : whole(name, given[name], least, most);
  };
  return {
    sender,
    api: given.api,
    key: environment.SENDER_KEY,
    needs: Object.fromEntries(adapter.needs.map((name) => {
      if (!given[name]) throw new Error(`${sender} needs --${name}`);
      return [name, given[name]];
    })),
    version: given.version,
    processes: given.process.map(parseProcess),
    measures: parseMeasures(given.only),
    dnsPort: given['dns-port'] && whole('dns-port', given['dns-port'], 0, 65_535),
    kill: given.kill && parseVictim(given.kill),
    restart: given.restart,
    json: given.json,
    events: number('events'),
    rounds: number('rounds'),
    publishers: number('publishers'),
    pace: number('pace'),
    hangingPace: number('hanging-pace'),
    seconds: number('seconds'),
    patience: number('patience'),
    recovery: number('recovery'),
    retryWait: number('retry-wait'),
  };
}

/**
 * @param {string} name
 * @param {string} text
 * @param {number} least
 * @param {number} most
 */
function whole(name, text, least, most) {
  const number = Number(text);
  if (!/^\d{1,6}$/.test(text) || number < least || number > most) {
    throw new Error(`--${name} must be ${least} to ${most}`);
  }
  return number;
}

/** @param {string} list */
function parseMeasures(list) {
  const names = list.split(',');
  const unknown = names.find((name) => !Object.hasOwn(MEASURES, name));
  if (unknown !== undefined) throw new Error(`no such measure: ${unknown}`);
  return names;
}

/** @param {string} text */
function parseVictim(text) {
  const victim = parseProcess(text);
  // 0 would kill the harness's own process group, and 1 the machine or the container.
  if (victim.pid <= 1 || victim.pid === process.pid || victim.pid === process.ppid) {
    throw new Error(`will not kill process ${victim.pid}`);
  }
  return victim;
}
