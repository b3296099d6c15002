// For the operator: signs in with a platform key.

import { ApiError } from '../api.js';
import { h, labelled, PLAIN } from '../dom.js';
import { explain } from '../feedback.js';

/** @param {(key: string) => Promise<void>} open throws if the service does not accept the key */
export function signIn(open) {
  const errors = h('div');
  const key = h('input', { class: 'input', id: 'key', type: 'password', ...PLAIN, required: true });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const pasted = key.value.trim();
    if (pasted === '') return key.focus();
    key.value = '';
    errors.replaceChildren();
    try {
      await open(pasted);
    } catch (error) {
      const refused = error instanceof ApiError && error.status === 401;
      const message = refused ? 'The service doesn’t know this key.' : explain(error);
      errors.replaceChildren(h('p', { class: 'field-error', role: 'alert' }, message));
      key.focus();
    }
  };
  return h(
    'details',
    { class: 'panel' },
    h('summary', null, 'Do you run this service?'),
    h(
      'form',
      { class: 'stack', onsubmit: submit },
      h('p', { class: 'fine' }, 'Sign in with a platform key to see your apps. The key is kept in this page’s memory only, and is gone when you reload or close the page.'),
      labelled('Platform key', key),
      errors,
      h('div', null, h('button', { type: 'submit', class: 'button button-primary' }, 'Sign in')),
    ),
  );
}
