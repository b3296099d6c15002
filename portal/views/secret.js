// Shows a signing secret, the only time that anyone can see it, and how to use it.

import { openDialog } from '../dialog.js';
import { h, icon, uniqueId } from '../dom.js';
import { copyButton } from '../feedback.js';
import { snippetsFor } from '../snippets.js';

/** @param {string} title @param {string} secret @param {string} url the endpoint's @param {() => void} done */
export function showSecret(title, secret, url, done) {
  const dialog = openDialog(title, [
    h(
      'div',
      { class: 'stack' },
      h('div', { class: 'notice notice-warn' }, icon('warning'), h('p', { class: 'notice-text' }, 'Copy the signing secret now and store it with your server’s other secrets. We won’t show it again.')),
      h('div', { class: 'secret' }, h('code', { class: 'secret-text' }, secret), copyButton(() => secret, 'Copy the secret')),
      h('h3', null, 'Check that deliveries come from us'),
      verification(url),
      h('div', { class: 'actions' }, h('button', { class: 'button button-primary', onclick: () => dialog.close() }, 'I’ve stored it')),
    ),
  ], { wide: true, onclose: done });
}

/**
 * Code that verifies signatures, in the reader's language.
 *
 * @param {string} url the endpoint's
 */
export function verification(url) {
  const snippets = snippetsFor(url);
  const name = uniqueId('language');
  const install = h('p', { class: 'fine' });
  const code = h('code');
  let shown = snippets[0];
  const radios = snippets.map((snippet, index) =>
    h(
      'label',
      { class: 'tab' },
      h('input', { type: 'radio', name, class: 'sr-only', checked: index === 0, onchange: () => show(snippet) }),
      snippet.language,
    ),
  );
  /** @param {typeof shown} snippet */
  function show(snippet) {
    if (!snippet) return;
    shown = snippet;
    code.textContent = snippet.code;
    install.replaceChildren(...(snippet.install ? ['Install: ', h('code', null, snippet.install)] : ['Needs only the standard library.']));
  }
  show(shown);
  return h(
    'div',
    { class: 'stack-tight' },
    h('p', { class: 'fine' }, 'Verify the raw body before parsing it. Put the secret, which begins with whsec_, in the environment variable WEBHOOK_SECRET.'),
    h('fieldset', { class: 'tabs' }, h('legend', { class: 'sr-only' }, 'Language'), radios),
    h(
      'div',
      { class: 'code' },
      h('pre', { tabindex: '0', 'aria-label': 'Verification code' }, code),
      copyButton(() => shown?.code ?? '', 'Copy the code'),
    ),
    install,
  );
}
