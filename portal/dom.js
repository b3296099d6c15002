// Builds elements. Text always becomes a text node, so nothing that an API answer
// contains is ever parsed as HTML. No other module may create markup.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, unknown>} Props */

/** Attributes that run code or load something, and are never needed here. */
const FORBIDDEN = ['style', 'srcdoc', 'formaction', 'innerHTML', 'outerHTML'];

/** Turns off completion and correction for inputs. */
export const PLAIN = { autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' };

/**
 * An element with properties and children. `on…` adds a listener; booleans become
 * present or absent attributes; null and undefined are skipped. Buttons don't submit by
 * default.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  if (tag === 'button') element.setAttribute('type', 'button');
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

/**
 * An SVG element.
 *
 * @param {string} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, props, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

/** @param {Element} element @param {string} name @param {unknown} value */
function set(element, name, value) {
  if (value === null || value === undefined) return;
  if (FORBIDDEN.includes(name)) throw new Error(`${name} is not allowed`);
  if (name.startsWith('on')) {
    if (typeof value !== 'function') throw new Error(`${name} must be a function`);
    element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  } else if (name === 'href' && !isSafeLink(String(value))) {
    throw new Error('this link is not allowed');
  } else if (typeof value === 'boolean' && !name.startsWith('aria-')) {
    element.toggleAttribute(name, value);
  } else if (name === 'value' && 'value' in element) {
    element.value = String(value);
  } else {
    element.setAttribute(name, String(value));
  }
}

/** @param {string} href */
function isSafeLink(href) {
  return href.startsWith('#') || /^https?:\/\//.test(href);
}

/** @param {Element} parent @param {(Child | Child[])[]} children */
export function append(parent, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Replaces an element's content.
 *
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

let lastId = 0;

/**
 * A unique id, for labels and descriptions.
 *
 * @param {string} name
 */
export function uniqueId(name) {
  lastId += 1;
  return `${name}-${lastId}`;
}

/** Outlines on a 24 by 24 grid. */
const PATHS = {
  back: 'M15 18l-6-6 6-6',
  bolt: 'M13 3 5 14h6l-1 7 8-11h-6z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  cross: 'M6 6l12 12M18 6 6 18',
  external: 'M14 5h5v5M19 5l-8 8M17 14v5H5V7h5',
  hook: 'M8 14a4 4 0 1 0 4 4h6M15.500 10.500 12 5M12 5a3 3 0 1 1 3-2.500M18 18a3 3 0 1 0-2-5',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500',
  pause: 'M9 6v12M15 6v12',
  plus: 'M12 5v14M5 12h14',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14M20 20l-4-4',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8M12 2v2M12 20v2M4 12H2M22 12h-2M5 5l1.500 1.500M17.500 17.500 19 19M19 5l-1.500 1.500M6.500 17.500 5 19',
  warning: 'M12 9v4.500M12 17v.01M12 3.500 2.500 20h19z',
};

/** @param {keyof typeof PATHS} name */
export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: PATHS[name] }));
}

/**
 * A link to the view above.
 *
 * @param {string} href
 * @param {Child} text
 */
export function back(href, text) {
  return h('nav', { 'aria-label': 'Breadcrumb' }, h('a', { class: 'link back', href }, icon('back'), text));
}

/**
 * An input with its label.
 *
 * @param {string} text
 * @param {HTMLElement} input
 */
export function labelled(text, input) {
  input.id ||= uniqueId('input');
  return h('div', { class: 'field' }, h('label', { for: input.id }, text), input);
}
