// Many tabs, many addresses in one tab, and downloads: each tab stays live, with the browser as people have it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launchAsPeopleDo, signIn } from './browser.mjs';
import { egg, PASSWORD, World } from './world.mjs';

let world, browser, context, container;

before(async () => {
  world = await World.up();
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };
  const made = { name: 'Before', template_id: template.id, limits, skip_install: true, allocation_count: 0, startup_command: 'sleep 1000' };
  container = await world.ask('POST', '/containers', made);
  browser = await launchAsPeopleDo();
  context = await browser.newContext();
  const page = await context.newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
  await page.close();
});
after(async () => {
  await browser?.close();
  await world?.end();
});

const rename = (name) => world.ask('PUT', `/containers/${container.id}`, { name });

test('twenty tabs load, and all of them are told of a change', { timeout: 180_000 }, async () => {
  const first = await context.newPage();
  await first.goto(`${world.base}/containers`);
  const tabs = [first];
  while (tabs.length < 20) {
    const tab = await context.newPage();
    // Lists and consoles, which have a stream of their own beside the feed.
    const own = tabs.length % 2 === 1;
    await tab.goto(own ? `${world.base}/containers/${container.id}` : `${world.base}/containers`);
    await (own ? tab.getByRole('status').filter({ hasText: /^\s*Live\s*$/ }) : tab.getByRole('link', { name: 'Before' })).waitFor();
    tabs.push(tab);
  }
  await rename('After');
  for (const tab of tabs) await tab.getByText('After', { exact: true }).first().waitFor();
  // The first one still gets everywhere.
  await first.getByRole('link', { name: 'Users' }).click();
  await first.getByRole('heading', { name: 'Users', level: 1 }).waitFor();
  await first.getByText('admin@', { exact: false }).first().waitFor();
  for (const tab of tabs) await tab.close();
});

test('ten addresses one after another in one tab, and back: each is live', { timeout: 180_000 }, async () => {
  const page = await context.newPage();
  const places = ['containers', 'templates', 'daemons', 'users', 'roles', 'mail', 'activity', 'account', 'containers/new', 'containers'];
  for (const place of places) {
    await page.goto(`${world.base}/${place}`);
    await page.getByRole('main').locator('h1').first().waitFor();
    assert.equal(await page.getByText('Raptor isn’t responding').count(), 0, place);
  }
  await page.locator(`a[href="/containers/${container.id}"]`).first().waitFor();
  await rename('Ten later');
  await page.getByRole('link', { name: 'Ten later' }).waitFor();
  // A page that was put aside for "back" hears what happened meanwhile, and what happens from now on.
  await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => (window.kept = persisted)));
  await page.goto(`${world.base}/users`);
  await page.getByRole('heading', { name: 'Users', level: 1 }).waitFor();
  await rename('While away');
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => window.kept === true);
  await page.getByRole('link', { name: 'While away' }).waitFor();
  await rename('And now');
  await page.getByRole('link', { name: 'And now' }).waitFor();
  await page.close();
});

test('a download leaves the tab live, and does not ask about unsaved changes', { timeout: 120_000 }, async () => {
  await world.ask('PUT', `/containers/${container.id}/files/content?path=%2Fnote.txt&etag=`, 'hello');
  const page = await context.newPage();
  const asked = [];
  page.on('dialog', (dialog) => (asked.push(dialog.type()), dialog.dismiss()));
  let left;
  page.on('framenavigated', () => (left = true));
  await page.goto(`${world.base}/containers/${container.id}/files?path=%2F&open=%2Fnote.txt`);
  await page.locator('.cm-content').click();
  await page.keyboard.type('x');
  left = false;
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).first().click()]);
  assert.equal(download.suggestedFilename(), 'note.txt');
  assert.deepEqual([asked, left], [[], false]);
  await rename('Downloaded');
  await page.getByRole('heading', { name: 'Downloaded', level: 1 }).waitFor();
  await page.close();
});
