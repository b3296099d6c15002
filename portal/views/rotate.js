// Rotates the signing secret, at once or with an overlap.

import { confirm } from '../dialog.js';
import { h, labelled } from '../dom.js';
import { ownSecret, secretField } from '../field.js';
import { showSecret } from './secret.js';

/** @import { Context } from '../app.js' */
/** @import { Endpoint } from '../api.js' */

const OVERLAPS = { 0: 'Immediately', 3600: 'After 1 hour', 86400: 'After 1 day', 604800: 'After 7 days' };

/** @param {Context} context @param {Endpoint} endpoint @param {() => void} changed */
export function openRotation(context, endpoint, changed) {
  const overlap = h('select', { class: 'input' }, Object.entries(OVERLAPS).map(([value, text]) => h('option', { value }, text)));
  const own = secretField();
  confirm({
    title: 'Rotate the signing secret?',
    text: [
      'We create a new secret and sign everything with it from then on, including retries. For as long as the old secret works too, we sign with both, and your server may accept either.',
      labelled('The old secret stops working', overlap),
      'If it stops immediately, your server rejects our deliveries until it has the new secret. We retry them, so nothing is lost.',
      own.element,
    ],
    confirm: 'Rotate secret',
    dangerous: true,
    action: async () => {
      const { secret } = await context.app.rotate(endpoint.id, { overlapSeconds: Number(overlap.value), ...ownSecret(own.input.value.trim()) });
      return () => showSecret('New signing secret', secret, endpoint.url, changed);
    },
  });
}
