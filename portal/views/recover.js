// Resends failed deliveries, or sends events that the endpoint never got.

import { ApiError } from '../api.js';
import { openDialog, run } from '../dialog.js';
import { fill, h, labelled, uniqueId } from '../dom.js';
import { plural, visible } from '../format.js';

/** @import { Context } from '../app.js' */
/** @import { Endpoint } from '../api.js' */

const DAY = 24 * 3_600_000;

/** @param {Context} context @param {Endpoint} endpoint @param {() => void} changed */
export function openRecovery(context, endpoint, changed) {
  const id = uniqueId('recover');
  const trouble = endpoint.disabledAt ?? endpoint.failingSince ?? endpoint.inactiveSince;
  const from = trouble ? new Date(trouble) : new Date(Date.now() - DAY);
  const since = h('input', { class: 'input', type: 'datetime-local', value: local(from), 'aria-describedby': `${id}-error` });
  const until = h('input', { class: 'input', type: 'datetime-local', 'aria-describedby': `${id}-error` });
  const fault = h('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  const result = h('div', { 'aria-live': 'polite' });
  const what = h(
    'select',
    { class: 'input', onchange: explain },
    h('option', { value: 'recover' }, 'Failed deliveries'),
    h('option', { value: 'replay' }, 'Events that it never got'),
  );
  const meaning = h('p', { 'aria-live': 'polite' });
  const resend = h('button', { type: 'submit', class: 'button button-primary' });
  explain();

  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    fault.textContent = '';
    if (since.value === '') {
      fault.textContent = 'Choose when to start.';
      since.focus();
      return;
    }
    const range = { since: iso(since), ...(until.value !== '' && { until: iso(until) }) };
    run(resend, result, async () => {
      const isReplay = what.value === 'replay';
      const { deliveries, atLeast } = await (isReplay ? context.app.replay(endpoint.id, range) : context.app.recover(endpoint.id, range));
      const count = `${atLeast ? 'At least ' : ''}${plural(deliveries, isReplay ? 'event' : 'delivery')}`;
      const none = isReplay ? 'It has got every event from this time.' : 'No delivery failed in this time.';
      const message = deliveries === 0 ? none : `${count} will be ${isReplay ? 'sent' : 'resent'}.`;
      fill(result, h('p', { class: 'notice notice-good' }, message));
      changed();
    }, (error) => {
      if (!(error instanceof ApiError) || error.details.length === 0) return false;
      fault.textContent = error.details.map(({ field, message }) => `${field === 'until' ? 'The end' : 'The start'} ${visible(message)}.`).join(' ');
      return true;
    });
  };
  const dialog = openDialog('Recover events', [
    h(
      'form',
      { class: 'stack', onsubmit: submit, novalidate: true },
      labelled('What to send', what),
      meaning,
      labelled('From', since),
      labelled('To (optional, now by default)', until),
      fault,
      result,
      h('div', { class: 'actions' }, h('button', { class: 'button', onclick: () => dialog.close() }, 'Close'), resend),
    ),
  ]);
  what.focus();

  function explain() {
    const isReplay = what.value === 'replay';
    resend.textContent = isReplay ? 'Send missed events' : 'Resend failed deliveries';
    meaning.textContent = isReplay
      ? 'We send the events that the endpoint subscribes to and has no delivery of: those from before it was added, or before you chose more events.'
      : 'We resend every event whose delivery failed in this period, or that wasn’t sent because the endpoint was inactive. Your server may see an event twice. Its webhook-id header stays the same, so you can tell.';
  }
}

/** @param {HTMLInputElement} input */
function iso(input) {
  return new Date(input.value).toISOString();
}

/**
 * A time as datetime-local takes it: in the reader's zone, in minutes.
 *
 * @param {Date} at
 */
function local(at) {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
