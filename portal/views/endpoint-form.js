// The dialog that creates or edits an endpoint.

import { ApiError } from '../api.js';
import { openDialog, run } from '../dialog.js';
import { h, uniqueId } from '../dom.js';
import { announce, errorBox } from '../feedback.js';
import { field } from '../field.js';
import { visible } from '../format.js';
import { endpointOptions } from './endpoint-options.js';
import { eventPicker } from './event-picker.js';
import { showSecret } from './secret.js';

/** @import { Context } from '../app.js' */
/** @import { Endpoint, EndpointChange, OwnSecret } from '../api.js' */

/**
 * @param {Context} context
 * @param {Endpoint | null} endpoint null for a new one
 * @param {(id: string) => void} saved
 */
export async function openEndpointForm(context, endpoint, saved) {
  const catalogue = await context.catalogue();
  if (context.signal.aborted) return;
  const url = field('URL', h('input', {
    class: 'input', type: 'text', inputmode: 'url', autocomplete: 'url', spellcheck: 'false', autocapitalize: 'off',
    placeholder: 'https://example.com/webhooks', value: endpoint?.url ?? '',
  }), 'Where we send events, by HTTPS. Your server should respond with 2xx within a few seconds.');
  const events = eventPicker(catalogue, endpoint?.events ?? null);
  const rate = field('Rate limit (optional)', h('input', {
    class: 'input input-short', type: 'text', inputmode: 'numeric', autocomplete: 'off',
    placeholder: 'No limit', value: endpoint?.rateLimit ?? '',
  }), 'The maximum number of deliveries per second, 1 to 1,000. Anything above it waits its turn.');
  const options = endpointOptions(context, endpoint);
  const active = endpoint === null ? h('input', { type: 'checkbox', id: uniqueId('active'), checked: true }) : null;
  const errors = h('div');
  const save = h('button', { type: 'submit', class: 'button button-primary' }, endpoint ? 'Save changes' : 'Add endpoint');

  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    for (const one of [url, events, rate, ...Object.values(options.fields)]) one.setError('');
    const rateLimit = rate.input.value.trim() === '' ? null : Number(rate.input.value);
    if (rateLimit !== null && (!Number.isInteger(rateLimit) || rateLimit < 1 || rateLimit > 1_000)) {
      rate.setError('Enter a whole number from 1 to 1,000, or leave it empty.');
      rate.input.focus();
      return;
    }
    const more = options.value();
    if (more === null) return focusInvalid();
    const body = { url: url.input.value.trim(), events: events.value(), rateLimit, ...more };
    run(save, errors, () => (endpoint ? change(endpoint, body) : create(body)), (error) => showFaults(error, body.events));
  };

  /** @param {EndpointChange & OwnSecret} body */
  async function create(body) {
    const { rateLimit, ...required } = body;
    const made = await context.app.create({
      ...required,
      ...(rateLimit && { rateLimit }),
      ...(active?.checked === false && { active: false }),
    });
    dialog.close();
    showSecret('Endpoint added', made.secret, made.url, () => saved(made.id));
  }

  /** @param {Endpoint} before @param {EndpointChange} body */
  async function change(before, body) {
    await context.app.change(before.id, body);
    dialog.close();
    announce('Changes saved.');
    saved(before.id);
  }

  /**
   * Shows the API's errors beside their fields.
   *
   * @param {unknown} error
   * @param {string[]} sent
   */
  function showFaults(error, sent) {
    if (!(error instanceof ApiError) || error.details.length === 0) return false;
    const rest = [];
    for (const { field: name, message } of error.details) {
      const index = /^events\[(\d+)\]/.exec(name)?.[1];
      if (name === 'url') url.setError(`The URL ${visible(message)}.`);
      else if (index !== undefined) events.setError(`${visible(sent[Number(index)] ?? name)} ${visible(message)}.`);
      else if (name === 'events') events.setError(sent.length === 0 ? 'Choose at least one event.' : `The events ${visible(message)}.`);
      else if (name === 'rateLimit') rate.setError(`The rate limit ${visible(message)}.`);
      else {
        const option = Object.entries(options.fields).find(([key]) => key === /^\w+/.exec(name)?.[0]);
        if (option) option[1]?.setError(`${visible(name)} ${visible(message)}.`);
        else rest.push(error);
      }
    }
    if (rest.length > 0) errors.replaceChildren(errorBox(error));
    focusInvalid();
    return true;
  }

  function focusInvalid() {
    const invalid = dialog.querySelector('[aria-invalid="true"]');
    if (!(invalid instanceof HTMLElement)) return;
    if (options.element.contains(invalid)) options.open();
    invalid.focus();
  }

  const dialog = openDialog(endpoint ? 'Edit endpoint' : 'Add endpoint', [
    h(
      'form',
      { class: 'stack', onsubmit: submit, novalidate: true },
      url.element,
      events.element,
      rate.element,
      options.element,
      active && h('div', { class: 'check' }, active, h('label', { for: active.id }, 'Start sending right away')),
      errors,
      h(
        'div',
        { class: 'actions' },
        h('button', { class: 'button', onclick: () => dialog.close() }, 'Cancel'),
        save,
      ),
    ),
  ], { wide: true });
  url.input.focus();
}
