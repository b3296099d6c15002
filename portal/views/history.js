// The deliveries of an endpoint, newest first: filters, endless scrolling, live updates.

import { ApiError } from '../api.js';
import { fill, h, labelled, PLAIN, uniqueId } from '../dom.js';
import { errorBox } from '../feedback.js';
import { time, visible } from '../format.js';
import { outcomeBadge } from '../health.js';

/** @import { Context } from '../app.js' */
/** @import { Delivery, Endpoint, HistoryQuery } from '../api.js' */

const PAGE = 25;

const SPANS = { '': 'Any time', 1: 'Last hour', 24: 'Last 24 hours', 168: 'Last 7 days', own: 'Between…' };

/** @param {Context} context @param {Endpoint} endpoint */
export function historyOf(context, endpoint) {
  const body = h('tbody');
  const table = h(
    'table',
    { class: 'table' },
    h('caption', { class: 'sr-only' }, 'Deliveries, newest first'),
    h('thead', null, h('tr', null, ...['Event', 'Status', 'Response', 'Attempts', 'Sent'].map((name, index) => h('th', { scope: 'col', class: index === 2 || index === 3 ? 'wide-only' : null }, name)))),
    body,
  );
  const empty = h('div', { class: 'empty', hidden: true });
  const errors = h('div');
  const more = h('button', { class: 'button', hidden: true, onclick: () => loadOlder() }, 'Load older deliveries');
  const filters = filterBar(context, endpoint, () => { reload().catch(() => {}); });
  const element = h('section', { 'aria-label': 'History' }, h('h2', null, 'History'), filters.element, errors, table, empty, h('div', { class: 'more' }, more));

  /** @type {Map<string, {delivery: Delivery, row: HTMLTableRowElement}>} */
  let shown = new Map();
  /** @type {Delivery[]} The last deliveries without any filter. */
  let latest = [];
  /** @type {string | null} */
  let cursor = null;
  /** Which filters the rows belong to. */
  let generation = 0;
  let isLoading = false;
  /** Whether the API rejects these filters. */
  let isRefused = false;

  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) loadOlder();
  }, { rootMargin: '400px' });
  observer.observe(more);
  context.signal.addEventListener('abort', () => observer.disconnect());

  return { element, start: load, refresh, recent: () => (latest.length > 0 || !filters.isUsed() ? latest : null) };

  /** @param {HistoryQuery} query */
  function page(query) {
    return context.app.history(endpoint.id, { limit: PAGE, ...query }, context.signal);
  }

  /** Loads the first page with the current filters. */
  async function load() {
    generation += 1;
    const mine = generation;
    const found = await page(filters.query());
    if (mine !== generation) return;
    if (!filters.isUsed()) latest = found.items;
    shown = new Map();
    body.replaceChildren();
    for (const delivery of found.items) add(delivery, false);
    cursor = found.nextCursor;
    show();
  }

  async function reload() {
    errors.replaceChildren();
    filters.setError('');
    isRefused = false;
    table.setAttribute('aria-busy', 'true');
    try {
      await load();
    } catch (error) {
      if (context.signal.aborted) return;
      const fault = error instanceof ApiError ? error.details[0] : undefined;
      isRefused = fault !== undefined;
      if (fault) filters.setError(`${fault.field} ${visible(fault.message)}`);
      else errors.replaceChildren(errorBox(error, () => { reload().catch(() => {}); }));
    } finally {
      table.removeAttribute('aria-busy');
    }
  }

  async function loadOlder() {
    if (isLoading || cursor === null) return;
    isLoading = true;
    const mine = generation;
    more.setAttribute('aria-busy', 'true');
    try {
      const found = await page({ ...filters.query(), cursor });
      if (mine !== generation) return;
      for (const delivery of found.items) add(delivery, false);
      cursor = found.nextCursor;
      errors.replaceChildren();
      // The button may still be in view. Observing it again reports that.
      observer.unobserve(more);
      observer.observe(more);
    } catch (error) {
      if (!context.signal.aborted) errors.replaceChildren(errorBox(error, loadOlder));
    } finally {
      isLoading = false;
      more.removeAttribute('aria-busy');
      show();
    }
  }

  /** Adds new deliveries and updates changed ones. */
  async function refresh() {
    if (isRefused) return;
    const mine = generation;
    const found = await page(filters.query());
    if (mine !== generation) return;
    if (!filters.isUsed()) latest = found.items;
    // More arrived than a page holds, so the list would have a gap.
    const isApart = shown.size > 0 && found.items.length > 0 && found.items.every(({ id }) => !shown.has(id));
    if (isApart) return load();
    for (const delivery of found.items.toReversed()) {
      const known = shown.get(delivery.id);
      if (!known) add(delivery, true);
      else if (JSON.stringify(known.delivery) !== JSON.stringify(delivery)) {
        const row = rowOf(endpoint, delivery);
        const hadFocus = known.row.contains(document.activeElement);
        known.row.replaceWith(row);
        shown.set(delivery.id, { delivery, row });
        if (hadFocus) row.querySelector('a')?.focus();
      }
    }
    show();
  }

  /** @param {Delivery} delivery @param {boolean} isNew */
  function add(delivery, isNew) {
    if (shown.has(delivery.id)) return;
    const row = rowOf(endpoint, delivery);
    shown.set(delivery.id, { delivery, row });
    if (isNew) {
      row.classList.add('is-new');
      body.prepend(row);
    } else {
      body.append(row);
    }
  }

  function show() {
    const isEmpty = shown.size === 0;
    table.hidden = isEmpty;
    more.hidden = cursor === null;
    empty.hidden = !isEmpty || cursor !== null;
    if (!isEmpty) return;
    fill(
      empty,
      filters.isUsed()
        ? [h('h3', null, 'Nothing matches'), h('p', null, 'No delivery matches these filters.'), h('button', { class: 'button', onclick: filters.clear }, 'Clear filters')]
        : [h('h3', null, 'No deliveries yet'), h('p', null, 'Every event we send shows up here with your server’s response. ', context.canManage && 'Use Send test to make the first one.')],
    );
  }
}

/** @param {Endpoint} endpoint @param {Delivery} delivery */
function rowOf(endpoint, delivery) {
  const link = h('a', { class: 'row-link', href: `#/endpoints/${endpoint.id}/deliveries/${delivery.id}` }, h('bdi', null, visible(delivery.event)));
  const next = delivery.status === 'PENDING' && delivery.nextRetryAt;
  return h(
    'tr',
    null,
    h('th', { scope: 'row' }, link),
    h('td', null, outcomeBadge(delivery), next && h('span', { class: 'fine next' }, 'retry ', time(next, true))),
    h('td', { class: 'wide-only' }, delivery.responseStatus ?? '–'),
    h('td', { class: 'wide-only' }, delivery.attempts),
    h('td', null, time(delivery.createdAt)),
  );
}

/** @param {Context} context @param {Endpoint} endpoint @param {() => void} changed */
function filterBar(context, endpoint, changed) {
  const id = uniqueId('filter');
  /** @param {string} value @param {string} text */
  const option = (value, text) => h('option', { value }, text);
  const status = h('select', { class: 'input', onchange: changed }, option('', 'Any status'), option('DELIVERED', 'Delivered'), option('PENDING', 'Pending'), option('FAILED', 'Failed'));
  const known = h('datalist', { id: `${id}-known` });
  const event = h('input', { class: 'input', type: 'text', ...PLAIN, placeholder: 'Any event', list: known.id, onchange: changed, 'aria-describedby': `${id}-error` });
  const span = h('select', { class: 'input', onchange: chooseSpan }, ['', '1', '24', '168', 'own'].map((value) => option(value, SPANS[/** @type {keyof typeof SPANS} */ (value)])));
  const since = h('input', { class: 'input', type: 'datetime-local', onchange: changed });
  const until = h('input', { class: 'input', type: 'datetime-local', onchange: changed });
  const error = h('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  const own = h('div', { class: 'filters', hidden: true }, labelled('From', since), labelled('To', until));
  const element = h('div', { class: 'stack-tight' }, h('div', { class: 'filters' }, labelled('Status', status), labelled('Event type', event), labelled('Time', span), known), own, error);
  context.catalogue().then((types) => {
    const names = new Set([...endpoint.events.filter((pattern) => !pattern.endsWith('*')), ...types.map(({ name }) => name), 'test.ping']);
    fill(known, [...names].map((name) => option(name, '')));
  });
  const isUsed = () => status.value !== '' || event.value.trim() !== '' || span.value !== '';
  return { element, query, isUsed, clear, setError };

  function chooseSpan() {
    own.hidden = span.value !== 'own';
    if (span.value === 'own') since.focus();
    else changed();
  }

  /** @returns {HistoryQuery} */
  function query() {
    const hours = Number(span.value);
    const isOwn = span.value === 'own';
    /** @param {HTMLInputElement} input */
    const iso = (input) => (isOwn && input.value ? new Date(input.value).toISOString() : '');
    return {
      status: status.value,
      event: event.value.trim(),
      since: hours > 0 ? sinceHours(hours) : iso(since),
      until: iso(until),
    };
  }

  /**
   * Fixed once it is chosen: a cursor is valid only for the filters that it came from.
   *
   * @param {number} hours
   */
  function sinceHours(hours) {
    const key = span.value;
    if (span.dataset.key !== key || !span.dataset.since) {
      span.dataset.key = key;
      span.dataset.since = new Date(Date.now() - hours * 3_600_000).toISOString();
    }
    return span.dataset.since;
  }

  function clear() {
    status.value = '';
    event.value = '';
    span.value = '';
    own.hidden = true;
    status.focus();
    changed();
  }

  /** @param {string} message */
  function setError(message) {
    error.textContent = message;
  }
}
