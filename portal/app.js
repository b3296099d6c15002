// Starts the portal: finds out what the token may do, draws the frame around the views,
// and shows the view that the address names.

import { Api, ApiError } from './api.js';
import { closeDialogs } from './dialog.js';
import { fill, h } from './dom.js';
import { announce, errorBox, explain } from './feedback.js';
import { refreshTimes, visible } from './format.js';
import { icon } from './icons.js';
import { forgetToken, takeToken } from './session.js';
import { applyTheme, themeToggle } from './theme.js';

/** @import { Access, AppApi, EventType } from './api.js' */

/**
 * What a view works with.
 *
 * @typedef {object} Context
 * @property {Api} api
 * @property {AppApi} app the calls about the session's app
 * @property {Access} access
 * @property {boolean} canManage whether to offer changes
 * @property {AbortSignal} signal aborts once the view is left
 * @property {() => Promise<EventType[]>} catalogue empty if there is none
 */

/** @typedef {{title: string, content: Node[]}} View */
/** @typedef {(context: Context, ...parts: string[]) => Promise<View>} ViewFunction */

/** @type {[RegExp, () => Promise<{view: ViewFunction}>][]} */
const CUSTOMER = [
  [/^\/?$/, () => import('./views/endpoints.js')],
  [/^\/endpoints\/([^/]+)$/, () => import('./views/endpoint.js')],
  [/^\/endpoints\/([^/]+)\/deliveries\/([^/]+)$/, () => import('./views/delivery.js')],
];

/** @type {[RegExp, () => Promise<{view: ViewFunction}>][]} */
const OPERATOR = [
  [/^\/?$/, () => import('./views/apps.js')],
  [/^\/apps\/([^/]+)$/, () => import('./views/app.js')],
];

const main = /** @type {HTMLElement} */ (document.getElementById('main'));
const header = /** @type {HTMLElement} */ (document.getElementById('header'));

/** @type {{title: string, logoUrl: string | null}} */
let branding = { title: 'Webhooks', logoUrl: null };
/** @type {{api: Api, access: Access, catalogue: Promise<EventType[]> | null} | null} */
let session = null;
/** Counts starts and ends of sessions, so that a slow answer for an earlier one is ignored. */
let tries = 0;
let leave = new AbortController();

applyTheme();
const theme = themeToggle();
setInterval(refreshTimes, 20_000);
addEventListener('hashchange', () => {
  // A link with a token that is opened while the page is open already.
  if (location.hash.startsWith('#token=')) start();
  else show();
});
document.querySelector('.skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
start();

async function start() {
  // Nothing of an earlier session in this tab stays.
  tries += 1;
  leave.abort();
  closeDialogs();
  session = null;
  if (main.querySelector('h1')) fill(main, h('p', { class: 'loading' }, 'Loading…'));
  const token = takeToken();
  // The page works without it.
  const branded = fetch('branding.json', { signal: AbortSignal.timeout(3_000) })
    .then((answer) => answer.json())
    .catch(() => branding);
  const opened = token === null ? null : open(token);
  branding = await branded;
  drawHeader();
  if (opened === null) showEntrance('missing');
  else await opened;
}

/**
 * Opens a session with a token or key. Throws if the service does not accept it.
 *
 * @param {string} token
 */
async function open(token) {
  const own = (tries += 1);
  const api = new Api(token, () => {
    if (own === tries) end();
  });
  try {
    const access = await api.access();
    if (own !== tries) return;
    session = { api, access, catalogue: null };
    watchExpiry(api, access);
  } catch (error) {
    if (own !== tries || (error instanceof ApiError && error.status === 401)) return;
    fill(main, errorBox(error, () => open(token)));
    return;
  }
  drawHeader();
  await show();
}

/** Nothing of the session stays: not its token, and nothing that it has shown. */
function end() {
  tries += 1;
  leave.abort();
  session = null;
  forgetToken();
  closeDialogs();
  drawHeader();
  showEntrance('ended');
}

/**
 * Asks the service, rather than trusting this computer's clock.
 *
 * @param {Api} api
 * @param {Access} access
 */
function watchExpiry(api, access) {
  if (access.expiresAt === null) return;
  const left = Date.parse(access.expiresAt) - Date.now();
  // Timers hold 31 bits of milliseconds.
  const wait = Math.min(Math.max(left + 1_000, 5_000), 2 ** 31 - 1);
  setTimeout(() => {
    if (session?.api !== api) return;
    api.access().then((now) => watchExpiry(api, now)).catch(() => watchExpiry(api, access));
  }, wait);
}

function drawHeader() {
  const access = session?.access;
  const logo = branding.logoUrl
    ? h('img', { class: 'logo', src: branding.logoUrl, alt: '', referrerpolicy: 'no-referrer' })
    : h('span', { class: 'logo' }, icon('hook'));
  const who = access?.scope === 'platform' ? 'Operator' : access?.appId;
  const canEnd = access?.kind === 'key';
  fill(
    header,
    h(
      'div',
      { class: 'header-inner' },
      h('a', { class: 'brand', href: '#/', 'aria-label': branding.title }, logo, h('span', { class: 'brand-title' }, branding.title)),
      who && h('span', { class: 'who', title: `Signed in as ${visible(who)}` }, h('bdi', null, visible(who))),
      access?.scope === 'read' && h('span', { class: 'badge badge-idle' }, 'View only'),
      h('span', { class: 'spacer' }),
      canEnd && h('button', { type: 'button', class: 'button button-small', onclick: end }, 'Sign out'),
      theme,
    ),
  );
}

async function show() {
  if (session === null) return;
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const { api, access } = session;
  closeDialogs();
  const isOperator = access.scope === 'platform';
  const match = find(isOperator ? OPERATOR : CUSTOMER, location.hash.slice(1));
  main.setAttribute('aria-busy', 'true');
  try {
    if (access.scope === 'publish') throw new ApiError(403, 'FORBIDDEN', '');
    if (match === null) throw new ApiError(404, 'NOT_FOUND', '');
    const context = contextOf(api, access, signal);
    const { view } = await match.load();
    const { title, content } = await view(context, ...match.parts);
    if (signal.aborted) return;
    fill(main, ...content);
    document.title = `${title} – ${branding.title}`;
    focusHeading();
  } catch (error) {
    if (signal.aborted) return;
    fill(
      main,
      h('h1', { tabindex: '-1' }, 'This can’t be shown'),
      errorBox(error, show),
      h('p', null, h('a', { class: 'link', href: '#/' }, 'Back to the start')),
    );
    document.title = `Error – ${branding.title}`;
    focusHeading();
  } finally {
    if (!signal.aborted) main.removeAttribute('aria-busy');
  }
}

/**
 * @param {typeof CUSTOMER} routes
 * @param {string} path
 */
function find(routes, path) {
  for (const [pattern, load] of routes) {
    const found = pattern.exec(path);
    if (found) return { load, parts: found.slice(1) };
  }
  return null;
}

/**
 * @param {Api} api
 * @param {Access} access
 * @param {AbortSignal} signal
 * @returns {Context}
 */
function contextOf(api, access, signal) {
  return {
    api,
    app: api.app(access.appId ?? ''),
    access,
    canManage: access.scope === 'all' || access.scope === 'manage',
    signal,
    catalogue: () => {
      if (session?.api !== api) return Promise.resolve([]);
      // Without a catalogue, event types are typed in.
      const mine = session;
      mine.catalogue ??= api.eventTypes().catch(() => {
        mine.catalogue = null;
        return [];
      });
      return mine.catalogue;
    },
  };
}

function focusHeading() {
  scrollTo(0, 0);
  main.querySelector('h1')?.focus({ preventScroll: true });
}

/**
 * The page without a session.
 *
 * @param {'missing' | 'ended'} why
 */
function showEntrance(why) {
  main.removeAttribute('aria-busy');
  const ended = why === 'ended';
  const title = ended ? 'Your session has ended' : 'Open this page from your dashboard';
  const text = ended
    ? 'For your security, links to this page only work for a limited time. Go back to your account settings and open it again.'
    : 'This is where you manage your webhooks, but it takes a personal link. Open the page from your account settings.';
  const errors = h('div');
  const key = h('input', { class: 'input', id: 'key', type: 'password', autocomplete: 'off', spellcheck: 'false', required: true });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const pasted = key.value.trim();
    if (pasted === '') return key.focus();
    key.value = '';
    errors.replaceChildren();
    const own = (tries += 1);
    const api = new Api(pasted, () => session?.api === api && end());
    try {
      const access = await api.access();
      if (own !== tries) return;
      session = { api, access, catalogue: null };
      watchExpiry(api, access);
    } catch (error) {
      if (own !== tries) return;
      const refused = error instanceof ApiError && error.status === 401;
      const message = refused ? 'The service doesn’t know this key.' : explain(error);
      errors.replaceChildren(h('p', { class: 'field-error', role: 'alert' }, message));
      return key.focus();
    }
    history.replaceState(null, '', '#/');
    drawHeader();
    await show();
  };
  fill(
    main,
    h(
      'section',
      { class: 'entrance' },
      h('span', { class: 'entrance-icon' }, icon(ended ? 'clock' : 'hook')),
      h('h1', { tabindex: '-1' }, title),
      h('p', { class: 'lead' }, text),
      h(
        'details',
        { class: 'panel' },
        h('summary', null, 'Do you run this service?'),
        h(
          'form',
          { class: 'stack', onsubmit: submit },
          h('p', { class: 'fine' }, 'Sign in with a platform key to see your apps. The key is kept in this page’s memory only, and is gone when you reload or close the page.'),
          h('div', { class: 'field' }, h('label', { for: 'key' }, 'Platform key'), key),
          errors,
          h('div', null, h('button', { type: 'submit', class: 'button button-primary' }, 'Sign in')),
        ),
      ),
    ),
  );
  document.title = `${title} – ${branding.title}`;
  if (ended) announce(title);
  focusHeading();
}
