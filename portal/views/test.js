// Sends a test and shows its outcome.

import { openDialog, run } from '../dialog.js';
import { fill, h, labelled } from '../dom.js';
import { json, url, visible } from '../format.js';
import { outcomeBadge } from '../health.js';

/** @import { Context } from '../app.js' */
/** @import { Endpoint, PingOutcome } from '../api.js' */

const PAUSE_MS = 1_500;

/** @param {Context} context @param {Endpoint} endpoint @param {() => void} changed */
export async function openTest(context, endpoint, changed) {
  const types = (await context.catalogue()).filter(({ example }) => example !== null && example !== undefined);
  if (context.signal.aborted) return;
  const outcome = h('div', { 'aria-live': 'polite' });
  const preview = h('div');
  const choice = h(
    'select',
    { class: 'input', onchange: showExample },
    h('option', { value: '' }, 'A ping (test.ping)'),
    types.map(({ name }) => h('option', { value: name }, `Example of ${visible(name)}`)),
  );
  const send = h('button', { type: 'submit', class: 'button button-primary' }, 'Send test');
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    fill(outcome, h('p', { class: 'loading' }, 'Sending the request and waiting for your server’s response…'));
    run(send, outcome, async () => {
      const first = await context.app.ping(endpoint.id, choice.value === '' ? null : choice.value);
      changed();
      showOutcome(first);
      if (first.status === 'PENDING') await follow(first.deliveryId);
      changed();
    });
  };
  const dialog = openDialog('Send a test', [
    h(
      'form',
      { class: 'stack', onsubmit: submit },
      h('p', null, 'We send one signed request to ', url(endpoint.url), endpoint.active ? '.' : ', even though the endpoint is inactive.'),
      types.length > 0 ? labelled('What to send', choice) : null,
      preview,
      outcome,
      h('div', { class: 'actions' }, h('button', { class: 'button', onclick: () => dialog.close() }, 'Close'), send),
    ),
  ]);
  (types.length > 0 ? choice : send).focus();

  function showExample() {
    const type = types.find(({ name }) => name === choice.value);
    fill(preview, type && h('details', { class: 'panel' }, h('summary', null, 'The example’s data'), h('pre', { class: 'pre', tabindex: '0' }, json(type.example))));
  }

  /**
   * Polls for an outcome that took longer than the API waits.
   *
   * @param {string} deliveryId
   */
  async function follow(deliveryId) {
    while (dialog.open && !context.signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      const { status, attemptLog } = await context.app.delivery(endpoint.id, deliveryId);
      if (status === 'PENDING') continue;
      const last = attemptLog.at(-1);
      showOutcome({
        status,
        success: status === 'DELIVERED',
        statusCode: last?.responseStatus ?? null,
        responseBody: last?.responseBody ?? null,
        error: last?.error ?? null,
        deliveryId,
      });
      return;
    }
  }

  /** @param {PingOutcome} result */
  function showOutcome(result) {
    const words = {
      DELIVERED: 'It works: your server accepted the test.',
      FAILED: 'Your server didn’t accept the test.',
      PENDING: 'No response yet. Still waiting…',
    };
    fill(
      outcome,
      h(
        'div',
        { class: 'panel stack-tight' },
        h('p', { class: 'outcome' }, outcomeBadge({ status: result.status, attempts: result.status === 'FAILED' ? 1 : 0 }), h('strong', null, words[result.status])),
        result.statusCode !== null && h('p', null, 'It responded with status ', h('code', null, result.statusCode), '.'),
        result.error && h('p', null, visible(result.error)),
        result.responseBody ? h('pre', { class: 'pre', tabindex: '0', 'aria-label': 'Response body' }, visible(result.responseBody)) : null,
        h('p', null, h('a', { class: 'link', href: `#/endpoints/${endpoint.id}/deliveries/${result.deliveryId}` }, 'See the delivery')),
      ),
    );
  }
}
