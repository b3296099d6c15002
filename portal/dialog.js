// Modal dialogs. <dialog> traps the focus, closes on Escape and then restores the focus.

import { h, icon, PLAIN, uniqueId } from './dom.js';
import { errorBox, placeAnnouncements } from './feedback.js';

/** @import { Child } from './dom.js' */

/**
 * Opens a dialog. Closing it removes it.
 *
 * @param {string} title
 * @param {(Child | Child[])[]} content
 * @param {{wide?: boolean, onclose?: () => void}} [options]
 */
export function openDialog(title, content, { wide = false, onclose } = {}) {
  const id = uniqueId('dialog');
  const dialog = h(
    'dialog',
    { class: wide ? 'dialog dialog-wide' : 'dialog', 'aria-labelledby': id },
    h(
      'div',
      { class: 'dialog-head' },
      h('h2', { id }, title),
      h('button', { class: 'icon-button', 'aria-label': 'Close', onclick: () => dialog.close() }, icon('cross')),
    ),
    ...content,
  );
  dialog.addEventListener('close', () => {
    // Dialogs that are removed first need no follow-up.
    if (!dialog.isConnected) return;
    dialog.remove();
    placeAnnouncements();
    onclose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  placeAnnouncements();
  return dialog;
}

/**
 * Runs a button's action: disables it meanwhile, and shows an error in `errors`.
 *
 * @param {HTMLButtonElement} button
 * @param {Element} errors
 * @param {() => Promise<void>} action
 * @param {(error: unknown) => boolean} [handled] whether the error is shown elsewhere
 */
export async function run(button, errors, action, handled) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  // Not the disabled attribute, which would drop the focus.
  button.setAttribute('aria-disabled', 'true');
  button.setAttribute('aria-busy', 'true');
  errors.replaceChildren();
  try {
    await action();
  } catch (error) {
    if (!handled?.(error)) errors.replaceChildren(errorBox(error));
  } finally {
    button.removeAttribute('aria-disabled');
    button.removeAttribute('aria-busy');
  }
}

/**
 * Asks before an action that can't be undone or has effects elsewhere.
 *
 * @param {object} question
 * @param {string} question.title
 * @param {(Child | Child[])[]} question.text
 * @param {string} question.confirm the button's words
 * @param {boolean} [question.dangerous]
 * @param {{label: string, text: string}} [question.typed] what has to be typed first
 * @param {() => Promise<void | (() => void)>} question.action may return what to do once
 *   the dialog is closed
 */
export function confirm({ title, text, confirm, dangerous = false, typed, action }) {
  const errors = h('div');
  const id = uniqueId('typed');
  const input = typed && h('input', { id, class: 'input', type: 'text', ...PLAIN, 'aria-describedby': `${id}-error` });
  const hint = typed && h('p', { class: 'field-error', id: `${id}-error` });
  const button = h('button', { type: 'submit', class: dangerous ? 'button button-danger' : 'button button-primary' }, confirm);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (typed && input && hint && input.value.trim() !== typed.text) {
      hint.textContent = `Type ${typed.text} to confirm.`;
      input.setAttribute('aria-invalid', 'true');
      input.focus();
      return;
    }
    run(button, errors, async () => {
      const then = await action();
      dialog.close();
      then?.();
    });
  };
  const dialog = openDialog(title, [
    h(
      'form',
      { class: 'stack', onsubmit: submit, novalidate: true },
      ...text.map((part) => (part instanceof Node ? part : h('p', null, part))),
      typed && h('div', { class: 'field' }, h('label', { for: id }, typed.label), input, hint),
      errors,
      h(
        'div',
        { class: 'actions' },
        h('button', { class: 'button', onclick: () => dialog.close() }, 'Cancel'),
        button,
      ),
    ),
  ]);
  input?.focus();
}
