// For the operator: one app, its keys, and a link to its portal.

import { openDialog, run } from '../dialog.js';
import { back, h, icon, labelled } from '../dom.js';
import { copyButton } from '../feedback.js';
import { plural, time, visible } from '../format.js';

/** @import { Context, View } from '../app.js' */
/** @import { ApiKey } from '../api.js' */

/** @param {Context} context @param {string} id @returns {Promise<View>} */
export async function view(context, id) {
  const calls = context.api.app(id);
  const [app, keys] = await Promise.all([calls.details(), calls.keys()]);
  const name = visible(app.name ?? app.id);
  const isGone = app.status === 'DELETING';
  const content = [
    back('#/', 'Apps'),
    h(
      'div',
      { class: 'page-head' },
      h('div', { class: 'page-title' }, h('h1', { tabindex: '-1' }, h('bdi', null, name)), isGone && h('span', { class: 'badge badge-warn' }, 'Being deleted')),
      !isGone && h('button', { class: 'button button-primary', onclick: () => openAsCustomer(context, id, name) }, icon('external'), 'Open as this customer'),
    ),
    h(
      'dl',
      { class: 'facts' },
      h('div', { class: 'fact-id' }, h('dt', null, 'App ID'), h('dd', null, h('code', { class: 'id' }, visible(app.id)), copyButton(() => app.id, 'Copy the app ID', ''))),
      h('div', null, h('dt', null, 'Endpoints'), h('dd', null, app.endpoints)),
      h('div', null, h('dt', null, 'API keys'), h('dd', null, app.keys)),
      h('div', null, h('dt', null, 'Added'), h('dd', null, time(app.createdAt))),
    ),
    h('section', { 'aria-label': 'API keys' }, h('h2', null, 'API keys'), keysOf(keys)),
  ];
  return { title: name, content };
}

/** @param {ApiKey[]} keys */
function keysOf(keys) {
  if (keys.length === 0) return h('p', { class: 'fine' }, 'This app has no API key.');
  return h(
    'table',
    { class: 'table' },
    h('caption', { class: 'sr-only' }, plural(keys.length, 'API key')),
    h('thead', null, h('tr', null, ['Label', 'Scope', 'Ends in', 'Added', 'Expires'].map((name, index) => h('th', { scope: 'col', class: index > 2 ? 'wide-only' : null }, name)))),
    h(
      'tbody',
      null,
      keys.map((key) =>
        h(
          'tr',
          null,
          h('th', { scope: 'row' }, h('bdi', null, visible(key.label) || '–')),
          h('td', null, key.scope),
          h('td', null, h('code', null, `…${visible(key.ends)}`)),
          h('td', { class: 'wide-only' }, time(key.createdAt)),
          h('td', { class: 'wide-only' }, key.expiresAt ? time(key.expiresAt) : 'Never'),
        ),
      ),
    ),
  );
}

/** @param {Context} context @param {string} appId @param {string} name */
function openAsCustomer(context, appId, name) {
  const scope = h('select', { class: 'input' }, h('option', { value: 'read' }, 'View only'), h('option', { value: 'manage' }, 'View and change'));
  const span = h('select', { class: 'input' }, h('option', { value: '900' }, '15 minutes'), h('option', { value: '3600' }, '1 hour'), h('option', { value: '86400' }, '1 day'));
  const result = h('div', { 'aria-live': 'polite' });
  const make = h('button', { type: 'submit', class: 'button button-primary' }, 'Open');
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    run(make, result, async () => {
      const { url, expiresAt } = await context.api.app(appId).openPortal({ scope: scope.value, expiresInSeconds: Number(span.value) });
      if (!/^https?:\/\//.test(url)) throw new Error('the link is not a web address');
      // Without an opener, the new tab gets no copy of this tab's storage.
      window.open(url, '_blank', 'noopener');
      result.replaceChildren(
        h(
          'div',
          { class: 'panel stack-tight' },
          h('p', null, 'It opened in a new tab. If your browser blocked it, use the link, which works until ', time(expiresAt), '. Anyone who has the link has this access.'),
          h('div', { class: 'toolbar' }, h('a', { class: 'button', href: url, target: '_blank', rel: 'noopener noreferrer' }, icon('external'), 'Open the portal'), copyButton(() => url, 'Copy the link', 'Copy the link')),
        ),
      );
    });
  };
  const dialog = openDialog(`Open as ${name}`, [
    h(
      'form',
      { class: 'stack', onsubmit: submit },
      h('p', null, 'Creates a session like the ones you create for your customers, and opens it in a new tab.'),
      labelled('Access', scope),
      labelled('For', span),
      result,
      h('div', { class: 'actions' }, h('button', { class: 'button', onclick: () => dialog.close() }, 'Close'), make),
    ),
  ]);
  scope.focus();
}
