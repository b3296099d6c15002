// Walks a customer through everything, with the mouse and with only the keyboard.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { close, open } from './browser.mjs';
import { App, call, receiver } from './service.mjs';

const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());

test('customers can do everything with the mouse', async () => {
  const app = await App.create();
  const page = await open(await app.link(), { expected: [/status of 400/] });
  const dialog = page.locator('dialog');
  const button = (name) => page.getByRole('button', { name, exact: true });

  // The token is gone from the address and from the history.
  assert.equal(new URL(page.url()).hash, '');
  await page.getByText('Get notified when something happens').waitFor();

  // Create: errors appear next to their fields.
  await button('Add your first endpoint').click();
  await dialog.getByLabel('URL').fill('https://10.0.0.1/hook');
  await dialog.getByLabel('Only the events I choose').check();
  await dialog.getByRole('button', { name: 'Add endpoint' }).click();
  await dialog.getByText('Choose at least one event.').waitFor();
  assert.match(await dialog.locator('.field').filter({ hasText: 'Where we send' }).locator('.field-error').innerText(), /^The URL /);
  await dialog.getByLabel('Rate limit').fill('2.5');
  await dialog.getByRole('button', { name: 'Add endpoint' }).click();
  await dialog.getByText('Enter a whole number').waitFor();
  await dialog.getByLabel('Rate limit').fill('50');
  await dialog.getByLabel('URL').fill(`${receiver.url}/hook`);
  const typed = dialog.getByPlaceholder('invoice.paid or invoice.*');
  await typed.fill('not valid');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.getByText('Use letters, digits').waitFor();
  for (const name of ['order.*', 'order.paid', 'refund.made']) {
    await typed.fill(name);
    await typed.press('Enter');
  }
  await dialog.getByRole('button', { name: 'Remove order.paid' }).click();
  await dialog.getByRole('button', { name: 'Add endpoint' }).click();

  // The secret, once.
  const secret = await dialog.locator('.secret-text').innerText();
  assert.match(secret, /^whsec_/);
  await dialog.getByRole('button', { name: 'Copy the secret' }).click();
  assert.equal(await clipboard(page), secret);
  // Announcements are inside the dialog: outside of it, screen readers would not read them.
  await dialog.getByRole('status').getByText('Copied.').waitFor();
  for (const language of ['Node.js', 'Python', 'Go', 'Ruby', 'PHP', 'Java', 'C#', 'Rust']) {
    await dialog.getByText(language, { exact: true }).click();
    assert.match(await dialog.getByLabel('Verification code').innerText(), /\/hook/, language);
  }
  await button('I’ve stored it').click();
  await page.getByRole('heading', { level: 1, name: /\/hook$/ }).waitFor();
  assert.ok(!(await page.content()).includes(secret));
  const [{ id, events, rateLimit }] = await app.call('GET', '/webhooks?view=full');
  assert.deepEqual([events, rateLimit], [['order.*', 'refund.made'], 50]);

  // Edit.
  await button('Edit').click();
  await dialog.getByLabel('All events').check();
  await dialog.getByLabel('Rate limit').fill('');
  await button('Save changes').click();
  await page.locator('.facts').getByText('All events').waitFor();
  await page.locator('.facts').getByText('None').waitFor();

  // Test.
  await button('Send test').click();
  await dialog.getByRole('button', { name: 'Send test' }).click();
  await dialog.getByText('It works').waitFor();
  await dialog.getByText('thank you').waitFor();
  await dialog.getByRole('link', { name: 'See the delivery' }).click();
  await page.getByRole('heading', { level: 1, name: 'test.ping' }).waitFor();
  await page.locator('nav').getByRole('link').click();

  // Live updates: a new delivery appears by itself.
  await page.getByRole('heading', { name: 'History' }).waitFor();
  await app.publish('invoice.paid', { invoice: 'inv_1', note: "it's" });
  await page.getByRole('link', { name: 'invoice.paid' }).click();

  // A delivery.
  await page.getByText('Attempt 1').waitFor();
  await button('Copy the payload').click();
  assert.equal(JSON.parse(await clipboard(page)).data.note, "it's");
  await button('Copy as curl').click();
  assert.match(await clipboard(page), /^curl -X POST 'http[^]*webhook-id: [^]*it'\\''s/);
  const before = page.url();
  await button('Resend').click();
  await page.waitForURL((url) => url.href !== before);
  await page.locator('.page-title').getByText('Delivered').waitFor();
  await page.locator('nav').getByRole('link').click();

  // Filters.
  await page.getByLabel('Status').selectOption('FAILED');
  await page.getByText('No delivery matches').waitFor();
  await button('Clear filters').click();
  await page.getByLabel('Event type').fill('test.ping');
  await page.getByLabel('Event type').press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
  await page.getByLabel('Event type').fill('not valid');
  await page.getByLabel('Event type').press('Enter');
  await page.getByText(/^event must/).waitFor();
  await page.getByLabel('Event type').fill('');
  await page.getByLabel('Event type').press('Enter');
  await page.getByLabel('Time').selectOption('own');
  await page.getByLabel('To', { exact: true }).fill('2020-01-01T00:00');
  await page.getByText('No delivery matches').waitFor();
  await button('Clear filters').click();
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 3);

  // Rotate.
  await button('Rotate secret').click();
  await dialog.getByRole('button', { name: 'Rotate secret' }).click();
  const rotated = await dialog.locator('.secret-text').innerText();
  assert.match(rotated, /^whsec_/);
  assert.notEqual(rotated, secret);
  await button('I’ve stored it').click();

  // Pause, miss an event, activate, recover.
  await button('Pause').click();
  await button('Pause endpoint').click();
  await page.locator('.page-title').getByText('Paused').waitFor();
  await app.publish('order.missed');
  await page.getByRole('row', { name: /order\.missed.*Not sent/ }).waitFor();
  await button('Activate').click();
  await button('Activate endpoint').click();
  await button('Pause').waitFor();
  await button('Recover').click();
  await dialog.getByLabel('To (optional').fill('2020-01-01T00:00');
  await button('Resend failed deliveries').click();
  await dialog.getByText(/^The end must/).waitFor();
  await dialog.getByLabel('To (optional').fill('');
  await button('Resend failed deliveries').click();
  await dialog.getByText('1 delivery will be resent.').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('row', { name: /order\.missed.*Delivered/ }).waitFor();

  // Delete.
  await button('Delete').click();
  await button('Delete endpoint').click();
  await dialog.getByText(/^Type .* to confirm\.$/).waitFor();
  await dialog.getByRole('textbox').fill(new URL(receiver.url).host);
  await button('Delete endpoint').click();
  await page.getByText('Get notified when something happens').waitFor();
  assert.deepEqual(await app.call('GET', '/webhooks'), []);
  assert.ok(id);
  await close(page);
});

/** Presses Tab until an element with this name has the focus. The focus must be visible. */
async function tabTo(page, name, key = 'Tab') {
  const seen = [];
  for (let presses = 0; presses < 120; presses += 1) {
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return { name: '', isVisible: true };
      const labels = [...(element.labels ?? [])].map((label) => label.innerText).join(' ');
      const text = element.getAttribute('aria-label') || labels || element.innerText || element.title;
      const outlined = [element, element.closest('.tab')].filter(Boolean);
      const styles = [...outlined.map((one) => getComputedStyle(one)), getComputedStyle(element, '::after')];
      const isVisible = styles.some(({ outlineStyle }) => outlineStyle !== 'none') || element.matches('h1, main');
      return { name: text.trim(), isVisible };
    });
    assert.ok(focused.isVisible, `the focus on “${focused.name}” is not visible`);
    if (name.test(focused.name)) return;
    seen.push(focused.name);
    await page.keyboard.press(key);
  }
  assert.fail(`no Tab leads to ${name}, only to ${seen.join(' | ')}`);
}

test('customers can do everything with the keyboard', async () => {
  const app = await App.create();
  const page = await open(await app.link());
  const dialog = page.locator('dialog');
  const press = (key) => page.keyboard.press(key);
  const pressOn = async (name, key = 'Enter') => {
    await tabTo(page, name);
    await press(key);
  };

  // Skip to the content.
  await page.evaluate(() => document.activeElement?.blur());
  await pressOn(/^Skip to content$/);
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'main');

  await pressOn(/^Add your first endpoint$/);
  await dialog.waitFor();
  // Escape closes, and returns the focus.
  await press('Escape');
  await tabTo(page, /^Add your first endpoint$/);
  await press('Enter');
  await tabTo(page, /^URL$/);
  await page.keyboard.type(`${receiver.url}/keys`);
  await pressOn(/^All events/, 'ArrowDown');
  await tabTo(page, /^(Event type|Add by name)$/);
  await page.keyboard.type('order.paid');
  await press('Enter');
  await pressOn(/^Add endpoint$/);
  await dialog.locator('.secret-text').waitFor();
  await pressOn(/^Copy the secret$/);
  const secret = await clipboard(page);
  assert.match(secret, /^whsec_/);
  await tabTo(page, /^Node\.js$/);
  await press('ArrowRight');
  await dialog.getByText('from flask import').waitFor();
  await pressOn(/^I’ve stored it$/);

  // The focus is on the new view's heading.
  await page.waitForFunction(() => document.activeElement?.matches('h1.heading-url'));
  await pressOn(/^Send test$/);
  await dialog.waitFor();
  await pressOn(/^Send test$/);
  await dialog.getByText('It works').waitFor();
  await press('Escape');
  await page.waitForFunction(() => document.activeElement?.textContent === 'Send test');

  await pressOn(/^Edit$/);
  await dialog.waitFor();
  await tabTo(page, /^Rate limit/);
  await page.keyboard.type('7');
  await press('Enter');
  await page.getByText('7 deliveries per second').waitFor();

  await pressOn(/^Pause$/);
  await pressOn(/^Pause endpoint$/);
  await page.locator('.page-title').getByText('Paused').waitFor();
  await pressOn(/^Activate$/);
  await pressOn(/^Activate endpoint$/);
  await page.getByRole('button', { name: 'Pause', exact: true }).waitFor();

  await pressOn(/^Recover$/);
  await pressOn(/^Resend failed deliveries$/);
  await dialog.getByText('No delivery failed').waitFor();
  await press('Escape');

  await pressOn(/^Rotate secret$/);
  await dialog.waitFor();
  await tabTo(page, /^Cancel$/);
  await pressOn(/^Rotate secret$/);
  await dialog.locator('.secret-text').waitFor();
  await pressOn(/^I’ve stored it$/);

  await tabTo(page, /^Status$/);
  await page.keyboard.type('Deliv');
  await press('Enter');
  await pressOn(/^test\.ping$/);
  await page.getByRole('heading', { level: 1, name: 'test.ping' }).waitFor();
  await pressOn(/^Copy as curl$/);
  assert.match(await clipboard(page), /^curl/);
  await tabTo(page, /^Payload$/);
  await tabTo(page, /\/keys$/, 'Shift+Tab');
  await press('Enter');
  await page.waitForFunction(() => document.activeElement?.matches('h1.heading-url'));

  await pressOn(/^Delete$/);
  await dialog.waitFor();
  await page.keyboard.type(new URL(receiver.url).host);
  await press('Enter');
  await page.getByText('Get notified when something happens').waitFor();

  await pressOn(/^Use the dark theme$/);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await close(page);
});

test('scrolling loads the whole history, each delivery once', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/hook`);
  for (let sent = 0; sent < 70; sent += 1) await app.publish(`order.number-${sent}`);
  await app.settled(id, 70);
  const page = await open(await app.link());
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.waitForSelector('tbody tr');
  assert.ok((await page.locator('tbody tr').count()) < 70);
  for (let turns = 0; turns < 30 && (await page.locator('tbody tr').count()) < 70; turns += 1) {
    await page.mouse.wheel(0, 3_000);
    await page.waitForTimeout(150);
  }
  const names = await page.locator('tbody th').allInnerTexts();
  assert.equal(new Set(names).size, 70);
  assert.equal(names.length, 70);
  assert.ok(await page.getByRole('button', { name: 'Load older deliveries' }).isHidden());
  await close(page);
});

test('slow tests are followed until their outcome', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/status/500`);
  // Simulate an API that stopped waiting.
  const prepare = (page) => page.route('**/test-ping', (route) => route.continue({ headers: { ...route.request().headers(), prefer: 'respond-async' } }));
  const page = await open(await app.link(), { prepare });
  await page.getByRole('link', { name: /500/ }).click();
  await page.getByRole('button', { name: 'Send test' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Send test' }).click();
  await page.getByText('Your server didn’t accept the test.').waitFor();
  await page.locator('dialog').getByText('It responded with status 500').waitFor();
  assert.ok(id);
  await close(page);
});


test('event types come from the catalogue, and their examples can be sent', async () => {
  const prefix = `shop-${randomUUID().slice(0, 8)}`;
  const example = { order: 'ord_1', note: 'an example' };
  await call('PUT', `/event-types/${prefix}.paid`, { body: { description: 'Sent when an order is paid.', group: 'Shop', example } });
  await call('PUT', `/event-types/${prefix}.refunded`, { body: { description: 'Sent when money goes back.', group: 'Shop' } });
  const app = await App.create();
  const page = await open(await app.link());
  const dialog = page.locator('dialog');
  await page.getByRole('button', { name: 'Add your first endpoint' }).click();
  await dialog.getByLabel('URL').fill(`${receiver.url}/hook`);
  await dialog.getByLabel('Only the events I choose').check();

  // A prefix includes its types.
  const box = (name) => dialog.getByRole('checkbox', { name });
  await dialog.getByLabel('Search event types').fill(prefix);
  await dialog.getByText('3 matches.').waitFor();
  await box(new RegExp(`^${prefix}\\.\\*`)).check();
  assert.ok(await box(`${prefix}.paid`).isDisabled());
  assert.ok(await box(`${prefix}.paid`).isChecked());
  await box(new RegExp(`^${prefix}\\.\\*`)).uncheck();
  await dialog.getByLabel('Search event types').fill('money goes');
  assert.ok(await box(`${prefix}.paid`).isHidden());
  await box(`${prefix}.refunded`).check();
  await dialog.getByLabel('Search event types').fill('no such type');
  await dialog.getByText('No event types match.').waitFor();
  await dialog.getByRole('button', { name: 'Add endpoint' }).click();
  await page.getByRole('button', { name: 'I’ve stored it' }).click();
  await page.locator('.facts').getByText(`${prefix}.refunded`).waitFor();
  assert.deepEqual((await app.call('GET', '/webhooks'))[0].events, [`${prefix}.refunded`]);

  await page.getByRole('button', { name: 'Send test' }).click();
  await dialog.getByLabel('What to send').selectOption(`${prefix}.paid`);
  await dialog.getByText('The example’s data').click();
  await dialog.getByText('an example').waitFor();
  await dialog.getByRole('button', { name: 'Send test' }).click();
  await dialog.getByText('It works').waitFor();
  await dialog.getByRole('link', { name: 'See the delivery' }).click();
  await page.getByRole('heading', { level: 1, name: `${prefix}.paid` }).waitFor();
  assert.deepEqual(JSON.parse(await page.getByLabel('Payload', { exact: true }).last().innerText()).data, example);
  await close(page);
});
