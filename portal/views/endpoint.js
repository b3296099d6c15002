// One endpoint: its health, what can be done with it, and its history.

import { confirm } from '../dialog.js';
import { fill, h, icon } from '../dom.js';
import { announce, copyButton, errorBox, explained } from '../feedback.js';
import { hostOf, plural, time, url, visible } from '../format.js';
import { healthBadge, healthOf } from '../health.js';
import { poll } from '../live.js';
import { historyOf } from './history.js';
import { openRecovery } from './recover.js';
import { showSecret, verification } from './secret.js';
import { openTest } from './test.js';

/** @import { Context, View } from '../app.js' */
/** @import { Endpoint } from '../api.js' */

/**
 * @param {Context} context
 * @param {string} id
 * @returns {Promise<View>}
 */
export async function view(context, id) {
  let endpoint = await context.app.endpoint(id);
  const head = h('div', { class: 'page-head' });
  const notice = h('div', { 'aria-live': 'polite' });
  const facts = h('dl', { class: 'facts' });
  const errors = h('div');
  const history = historyOf(context, endpoint);
  const heading = h('h1', { tabindex: '-1', class: 'heading-url' });
  const badge = h('span');
  const buttons = context.canManage ? actions(context, () => endpoint, reload, history.refresh) : null;
  fill(head, h('div', { class: 'page-title' }, heading, badge), buttons?.element);

  /** @param {Endpoint} now */
  const show = (now) => {
    endpoint = now;
    const health = healthOf(now, history.recent());
    if (heading.textContent !== now.url) fill(heading, url(now.url));
    fill(badge, healthBadge(health));
    fill(notice, health.why.length > 0 && h('div', { class: `notice notice-${health.tone}` }, icon(health.tone === 'idle' ? 'pause' : 'warning'), h('p', { class: 'notice-text' }, ...health.why)));
    fill(facts, factsOf(now));
    buttons?.show(now);
  };
  async function reload() {
    show(await context.app.endpoint(id));
  }
  await history.start();
  show(endpoint);
  poll(context.signal, async () => {
    try {
      await Promise.all([reload(), history.refresh()]);
      errors.replaceChildren();
    } catch (error) {
      if (!context.signal.aborted) errors.replaceChildren(errorBox(error));
      throw error;
    }
  });
  const content = [
    h('nav', { 'aria-label': 'Breadcrumb' }, h('a', { class: 'link back', href: '#/' }, icon('back'), 'Endpoints')),
    head,
    notice,
    errors,
    facts,
    h('details', { class: 'panel' }, h('summary', null, 'Verify signatures in your code'), verification(endpoint.url)),
    history.element,
  ];
  return { title: hostOf(endpoint.url), content };
}

/** @param {Endpoint} endpoint */
function factsOf(endpoint) {
  const isAll = endpoint.events.includes('*');
  const events = isAll
    ? 'All events'
    : h('ul', { class: 'chips', role: 'list' }, endpoint.events.map((event) => h('li', { class: 'chip' }, h('code', null, visible(event)))));
  const limit = endpoint.rateLimit === null ? 'None' : `${plural(endpoint.rateLimit, 'delivery')} per second`;
  return [
    h('div', { class: 'fact-wide' }, h('dt', null, 'Events'), h('dd', null, events)),
    h('div', null, h('dt', null, 'Rate limit'), h('dd', null, limit)),
    h('div', null, h('dt', null, 'Added'), h('dd', null, time(endpoint.createdAt))),
    h('div', { class: 'fact-id' }, h('dt', null, 'Endpoint ID'), h('dd', null, h('code', { class: 'id' }, visible(endpoint.id)), copyButton(() => endpoint.id, 'Copy the endpoint ID', ''))),
  ];
}

/**
 * The buttons of an endpoint.
 *
 * @param {Context} context
 * @param {() => Endpoint} current
 * @param {() => Promise<void>} reload
 * @param {() => Promise<void>} refreshHistory
 */
function actions(context, current, reload, refreshHistory) {
  const ignore = () => {};
  const changed = () => {
    reload().catch(ignore);
    refreshHistory().catch(ignore);
  };
  const edit = explained(async () => {
    const { openEndpointForm } = await import('./endpoint-form.js');
    await openEndpointForm(context, current(), changed);
  });
  /** @param {string} text @param {() => void} onclick @param {string} [more] */
  const button = (text, onclick, more = '') => h('button', { type: 'button', class: `button ${more}`, onclick }, text);
  const toggle = button('', () => (current().active ? pause(context, current(), changed) : activate(context, current(), changed)));
  const element = h(
    'div',
    { class: 'toolbar', role: 'group', 'aria-label': 'Actions' },
    button('Send test', () => openTest(context, current(), changed), 'button-primary'),
    button('Edit', edit),
    toggle,
    button('Recover', () => openRecovery(context, current(), changed)),
    button('Rotate secret', () => rotate(context, current(), changed)),
    button('Delete', () => remove(context, current()), 'button-quiet-danger'),
  );
  /** @param {Endpoint} endpoint */
  const show = (endpoint) => { toggle.textContent = endpoint.active ? 'Pause' : 'Activate'; };
  return { element, show };
}

/**
 * @param {Context} context
 * @param {Endpoint} endpoint
 * @param {() => void} changed
 */
function pause(context, endpoint, changed) {
  confirm({
    title: 'Pause this endpoint?',
    text: [
      h('p', null, 'We stop sending events to ', url(endpoint.url), '.'),
      'Events that occur while it’s paused aren’t sent automatically later, but you can resend them with Recover.',
    ],
    confirm: 'Pause endpoint',
    action: async () => {
      await context.app.change(endpoint.id, { active: false });
      announce('Endpoint paused.');
      changed();
    },
  });
}

/**
 * @param {Context} context
 * @param {Endpoint} endpoint
 * @param {() => void} changed
 */
function activate(context, endpoint, changed) {
  confirm({
    title: 'Activate this endpoint?',
    text: [
      h('p', null, 'We start sending new events to ', url(endpoint.url), '.'),
      'To send what it missed as well, use Recover afterwards.',
    ],
    confirm: 'Activate endpoint',
    action: async () => {
      await context.app.change(endpoint.id, { active: true });
      announce('Endpoint activated.');
      changed();
    },
  });
}

/**
 * @param {Context} context
 * @param {Endpoint} endpoint
 * @param {() => void} changed
 */
function rotate(context, endpoint, changed) {
  confirm({
    title: 'Rotate the signing secret?',
    text: [
      'We create a new secret and sign everything with it from then on, including retries. The old secret stops working immediately.',
      'Until your server has the new secret, it will reject our deliveries. We retry them, so nothing is lost.',
    ],
    confirm: 'Rotate secret',
    dangerous: true,
    action: async () => {
      const { secret } = await context.app.rotate(endpoint.id);
      return () => showSecret('New signing secret', secret, endpoint.url, changed);
    },
  });
}

/**
 * @param {Context} context
 * @param {Endpoint} endpoint
 */
function remove(context, endpoint) {
  const host = hostOf(endpoint.url);
  confirm({
    title: 'Delete this endpoint?',
    text: [
      h('p', null, 'We stop sending to ', url(endpoint.url), ' and delete its secret and history. This can’t be undone.'),
    ],
    typed: { label: `Type ${host} to confirm`, text: host },
    confirm: 'Delete endpoint',
    dangerous: true,
    action: async () => {
      await context.app.remove(endpoint.id);
      announce('Endpoint deleted.');
      location.hash = '#/';
    },
  });
}
