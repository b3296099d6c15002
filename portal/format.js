// How times, durations and foreign text are shown.

import { h } from './dom.js';

/**
 * Creates a value on first use. Formats take slow phones a tenth of a second.
 *
 * @template T
 * @param {() => T} make
 */
function lazy(make) {
  /** @type {T | undefined} */
  let made;
  return () => (made ??= make());
}

const SHORT = lazy(() => new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }));
const EXACT = lazy(() => new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' }));
const RELATIVE = lazy(() => new Intl.RelativeTimeFormat('en', { numeric: 'auto' }));

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * A time in the reader's zone: relative within a day, and exact on hover.
 *
 * @param {string} iso
 * @param {boolean} [isDue] whether something happens then, late perhaps
 */
export function time(iso, isDue = false) {
  const at = new Date(iso);
  const element = h('time', { datetime: iso, title: `${EXACT().format(at)} (${iso})` }, near(at, isDue));
  if (isDue) element.dataset.due = '';
  return element;
}

/** Updates the page's relative times. Call it now and then. */
export function refreshTimes() {
  for (const element of document.querySelectorAll('time')) {
    element.textContent = near(new Date(element.dateTime), 'due' in element.dataset);
  }
}

/** @param {Date} at @param {boolean} isDue */
function near(at, isDue) {
  const ahead = at.getTime() - Date.now();
  if (isDue && ahead <= 0) return 'any moment now';
  const far = Math.abs(ahead);
  if (far >= DAY) return SHORT().format(at);
  if (far < 10_000) return ahead > 0 ? 'in a few seconds' : 'just now';
  if (far < MINUTE) return RELATIVE().format(Math.round(ahead / 1_000), 'second');
  if (far < HOUR) return RELATIVE().format(Math.round(ahead / MINUTE), 'minute');
  return RELATIVE().format(Math.round(ahead / HOUR), 'hour');
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < HOUR) return `${Math.round(ms / MINUTE)} min`;
  return ms < 2 * DAY ? `${Math.round(ms / HOUR)} h` : `${Math.round(ms / DAY)} days`;
}

/**
 * A number of things: “1 key”, “2 keys”, “2 deliveries”, “2 matches”.
 *
 * @param {number} count
 * @param {string} noun
 */
export function plural(count, noun) {
  const number = count < 1_000 ? String(count) : count.toLocaleString('en');
  if (count === 1) return `${number} ${noun}`;
  if (/[^aeiou]y$/.test(noun)) return `${number} ${noun.slice(0, -1)}ies`;
  return `${number} ${noun}${noun.endsWith('ch') ? 'es' : 's'}`;
}

/** Characters that change the text direction or are invisible. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/**
 * Foreign text with its invisible characters written as escapes, so that it can't
 * pretend to be something else. In JSON they mean the same.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(UNSEEN, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** @param {unknown} value */
export function json(value) {
  return visible(JSON.stringify(value, null, 2) ?? 'null');
}

/**
 * A URL with its host emphasized.
 *
 * @param {string} text
 */
export function url(text) {
  const shown = visible(text);
  const parts = /^([a-z]+:\/\/)([^/?]*)(.*)$/i.exec(shown);
  if (!parts) return h('bdi', { class: 'url' }, shown);
  const [, scheme, host, rest] = parts;
  return h(
    'bdi',
    { class: 'url', title: shown },
    h('span', { class: 'url-rest' }, scheme),
    h('span', { class: 'url-host' }, host),
    h('span', { class: 'url-rest' }, rest),
  );
}

/** @param {string} text */
export function hostOf(text) {
  try {
    return new URL(text).host;
  } catch {
    return visible(text);
  }
}

/** @param {string[]} events */
export function eventsInWords(events) {
  if (events.includes('*')) return 'All events';
  const [first = '', ...rest] = events.map(visible);
  return rest.length === 0 ? first : `${first} and ${rest.length} more`;
}
