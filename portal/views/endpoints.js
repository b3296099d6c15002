// All endpoints of the app, with their health at a glance.

import { fill, h, icon } from '../dom.js';
import { errorBox, explained } from '../feedback.js';
import { eventsInWords, plural, url, visible } from '../format.js';
import { BARS, healthBadge, healthOf, sparkline } from '../health.js';
import { poll, whenSeen } from '../live.js';

/** @import { Context, View } from '../app.js' */
/** @import { Delivery, Endpoint } from '../api.js' */

/** @param {Context} context @returns {Promise<View>} */
export async function view(context) {
  const canCreate = context.canManage && context.access.webhookId === null;
  const list = h('ul', { class: 'rows', role: 'list' });
  const count = h('p', { class: 'lead' });
  const errors = h('div');
  const seen = whenSeen(context.signal);
  /** @type {Map<string, {show: (endpoint: Endpoint) => void}> | null} null until they are loaded */
  let rows = null;

  /** @param {Endpoint[]} endpoints */
  const show = (endpoints) => {
    const known = rows;
    if (known?.size === endpoints.length && endpoints.every(({ id }) => known.has(id))) {
      for (const endpoint of endpoints) known.get(endpoint.id)?.show(endpoint);
      return;
    }
    count.textContent = endpoints.length === 0 ? '' : plural(endpoints.length, 'endpoint');
    const made = endpoints.map((endpoint) => ({ id: endpoint.id, ...row(context, endpoint, seen) }));
    rows = new Map(made.map((one) => [one.id, one]));
    fill(list, made.map(({ element }) => element));
    list.hidden = endpoints.length === 0;
    empty.hidden = endpoints.length > 0;
    add.hidden = endpoints.length === 0 || !canCreate;
  };
  const create = explained(async () => {
    const { openEndpointForm } = await import('./endpoint-form.js');
    await openEndpointForm(context, null, (id) => {
      location.hash = `#/endpoints/${id}`;
    });
  });
  const add = h('button', { class: 'button button-primary', onclick: create }, icon('plus'), 'Add endpoint');
  const empty = emptyState(canCreate ? create : null);

  show(await context.app.endpoints());
  poll(context.signal, async () => {
    try {
      show(await context.app.endpoints());
      errors.replaceChildren();
    } catch (error) {
      if (!context.signal.aborted) errors.replaceChildren(errorBox(error));
      throw error;
    }
  });
  const head = h(
    'div',
    { class: 'page-head' },
    h('div', null, h('h1', { tabindex: '-1' }, 'Endpoints'), count),
    add,
  );
  return { title: 'Endpoints', content: [head, errors, list, empty] };
}

/** @param {Context} context @param {Endpoint} first @param {ReturnType<typeof whenSeen>} seen */
function row(context, first, seen) {
  let endpoint = first;
  /** @type {Delivery[] | null} */
  let recent = null;
  const badge = h('span');
  const events = h('span', { class: 'fine' });
  const link = h('a', { class: 'row-link', href: `#/endpoints/${first.id}` });
  const chart = h('div', { class: 'row-chart' });
  const description = h('span', { class: 'fine' });
  const why = h('p', { class: 'row-why fine' });
  const element = h('li', { class: 'row' }, h('div', { class: 'row-main' }, link, description, events, why), chart, h('div', { class: 'row-badge' }, badge));

  /** @param {Endpoint} now */
  const show = (now) => {
    endpoint = now;
    const health = healthOf(endpoint, recent);
    if (link.textContent !== endpoint.url) fill(link, url(endpoint.url));
    description.textContent = visible(endpoint.description ?? '');
    description.hidden = !endpoint.description;
    events.textContent = eventsInWords(endpoint.events);
    events.title = endpoint.events.join(', ');
    fill(badge, healthBadge(health));
    fill(why, ...(health.tone === 'idle' ? [] : health.why));
    why.hidden = why.childNodes.length === 0;
  };
  show(first);
  seen(element, async () => {
    const page = await context.app.history(first.id, { limit: BARS }, context.signal);
    recent = page.items;
    fill(chart, sparkline(recent));
    show(endpoint);
  });
  return { element, show };
}

/** @param {(() => void) | null} create */
function emptyState(create) {
  return h(
    'section',
    { class: 'empty', hidden: true },
    h('span', { class: 'entrance-icon' }, icon('bolt')),
    h('h2', null, 'Get notified when something happens'),
    h('p', { class: 'lead' }, 'An endpoint is a URL on your server. When an event occurs, we send it there as an HTTP POST request. Requests are signed, so you can check that they come from us, and retried if your server is down.'),
    create
      ? h('button', { class: 'button button-primary', onclick: create }, icon('plus'), 'Add your first endpoint')
      : h('p', { class: 'fine' }, 'There are no endpoints yet. With view-only access, you can’t add one.'),
  );
}
