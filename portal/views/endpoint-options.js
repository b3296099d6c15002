// What few endpoints need, below “More options” in the form that adds one.

import { h } from '../dom.js';
import { ownSecret, read, secretField } from '../field.js';

/** @import { OwnSecret } from '../api.js' */

export function endpointOptions() {
  const secret = secretField();
  const element = h('details', { class: 'panel' }, h('summary', null, 'More options'), h('div', { class: 'stack' }, secret.element));
  return { element, fields: { secret }, value, open: () => { element.open = true; } };

  /** @returns {OwnSecret | null} null if something can't be read, which then has an error beside it */
  function value() {
    return read(secret, ownSecret)?.value ?? null;
  }
}
