// Chooses the event types that an endpoint subscribes to: all of them, types and prefixes
// of the catalogue, and, with or without a catalogue, names that are typed in.

import { fill, h, icon, PLAIN, uniqueId } from '../dom.js';
import { plural, visible } from '../format.js';

/** @import { EventType } from '../api.js' */

const PATTERN = /^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$/;

/** @typedef {{pattern: string, text: string, deprecated: boolean}} Choice */

/** @param {EventType[]} catalogue @param {string[] | null} subscribed null for a new endpoint */
export function eventPicker(catalogue, subscribed) {
  const id = uniqueId('events');
  const selected = new Set((subscribed ?? []).filter((pattern) => pattern !== '*'));
  const groups = groupsOf(catalogue);
  const listed = new Set([...groups.values()].flat().map(({ pattern }) => pattern));

  const all = h('input', { type: 'radio', name: id, checked: subscribed === null || subscribed.includes('*'), onchange: show });
  const some = h('input', { type: 'radio', name: id, checked: !all.checked, onchange: show });
  const error = h('p', { class: 'field-error', id: `${id}-error` });
  const chips = h('ul', { class: 'chips', role: 'list', 'aria-label': 'Other chosen events' });
  const { element: list, refresh } = checklist(groups, selected);
  const typed = h('input', {
    class: 'input', id: `${id}-typed`, type: 'text', ...PLAIN,
    placeholder: 'invoice.paid or invoice.*', 'aria-describedby': `${id}-hint ${id}-error`, onkeydown: addOnEnter,
  });
  const byName = h(
    'div',
    { class: 'field' },
    h('label', { for: typed.id }, catalogue.length > 0 ? 'Add by name' : 'Event type'),
    h('p', { class: 'fine', id: `${id}-hint` }, 'A name such as invoice.paid, or invoice.* for everything that starts with “invoice.”, including types added later.'),
    h('div', { class: 'input-group' }, typed, h('button', { class: 'button', onclick: add }, 'Add')),
    chips,
  );
  const choices = h('div', { class: 'stack picker' }, catalogue.length > 0 && list, byName);
  const element = h(
    'fieldset',
    { class: 'field', 'aria-describedby': `${id}-error` },
    h('legend', null, 'Events'),
    h('label', { class: 'check' }, all, h('span', null, 'All events, including types added later')),
    h('label', { class: 'check' }, some, h('span', null, 'Only the events I choose')),
    choices,
    error,
  );
  show();
  return { element, value, setError };

  function show() {
    choices.hidden = all.checked;
    refresh();
    const others = [...selected].filter((pattern) => !listed.has(pattern));
    fill(chips, others.map(chip));
    chips.hidden = others.length === 0;
  }

  /** @param {string} pattern */
  function chip(pattern) {
    const remove = () => {
      selected.delete(pattern);
      show();
      typed.focus();
    };
    const label = `Remove ${visible(pattern)}`;
    return h('li', { class: 'chip' }, h('code', null, visible(pattern)), h('button', { class: 'chip-remove', 'aria-label': label, onclick: remove }, icon('cross')));
  }

  /** Whether the entered name is valid or empty. */
  function add() {
    const pattern = typed.value.trim();
    if (pattern === '') return true;
    if (!PATTERN.test(pattern) || pattern.length > 128) {
      setError('Use letters, digits, _ and -, separated by full stops. Only the last part can be *.');
      typed.focus();
      return false;
    }
    setError('');
    typed.value = '';
    if (pattern === '*') all.checked = true;
    else selected.add(pattern);
    show();
    return true;
  }

  /** @param {KeyboardEvent} event */
  function addOnEnter(event) {
    if (event.key !== 'Enter' || typed.value.trim() === '') return;
    event.preventDefault();
    add();
  }

  /** The patterns to send. */
  function value() {
    if (all.checked) return ['*'];
    add();
    return [...selected];
  }

  /** @param {string} message */
  function setError(message) {
    error.textContent = message;
    if (message === '') typed.removeAttribute('aria-invalid');
    else typed.setAttribute('aria-invalid', 'true');
  }
}

/**
 * Check boxes for the catalogue, by group, with a search.
 *
 * @param {Map<string, Choice[]>} groups
 * @param {Set<string>} selected changes with the boxes
 */
function checklist(groups, selected) {
  const id = uniqueId('search');
  const found = h('p', { class: 'fine', role: 'status' });
  const search = h('input', { class: 'input', id, type: 'search', ...PLAIN, placeholder: 'Search event types', oninput: filter });
  /** @type {{choice: Choice, group: string, box: HTMLInputElement, element: HTMLElement}[]} */
  const boxes = [];
  const sections = [...groups].map(([group, choices]) => {
    const made = choices.map((choice) => {
      const box = h('input', { type: 'checkbox', onchange: () => toggle(choice.pattern, box.checked) });
      const element = h(
        'label',
        { class: 'check' },
        box,
        h('span', null, h('code', null, visible(choice.pattern)), choice.deprecated && h('span', { class: 'badge badge-warn' }, 'Deprecated'), h('span', { class: 'check-text fine' }, visible(choice.text))),
      );
      boxes.push({ choice, group, box, element });
      return element;
    });
    return h('fieldset', { class: 'picker-group' }, h('legend', null, visible(group)), made);
  });
  // Scrollable, so it takes the focus.
  const scroll = h('div', { class: 'picker-list', tabindex: '0', role: 'group', 'aria-label': 'Event types' }, sections);
  const element = h('div', { class: 'stack-tight' }, h('label', { class: 'sr-only', for: id }, 'Search event types'), search, scroll, found);
  return { element, refresh };

  /** @param {string} pattern @param {boolean} isChosen */
  function toggle(pattern, isChosen) {
    if (isChosen) selected.add(pattern);
    else selected.delete(pattern);
    // A prefix includes its types.
    if (isChosen && pattern.endsWith('.*')) {
      for (const { choice } of boxes) if (choice.pattern !== pattern && covers(pattern, choice.pattern)) selected.delete(choice.pattern);
    }
    refresh();
  }

  function refresh() {
    const prefixes = [...selected].filter((pattern) => pattern.endsWith('.*'));
    for (const { choice, box } of boxes) {
      const covered = prefixes.some((prefix) => prefix !== choice.pattern && covers(prefix, choice.pattern));
      box.checked = covered || selected.has(choice.pattern);
      box.disabled = covered;
    }
  }

  function filter() {
    const words = search.value.trim().toLowerCase().split(/\s+/);
    let count = 0;
    for (const { choice, group, element: label } of boxes) {
      const text = `${choice.pattern} ${choice.text} ${group}`.toLowerCase();
      label.hidden = !words.every((word) => text.includes(word));
      if (!label.hidden) count += 1;
    }
    for (const section of sections) section.hidden = [...section.querySelectorAll('label')].every((label) => label.hidden);
    found.textContent = search.value.trim() === '' ? '' : count === 0 ? 'No event types match.' : `${plural(count, 'match')}.`;
  }
}

/**
 * Whether a prefix such as `invoice.*` includes this type or narrower prefix.
 *
 * @param {string} prefix
 * @param {string} pattern
 */
function covers(prefix, pattern) {
  return pattern.startsWith(prefix.slice(0, -1));
}

/**
 * The catalogue by group, with a choice for each prefix that several types share.
 *
 * @param {EventType[]} catalogue
 */
function groupsOf(catalogue) {
  /** @type {Map<string, number>} */
  const shared = new Map();
  for (const { name } of catalogue) {
    const parts = name.split('.');
    for (let length = 1; length < parts.length; length += 1) {
      const prefix = `${parts.slice(0, length).join('.')}.*`;
      shared.set(prefix, (shared.get(prefix) ?? 0) + 1);
    }
  }
  /** @type {Map<string, Choice[]>} */
  const groups = new Map();
  for (const { name, group, description, deprecated } of catalogue) {
    const key = group ?? 'Other';
    const choices = groups.get(key) ?? [];
    groups.set(key, choices);
    for (const [prefix, count] of shared) {
      if (count < 2 || !covers(prefix, name)) continue;
      choices.push({ pattern: prefix, text: `All ${prefix.slice(0, -2)} events, including types added later`, deprecated: false });
      // Once, before the first of its types.
      shared.delete(prefix);
    }
    choices.push({ pattern: name, text: description ?? '', deprecated });
  }
  // Types without a group come last.
  const rest = groups.get('Other');
  if (rest) {
    groups.delete('Other');
    groups.set('Other', rest);
  }
  return groups;
}
