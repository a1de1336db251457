// A browser whose network fails for a moment, as it does when a container's network is made on its own machine.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, PASSWORD, until, World } from './world.mjs';

let world, browser, page;

before(async () => {
  world = await World.up();
  browser = await launch();
  page = await browser.newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

/** Drops the requests that match, as long as `dropped` says so of the number of those before. */
async function drop(pattern, dropped) {
  const seen = [];
  await page.route(pattern, (route) => (dropped(seen.push(route.request().url())) ? route.abort('failed') : route.continue()));
  return seen;
}

test('what only reads is asked again', { timeout: 60_000 }, async () => {
  const asked = await drop(/\/api\/v1\/templates/, (times) => times <= 2);
  await page.getByRole('link', { name: 'Templates' }).click();
  await page.getByText('No templates yet').waitFor();
  // Once more where an event arrived between the answer and the page, as the daemon's measurements may.
  assert.ok(asked.length === 3 || asked.length === 4, asked.join('\n'));
  await page.unrouteAll();
});

test('a page whose program did not arrive comes up all the same', { timeout: 60_000 }, async () => {
  let away = true;
  page.on('request', (request) => request.isNavigationRequest() && (away = false));
  await drop(/\/_app\/immutable\/nodes/, () => away);
  await page.getByRole('link', { name: 'Users' }).click();
  await page.getByRole('heading', { name: 'Users', level: 1 }).waitFor();
  assert.ok(!away, 'it was asked for anew');
  await page.unrouteAll();
});

test('a page that can not be had says so, and is tried again', { timeout: 60_000 }, async () => {
  await drop(/\/_app\/immutable\/nodes/, () => true);
  await page.getByRole('link', { name: 'Roles' }).click();
  await page.getByRole('alert').filter({ hasText: 'The page opens once Raptor responds again' }).waitFor();
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Roles', level: 1 }).waitFor();
});

test('the panel itself comes up where its program did not arrive, or says that it can not', { timeout: 60_000 }, async () => {
  page = await browser.newPage();
  let asked = 0;
  page.on('request', (request) => request.isNavigationRequest() && asked++);
  await drop(/\/_app\/immutable\/entry/, () => asked < 2);
  await page.goto(world.base);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();

  page = await browser.newPage();
  await drop(/\/_app\/immutable\/entry/, () => true);
  await page.goto(world.base);
  await page.getByText('Raptor could not be loaded.').waitFor();
});

test('many containers of this machine start at once, whose networks come up meanwhile', { timeout: 120_000 }, async () => {
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };
  const startup = "sh -c 'echo ready; read line'";
  const names = Array.from({ length: 12 }, (_, i) => `Many ${i}`);
  for (const name of names) {
    const made = { name, template_id: template.id, limits, skip_install: true, allocation_count: 0, startup_command: startup };
    await world.ask('POST', '/containers', made);
  }
  page = await browser.newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
  await page.getByRole('link', { name: 'Many 11' }).waitFor();
  await page.getByRole('checkbox', { name: 'Select all' }).check();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await until('all are up', async () =>
    (await world.ask('GET', '/containers?limit=100')).items.every(({ live }) => live.phase !== 'offline')
  );
});
