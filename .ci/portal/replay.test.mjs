// Replays of events that an endpoint never got, and events whose payload was deleted.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { close, mustLookRight, open } from './browser.mjs';
import { App, receiver } from './service.mjs';

test('events that an endpoint never got can be sent', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/first`);
  await app.publish('order.early');
  await app.settled(id, 1);
  await app.endpoint(`${receiver.url}/later`);
  const page = await open(await app.link());
  const dialog = page.locator('dialog');
  await page.getByRole('link', { name: /\/later$/ }).click();
  await page.getByRole('button', { name: 'Recover' }).click();
  await dialog.getByLabel('What to send').selectOption('Events that it never got');
  await mustLookRight(page, 'replay');
  await page.getByRole('button', { name: 'Send missed events' }).click();
  await dialog.getByText('1 event will be sent.').waitFor();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await page.getByRole('row', { name: /order\.early.*Delivered/ }).waitFor();
  await close(page);
});

test('deliveries with a deleted payload say so and cannot be resent', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/hook`);
  const event = await app.publish('user.created', { email: 'jane@example.com' });
  await app.settled(id, 1);
  await app.call('DELETE', `/events/${event.id}`);
  const page = await open(await app.link());
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.getByRole('link', { name: 'user.created' }).click();
  await page.getByText('The payload was deleted').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Resend' }).count(), 0);
  assert.ok(!(await page.content()).includes('jane@example.com'));
  await mustLookRight(page, 'deleted-payload');
  await close(page);
});
