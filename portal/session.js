// Where the portal's token comes from, where it is kept, and the first calls with it.
//
// A link has it in the fragment, which no server or log sees. It leaves the address bar at
// once, so that it is not copied or bookmarked with the page. To survive a reload, it is
// kept in sessionStorage, which belongs to one tab and is gone when the tab closes. Memory
// alone would not be safer: a script that can read one can read the other, and the policy
// lets no foreign script run. A pasted key is never stored.
//
// This module imports nothing and runs as soon as it arrives. So the first calls are under
// way while the browser still loads the rest of the page.

const STORED = 'portal-session';

/** The API's URL: the page is at `portal/` below it. */
export const BASE = new URL('..', new URL('.', document.baseURI));

/** How long a call may take. API Gateway gives up after 30 seconds. */
const TIMEOUT_MS = 35_000;

/**
 * The app in a link is a hint. The API decides what the token may see.
 *
 * @typedef {{token: string, app: string | null}} Link
 */

/**
 * The link that opened the page, or this tab. Null if there is none.
 *
 * @returns {Link | null}
 */
export function takeLink() {
  const fragment = location.hash.slice(1);
  const given = parse(fragment);
  if (given === null) return parse(storage((kept) => kept.getItem(STORED)) ?? '');
  history.replaceState(null, '', location.pathname + location.search);
  // Remove an earlier session from this tab.
  forgetLink();
  if (given.token === '') return null;
  storage((kept) => kept.setItem(STORED, fragment));
  return given;
}

export function forgetLink() {
  storage((kept) => kept.removeItem(STORED));
}

/** @param {string} text */
function parse(text) {
  const fields = new URLSearchParams(text);
  const token = fields.get('token');
  return token === null ? null : { token, app: fields.get('app') };
}

/**
 * Throws if the browser blocks storage, as in some frames. The session then lasts until
 * the page is reloaded.
 *
 * @template T
 * @param {(kept: Storage) => T} use
 * @returns {T | null}
 */
function storage(use) {
  try {
    return use(sessionStorage);
  } catch {
    return null;
  }
}

/**
 * Calls the API.
 *
 * @param {URL} url
 * @param {string} token
 * @param {{method?: string, headers?: Record<string, string>, body?: string | null, signal?: AbortSignal}} [options]
 */
export function request(url, token, { headers, signal, ...more } = {}) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  return fetch(url, {
    ...more,
    headers: { ...headers, authorization: `Bearer ${token}` },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    credentials: 'omit',
    redirect: 'error',
  });
}

/** The link that the page was opened with. */
export const first = takeLink();

/**
 * Calls that the first view makes, by URL. `Api` takes each of them once.
 *
 * @type {Map<string, Promise<Response>>}
 */
export const early = new Map();

if (first !== null) {
  const paths = ['key'];
  const isStart = location.hash === '' || location.hash === '#/';
  if (first.app && isStart) paths.push(`apps/${encodeURIComponent(first.app)}/webhooks?view=full`);
  for (const path of paths) {
    const url = new URL(path, BASE);
    const response = request(url, first.token);
    // Whoever uses the call handles its error. Perhaps nobody does.
    response.catch(() => {});
    early.set(url.href, response);
  }
}
