// Feedback: announcements, errors, copied text.

import { ApiError } from './api.js';
import { h, icon } from './dom.js';
import { visible } from './format.js';

/** Where short messages appear. Screen readers announce them. */
const announcements = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' });
document.body.append(announcements);

/** Announcements outside of a modal dialog are silent, so put them inside. */
export function placeAnnouncements() {
  const place = [...document.querySelectorAll('dialog')].at(-1) ?? document.body;
  place.append(announcements);
}

/** Closes every dialog, when the session ends or the view changes. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) dialog.remove();
  placeAnnouncements();
}

/**
 * Shows a short message, which screen readers announce.
 *
 * @param {string} message
 */
export function announce(message) {
  const toast = h('p', { class: 'toast' }, message);
  announcements.append(toast);
  setTimeout(() => toast.remove(), 6_000);
}

/** @param {unknown} error */
export function explain(error) {
  if (!(error instanceof ApiError)) return 'Something went wrong on this page. Reload it and try again.';
  const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : ' Try again in a moment.';
  if (error.status === 0) return 'The service can’t be reached. Check your connection and try again.';
  if (error.status === 401) return 'Your session has ended.';
  if (error.status === 403) return 'You don’t have permission to do this.';
  if (error.status === 404) return 'This no longer exists. Someone may have deleted it.';
  if (error.status === 429) return `${error.code === 'RATE_LIMIT' && error.message ? sentence(error.message) : 'Too many requests.'}${wait}`;
  if (error.status >= 500) return `The service has a problem.${wait}`;
  return sentence(error.message || 'The service rejected the request.');
}

/** @param {string} text */
function sentence(text) {
  const shown = visible(text);
  const start = shown.charAt(0).toUpperCase() + shown.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/**
 * A listener that shows its action's errors.
 *
 * @param {() => Promise<void>} action
 */
export function explained(action) {
  return () => {
    action().catch((error) => announce(explain(error)));
  };
}

/**
 * A box that explains an error, with a button that tries again.
 *
 * @param {unknown} error
 * @param {(() => void) | null} [retry]
 */
export function errorBox(error, retry) {
  const id = error instanceof ApiError ? error.requestId : null;
  return h(
    'div',
    { class: 'notice notice-bad', role: 'alert' },
    icon('warning'),
    h(
      'div',
      { class: 'notice-text' },
      h('p', null, explain(error)),
      id && h('p', { class: 'fine' }, 'Request ID: ', h('code', null, visible(id))),
    ),
    retry && h('button', { class: 'button', onclick: retry }, 'Try again'),
  );
}

/**
 * A button that copies text.
 *
 * @param {() => string} text
 * @param {string} label such as “Copy the secret”
 * @param {string} [shown]
 */
export function copyButton(text, label, shown = 'Copy') {
  const button = h('button', { class: 'button button-small', 'aria-label': label, onclick: copy }, icon('copy'), shown);
  return button;

  async function copy() {
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      announce('Your browser didn’t allow copying. Select the text and copy it.');
      return;
    }
    button.replaceChildren(icon('check'), 'Copied');
    announce('Copied.');
    setTimeout(() => button.replaceChildren(icon('copy'), shown), 2_000);
  }
}
