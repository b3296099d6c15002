// One delivery: what was sent, and every attempt with its answer.

import { run } from '../dialog.js';
import { back, fill, h, icon } from '../dom.js';
import { announce, copyButton } from '../feedback.js';
import { duration, json, plural, time, visible } from '../format.js';
import { outcomeBadge } from '../health.js';
import { poll } from '../live.js';

/** @import { Context, View } from '../app.js' */
/** @import { Attempt, DeliveryDetails } from '../api.js' */

/** How much of a payload is shown at first. */
const SHOWN = 50_000;

/** @param {Context} context @param {string} webhookId @param {string} id @returns {Promise<View>} */
export async function view(context, webhookId, id) {
  const [endpoint, first] = await Promise.all([context.app.endpoint(webhookId), context.app.delivery(webhookId, id)]);
  const badge = h('span');
  const state = h('div', { 'aria-live': 'polite' });
  const facts = h('dl', { class: 'facts' });
  const attempts = h('div');
  const errors = h('div');
  let shown = '';

  /** @param {DeliveryDetails} delivery */
  const show = (delivery) => {
    const key = JSON.stringify([delivery.status, delivery.attempts, delivery.nextRetryAt]);
    if (key === shown) return;
    shown = key;
    fill(badge, outcomeBadge(delivery));
    fill(state, stateOf(delivery));
    fill(facts, factsOf(delivery));
    fill(attempts, attemptsOf(delivery.attemptLog));
  };
  show(first);
  poll(context.signal, async () => {
    if (shown.startsWith('["PENDING"')) show(await context.app.delivery(webhookId, id));
  });

  const resend = h('button', { class: 'button button-primary', onclick: () => run(resend, errors, async () => {
    const { id: made } = await context.app.resend(webhookId, id);
    announce('Resent as a new delivery.');
    location.hash = `#/endpoints/${webhookId}/deliveries/${made}`;
  }) }, 'Resend');
  const content = [
    back(`#/endpoints/${webhookId}`, h('bdi', null, visible(endpoint.url))),
    h(
      'div',
      { class: 'page-head' },
      h('div', { class: 'page-title' }, h('h1', { tabindex: '-1' }, h('bdi', null, visible(first.event))), badge),
      context.canManage && !first.payloadDeletedAt && h('div', { class: 'toolbar' }, resend),
    ),
    errors,
    state,
    facts,
    h('section', { 'aria-label': 'Attempts' }, h('h2', null, 'Attempts'), attempts),
    payloadOf(first, endpoint.url),
  ];
  return { title: visible(first.event), content };
}

/** @param {DeliveryDetails} delivery */
function stateOf(delivery) {
  if (delivery.error) return h('div', { class: 'notice notice-bad' }, icon('warning'), h('p', { class: 'notice-text' }, visible(delivery.error)));
  if (delivery.status !== 'PENDING') return null;
  return h('div', { class: 'notice notice-idle' }, icon('clock'), h('p', { class: 'notice-text' }, ...(delivery.nextRetryAt ? ['We try again ', time(delivery.nextRetryAt, true), '.'] : ['Waiting for the next attempt.'])));
}

/** @param {DeliveryDetails} delivery */
function factsOf(delivery) {
  /** @param {string} name @param {...(string | Node)} value */
  const fact = (name, ...value) => h('div', null, h('dt', null, name), h('dd', null, ...value));
  return [
    fact('Created', time(delivery.createdAt)),
    delivery.deliveredAt ? fact('Delivered', time(delivery.deliveredAt)) : null,
    fact('Attempts', String(delivery.attempts)),
    h('div', { class: 'fact-id' }, h('dt', null, 'Event ID'), h('dd', null, h('code', { class: 'id' }, visible(delivery.eventId)), copyButton(() => delivery.eventId, 'Copy the event ID', ''))),
  ];
}

/** @param {Attempt[]} log */
function attemptsOf(log) {
  if (log.length === 0) return h('p', { class: 'fine' }, 'No attempt has been made yet.');
  const longest = Math.max(...log.map(({ durationMs }) => durationMs), 1);
  return h('ol', { class: 'attempts', role: 'list' }, log.toReversed().map((attempt) => attemptOf(attempt, longest)));
}

/** @param {Attempt} attempt @param {number} longest */
function attemptOf(attempt, longest) {
  const status = attempt.responseStatus;
  const isAccepted = status !== null && status >= 200 && status < 300;
  const took = duration(attempt.durationMs);
  return h(
    'li',
    { class: 'attempt' },
    h(
      'div',
      { class: 'attempt-head' },
      h('strong', null, `Attempt ${attempt.number}`),
      h('span', { class: `badge badge-${isAccepted ? 'good' : 'bad'}` }, status === null ? 'No response' : `Status ${status}`),
      h('span', { class: 'fine' }, time(attempt.startedAt)),
      h('span', { class: 'spacer' }),
      h('meter', { class: 'attempt-time', min: '0', max: String(longest), value: String(attempt.durationMs), 'aria-label': `Took ${took}` }),
      h('span', { class: 'fine' }, took),
    ),
    attempt.error && h('p', null, visible(attempt.error)),
    attempt.bodyNote && h('p', { class: 'fine' }, visible(attempt.bodyNote.message)),
    attempt.responseBody ? h('pre', { class: 'pre', tabindex: '0', 'aria-label': `Response to attempt ${attempt.number}` }, visible(attempt.responseBody)) : null,
  );
}

/** @param {DeliveryDetails} delivery @param {string} url */
function payloadOf(delivery, url) {
  if (delivery.payload === null) {
    const why = delivery.payloadDeletedAt ? ['The payload was deleted ', time(delivery.payloadDeletedAt), '. It can’t be sent again.'] : ['The payload is no longer stored.'];
    return h('section', null, h('h2', null, 'Payload'), h('p', { class: 'fine' }, ...why));
  }
  const text = json(delivery.payload);
  const pre = h('pre', { class: 'pre', tabindex: '0', 'aria-label': 'Payload' }, text.slice(0, SHOWN));
  const all = h('button', { class: 'button button-small', hidden: text.length <= SHOWN, onclick: () => {
    pre.textContent = text;
    all.hidden = true;
    pre.focus();
  } }, `Show all ${plural(text.length, 'character')}`);
  return h(
    'section',
    { 'aria-label': 'Payload' },
    h(
      'div',
      { class: 'section-head' },
      h('h2', null, 'Payload'),
      h('div', { class: 'toolbar' }, copyButton(() => text, 'Copy the payload'), copyButton(() => curlOf(delivery, url), 'Copy as curl', 'Copy as curl')),
    ),
    pre,
    all,
  );
}

/**
 * The request as a command. It has no signature, because nothing here knows the secret.
 *
 * @param {DeliveryDetails} delivery
 * @param {string} url
 */
function curlOf(delivery, url) {
  const sent = delivery.attemptLog.at(-1)?.startedAt ?? delivery.createdAt;
  const seconds = Math.floor(Date.parse(sent) / 1_000);
  const headers = ['content-type: application/json', `webhook-id: ${delivery.eventId}`, `webhook-timestamp: ${seconds}`];
  const parts = [`curl -X POST ${quoted(url)}`, ...headers.map((header) => `-H ${quoted(header)}`), `--data-raw ${quoted(JSON.stringify(delivery.payload))}`];
  return parts.join(' \\\n  ');
}

/**
 * For a POSIX shell.
 *
 * @param {string} text
 */
function quoted(text) {
  return `'${visible(text).replaceAll("'", "'\\''")}'`;
}
