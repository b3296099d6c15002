// Builds elements. Text always becomes a text node, so nothing that an API answer
// contains is ever parsed as HTML. Nothing else in the portal may create markup.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, unknown>} Props */

/** Attributes that run code or load something, and are never needed here. */
const FORBIDDEN = ['style', 'srcdoc', 'formaction', 'innerHTML', 'outerHTML'];

/**
 * An element with properties and children. `on…` adds a listener; booleans become
 * present or absent attributes; null and undefined are skipped.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props | null} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
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

/**
 * @param {Element} element
 * @param {string} name
 * @param {unknown} value
 */
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

/**
 * @param {Element} parent
 * @param {(Child | Child[])[]} children
 */
export function append(parent, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Replaces what an element contains.
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
 * An id that no other element has, for labels and descriptions.
 *
 * @param {string} name
 */
export function uniqueId(name) {
  lastId += 1;
  return `${name}-${lastId}`;
}
