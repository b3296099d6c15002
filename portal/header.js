// The header of every view: the operator's branding, the session's owner, and the theme.
// It is the system's until the reader chooses.

import { fill, h, icon } from './dom.js';
import { visible } from './format.js';

/** @import { Access } from './api.js' */

const STORED = 'portal-theme';
const DARK = matchMedia('(prefers-color-scheme: dark)');

const header = /** @type {HTMLElement} */ (document.getElementById('header'));

/** @param {string} name */
const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.getAttribute('content') ?? '';

/** The operator's title of the portal. */
export const portalTitle = meta('application-name');
const logoUrl = meta('portal-logo');

const chosen = stored();
if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
const theme = themeToggle();

/** @param {Access | null} access null without a session @param {() => void} signOut */
export function drawHeader(access, signOut) {
  const logo = logoUrl
    ? h('img', { class: 'logo', src: logoUrl, alt: '', referrerpolicy: 'no-referrer' })
    : h('span', { class: 'logo' }, icon('hook'));
  const who = access?.scope === 'platform' ? 'Operator' : access?.appId;
  fill(
    header,
    h(
      'div',
      { class: 'header-inner' },
      h('a', { class: 'brand', href: '#/', 'aria-label': portalTitle }, logo, h('span', { class: 'brand-title' }, portalTitle)),
      who && h('span', { class: 'who', title: `Signed in as ${visible(who)}` }, h('bdi', null, visible(who))),
      access?.scope === 'read' && h('span', { class: 'badge badge-idle' }, 'View only'),
      h('span', { class: 'spacer' }),
      access?.kind === 'key' && h('button', { class: 'button button-small', onclick: signOut }, 'Sign out'),
      theme,
    ),
  );
}

function themeToggle() {
  const button = h('button', { class: 'icon-button', onclick: toggle });
  DARK.addEventListener('change', show);
  show();
  return button;

  function toggle() {
    const next = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem(STORED, next);
    } catch {
      // Without storage, the choice lasts until the page is left.
    }
    show();
  }

  function show() {
    const dark = isDark();
    button.replaceChildren(icon(dark ? 'sun' : 'moon'));
    button.setAttribute('aria-label', dark ? 'Use the light theme' : 'Use the dark theme');
    button.title = dark ? 'Light theme' : 'Dark theme';
  }
}

function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === 'dark' : DARK.matches;
}

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
