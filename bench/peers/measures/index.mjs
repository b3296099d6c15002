import { bodies, redirects } from './answers.mjs';
import { hanging } from './hanging.mjs';
import { killing } from './killing.mjs';
import { latency } from './latency.mjs';
import { names } from './names.mjs';
import { throughput } from './throughput.mjs';

/**
 * @typedef {{ name: string, value: string, note?: string }} Row
 * @typedef {(bench: import('../load.mjs').Bench) => Promise<Row[]>} Measure
 */

/**
 * The order matters: throughput is first, while the sender is still idle, and killing is last.
 *
 * @type {Record<string, Measure>}
 */
export const MEASURES = { throughput, latency, hanging, bodies, redirects, names, killing };
