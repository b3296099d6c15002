// Chromium, and pages that fail a test if anything goes wrong in them.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after } from 'node:test';

import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SCREENSHOTS = join(import.meta.dirname, '../node_modules/.portal');
// The last one lets pages of invented public hosts load from this machine.
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-features=LocalNetworkAccessChecks'];

/** Chromium with an empty profile, which playwright-core makes and removes. */
export const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: ARGS });
after(() => browser.close());

/**
 * Opens a page in its own context. `expected` has patterns of console messages that the test
 * causes, and `outside` other origins that the page may load from.
 */
export async function open(url, { width = 1280, height = 900, scheme = 'light', expected = [], outside = [], prepare } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: 'reduce' });
  context.setDefaultTimeout(12_000);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const page = await context.newPage();
  const origins = [new URL(url).origin, ...outside];
  page.faults = [];
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    const text = `${message.text()} ${message.location().url}`;
    if (!expected.some((pattern) => pattern.test(text))) page.faults.push(text);
  });
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('dialog', (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!origins.includes(new URL(request.url()).origin)) page.faults.push(`request to ${request.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await prepare?.(page);
  await page.goto(url);
  await page.waitForSelector('h1');
  return page;
}

/** Closes a page, and fails if anything went wrong in it. */
export async function close(page) {
  await page.context().close();
  assert.deepEqual(page.faults, []);
}

/** Fails if the page is wider than the screen. */
export async function mustFit(page, view) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(over, 0, `${view} is ${over} px too wide`);
}

/** Fails if axe finds anything. */
export async function mustBeAccessible(page, view) {
  // Wait for transitions to end before checking colours.
  await page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished)));
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { passes, violations } = await axe.run(document, { resultTypes: ['violations'] });
    return { passes: passes.length, violations: violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`)]) };
  });
  assert.deepEqual(found.violations, [], view);
  assert.ok(found.passes > 10, `${view}: axe checked only ${found.passes} rules`);
}

/** Checks a view in both themes, at the width of a phone and of a laptop. */
export async function mustLookRight(page, view) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  for (const [colorScheme, width] of [['light', 375], ['light', 1280], ['dark', 1280], ['dark', 375]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await mustFit(page, `${view} at ${width} px`);
    await page.screenshot({ path: join(SCREENSHOTS, `${view}-${width}-${colorScheme}.png`) });
    // Each theme and each width once, not every combination, because axe takes half a second.
    if ((width === 1280) === (colorScheme === 'light')) await mustBeAccessible(page, `${view}, ${colorScheme}, ${width} px`);
  }
}
