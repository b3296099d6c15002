// Form fields with a label, a hint, and room for an error.

import { h, PLAIN, uniqueId } from './dom.js';

/** @import { OwnSecret } from './api.js' */
/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Control */

/**
 * @template {Control} T
 * @param {string} label
 * @param {T} input
 * @param {string} hint
 */
export function field(label, input, hint) {
  const id = uniqueId('field');
  input.id = id;
  input.setAttribute('aria-describedby', `${id}-hint ${id}-error`);
  const error = h('p', { class: 'field-error', id: `${id}-error` });
  const element = h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    h('p', { class: 'fine', id: `${id}-hint` }, hint),
    input,
    error,
  );
  /** @param {string} message */
  const setError = (message) => {
    error.textContent = message;
    if (message === '') input.removeAttribute('aria-invalid');
    else input.setAttribute('aria-invalid', 'true');
  };
  return { element, input, setError };
}

/**
 * An input without spell checking and completion.
 *
 * @param {string} value
 * @param {string} [placeholder]
 */
export function textInput(value, placeholder) {
  return h('input', { class: 'input', type: 'text', ...PLAIN, value, placeholder });
}

/** @param {string} value @param {string} [placeholder] */
export function textArea(value, placeholder) {
  return h('textarea', { class: 'input code-input', rows: 3, ...PLAIN, value, placeholder });
}

/**
 * Reads an input's text. Null, with an error shown, if it can't be parsed.
 *
 * @template T
 * @param {{input: Control, setError: (message: string) => void}} of
 * @param {(text: string) => T} parse throws an Error with what to say
 * @returns {{value: T} | null}
 */
export function read({ input, setError }, parse) {
  setError('');
  try {
    return { value: parse(input.value.trim()) };
  } catch (error) {
    setError(error instanceof Error ? error.message : String(error));
    return null;
  }
}

/**
 * Parses “name: value” pairs, one per line. Null if there are none.
 *
 * @param {string} text
 * @returns {Record<string, string> | null}
 */
export function pairs(text) {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const entries = lines.map((line) => {
    const at = line.indexOf(':');
    if (at < 1) throw new Error('Write each as “name: value”, one a line.');
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

/** @param {string} text */
export function parsedJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('This is not valid JSON.');
  }
}

/**
 * The customer's own secret, as create and rotate take it.
 *
 * @param {string} text
 * @returns {OwnSecret}
 */
export function ownSecret(text) {
  if (text === '') return {};
  return text.startsWith('whsec_') ? { secret: text } : { secret: text, secretFormat: 'text' };
}

export const secretField = () => field(
  'Own signing secret (optional)',
  textInput(''),
  'Leave it empty and we create one. To use your own: whsec_ and base64 of 24 to 64 bytes, or 16 to 128 visible characters.',
);
