// What a first visit weighs: each file is a round trip, and each kilobyte time, for those on a slow line.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { spoken, weigh } from './weight.mjs';
import { PASSWORD, until, World } from './world.mjs';

/** What the form may cost, as docs/benchmarks.md has it: 69 kB at 400 kbit/s take 1.4 s. */
const BUDGET = { requests: 14, bytes: 90_000 };
let world, browser;

before(async () => {
  world = await World.up();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await world?.end();
});

test('the sign-in form of a first visit stays within its budget', { timeout: 60_000 }, async () => {
  const page = await (await browser.newContext()).newPage();
  const line = await page.context().newCDPSession(page);
  await line.send('Network.enable');
  const names = new Map();
  const seen = [];
  line.on('Network.requestWillBeSent', ({ requestId, request }) => names.set(requestId, request.url));
  line.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => seen.push([names.get(requestId), encodedDataLength]));
  // What is loaded while somebody types is not waited for.
  let formed = Infinity;
  await page.exposeFunction('formed', () => (formed = seen.length));
  await page.addInitScript(() => {
    const watch = new MutationObserver(() => document.querySelector('[name=password]') && (watch.disconnect(), window.formed()));
    watch.observe(document, { childList: true, subtree: true });
  });
  await page.goto(`${world.base}/containers?mine=true`);
  await page.getByLabel('User name or email').waitFor();
  await until('the form was noticed', () => formed < Infinity);
  const needed = seen.slice(0, formed);
  const bytes = needed.reduce((sum, [, size]) => sum + size, 0);
  const what = needed.map(([url, size]) => `${size} ${url}`).join('\n');
  assert.ok(needed.length >= 5, `it was counted\n${what}`);
  assert.ok(needed.length <= BUDGET.requests, `${needed.length} requests\n${what}`);
  assert.ok(bytes <= BUDGET.bytes, `${bytes} bytes\n${what}`);

  // And it leads to the page that was asked for.
  await page.getByLabel('User name or email').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Containers', level: 1 }).waitFor();
  assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, '/containers?mine=true');
});

test('the pages that people come to first stay within their budgets', { timeout: 120_000 }, async () => {
  const id = await spoken(world);
  const budgets = { 'sign-in': 100_000, list: 150_000, console: 250_000 };
  for (const [name, { needed, bytes }] of Object.entries(await weigh(browser, world.base, id))) {
    const what = needed.map((file) => `${file.bytes} ${file.url}`).join('\n');
    assert.ok(needed.length >= 5 && bytes > 50_000, `it was counted\n${what}`);
    assert.ok(bytes <= budgets[name], `${name}: ${bytes} bytes\n${what}`);
  }
});

test('a visitor loads the panel in one language, which can be changed', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ locale: 'de-AT' });
  const page = await context.newPage();
  let loaded = [];
  page.on('request', (request) => loaded.push(new URL(request.url()).pathname));
  /** What was loaded in a language, by the names of the files in it. */
  const twice = () => loaded.filter((path) => path.endsWith('.de.js') && loaded.includes(path.replace('.de.js', '.js')));
  await signInGerman(page);
  assert.equal(await page.locator('html').getAttribute('lang'), 'de');
  assert.ok(
    loaded.some((path) => path.endsWith('.de.js')),
    'it is in German'
  );
  assert.deepEqual(twice(), []);

  loaded = [];
  await page.goto(`${world.base}/account`);
  await page.getByLabel('Sprache').selectOption('English');
  await page.getByLabel('Language').waitFor();
  loaded = [];
  await page.goto(`${world.base}/containers`);
  await page.getByRole('heading', { name: 'Containers', level: 1 }).waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  assert.deepEqual(
    loaded.filter((path) => path.endsWith('.de.js')),
    []
  );
});

async function signInGerman(page) {
  await page.goto(`${world.base}/sign-in`);
  await page.getByLabel('Benutzername oder E-Mail-Adresse').fill('admin');
  await page.getByLabel('Passwort', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Anmelden' }).click();
  await page.waitForURL(`${world.base}/containers`);
  await page.locator('h1').waitFor();
}

test('who is signed in, in a browser that forgot it, gets the page that they opened', { timeout: 60_000 }, async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
  await page.evaluate(() => localStorage.clear());
  await page.goto(`${world.base}/account`);
  await page.getByRole('heading', { name: 'Account', level: 1 }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/account');
  // And the other way round: the note gives no rights.
  await context.clearCookies();
  await page.goto(`${world.base}/account`);
  await page.getByLabel('User name or email').waitFor();
  assert.equal(new URL(page.url()).search, '?next=%2Faccount');
});
