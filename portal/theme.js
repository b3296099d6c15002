// Light or dark: as the system has it, until the reader chooses.

import { h } from './dom.js';
import { icon } from './icons.js';

const STORED = 'portal-theme';
const DARK = matchMedia('(prefers-color-scheme: dark)');

export function applyTheme() {
  const chosen = stored();
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
}

export function themeToggle() {
  const button = h('button', { type: 'button', class: 'icon-button', onclick: toggle });
  DARK.addEventListener('change', show);
  show();
  return button;

  function toggle() {
    const next = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem(STORED, next);
    } catch {
      // Storage is blocked; the choice lasts until the page is left.
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
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : DARK.matches;
}

function stored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
