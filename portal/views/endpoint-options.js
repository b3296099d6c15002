// What few endpoints need, below “More options” in the form that adds or edits one.

import { h } from '../dom.js';
import { field, ownSecret, pairs, read, secretField, textArea } from '../field.js';
import { visible } from '../format.js';

/** @import { Endpoint, EndpointChange, OwnSecret } from '../api.js' */

/** @param {Endpoint | null} endpoint null for a new one */
export function endpointOptions(endpoint) {
  const names = endpoint?.headerNames ?? [];
  const fields = {
    headers: field(
      'Headers',
      textArea('', 'Authorization: Bearer …'),
      names.length === 0
        ? 'To send with every request, one “name: value” a line. We don’t show the values again.'
        : `We send ${names.map(visible).join(', ')}. Leave this empty to keep them. What you enter replaces all of them.`,
    ),
    ...(endpoint === null && { secret: secretField() }),
  };
  const noHeaders = names.length > 0 ? h('input', { type: 'checkbox' }) : null;
  const { headers, secret } = fields;
  const element = h(
    'details',
    { class: 'panel', open: names.length > 0 },
    h('summary', null, 'More options'),
    h(
      'div',
      { class: 'stack' },
      headers.element,
      noHeaders && h('label', { class: 'check' }, noHeaders, h('span', null, 'Remove these headers')),
      secret?.element,
    ),
  );
  return { element, fields, value, open: () => { element.open = true; } };

  /**
   * What to send. Null if something can't be read, which then has an error beside it.
   *
   * @returns {EndpointChange & OwnSecret | null}
   */
  function value() {
    const given = read(headers, pairs);
    const own = secret && read(secret, ownSecret);
    if (given === null || own === null) return null;
    const isChanged = given.value !== null || noHeaders?.checked;
    return { ...(isChanged && { headers: given.value }), ...own?.value };
  }
}
