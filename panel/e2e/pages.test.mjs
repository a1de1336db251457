// Every page: no barrier that axe finds, in both themes, and nothing wider than a phone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, PASSWORD, World } from './world.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let world, browser, pages;

before(async () => {
  world = await World.up();
  browser = await launch();
  await world.user('lena', 'user');
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const limits = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };
  const { id } = await world.ask('POST', '/containers', { name: 'Trains', template_id: template.id, limits });
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  pages = [
    '/containers',
    `/containers/new?template=${template.id}`,
    ...['', '/startup', '/network', '/access', '/activity', '/settings'].map((tab) => `/containers/${id}${tab}`),
    '/daemons',
    `/daemons/${daemon.id}`,
    '/templates',
    `/templates/${template.id}`,
    '/users',
    '/roles',
    '/activity',
    '/account'
  ];
});
after(async () => {
  await browser?.close();
  await world?.end();
});

async function check(page, where) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ['violations'] })).violations);
  const words = found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  assert.deepEqual(words, [], where);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${where} is ${wide} px wider than the screen`);
}

for (const theme of ['light', 'dark']) {
  for (const width of [390, 1440]) {
    test(`pages in ${theme} at ${width} px`, { timeout: 120_000 }, async () => {
      const context = await browser.newContext({ viewport: { width, height: 844 }, colorScheme: theme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      await page.goto(`${world.base}/sign-in`);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await check(page, 'sign-in');
      await signIn(page, world.base, 'admin', PASSWORD);
      for (const path of pages) {
        await page.goto(world.base + path);
        await page.locator('h1').first().waitFor();
        await page.locator('[aria-busy=true], .skeleton').first().waitFor({ state: 'detached' });
        await check(page, `${path} ${theme} ${width}`);
      }
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: 'Search' }).waitFor();
      await check(page, `palette ${theme} ${width}`);
      await context.close();
    });
  }
}
