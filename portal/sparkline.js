// The last outcomes of an endpoint, oldest first, as a row of bars. Height tells them
// apart as well as colour.

import { svg } from './dom.js';
import { plural } from './format.js';
import { outcomeOf } from './health.js';

/** @import { Delivery } from './api.js' */

/** How many deliveries a sparkline shows. */
export const BARS = 30;

/** @param {Delivery[]} newestFirst */
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

/**
 * @param {number} index
 * @param {number} height
 * @param {string} name
 */
function bar(index, height, name) {
  return svg('rect', { class: `bar-${name}`, x: index * 5, y: 20 - height, width: 3, height, rx: 1 });
}
