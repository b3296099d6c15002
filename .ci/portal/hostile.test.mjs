// Content that attacks the reader must be shown without effect.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { close, open } from './browser.mjs';
import { App, HOSTILE_ANSWER, receiver } from './service.mjs';

const EVIL = '"><img src=x onerror="window.pwned=1"><script>window.pwned=1</script><a href="javascript:window.pwned=1">x</a>\u202ecod.exe\u0000\u200b${1+1}{{7*7}}';

/** Fails if anything foreign got into the page. */
async function mustBeInert(page) {
  const found = await page.evaluate(() => ({
    pwned: window.pwned,
    scripts: [...document.querySelectorAll('script')].filter((one) => !/\/(app|session)\.js$/.test(one.src)).length,
    images: document.querySelectorAll('img, iframe, object, embed').length,
    links: [...document.querySelectorAll('a')].filter((one) => !['http:', 'https:'].includes(one.protocol)).length,
    handlers: [...document.querySelectorAll('*')].filter((one) => [...one.attributes].some(({ name }) => name.startsWith('on'))).length,
    hidden: /[\u0000\u200b\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent),
  }));
  assert.deepEqual(found, { pwned: undefined, scripts: 0, images: 0, links: 0, handlers: 0, hidden: false });
}

test('payloads and answers with markup, code and text directions are inert', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/hostile`);
  await app.publish('invoice.paid', { note: EVIL, [EVIL.slice(0, 60)]: { __proto__: null, constructor: EVIL } });
  await app.settled(id, 1);
  const page = await open(await app.link());
  await page.getByRole('link', { name: /\/hostile$/ }).click();
  await page.getByRole('link', { name: 'invoice.paid' }).click();
  const answer = page.getByLabel('Response to attempt 1');
  await answer.waitFor();
  assert.equal(await answer.innerText(), HOSTILE_ANSWER.replace('\u202e', '\\u202e'));
  const payload = await page.getByLabel('Payload', { exact: true }).last().innerText();
  assert.equal(JSON.parse(payload).data.note, EVIL);
  await mustBeInert(page);
  // The same in the dialog of a test.
  await page.locator('nav').getByRole('link').click();
  await page.getByRole('button', { name: 'Send test' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Send test' }).click();
  await page.getByLabel('Response body').waitFor();
  await mustBeInert(page);
  await close(page);
});

test('URLs, event types, errors and ids of a hostile API are inert', async () => {
  const app = await App.create();
  const id = '01a20e92-e7b5-752a-9e7f-406d7e5bff21';
  const endpoint = { id, url: `https://example.com/${EVIL}`, events: [EVIL, '*.x'], active: true, createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z', rateLimit: null, inactiveSince: null, disabledReason: null, disabledAt: null, slowSince: null, failingSince: '2026-01-01T00:00:00.000Z', pausedAt: null, nextProbeAt: null };
  const delivery = { id, event: EVIL, status: 'FAILED', responseStatus: 500, attempts: 1, createdAt: '2026-01-01T00:00:00.000Z', deliveredAt: null, nextRetryAt: null };
  const details = { ...delivery, eventId: EVIL, payload: EVIL, reason: null, error: EVIL, attemptLog: [{ number: 1, startedAt: '2026-01-01T00:00:00.000Z', durationMs: 1, responseStatus: 500, responseBody: EVIL, bodyNote: { code: 'x', message: EVIL }, code: null, error: EVIL }] };
  const type = { name: EVIL, description: EVIL, schema: null, example: EVIL, group: EVIL, deprecated: true };
  const prepare = async (page) => {
    const answer = (data) => (route) => route.fulfill({ json: { success: true, data } });
    await page.route(/\/webhooks\?/, answer([endpoint]));
    await page.route(/\/webhooks\/[^/]+$/, answer(endpoint));
    await page.route(/\/deliveries\?/, answer({ items: [delivery], nextCursor: null }));
    await page.route(/\/deliveries\/[^/]+$/, answer(details));
    await page.route(/\/event-types/, answer({ items: [type], nextCursor: null }));
    await page.route(/\/resend$/, (route) => route.fulfill({ status: 409, json: { success: false, error: { code: 'CONFLICT', message: EVIL } } }));
  };
  const page = await open(await app.link(), { prepare, expected: [/status of 409/] });
  await page.locator('.row').waitFor();
  await page.getByRole('img').first().waitFor();
  await mustBeInert(page);
  await page.getByRole('button', { name: 'Add endpoint' }).click();
  await page.getByLabel('Only the events I choose').check();
  await page.locator('.picker-group').waitFor();
  await mustBeInert(page);
  await page.keyboard.press('Escape');
  await page.locator('.row-link').click();
  await page.locator('tbody tr').waitFor();
  await mustBeInert(page);
  await page.getByRole('button', { name: 'Delete' }).click();
  await mustBeInert(page);
  await page.keyboard.press('Escape');
  await page.locator('tbody a').click();
  await page.getByText('Attempt 1').waitFor();
  await page.getByRole('button', { name: 'Resend' }).click();
  await page.getByRole('alert').waitFor();
  await mustBeInert(page);
  await close(page);
});

test('a megabyte of payload is shown in part, and in full on request', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/hook`);
  await app.publish('invoice.paid');
  await app.settled(id, 1);
  const big = { text: 'x'.repeat(400_000), list: Array.from({ length: 20_000 }, (_, index) => `line ${index} <b>`) };
  const prepare = (page) => page.route(/\/deliveries\/[^/]+$/, async (route) => {
    const answer = await (await route.fetch()).json();
    answer.data.payload = big;
    await route.fulfill({ json: answer });
  });
  const page = await open(await app.link(), { prepare });
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.getByRole('link', { name: 'invoice.paid' }).click();
  const payload = page.getByLabel('Payload', { exact: true }).last();
  await payload.waitFor();
  assert.ok((await payload.textContent()).length <= 50_000);
  await page.getByRole('button', { name: 'Copy the payload' }).click();
  assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), big);
  await page.getByRole('button', { name: /^Show all/ }).click();
  assert.deepEqual(JSON.parse(await payload.textContent()), big);
  await mustBeInert(page);
  await close(page);
});

test('copied commands cannot break out of their quotes', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/hook?a='$(touch%20x)'`);
  await app.publish('invoice.paid', { note: "'; rm -rf / #\n`id`$(id)\\" });
  await app.settled(id, 1);
  const page = await open(await app.link());
  await page.getByRole('link', { name: /\/hook/ }).click();
  await page.getByRole('link', { name: 'invoice.paid' }).click();
  await page.getByRole('button', { name: 'Copy as curl' }).click();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  // What is left for a shell outside of quotes.
  const bare = command.replace(/\\\n/g, ' ').replace(/'[^']*'|\\'/g, '');
  assert.match(bare, /^[a-zA-Z -]*$/);
  await close(page);
});
