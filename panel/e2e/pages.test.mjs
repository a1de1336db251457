// Every page: no barrier that axe finds, in both themes, nothing wider than a phone, nothing too small for a finger, and
// nothing that jumps while it loads.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { barriers, launch, signIn } from './browser.mjs';
import { egg, PASSWORD, until, World } from './world.mjs';

let world, browser, pages, files;

before(async () => {
  world = await World.up();
  browser = await launch();
  const lena = await world.user('lena', 'user');
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const limits = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };
  const { id } = await world.ask('POST', '/containers', { name: 'Trains', template_id: template.id, limits, skip_install: true });
  await world.ask('POST', '/containers', { name: 'Of Lena', owner_id: lena.id, template_id: template.id, limits, skip_install: true });
  await world.ask('POST', `/containers/${id}/access`, { user: 'lena', level: 'user' });
  await until('the host has it', async () => world.ask('GET', `/containers/${id}/files`).catch(() => null));
  await world.ask('POST', `/containers/${id}/files/folders`, { path: '/world' });
  await world.ask('PUT', `/containers/${id}/files/content?path=/server.properties`, 'motd=Hello\n');
  files = `/containers/${id}/files`;
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  pages = [
    '/containers',
    `/containers/new?template=${template.id}`,
    ...[
      '',
      '/files',
      '/files?path=/&open=/server.properties',
      '/files?path=/&trash',
      '/startup',
      '/network',
      '/access',
      '/activity',
      '/settings'
    ].map((tab) => `/containers/${id}${tab}`),
    '/daemons',
    `/daemons/${daemon.id}`,
    '/templates',
    `/templates/${template.id}`,
    '/templates/catalogue',
    '/templates/catalogue/docker-image',
    '/users',
    '/roles',
    '/activity',
    '/mail',
    '/account'
  ];
});
after(async () => {
  await browser?.close();
  await world?.end();
});

/** What is wrong, all of it, so that one run tells everything. */
const wrong = [];
const none = () => assert.deepEqual(wrong.splice(0), []);

async function check(page, where) {
  wrong.push(...(await barriers(page)).map((text) => `${where}: ${text}`));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) wrong.push(`${where} is ${wide} px wider than the screen`);
}

/** Everything that is touched, but for links within sentences and cells: at least 40 px high. */
async function fingers(page, where) {
  const small = await page.evaluate(() => {
    const area = (element) => (element.closest('label') ?? element).getBoundingClientRect();
    return (
      [...document.querySelectorAll('button, select, input:not([type=hidden], [type=file]), a.button, nav a, textarea, summary')]
        .filter(
          (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('.sr-only, [aria-hidden=true], .xterm')
        )
        .filter((element) => !element.classList.contains('sr-only') && !element.disabled)
        // A row that opens by a touch anywhere in it is large enough.
        .filter((element) => !element.closest('tr.cursor-pointer'))
        .filter((element) => area(element).height < 40)
        .map((element) => `${Math.round(area(element).height)} px: ${element.outerHTML.slice(0, 140)}`)
    );
  });
  wrong.push(...small.map((text) => `${where}: too small for a finger, ${text}`));
}

/** How far things moved by themselves since the page was opened. */
const moved = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        let sum = 0;
        const observer = new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
        });
        observer.observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => resolve(sum), 50);
      })
  );

for (const theme of ['light', 'dark']) {
  for (const width of [390, 1440]) {
    test(`pages in ${theme} at ${width} px`, { timeout: 240_000 }, async () => {
      const context = await browser.newContext({ viewport: { width, height: 844 }, colorScheme: theme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      await page.goto(`${world.base}/sign-in`);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await check(page, 'sign-in');
      await signIn(page, world.base, 'admin', PASSWORD);
      for (const path of pages) {
        await page.goto(world.base + path);
        await page.locator('h1').first().waitFor();
        await page.locator('[aria-busy=true]:not([role=menu]), .skeleton').first().waitFor({ state: 'detached' });
        await check(page, `${path} ${theme} ${width}`);
        if (width < 500) await fingers(page, path);
        const shift = await moved(page);
        if (shift >= 0.05) wrong.push(`${path} moved by ${shift.toFixed(3)} while it loaded at ${width} px`);
      }
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: 'Search' }).waitFor();
      await check(page, `palette ${theme} ${width}`);
      await page.keyboard.press('Escape');
      await page.goto(`${world.base}/users?create`);
      await page.getByRole('dialog', { name: 'Create user' }).waitFor();
      await check(page, `dialog ${theme} ${width}`);
      await page.goto(`${world.base}/containers`);
      await page.getByRole('button', { name: 'Actions for Trains' }).click();
      await page.getByRole('menuitem', { name: 'Start', exact: true }).waitFor();
      await check(page, `menu ${theme} ${width}`);
      await page.keyboard.press('Escape');
      await page.getByLabel('Select Trains').click();
      await page.getByRole('region', { name: 'Selected containers' }).waitFor();
      await check(page, `selection ${theme} ${width}`);
      await page.goto(world.base + files);
      await page.getByLabel('Select world').click();
      await page.getByRole('region', { name: 'Selected files' }).waitFor();
      await check(page, `selected files ${theme} ${width}`);
      if (width < 500) await fingers(page, 'selected files');
      await page.getByRole('button', { name: 'Actions for world' }).click();
      await page.getByRole('menuitem', { name: 'Rename' }).waitFor();
      await check(page, `menu of a file ${theme} ${width}`);
      await context.close();
      none();
    });
  }
}

test('the pages of a plain user', { timeout: 240_000 }, async () => {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: 'dark', reducedMotion: 'reduce' });
  const page = await context.newPage();
  await signIn(page, world.base, 'lena', PASSWORD);
  const own = (await world.ask('GET', '/containers?search=Of%20Lena')).items[0].id;
  for (const path of [
    '/containers',
    `/containers/${own}`,
    `/containers/${own}/startup`,
    `/containers/${own}/settings`,
    '/users',
    '/nowhere',
    '/account'
  ]) {
    await page.goto(world.base + path);
    await page.locator('h1').first().waitFor();
    await page.locator('[aria-busy=true]:not([role=menu]), .skeleton').first().waitFor({ state: 'detached' });
    await check(page, `${path} as a user`);
  }
  await context.close();
  none();
});
