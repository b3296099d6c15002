// An API that fails: errors, limits, no connection.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { close, open } from './browser.mjs';
import { App } from './service.mjs';

const app = await App.create();
await app.endpoint('https://example.com/hook');

const expected = [/Failed to load resource/];
const envelope = (code, message = 'x') => ({ success: false, error: { code, message } });

const FAILURES = [
  ['a 500', { status: 500, json: envelope('INTERNAL_ERROR'), headers: { 'x-request-id': 'request-1' } }, /The service has a problem/],
  ['a 503 of a proxy without JSON', { status: 503, contentType: 'text/html', body: '<h1>busy</h1>' }, /The service has a problem/],
  ['a 429', { status: 429, json: envelope('RATE_LIMIT', 'Too many requests. Try again later.'), headers: { 'retry-after': '7' } }, /Try again in 7 s/],
  ['an answer that is not JSON', { status: 200, contentType: 'text/html', body: '<h1>login</h1>' }, /The service rejected the request/],
  ['no connection', 'abort', /can’t be reached/],
];

const fail = (page, answer, pattern = '**/apps/**') => page.route(pattern, (route) => (answer === 'abort' ? route.abort() : route.fulfill(answer)));

for (const [name, answer, text] of FAILURES) {
  test(`${name} is explained when a page opens, with a way to retry`, async () => {
    const page = await open(await app.link(), { expected, prepare: (page) => fail(page, answer) });
    await page.getByRole('alert').getByText(text).waitFor();
    if (answer.headers?.['x-request-id']) await page.getByText('request-1').waitFor();
    await page.unroute('**/apps/**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('link', { name: /\/hook$/ }).waitFor();
    await close(page);
  });

  test(`${name} is explained beside a form, which keeps its input`, async () => {
    const page = await open(await app.link(), { expected });
    const dialog = page.locator('dialog');
    await page.getByRole('button', { name: 'Add endpoint' }).click();
    await dialog.getByLabel('URL').fill('https://example.com/typed');
    await fail(page, answer, '**/webhooks');
    await dialog.getByRole('button', { name: 'Add endpoint' }).click();
    await dialog.getByRole('alert').getByText(text).waitFor();
    assert.equal(await dialog.getByLabel('URL').inputValue(), 'https://example.com/typed');
    await close(page);
  });
}

test('a portal that cannot identify its caller says so and can retry', async () => {
  const page = await open(await app.link(), {
    expected,
    prepare: async (page) => {
      await fail(page, 'abort', '**/key');
      page.waitForSelector('[role=alert]').then(async () => {
        await page.unroute('**/key');
        await page.getByRole('button', { name: 'Try again' }).click();
      });
    },
  });
  await page.getByRole('link', { name: /\/hook$/ }).waitFor();
  await close(page);
});

test('live updates continue after an outage', async () => {
  const page = await open(await app.link(), { expected });
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.getByText('No deliveries yet').first().waitFor();
  await fail(page, 'abort');
  await page.getByRole('alert').getByText('can’t be reached').waitFor();
  await page.unroute('**/apps/**');
  await page.getByRole('alert').waitFor({ state: 'detached', timeout: 20_000 });
  await close(page);
});

test('loading older deliveries can be retried', async () => {
  const one = (number) => ({ id: `01a20ea0-12fa-7388-bd4d-${String(number).padStart(12, '0')}`, event: `order.n${number}`, status: 'DELIVERED', responseStatus: 200, attempts: 1, createdAt: '2026-01-01T00:00:00.000Z', deliveredAt: '2026-01-01T00:00:01.000Z', nextRetryAt: null });
  let isDown = true;
  const prepare = (page) => page.route('**/deliveries?**', (route) => {
    const isOlder = route.request().url().includes('cursor=');
    if (isOlder && isDown) return route.abort();
    const data = isOlder ? { items: [one(2)], nextCursor: null } : { items: [one(1)], nextCursor: 'x' };
    return route.fulfill({ json: { success: true, data } });
  });
  const page = await open(`${await app.link()}`, { expected, prepare });
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.getByRole('alert').getByText('can’t be reached').waitFor();
  isDown = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('link', { name: 'order.n2' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'order.n1' }).count(), 1);
  await close(page);
});

test('a form that does not load is explained', async () => {
  const page = await open(await app.link(), { expected });
  await page.getByRole('link', { name: /\/hook$/ }).waitFor();
  await fail(page, 'abort', '**/endpoint-form.js');
  await page.getByRole('button', { name: 'Add endpoint' }).click();
  await page.getByRole('status').getByText('Something went wrong on this page').waitFor();
  await close(page);
});

test('a deleted endpoint is explained', async () => {
  const page = await open(await app.link(), { expected });
  await page.evaluate(() => { location.hash = '#/endpoints/01a20e92-e7b5-752a-9e7f-406d7e5bff21'; });
  await page.getByText('This no longer exists').waitFor();
  await page.getByRole('link', { name: 'Back to the start' }).click();
  await page.getByRole('link', { name: /\/hook$/ }).waitFor();
  await page.evaluate(() => { location.hash = '#/nothing/%E0%A4%A'; });
  await page.getByText('This no longer exists').waitFor();
  await close(page);
});
