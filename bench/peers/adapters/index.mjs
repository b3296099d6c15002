import { convoy } from './convoy.mjs';
import { hook0 } from './hook0.mjs';
import { ours } from './ours.mjs';
import { outpost } from './outpost.mjs';
import { svix } from './svix.mjs';

/**
 * The type of all events. Three segments, because Hook0's types have a service, a resource and
 * a verb.
 */
export const EVENT_TYPE = 'peers.event.published';

/**
 * A registered endpoint. Events published to it go to no other endpoint.
 *
 * @typedef {Record<string, string>} Target
 */

/**
 * @typedef {object} Sender
 * @property {(url: string) => Promise<Target>} register
 * @property {(target: Target, data: object) => Promise<void>} publish
 *   Resolves once the sender has accepted the event.
 */

/**
 * @typedef {object} Adapter
 * @property {string[]} needs command-line options in addition to --api
 * @property {(key: string) => Record<string, string>} headers
 * @property {(call: import('../http.mjs').Call, options: Record<string, string>, run: string) => Sender} open
 *   `run` is different in each run, so that runs do not share any data.
 */

/** @type {Record<string, Adapter>} */
export const ADAPTERS = { ours, svix, convoy, outpost, hook0 };
