// Long lists, and what a browser does by itself: going back, its language, the wheel, and fonts that come late.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, PASSWORD, until, World } from './world.mjs';

const COUNT = 104;
let world, browser, page, ids;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };
const name = (i) => `Server ${String(i).padStart(3, '0')}`;

before(async () => {
  world = await World.up();
  browser = await launch();
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  // Nothing is started, so that nobody minds which ports these are.
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: `41000-${41000 + COUNT - 1}` });
  ids = [];
  for (let i = 0; i < COUNT; i++) {
    const body = { name: name(i), template_id: template.id, limits: LIMITS, skip_install: true, daemon_id: daemon.id };
    ids.push((await world.ask('POST', '/containers', body)).id);
  }
  page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

test('"Select all" selects all containers, not only those that were loaded', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  await page.getByRole('link', { name: name(0) }).waitFor();
  await page.getByLabel('Select all').check();
  await page.getByRole('region', { name: 'Selected containers' }).getByText(`${COUNT} selected`).waitFor();
  await page.getByLabel('Select all').uncheck();
  await until('nothing is selected', async () => (await page.getByRole('region', { name: 'Selected containers' }).count()) === 0);
});

test('back returns to the row that was opened', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  const far = page.getByRole('link', { name: name(102) });
  await page.getByRole('link', { name: name(0) }).waitFor();
  await until('the row is there', async () => {
    await page.mouse.wheel(0, 4_000);
    return far.isVisible();
  });
  await far.scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => scrollY);
  await far.click();
  await page.getByTestId('terminal').waitFor();
  await page.goBack();
  await until('the row is on the screen again', async () => {
    const box = await far.boundingBox().catch(() => null);
    return box && box.y > 0 && box.y < 800;
  });
  const now = await page.evaluate(() => scrollY);
  assert.ok(Math.abs(now - before) < 60, `${before} before, ${now} now`);
  // Also where the browser has to load everything anew.
  await far.click();
  await page.getByTestId('terminal').waitFor();
  await page.reload();
  await page.getByTestId('terminal').waitFor();
  await page.goBack();
  await until('the row is on the screen after a reload', async () => {
    const box = await far.boundingBox().catch(() => null);
    return box && box.y > 0 && box.y < 800;
  });
});

test('a browser whose language is malformed shows the console and its graphs', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ storageState: await page.context().storageState() });
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'language', { get: () => 'C', configurable: true }));
  const other = await context.newPage();
  const problems = [];
  other.on('pageerror', (error) => problems.push(String(error)));
  await other.goto(`${world.base}/containers/${ids[0]}`);
  await other.getByTestId('terminal').waitFor();
  await other.getByRole('slider', { name: /over time/ }).first().waitFor();
  assert.deepEqual(problems, []);
  await context.close();
});

test('the wheel over a number scrolls the page and changes nothing', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids[0]}/settings`);
  const memory = page.getByLabel('Memory', { exact: true });
  await memory.click();
  const value = await memory.inputValue();
  await page.mouse.wheel(0, 120);
  await until('the page is scrolled', async () => page.evaluate(() => scrollY > 0));
  assert.equal(await memory.inputValue(), value);
});

test('after a cold visit the newest console lines are not hidden', { timeout: 60_000 }, async () => {
  // A context has a cache of its own: the font arrives after the terminal.
  const context = await browser.newContext({ storageState: await page.context().storageState(), viewport: { width: 1280, height: 800 } });
  const cold = await context.newPage();
  await cold.route('**/*.woff2', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await route.continue();
  });
  await cold.goto(`${world.base}/containers/${ids[0]}`);
  await cold.locator('.xterm-screen').waitFor();
  await until('the font is there', () => cold.evaluate(() => document.fonts.check("13px 'JetBrains Mono Variable'")));
  const over = () =>
    cold.evaluate(() => {
      const place = document.querySelector('[data-testid=terminal]').getBoundingClientRect();
      return document.querySelector('.xterm-screen').getBoundingClientRect().bottom - place.bottom;
    });
  await until('all rows are in sight', async () => (await over()) <= 0);
  for (const height of [750, 700, 800]) {
    const before = await cold.locator('.xterm-screen').boundingBox();
    await cold.setViewportSize({ width: 1280, height });
    await until('the terminal has another size', async () => (await cold.locator('.xterm-screen').boundingBox()).height !== before.height);
    assert.ok((await over()) <= 0, `${await over()} px are hidden at ${height}`);
  }
  await context.close();
});
