// An endpoint's health, in words for its owner, and its last outcomes as a row of bars.

import { h, svg } from './dom.js';
import { plural, time } from './format.js';

/** @import { Delivery, Endpoint } from './api.js' */
/** @typedef {'good' | 'warn' | 'bad' | 'idle'} Tone */
/** @typedef {{tone: Tone, label: string, why: (string | Node)[]}} Health */

/**
 * @param {Endpoint} endpoint
 * @param {Delivery[] | null} recent its last deliveries, if they are known
 * @returns {Health}
 */
export function healthOf(endpoint, recent) {
  if (!endpoint.active) return inactive(endpoint);
  if (endpoint.pausedAt) {
    const next = endpoint.nextProbeAt ? ['We try again ', time(endpoint.nextProbeAt, true), '. '] : [];
    return {
      tone: 'bad',
      label: 'On hold',
      why: ['It kept failing, so deliveries are waiting. ', ...next, 'Once it responds with 2xx, everything that is waiting gets sent.'],
    };
  }
  if (endpoint.failingSince) {
    return {
      tone: 'bad',
      label: 'Failing',
      why: ['It started failing ', time(endpoint.failingSince), '. We keep retrying.'],
    };
  }
  if (recent?.length === 0) return { tone: 'idle', label: 'No deliveries yet', why: ['Send a test to see that it works.'] };
  if (endpoint.slowSince) {
    return {
      tone: 'warn',
      label: 'Slow',
      why: ['It started responding slowly ', time(endpoint.slowSince), '. Respond with 2xx first, then do the work.'],
    };
  }
  return { tone: 'good', label: 'Healthy', why: [] };
}

/** @param {Endpoint} endpoint @returns {Health} */
function inactive(endpoint) {
  /** @param {string | null} at */
  const since = (at) => (at ? [' ', time(at)] : []);
  if (endpoint.disabledReason === 'GONE') {
    return {
      tone: 'bad',
      label: 'Disabled',
      why: ['Your server responded with 410 Gone', ...since(endpoint.disabledAt), ', so we stopped sending. Activate it to start again.'],
    };
  }
  if (endpoint.disabledReason === 'FAILING') {
    return {
      tone: 'bad',
      label: 'Disabled',
      why: ['It kept failing for days, so we stopped sending', ...since(endpoint.disabledAt), '. Fix it, then activate it.'],
    };
  }
  return {
    tone: 'idle',
    label: 'Paused',
    why: ['Paused', ...since(endpoint.inactiveSince), '. New events aren’t sent until you activate it.'],
  };
}

/** @param {Health} health */
export function healthBadge(health) {
  return h('span', { class: `badge badge-${health.tone}` }, health.label);
}

/**
 * A delivery's outcome. `height` is for charts, which must not rely on colour alone.
 *
 * @param {Pick<Delivery, 'status' | 'attempts'>} delivery
 * @returns {{tone: Tone, label: string, height: number}}
 */
export function outcomeOf({ status, attempts }) {
  if (status === 'DELIVERED') return { tone: 'good', label: 'Delivered', height: 20 };
  // It was not attempted, because the endpoint was inactive.
  if (status === 'FAILED' && attempts === 0) return { tone: 'idle', label: 'Not sent', height: 4 };
  if (status === 'FAILED') return { tone: 'bad', label: 'Failed', height: 13 };
  if (attempts > 0) return { tone: 'warn', label: 'Retrying', height: 9 };
  return { tone: 'idle', label: 'Pending', height: 4 };
}

/** @param {Pick<Delivery, 'status' | 'attempts'>} delivery */
export function outcomeBadge(delivery) {
  const { tone, label } = outcomeOf(delivery);
  return h('span', { class: `badge badge-${tone}` }, label);
}

/** How many deliveries a sparkline shows. */
export const BARS = 30;

/**
 * The last outcomes, oldest first. Height tells them apart as well as colour.
 *
 * @param {Delivery[]} newestFirst
 */
export function sparkline(newestFirst) {
  const outcomes = newestFirst.slice(0, BARS).map(outcomeOf).reverse();
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { label } of outcomes) counts.set(label, (counts.get(label) ?? 0) + 1);
  const parts = [...counts].map(([label, count]) => `${count} ${label.toLowerCase()}`);
  const label = outcomes.length === 0 ? 'No deliveries yet' : `Last ${plural(outcomes.length, 'delivery')}: ${parts.join(', ')}`;
  const first = BARS - outcomes.length;
  const bars = outcomes.map(({ tone, height }, index) => bar(first + index, height, tone));
  const empty = Array.from({ length: first }, (_, index) => bar(index, 2, 'none'));
  const chart = { class: 'sparkline', viewBox: `0 0 ${BARS * 5} 20`, preserveAspectRatio: 'xMinYMid', role: 'img', 'aria-label': label };
  return svg('svg', chart, svg('title', null, label), empty, bars);
}

/** @param {number} index @param {number} height @param {string} name */
function bar(index, height, name) {
  return svg('rect', { class: `bar-${name}`, x: index * 5, y: 20 - height, width: 3, height, rx: 1 });
}
