// The API reference: every call and schema of openapi.json, under a policy that allows
// nothing but its own files.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { close, mustLookRight, open } from './browser.mjs';
import { BASE } from './service.mjs';

const METHODS = ['get', 'put', 'post', 'delete', 'patch'];

test('the reference shows every call and schema, and looks right', async () => {
  const document = await (await fetch(`${BASE}/openapi.json`)).json();
  const items = Object.values({ ...document.paths, ...document.webhooks });
  const calls = items.flatMap((item) => METHODS.filter((method) => item[method]).map((method) => item[method].operationId));
  const schemas = Object.keys(document.components.schemas).map((name) => `schema-${name}`);
  const page = await open(`${BASE}/reference/`);
  const shown = await page.locator('article').evaluateAll((articles) => articles.map(({ id }) => id));
  assert.deepEqual(shown.toSorted(), [...calls, ...schemas].toSorted());
  const dead = await page.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].map((link) => link.hash.slice(1)).filter((id) => !document.getElementById(id)));
  assert.deepEqual(dead, []);
  await mustLookRight(page, 'reference');
  await close(page);
});

test('a link to a call scrolls to that call', async () => {
  const page = await open(`${BASE}/reference/#createWebhook`);
  const top = await page.locator('#createWebhook').evaluate((article) => article.getBoundingClientRect().top);
  assert.ok(top >= 0 && top < 200, `${top}`);
  await close(page);
});
