// Starts the portal: finds out what the token may do, and shows the address's view.

import { Api, ApiError } from './api.js';
import { fill, h, icon } from './dom.js';
import { announce, closeDialogs, errorBox } from './feedback.js';
import { refreshTimes } from './format.js';
import { drawHeader, portalTitle } from './header.js';
import { early, first, forgetLink, takeLink } from './session.js';

/** @import { Access, AppApi, EventType } from './api.js' */
/** @import { Link } from './session.js' */

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

/** @type {{api: Api, access: Access, catalogue: Promise<EventType[]> | null} | null} */
let session = null;
/** Counts starts and ends of sessions, so that a slow answer for an earlier one is ignored. */
let tries = 0;
let leave = new AbortController();

setInterval(refreshTimes, 20_000);
addEventListener('hashchange', () => {
  // A link with a token can be opened while the page is already open.
  if (new URLSearchParams(location.hash.slice(1)).has('token')) start(takeLink(), new Map());
  else show();
});
document.querySelector('.skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
start(first, early);

/** @param {Link | null} link @param {Map<string, Promise<Response>>} underWay calls made already */
function start(link, underWay) {
  // Remove everything of an earlier session in this tab.
  tries += 1;
  leave.abort();
  closeDialogs();
  session = null;
  if (main.querySelector('h1')) fill(main, h('p', { class: 'loading' }, 'Loading…'));
  drawHeader(null, end);
  if (link === null) showEntrance('missing');
  else open(link.token, underWay);
}

/** @param {string} token @param {Map<string, Promise<Response>>} [underWay] */
async function open(token, underWay) {
  try {
    if (!(await begin(token, underWay))) return;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) end();
    else fill(main, errorBox(error, () => open(token)));
    return;
  }
  await show();
}

/** @param {string} key */
async function signIn(key) {
  if (!(await begin(key))) return;
  history.replaceState(null, '', '#/');
  await show();
}

/**
 * Begins a session with a token or key, unless another begins or ends meanwhile.
 * Throws if the service does not accept it.
 *
 * @param {string} token
 * @param {Map<string, Promise<Response>>} [underWay]
 */
async function begin(token, underWay) {
  const own = (tries += 1);
  const api = new Api(token, () => session?.api === api && end(), underWay);
  const access = await api.access().catch((error) => {
    if (own === tries) throw error;
    return null;
  });
  if (access === null || own !== tries) return false;
  session = { api, access, catalogue: null };
  watchExpiry(api, access);
  drawHeader(access, end);
  return true;
}

/** Removes the session's token and everything that it has shown. */
function end() {
  tries += 1;
  leave.abort();
  session = null;
  forgetLink();
  closeDialogs();
  drawHeader(null, end);
  showEntrance('ended');
}

/**
 * Asks the service instead of trusting this computer's clock.
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
    document.title = `${title} – ${portalTitle}`;
    focusHeading();
  } catch (error) {
    if (signal.aborted) return;
    fill(
      main,
      h('h1', { tabindex: '-1' }, 'This can’t be shown'),
      errorBox(error, show),
      h('p', null, h('a', { class: 'link', href: '#/' }, 'Back to the start')),
    );
    document.title = `Error – ${portalTitle}`;
    focusHeading();
  } finally {
    if (!signal.aborted) main.removeAttribute('aria-busy');
  }
}

/** @param {typeof CUSTOMER} routes @param {string} path */
function find(routes, path) {
  for (const [pattern, load] of routes) {
    const found = pattern.exec(path);
    if (found) return { load, parts: found.slice(1) };
  }
  return null;
}

/** @param {Api} api @param {Access} access @param {AbortSignal} signal @returns {Context} */
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
  const own = tries;
  const ended = why === 'ended';
  const title = ended ? 'Your session has ended' : 'Open this page from your dashboard';
  const text = ended
    ? 'For your security, links to this page only work for a limited time. Go back to your account settings and open it again.'
    : 'This is where you manage your webhooks, but it takes a personal link. Open the page from your account settings.';
  const entrance = h(
    'section',
    { class: 'entrance' },
    h('span', { class: 'entrance-icon' }, icon(ended ? 'clock' : 'hook')),
    h('h1', { tabindex: '-1' }, title),
    h('p', { class: 'lead' }, text),
  );
  main.removeAttribute('aria-busy');
  fill(main, entrance);
  document.title = `${title} – ${portalTitle}`;
  if (ended) announce(title);
  focusHeading();
  // Customers never sign in, so load the form only on demand.
  import('./views/sign-in.js')
    .then((form) => own === tries && entrance.append(form.signIn(signIn)))
    .catch(() => {});
}
