// “More options” of the endpoint form, which few endpoints need.

import { run } from '../dialog.js';
import { fill, h } from '../dom.js';
import { field, ownSecret, pairs, parsedJson, read, secretField, textArea, textInput } from '../field.js';
import { visible } from '../format.js';

/** @import { Context } from '../app.js' */
/** @import { Endpoint, EndpointChange, OwnSecret } from '../api.js' */

/** @param {Context} context @param {Endpoint | null} endpoint null for a new one */
export function endpointOptions(context, endpoint) {
  const names = endpoint?.headerNames ?? [];
  const fields = {
    description: field('Description', textInput(endpoint?.description ?? ''), 'What the endpoint is for.'),
    channels: field('Channels', textInput((endpoint?.channels ?? []).join(', ')), 'Up to 10, separated by commas. Only events of these are sent.'),
    filter: field(
      'Filter',
      textArea(endpoint?.filter ? JSON.stringify(endpoint.filter, null, 2) : '', '{ "amount": [{ "numeric": [">=", 1000] }] }'),
      'Only send events whose data matches this EventBridge pattern.',
    ),
    headers: field(
      'Headers',
      textArea('', 'Authorization: Bearer …'),
      names.length === 0
        ? 'One “name: value” a line. We never show the values.'
        : `We send ${names.map(visible).join(', ')}. Leave this empty to keep them. What you enter replaces them.`,
    ),
    ...(endpoint === null && { secret: secretField() }),
  };
  const noHeaders = names.length > 0 ? h('input', { type: 'checkbox' }) : null;
  const { description, channels, filter, headers, secret } = fields;
  const isUsed = endpoint?.description || endpoint?.channels || endpoint?.filter || names[0];
  const element = h(
    'details',
    { class: 'panel', open: Boolean(isUsed) },
    h('summary', null, 'More options'),
    h(
      'div',
      { class: 'stack' },
      description.element,
      channels.element,
      filter.element,
      endpoint && filterTest(context, endpoint, filter),
      headers.element,
      noHeaders && h('label', { class: 'check' }, noHeaders, h('span', null, 'Remove these headers')),
      secret?.element,
    ),
  );
  return { element, fields, value, open: () => { element.open = true; } };

  /** @returns {EndpointChange & OwnSecret | null} null if something can't be read */
  function value() {
    const parts = {
      description: read(description, (text) => text || null),
      channels: read(channels, listed),
      filter: read(filter, (text) => (text === '' ? null : parsedJson(text))),
      headers: read(headers, pairs),
    };
    const own = secret && read(secret, ownSecret);
    if (own === null || Object.values(parts).some((part) => part === null)) return null;
    /** @type {Record<string, unknown>} */
    const before = { ...endpoint };
    const given = Object.entries(parts).map(([name, part]) => [name, part?.value ?? null]);
    // Send only changes.
    const changed = given.filter(([name, part]) => JSON.stringify(part) !== JSON.stringify(before[name] ?? null));
    return { ...(noHeaders?.checked && { headers: null }), ...Object.fromEntries(changed), ...own?.value };
  }
}

/**
 * Tests the entered filter with an event's data.
 *
 * @param {Context} context
 * @param {Endpoint} endpoint
 * @param {ReturnType<typeof field>} filter
 */
function filterTest(context, endpoint, filter) {
  const data = field('Data of an event', textArea('', '{ "amount": 1200 }'), 'Only its “data”.');
  const result = h('div', { 'aria-live': 'polite' });
  const test = h('button', { class: 'button', onclick: () => run(test, result, judge) }, 'Test the filter');
  return h('details', null, h('summary', null, 'Try the filter'), h('div', { class: 'stack-tight' }, data.element, h('div', null, test), result));

  async function judge() {
    const pattern = read(filter, parsedJson);
    const sample = read(data, parsedJson);
    if (pattern === null || sample === null) return;
    const { matches, failedAt } = await context.app.testFilter(endpoint.id, { data: sample.value, filter: pattern.value });
    const text = matches ? 'The event gets through.' : `The event doesn’t get through. It fails at ${visible(failedAt ?? '')}.`;
    fill(result, h('p', { class: `notice notice-${matches ? 'good' : 'warn'}` }, text));
  }
}

/** @param {string} text */
function listed(text) {
  const names = text.split(',').map((one) => one.trim()).filter(Boolean);
  return names.length === 0 ? null : names;
}
