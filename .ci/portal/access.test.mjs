// Who can see what: read-only, ended and foreign sessions, and the operator.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { close, open } from './browser.mjs';
import { App, PORTAL, platformKey, receiver } from './service.mjs';

const stored = (page) => page.evaluate(() => [...Object.values(sessionStorage), ...Object.values(localStorage)].join(' '));

test('read-only sessions show no actions', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/hook`);
  await app.publish('invoice.paid');
  await app.settled(id, 1);
  const page = await open(await app.link({ scope: 'read' }));
  const writes = [];
  page.on('request', (request) => request.method() !== 'GET' && writes.push(request.url()));
  const names = () => page.getByRole('button').allInnerTexts();
  await page.getByText('View only').waitFor();
  assert.deepEqual((await names()).filter(Boolean), []);
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.getByRole('link', { name: 'invoice.paid' }).waitFor();
  // Only the buttons that copy are left.
  assert.deepEqual((await names()).filter((name) => name && name !== 'Copy'), []);
  await page.getByRole('link', { name: 'invoice.paid' }).click();
  await page.getByText('Attempt 1').waitFor();
  assert.deepEqual((await names()).filter((name) => name && !name.startsWith('Copy')), []);
  assert.deepEqual(writes, []);
  await close(page);
});

test('sessions for one endpoint show only that endpoint', async () => {
  const app = await App.create();
  const { id } = await app.endpoint(`${receiver.url}/mine`);
  await app.endpoint(`${receiver.url}/other`);
  const page = await open(await app.link({ webhookId: id }));
  await page.getByText('1 endpoint', { exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add endpoint' }).count(), 0);
  await page.getByRole('link', { name: /\/mine$/ }).click();
  await page.getByRole('button', { name: 'Send test' }).waitFor();
  await close(page);
});

test('links with an ended session say so and store nothing', async () => {
  const page = await open(`${PORTAL}#token=whs_unknown`, { expected: [/status of 401/] });
  await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
  assert.equal(new URL(page.url()).hash, '');
  assert.ok(!(await stored(page)).includes('whs_unknown'));
  await page.reload();
  await page.getByRole('heading', { name: 'Open this page from your dashboard' }).waitFor();
  await close(page);
});

test('sessions that end while in use leave nothing behind', async () => {
  const app = await App.create();
  await app.endpoint(`${receiver.url}/private-path`);
  const { url, token } = await app.session();
  const page = await open(url, { expected: [/status of 401/] });
  await page.getByRole('link', { name: /private-path/ }).click();
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.locator('dialog').waitFor();
  assert.ok((await stored(page)).includes(token));
  const error = { code: 'AUTHENTICATION_ERROR', message: 'A valid API key is required.' };
  await page.route('**/apps/**', (route) => route.fulfill({ status: 401, json: { success: false, error } }));
  // Without any action, the next live update notices.
  await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
  const left = await page.evaluate(() => document.documentElement.outerHTML + document.title);
  for (const text of ['private-path', app.id, token]) {
    assert.ok(!left.includes(text), `${text} is still in the page`);
    assert.ok(!(await stored(page)).includes(text));
  }
  assert.equal(await page.locator('dialog').count(), 0);
  await page.unroute('**/apps/**');
  await page.goBack().catch(() => {});
  assert.ok(!(await page.content()).includes('private-path'));
  await close(page);
});

test('the page notices expiry by asking the service', async () => {
  const app = await App.create();
  let isOver = false;
  const prepare = async (page) => {
    await page.clock.install();
    await page.route('**/key', (route) => (isOver ? route.fulfill({ status: 401, json: { success: false, error: { code: 'AUTHENTICATION_ERROR', message: 'x' } } }) : route.continue()));
  };
  const page = await open(await app.link({ expiresInSeconds: 600 }), { expected: [/status of 401/], prepare });
  await page.getByText('Get notified').waitFor();
  // A clock that is ahead does not end the session while the service accepts it.
  await page.clock.fastForward(700_000);
  await page.waitForTimeout(300);
  await page.getByText('Get notified').waitFor();
  isOver = true;
  await page.clock.fastForward(700_000);
  await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
  await close(page);
});

test('tokens leave the address, survive a reload and stay in their tab', async () => {
  const app = await App.create();
  const { url, token } = await app.session();
  const page = await open(url);
  const requested = [];
  page.on('request', (request) => requested.push(request.url()));
  assert.ok(!page.url().includes(token));
  await page.reload();
  await page.getByText('Get notified').waitFor();
  const entries = await page.evaluate(() => performance.getEntries().map(({ name }) => name).join(' '));
  assert.ok(!entries.includes(token) && !requested.join(' ').includes(token));
  assert.ok(!(await page.evaluate(() => document.cookie + Object.values(localStorage).join(' '))).includes(token));
  const other = await page.context().newPage();
  await other.goto(PORTAL);
  await other.getByRole('heading', { name: 'Open this page from your dashboard' }).waitFor();
  await close(page);
});

test('a link opened in the same tab replaces the session', async () => {
  const [mine, other] = [await App.create(), await App.create()];
  await mine.endpoint(`${receiver.url}/mine`);
  const page = await open(await mine.link());
  await page.getByRole('link', { name: /\/mine$/ }).waitFor();
  await page.locator('.who').getByText(mine.id).waitFor();
  const { url } = await other.session();
  await page.evaluate((hash) => { location.hash = hash; }, new URL(url).hash);
  await page.locator('.who').getByText(other.id).waitFor();
  await page.getByText('Get notified').waitFor();
  assert.ok(!(await page.content()).includes('/mine'));
  assert.equal(await page.evaluate(() => sessionStorage.getItem('portal-session')), new URL(url).hash.slice(1));
  await close(page);
});

test('the first calls are made once, without waiting for the modules', async () => {
  const app = await App.create();
  await app.endpoint(`${receiver.url}/hook`);
  const asked = [];
  let arrive = () => {};
  const arrived = new Promise((resolve) => { arrive = resolve; });
  const prepare = async (page) => {
    page.on('request', (request) => asked.push(request.url().split('/').at(-1)));
    await page.route('**/app.js', async (route) => {
      await arrived;
      await route.continue();
    });
    page.waitForResponse('**/webhooks?view=full').then(arrive);
  };
  const page = await open(await app.link(), { prepare });
  await page.getByRole('link', { name: /\/hook$/ }).waitFor();
  for (const name of ['key', 'webhooks?view=full']) assert.equal(asked.filter((one) => one === name).length, 1, name);
  await close(page);
});

test('a link that names another app shows the app of its token', async () => {
  const [mine, other] = [await App.create(), await App.create()];
  await mine.endpoint(`${receiver.url}/mine`);
  await other.endpoint(`${receiver.url}/other`);
  const link = (await mine.link()).replace(mine.id, other.id);
  const page = await open(link, { expected: [/status of 404/] });
  await page.getByRole('link', { name: /\/mine$/ }).waitFor();
  assert.ok(!(await page.content()).includes(other.id));
  await close(page);
});

test('a late answer for an earlier link does not affect a later session', async () => {
  const [earlier, later] = [await App.create(), await App.create()];
  const page = await open(PORTAL, { expected: [/status of 401/] });
  for (const slow of ['whs_unknown', (await earlier.session()).token]) {
    let release = () => {};
    const released = new Promise((resolve) => { release = resolve; });
    await page.route('**/key', async (route) => {
      if (route.request().headers().authorization === `Bearer ${slow}`) await released;
      await route.continue();
    });
    const { url } = await later.session();
    const asked = page.waitForRequest('**/key');
    await page.evaluate((hash) => { location.hash = hash; }, `#token=${slow}`);
    await asked;
    await page.evaluate((hash) => { location.hash = hash; }, new URL(url).hash);
    await page.locator('.who').getByText(later.id).waitFor();
    const answered = page.waitForResponse('**/key');
    release();
    await (await answered).finished();
    await page.evaluate(() => new Promise((done) => setTimeout(done, 100)));
    assert.equal(await page.locator('.who').innerText(), later.id);
    assert.equal(await page.evaluate(() => sessionStorage.getItem('portal-session')), new URL(url).hash.slice(1));
    await page.unroute('**/key');
  }
  await close(page);
});

test('everything works below a stage', async () => {
  const mine = await App.create();
  await mine.endpoint(`${receiver.url}/hook`);
  const link = new URL(await mine.link());
  link.pathname = `/prod${link.pathname}`;
  const asked = [];
  const prepare = (page) => page.route('**/*', async (route) => {
    const url = new URL(route.request().url());
    asked.push(url.pathname);
    if (!url.pathname.startsWith('/prod/')) return route.abort();
    url.pathname = url.pathname.slice('/prod'.length);
    return route.fulfill({ response: await route.fetch({ url: url.href }) });
  });
  const page = await open(link.href, { prepare });
  await page.getByRole('link', { name: /\/hook$/ }).click();
  await page.getByRole('button', { name: 'Send test' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/prod/portal/');
  assert.deepEqual(asked.filter((path) => !path.startsWith('/prod/')), []);
  await close(page);
});

test('operators can find an app and open it as its customer', async () => {
  const app = await App.create('Acme <b>& Sons</b>');
  await app.endpoint(`${receiver.url}/hook`);
  const page = await open(PORTAL, { expected: [/status of 401/] });
  await page.getByText('Do you run this service?').click();
  await page.getByLabel('Platform key').fill('whk_platform_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('doesn’t know this key').waitFor();
  await page.getByLabel('Platform key').fill(platformKey);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Apps' }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length + document.cookie.length), 0);
  await page.getByLabel('Find an app').fill('portal-nobody');
  await page.getByText('No app ID starts with this.').waitFor();
  await page.getByLabel('Find an app').fill(app.id.slice(0, 20));
  const row = page.locator('.row').filter({ hasText: app.id });
  await row.getByText('1 endpoint, 1 key').waitFor();
  await row.getByRole('link', { name: 'Acme <b>& Sons</b>' }).click();
  await page.getByRole('heading', { name: 'API keys' }).waitFor();
  await page.getByRole('button', { name: 'Open as this customer' }).click();
  const opened = page.context().waitForEvent('page');
  await page.locator('dialog').getByRole('button', { name: 'Open', exact: true }).click();
  const customer = await opened;
  await customer.getByText('View only').waitFor();
  await customer.getByRole('link', { name: /\/hook$/ }).waitFor();
  assert.equal(await customer.evaluate(() => window.opener), null);
  assert.ok(!(await stored(customer)).includes(platformKey));
  // A reload forgets the key.
  await page.reload();
  await page.getByRole('heading', { name: 'Open this page from your dashboard' }).waitFor();
  await close(page);
});

test('no other page can frame the portal', async () => {
  const page = await open(PORTAL);
  const outside = await page.context().newPage();
  await outside.goto(`${receiver.url}/frame`);
  const [, frame] = outside.frames();
  assert.ok(frame);
  assert.ok(!(await frame.content()).includes('id="main"'));
  await close(page);
});
