// One endpoint: its health, what can be done with it, and its history.

import { confirm } from '../dialog.js';
import { back, fill, h, icon } from '../dom.js';
import { announce, copyButton, errorBox, explained } from '../feedback.js';
import { hostOf, json, plural, time, url, visible } from '../format.js';
import { healthBadge, healthOf } from '../health.js';
import { poll } from '../live.js';
import { historyOf } from './history.js';
import { openRecovery } from './recover.js';
import { openRotation } from './rotate.js';
import { verification } from './secret.js';
import { openTest } from './test.js';

/** @import { Context, View } from '../app.js' */
/** @import { Endpoint } from '../api.js' */

/** @param {Context} context @param {string} id @returns {Promise<View>} */
export async function view(context, id) {
  let endpoint = await context.app.endpoint(id);
  const head = h('div', { class: 'page-head' });
  const notice = h('div', { 'aria-live': 'polite' });
  const overlap = h('div');
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
    fill(overlap, overlapOf(context, now, reload));
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
    back('#/', 'Endpoints'),
    head,
    notice,
    overlap,
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
  const limit = endpoint.rateLimit === null ? 'None' : `${plural(endpoint.rateLimit, 'delivery')} per second`;
  /** @param {string} name @param {...(string | Node)} value */
  const wide = (name, ...value) => h('div', { class: 'fact-wide' }, h('dt', null, name), h('dd', null, ...value));
  /** @param {string[]} names */
  const chips = (names) => h('ul', { class: 'chips', role: 'list' }, names.map((name) => h('li', { class: 'chip' }, h('code', null, visible(name)))));
  const metadata = Object.entries(endpoint.metadata ?? {}).map(([name, value]) => `${name}: ${value}`);
  return [
    endpoint.description ? wide('Description', h('bdi', { class: 'lines' }, visible(endpoint.description))) : null,
    wide('Events', isAll ? 'All events' : chips(endpoint.events)),
    endpoint.channels ? wide('Channels', chips(endpoint.channels)) : null,
    endpoint.filter ? wide('Filter', h('pre', { class: 'pre', tabindex: '0', 'aria-label': 'Filter' }, json(endpoint.filter))) : null,
    endpoint.headerNames?.length > 0 ? wide('Headers', chips(endpoint.headerNames)) : null,
    metadata.length > 0 ? wide('Metadata', chips(metadata)) : null,
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
  const button = (text, onclick, more = '') => h('button', { class: `button ${more}`, onclick }, text);
  const toggle = button('', () => pauseOrActivate(context, current(), changed));
  const element = h(
    'div',
    { class: 'toolbar', role: 'group', 'aria-label': 'Actions' },
    button('Send test', () => openTest(context, current(), changed), 'button-primary'),
    button('Edit', edit),
    toggle,
    button('Recover', () => openRecovery(context, current(), changed)),
    button('Rotate secret', () => openRotation(context, current(), changed)),
    button('Delete', () => remove(context, current()), 'button-quiet-danger'),
  );
  /** @param {Endpoint} endpoint */
  const show = (endpoint) => { toggle.textContent = endpoint.active ? 'Pause' : 'Activate'; };
  return { element, show };
}

/**
 * Pauses an active endpoint, or activates another.
 *
 * @param {Context} context
 * @param {Endpoint} endpoint
 * @param {() => void} changed
 */
function pauseOrActivate(context, { id, url: target, active }, changed) {
  confirm({
    title: active ? 'Pause this endpoint?' : 'Activate this endpoint?',
    text: [
      h('p', null, active ? 'We stop sending events to ' : 'We start sending new events to ', url(target), '.'),
      active
        ? 'Events that occur while it’s paused aren’t sent automatically later, but you can resend them with Recover.'
        : 'To send what it missed as well, use Recover afterwards.',
    ],
    confirm: active ? 'Pause endpoint' : 'Activate endpoint',
    action: async () => {
      await context.app.change(id, { active: !active });
      announce(active ? 'Endpoint paused.' : 'Endpoint activated.');
      changed();
    },
  });
}

/**
 * During an overlap: when it ends, and a button that ends it now.
 *
 * @param {Context} context
 * @param {Endpoint} endpoint
 * @param {() => Promise<void>} reload
 */
function overlapOf(context, endpoint, reload) {
  const expires = endpoint.previousSecretExpiresAt;
  if (!expires || Date.parse(expires) <= Date.now()) return null;
  const end = explained(async () => {
    await context.app.endOverlap(endpoint.id);
    announce('The old secret no longer works.');
    await reload();
  });
  return h(
    'div',
    { class: 'notice notice-idle' },
    icon('clock'),
    h('p', { class: 'notice-text' }, 'We sign with the old secret as well. It stops working ', time(expires), '.'),
    context.canManage && h('button', { class: 'button button-small', onclick: end }, 'End it now'),
  );
}

/** @param {Context} context @param {Endpoint} endpoint */
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
