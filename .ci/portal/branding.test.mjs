// The operator's branding: a separate service with a title, a logo, a color that is
// illegible on white, and one origin that can embed the portal.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';

import { browser, close, mustLookRight, open } from './browser.mjs';

const TARGET = process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, '../../target');
const PORTS = ['--port', '0', '--receiver-port', '0', '--aws-port', '0'];
const LOGO = 'https://cdn.example.com/logo.svg';
const TITLE = '<b>Acme</b> & "Sons"';
const ACCENT = '#ffee00';

/** Starts a service, and returns the link to the portal that its guide prints. */
async function branded() {
  const service = spawn(join(TARGET, 'debug/webhook-endpoints-local'), PORTS, {
    env: { ...process.env, PORTAL_TITLE: TITLE, PORTAL_LOGO_URL: LOGO, PORTAL_ACCENT_COLOR: ACCENT, PORTAL_FRAME_ANCESTORS: 'https://app.example.com' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  after(async () => {
    service.kill();
    await once(service, 'exit');
  });
  const lines = createInterface({ input: service.stdout });
  let link = '';
  for await (const line of lines) {
    if (line.includes('/portal/#')) link = line.trim();
    if (line.startsWith('Ctrl-C stops it')) break;
  }
  assert.ok(link);
  return link;
}

const link = await branded();
const picture = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><rect width="40" height="40"/></svg>';
const serveLogo = (page) => page.route(LOGO, (route) => route.fulfill({ contentType: 'image/svg+xml', body: picture }));

test('the header has the title and logo, and the tab has the title', async () => {
  const page = await open(link, { prepare: serveLogo, outside: ['https://cdn.example.com'] });
  await page.getByText('Get notified when something happens').waitFor();
  assert.equal(await page.title(), `Endpoints – ${TITLE}`);
  assert.equal(await page.locator('.brand-title').innerText(), TITLE);
  const logo = page.locator('img.logo');
  assert.equal(await logo.getAttribute('src'), LOGO);
  await page.waitForFunction(() => document.querySelector('img.logo').naturalWidth > 0);
  await close(page);
});

test('an illegible color is adjusted until it is legible in both themes', async () => {
  const page = await open(link, { prepare: serveLogo, outside: ['https://cdn.example.com'] });
  const button = page.getByRole('button', { name: 'Add your first endpoint' });
  await button.waitFor();
  const color = (name) => button.evaluate((element, name) => getComputedStyle(element)[name], name);
  assert.equal(await color('backgroundColor'), 'rgb(255, 238, 0)');
  assert.equal(await color('color'), 'rgb(0, 0, 0)');
  // axe checks the contrast.
  await mustLookRight(page, 'branded-empty');
  await button.click();
  await page.getByLabel('URL').fill('https://example.com/hook');
  await page.locator('dialog').getByRole('button', { name: 'Add endpoint' }).click();
  await page.getByRole('button', { name: 'I’ve stored it' }).click();
  await page.getByRole('heading', { name: 'History' }).waitFor();
  await mustLookRight(page, 'branded-endpoint');
  await close(page);
});

test('only the configured origin can embed the portal', async () => {
  const portal = link.split('#')[0];
  for (const [origin, isAllowed] of [['https://app.example.com', true], ['https://app.example.com.evil.example', false], ['https://other.example.com', false]]) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const errors = [];
    page.on('console', (message) => errors.push(message.text()));
    await page.route(`${origin}/`, (route) => route.fulfill({ contentType: 'text/html', body: `<iframe src="${portal}"></iframe>` }));
    await serveLogo(page);
    await page.goto(`${origin}/`);
    const [, frame] = page.frames();
    const heading = frame.getByRole('heading', { name: 'Open this page from your dashboard' });
    if (isAllowed) await heading.waitFor({ timeout: 10_000 });
    else {
      assert.ok(!(await frame.content()).includes('id="main"'), origin);
      assert.match(errors.join(), /frame-ancestors/, origin);
    }
    await context.close();
  }
});
