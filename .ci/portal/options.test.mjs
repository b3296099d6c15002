// The less common options: own secrets and headers, rotations with an overlap,
// descriptions, channels and filters.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { close, mustBeAccessible, mustLookRight, open } from './browser.mjs';
import { App, receiver } from './service.mjs';

const detailsOf = async (app) => (await app.call('GET', '/webhooks?view=full'))[0];

test('own secrets are accepted and shown once', async () => {
  const app = await App.create();
  const page = await open(await app.link(), { expected: [/status of 400/] });
  const dialog = page.locator('dialog');
  await page.getByRole('button', { name: 'Add your first endpoint' }).click();
  await dialog.getByLabel('URL').fill(`${receiver.url}/hook`);
  await dialog.getByText('More options').click();
  await mustLookRight(page, 'options');
  const secret = dialog.getByLabel('Own signing secret');
  await secret.fill('too short');
  await dialog.getByRole('button', { name: 'Add endpoint' }).click();
  await dialog.getByText(/^secret must have/).waitFor();
  assert.equal(await secret.getAttribute('aria-invalid'), 'true');
  await secret.fill('a-secret-of-our-own-4f1c');
  await dialog.getByRole('button', { name: 'Add endpoint' }).click();
  assert.equal(await dialog.locator('.secret-text').innerText(), 'a-secret-of-our-own-4f1c');
  await page.getByRole('button', { name: 'I’ve stored it' }).click();
  await page.getByRole('heading', { name: 'History' }).waitFor();
  assert.ok(!(await page.content()).includes('a-secret-of-our-own-4f1c'));
  await close(page);
});

test('rotations can have an overlap, which can be ended early', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/hook`);
  const page = await open(await app.link());
  const dialog = page.locator('dialog');
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.getByRole('button', { name: 'Rotate secret' }).click();
  await dialog.getByLabel('The old secret stops working').selectOption('After 1 day');
  const own = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
  await dialog.getByLabel('Own signing secret').fill(own);
  await dialog.getByRole('button', { name: 'Rotate secret' }).click();
  assert.equal(await dialog.locator('.secret-text').innerText(), own);
  await page.getByRole('button', { name: 'I’ve stored it' }).click();
  await page.getByText('We sign with the old secret as well').waitFor();
  const left = Date.parse((await detailsOf(app)).previousSecretExpiresAt) - Date.now();
  assert.ok(left > 80_000_000 && left <= 86_400_000, String(left));
  await mustLookRight(page, 'overlap');

  // Read-only sessions see it but can't end it.
  const reader = await open(await app.link({ scope: 'read' }));
  await reader.getByRole('link', { name: /\/hook$/ }).click();
  await reader.getByText('We sign with the old secret as well').waitFor();
  assert.equal(await reader.getByRole('button', { name: 'End it now' }).count(), 0);
  await close(reader);

  await page.getByRole('button', { name: 'End it now' }).click();
  await page.getByText('We sign with the old secret as well').waitFor({ state: 'detached' });
  assert.equal((await detailsOf(app)).previousSecretExpiresAt, null);
  assert.ok(id);
  await close(page);
});

test('headers are shown by name and never by value', async () => {
  const app = await App.create();
  const page = await open(await app.link(), { expected: [/status of 400/] });
  const dialog = page.locator('dialog');
  await page.getByRole('button', { name: 'Add your first endpoint' }).click();
  await dialog.getByLabel('URL').fill(`${receiver.url}/hook`);
  await dialog.getByText('More options').click();
  const headers = dialog.getByRole('textbox', { name: 'Headers' });
  const add = dialog.getByRole('button', { name: 'Add endpoint' });
  await headers.fill('Authorization');
  await add.click();
  await dialog.getByText('Write each as “name: value”').waitFor();
  await headers.fill('Host: example.com');
  await add.click();
  await dialog.getByText(/^headers\S* /).waitFor();
  await headers.fill('Authorization: Bearer private-value\nX-Team: 7');
  await add.click();
  await page.getByRole('button', { name: 'I’ve stored it' }).click();
  const facts = page.locator('.facts');
  await facts.getByText('Authorization').waitFor();
  assert.ok(!(await page.content()).includes('private-value'));
  const names = async () => (await detailsOf(app)).headerNames;
  assert.deepEqual((await names()).toSorted(), ['Authorization', 'X-Team']);

  // Saving something else keeps them.
  await page.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByLabel('Rate limit').fill('9');
  await dialog.getByRole('button', { name: 'Save changes' }).click();
  await facts.getByText('9 deliveries per second').waitFor();
  assert.equal((await names()).length, 2);

  // A new URL gets them only if they are typed in again.
  await page.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByLabel('URL').fill(`${receiver.url}/elsewhere`);
  await dialog.getByRole('button', { name: 'Save changes' }).click();
  await dialog.getByText(/^headers must/).waitFor();
  await headers.fill('Authorization: Bearer private-value');
  await dialog.getByRole('button', { name: 'Save changes' }).click();
  await page.getByRole('heading', { level: 1, name: /\/elsewhere$/ }).waitFor();
  assert.deepEqual(await names(), ['Authorization']);
  await page.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByLabel('Remove these headers').check();
  await dialog.getByRole('button', { name: 'Save changes' }).click();
  await facts.getByText('Authorization').waitFor({ state: 'detached' });
  assert.deepEqual(await names(), []);
  await close(page);
});

test('descriptions, channels and filters can be set, tested and removed', async () => {
  const app = await App.create();
  const page = await open(await app.link(), { expected: [/status of 400/] });
  const dialog = page.locator('dialog');
  await page.getByRole('button', { name: 'Add your first endpoint' }).click();
  await dialog.getByLabel('URL').fill(`${receiver.url}/hook`);
  await dialog.getByText('More options').click();
  await dialog.getByLabel('Description').fill('Billing system');
  await dialog.getByLabel('Channels').fill('team:7, team 8');
  await dialog.getByLabel('Filter', { exact: true }).fill('{ "amount": ');
  const add = dialog.getByRole('button', { name: 'Add endpoint' });
  await add.click();
  await dialog.getByText('This is not valid JSON.').waitFor();
  await dialog.getByLabel('Filter', { exact: true }).fill('{ "amount": [{ "numeric": ["over", 5] }] }');
  await add.click();
  // Errors of the API appear next to their fields, with their place.
  await dialog.getByText(/^channels\[1\] must/).waitFor();
  await dialog.getByText(/^filter\.amount\[0\]\.numeric/).waitFor();
  await dialog.getByLabel('Channels').fill('team:7');
  await dialog.getByLabel('Filter', { exact: true }).fill('{ "amount": [{ "numeric": [">=", 1000] }] }');
  await add.click();
  await page.getByRole('button', { name: 'I’ve stored it' }).click();
  const facts = page.locator('.facts');
  for (const text of ['Billing system', 'team:7', '"numeric"']) await facts.getByText(text).waitFor();
  await mustLookRight(page, 'filtered');
  const { id, channels, filter } = await detailsOf(app);
  assert.deepEqual([channels, filter], [['team:7'], { amount: [{ numeric: ['>=', 1000] }] }]);

  // The platform's metadata is shown.
  await app.call('PUT', `/webhooks/${id}`, { metadata: { plan: 'pro' } });
  await facts.getByText('plan: pro').waitFor();

  await page.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByText('Try the filter').click();
  await dialog.getByLabel('Data of an event').fill('{ "amount": 12 }');
  await dialog.getByRole('button', { name: 'Test the filter' }).click();
  await dialog.getByText('It fails at filter.amount.').waitFor();
  await dialog.getByLabel('Data of an event').fill('{ "amount": 1200 }');
  await dialog.getByRole('button', { name: 'Test the filter' }).click();
  await dialog.getByText('The event gets through.').waitFor();
  await mustBeAccessible(page, 'the filter test');
  for (const name of ['Description', 'Channels']) await dialog.getByLabel(name).fill('');
  await dialog.getByLabel('Filter', { exact: true }).fill('');
  await dialog.getByRole('button', { name: 'Save changes' }).click();
  await facts.getByText('Billing system').waitFor({ state: 'detached' });
  const after = await detailsOf(app);
  assert.deepEqual([after.description, after.channels, after.filter, after.metadata], [null, null, null, { plan: 'pro' }]);
  await page.locator('nav').getByRole('link').click();
  await close(page);
});
