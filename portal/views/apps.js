// For the operator: all apps, with a search by the start of their ids.

import { fill, h, labelled, PLAIN } from '../dom.js';
import { errorBox } from '../feedback.js';
import { plural, time, visible } from '../format.js';
import { whenSeen } from '../live.js';

/** @import { Context, View } from '../app.js' */
/** @import { App } from '../api.js' */

/** @param {Context} context @returns {Promise<View>} */
export async function view(context) {
  const list = h('ul', { class: 'rows', role: 'list' });
  const errors = h('div');
  const found = h('p', { class: 'fine', role: 'status' });
  const more = h('button', { class: 'button', hidden: true, onclick: () => add() }, 'Load more');
  const prefix = h('input', { class: 'input', id: 'prefix', type: 'search', ...PLAIN, maxlength: '64', placeholder: 'Start of an app’s ID', oninput: search });
  const seen = whenSeen(context.signal);
  /** @type {string | null} */
  let cursor = null;
  let generation = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  await load();
  const content = [
    h('div', { class: 'page-head' }, h('h1', { tabindex: '-1' }, 'Apps')),
    labelled('Find an app', prefix),
    found,
    errors,
    list,
    h('div', { class: 'more' }, more),
  ];
  return { title: 'Apps', content };

  function search() {
    clearTimeout(timer);
    timer = setTimeout(() => load().catch((error) => !context.signal.aborted && errors.replaceChildren(errorBox(error))), 250);
  }

  async function load() {
    generation += 1;
    const mine = generation;
    const wanted = prefix.value.trim();
    const page = await context.api.apps({ prefix: wanted }, context.signal);
    if (mine !== generation) return;
    errors.replaceChildren();
    list.replaceChildren();
    append(page);
    found.textContent = page.items.length > 0 ? '' : wanted === '' ? 'There are no apps yet. Create one with PUT /apps/{appId}.' : 'No app ID starts with this.';
  }

  async function add() {
    try {
      append(await context.api.apps({ prefix: prefix.value.trim(), cursor }, context.signal));
    } catch (error) {
      if (!context.signal.aborted) errors.replaceChildren(errorBox(error, add));
    }
  }

  /** @param {{items: App[], nextCursor: string | null}} page */
  function append(page) {
    cursor = page.nextCursor;
    more.hidden = cursor === null;
    for (const app of page.items) {
      const counts = h('span', { class: 'fine' });
      const row = h(
        'li',
        { class: 'row' },
        h('div', { class: 'row-main' }, h('a', { class: 'row-link', href: `#/apps/${encodeURIComponent(app.id)}` }, h('bdi', null, visible(app.name ?? app.id))), app.name ? h('code', { class: 'fine' }, visible(app.id)) : null),
        counts,
        h('span', { class: 'fine row-date' }, 'added ', time(app.createdAt)),
        app.status === 'DELETING' && h('span', { class: 'badge badge-warn' }, 'Being deleted'),
      );
      list.append(row);
      seen(row, async () => {
        const { endpoints, keys } = await context.api.app(app.id).details();
        fill(counts, `${plural(endpoints, 'endpoint')}, ${plural(keys, 'key')}`);
      });
    }
  }
}
