// Checks every view with axe, light and dark, from 320 to 1,280 px, takes screenshots, and
// measures the time until a customer sees their endpoints on a slow connection.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { browser, close, mustFit, mustLookRight, open } from './browser.mjs';
import { http2Proxy } from './http2.mjs';
import { App, BASE, PORTAL, platformKey, receiver } from './service.mjs';

const app = await App.create('Acme');
const good = await app.endpoint(`${receiver.url}/orders/webhooks`, ['order.*', 'invoice.paid']);
const bad = await app.endpoint(`${receiver.url}/status/500`, ['invoice.paid'], { rateLimit: 20 });
await app.endpoint('https://staging.example.com/hooks', ['*'], { active: false });
for (let sent = 0; sent < 26; sent += 1) await app.publish(sent % 4 ? 'order.created' : 'invoice.paid', { order: `ord_${sent}`, total: { currency: 'EUR', amount: 1_990 + sent } });
await app.settled(good.id, 26);
await app.settled(bad.id, 7);

test('customer views are accessible, in both themes and on phones', async () => {
  const page = await open(await app.link(), { expected: [/status of 400/] });
  const dialog = page.locator('dialog');
  const button = (name) => page.getByRole('button', { name, exact: true });
  await page.locator('.sparkline').nth(2).waitFor();
  await mustLookRight(page, 'endpoints');
  await button('Add endpoint').click();
  await dialog.getByLabel('Only the events I choose').check();
  await dialog.getByRole('button', { name: 'Add endpoint' }).click();
  await dialog.getByText('Choose at least one event.').waitFor();
  await mustLookRight(page, 'add');
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: /\/orders\/webhooks$/ }).click();
  await page.locator('tbody tr').first().waitFor();
  await mustLookRight(page, 'endpoint');
  await page.getByText('Verify signatures in your code').click();
  await mustLookRight(page, 'verify');
  for (const [view, name] of [['edit', 'Edit'], ['test', 'Send test'], ['pause', 'Pause'], ['recover', 'Recover'], ['rotate', 'Rotate secret'], ['delete', 'Delete']]) {
    await button(name).click();
    await dialog.waitFor();
    await mustLookRight(page, view);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  }
  await button('Rotate secret').click();
  await dialog.getByRole('button', { name: 'Rotate secret' }).click();
  await dialog.locator('.secret-text').waitFor();
  await mustLookRight(page, 'secret');
  await button('I’ve stored it').click();
  await page.locator('tbody a').first().click();
  await page.getByText('Attempt 1').waitFor();
  await mustLookRight(page, 'delivery');
  await page.evaluate(() => { location.hash = '#/'; });
  await page.getByRole('link', { name: /500$/ }).click();
  await page.locator('tbody tr').first().waitFor();
  await mustLookRight(page, 'failing');
  await page.evaluate(() => { location.hash = '#/nothing'; });
  await page.getByText('This no longer exists').waitFor();
  await mustLookRight(page, 'missing');
  await close(page);

  const empty = await open(await (await App.create()).link());
  await mustLookRight(empty, 'empty');
  await close(empty);
});

test('operator views are accessible, in both themes and on phones', async () => {
  const page = await open(PORTAL);
  await page.getByText('Do you run this service?').click();
  await mustLookRight(page, 'entrance');
  await page.getByLabel('Platform key').fill(platformKey);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Apps' }).waitFor();
  await mustLookRight(page, 'apps');
  await page.getByLabel('Find an app').fill(app.id);
  await page.locator('.row').filter({ hasText: app.id }).getByRole('link').click();
  await page.getByRole('heading', { name: 'API keys' }).waitFor();
  await mustLookRight(page, 'app');
  await page.getByRole('button', { name: 'Open as this customer' }).click();
  await mustLookRight(page, 'open');
  await close(page);
});

test('every state of an endpoint is shown with its reason', async () => {
  const at = '2026-01-01T09:30:00.000Z';
  const usual = { url: 'https://example.com/hook', events: ['*'], active: true, createdAt: at, updatedAt: at, rateLimit: null, inactiveSince: null, disabledReason: null, disabledAt: null, slowSince: null, failingSince: null, pausedAt: null, nextProbeAt: null };
  const off = { active: false, inactiveSince: at };
  const states = [
    [{}, 'Healthy', ''],
    [{ slowSince: at }, 'Slow', /started responding slowly .*2026/],
    [{}, 'No deliveries yet', ''],
    [{ failingSince: at, slowSince: at }, 'Failing', /started failing .*2026/],
    [{ failingSince: at, pausedAt: at, nextProbeAt: at }, 'On hold', /deliveries are waiting.*any moment now/],
    [off, 'Paused', ''],
    [{ ...off, disabledReason: 'GONE', disabledAt: at }, 'Disabled', /410 Gone/],
    [{ ...off, disabledReason: 'FAILING', disabledAt: at }, 'Disabled', /kept failing for days/],
  ];
  const id = (index) => `01a20e92-e7b5-752a-9e7f-00000000000${index}`;
  const delivery = { id: id(9), event: 'order.paid', status: 'DELIVERED', responseStatus: 200, attempts: 1, createdAt: at, deliveredAt: at, nextRetryAt: null };
  const prepare = async (page) => {
    const answer = (route, data) => route.fulfill({ json: { success: true, data } });
    await page.route(/\/webhooks\?/, (route) => answer(route, states.map(([more], index) => ({ ...usual, ...more, id: id(index) }))));
    await page.route(/\/deliveries\?/, (route) => {
      const index = Number(/(\d)\/deliveries/.exec(route.request().url())[1]);
      return answer(route, { items: states[index][1] === 'No deliveries yet' ? [] : [delivery], nextCursor: null });
    });
  };
  const page = await open(await app.link(), { prepare });
  await page.locator('.sparkline').nth(states.length - 1).waitFor();
  for (const [index, [, label, why]] of states.entries()) {
    const row = page.locator('.row').nth(index);
    assert.equal(await row.locator('.badge').innerText(), label);
    const said = row.locator('.row-why');
    if (why === '') assert.ok(await said.isHidden(), label);
    else assert.match(await said.innerText(), why);
  }
  await close(page);
});

test('long URLs and names are not cut off at 320 px', async () => {
  const long = await App.create();
  const { id } = await long.endpoint(`${receiver.url}/${'very-long-path-without-breaks'.repeat(6)}`, [`${'segment.'.repeat(12)}end`, 'a.*']);
  await long.publish(`${'segment.'.repeat(12)}end`);
  await long.settled(id, 1);
  const page = await open(await long.link(), { width: 320, height: 600 });
  await mustFit(page, 'endpoints');
  await page.locator('.row-link').click();
  await page.locator('tbody tr').first().waitFor();
  await mustFit(page, 'endpoint');
  await page.locator('tbody a').click();
  await page.getByText('Attempt 1').waitFor();
  await mustFit(page, 'delivery');
  await close(page);
});

test('the theme follows the system until one is chosen', async () => {
  const page = await open(PORTAL, { scheme: 'dark' });
  const isDark = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor === 'rgb(19, 21, 25)');
  assert.ok(await isDark());
  await page.getByRole('button', { name: 'Use the light theme' }).click();
  assert.ok(!(await isDark()));
  await page.reload();
  await page.waitForSelector('h1');
  assert.ok(!(await isDark()));
  await close(page);
});

test('times are in the reader’s time zone, exact on hover', async () => {
  const context = await browser.newContext({ timezoneId: 'Asia/Tokyo', locale: 'en-GB' });
  const page = await context.newPage();
  await page.goto(await app.link());
  await page.getByRole('link', { name: /\/orders\/webhooks$/ }).click();
  const time = page.locator('.facts time');
  await time.waitFor();
  const [iso, title] = await time.evaluate((element) => [element.dateTime, element.title]);
  const hour = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tokyo', hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(iso));
  assert.ok(title.includes(hour) && title.includes(iso), title);
  await context.close();
});

/** The middle of an odd number of measurements. */
const median = (values) => values.toSorted((a, b) => a - b)[(values.length - 1) / 2];

test('the first view is measured on a slow connection', { timeout: 300_000 }, async (t) => {
  const times = Number(process.env.VISITS ?? 1);
  const proxy = await http2Proxy(BASE);
  t.after(proxy.close);
  const visit = async (page, origin) => {
    await page.goto('about:blank');
    await page.goto((await app.link()).replace(BASE, origin));
    await page.waitForSelector('.row-link');
    return page.evaluate(() => {
      const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0;
      const resources = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
      const bytes = resources.reduce((sum, one) => sum + one.transferSize, 0);
      return { paint, shown: performance.now(), requests: resources.filter((one) => one.transferSize > 0).length, kilobytes: bytes / 1_000 };
    });
  };
  for (const [protocol, origin] of [['HTTP/1.1', BASE], ['HTTP/2', proxy.origin]]) {
    const visits = { first: [], next: [] };
    for (let count = 0; count < times; count += 1) {
      // A slow 4G network (1.6 Mbit/s, 150 ms), and a processor slowed down four times.
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      const client = await context.newCDPSession(page);
      await client.send('Network.enable');
      await client.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 90_000 });
      await client.send('Emulation.setCPUThrottlingRate', { rate: 4 });
      for (const runs of Object.values(visits)) runs.push(await visit(page, origin));
      await context.close();
    }
    for (const [name, runs] of Object.entries(visits)) {
      const of = (key) => Math.round(median(runs.map((run) => run[key])));
      t.diagnostic(`${protocol}, ${name} visit: first paint ${of('paint')} ms, endpoints shown ${of('shown')} ms, ${of('requests')} requests, ${of('kilobytes')} kB (medians of ${times})`);
      // A generous limit, because machines differ. It still catches a chain of requests or a
    // megabyte of files.
      assert.ok(of('shown') < 15_000, name);
      assert.ok(of('requests') <= 20, name);
    }
  }
});
