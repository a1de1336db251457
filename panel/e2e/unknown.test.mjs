// Containers that a restored database does not know, and one whose files are gone, as an administrator meets them.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { freePort, PASSWORD, until, World } from './world.mjs';

const LIMITS = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 0, pids: 64, io_weight: 500 };
const EGG = JSON.stringify({
  meta: { version: 'PTDL_v2' },
  name: 'Echo',
  author: 'a@b.example',
  startup: 'sh -c \'date >> world.dat; echo ready; while read line; do [ "$line" = stop ] && exit 0; echo "got $line"; done\'',
  docker_images: { x: '~raptor-test/busybox:1' },
  variables: [],
  config: { files: '{}', startup: '{"done": "ready"}', logs: '{}', stop: 'stop' },
  scripts: {
    installation: { script: '#!/bin/sh\ndate > /mnt/server/installed.txt', container: '~raptor-test/busybox:1', entrypoint: 'sh' }
  }
});
let world, browser, page, daemon, ids, ports;

/** Screenshots for looking at, where SHOTS names a folder. */
async function shot(name) {
  if (!process.env.SHOTS) return;
  mkdirSync(process.env.SHOTS, { recursive: true });
  for (const [width, height, colorScheme] of [
    [1440, 900, 'light'],
    [390, 844, 'dark']
  ]) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.screenshot({ path: join(process.env.SHOTS, `${name}-${colorScheme}-${width}.png`) });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

before(async () => {
  world = await World.up();
  browser = await launch();
  const { template } = await world.ask('POST', '/templates/import', EGG);
  daemon = (await world.ask('GET', '/daemons')).items[0];
  ports = [await freePort(), await freePort()];
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: ports.join(',') });
  const running = async (name, port) => {
    const found = port ? (await world.ask('GET', `/daemons/${daemon.id}/allocations?search=${port}`)).items : [];
    const allocation_ids = found.filter((one) => one.port === port).map((one) => one.id);
    const draft = { name, template_id: template.id, limits: LIMITS, skip_install: true, start: true, allocation_ids, allocation_count: 0 };
    const { id } = await world.ask('POST', '/containers', draft);
    await until(`${name} runs`, async () => (await world.ask('GET', `/containers/${id}`)).live.phase === 'running');
    return id;
  };
  const back = await running('Deleted since the copy');
  const database = join(world.api.path, 'data/raptor.db');
  await world.api.stop();
  copyFileSync(database, `${database}.copy`);
  world.api.start();
  await world.answers();
  await world.ask('DELETE', `/containers/${back}`);
  ids = { back, kept: await running('Creative world', ports[0]), gone: await running('Old test server', ports[1]) };
  await until('the deleted one is gone', () => !existsSync(join(world.api.path, 'data/containers', back)));
  await world.api.stop();
  for (const beside of ['-wal', '-shm']) rmSync(database + beside, { force: true });
  writeFileSync(database, readFileSync(`${database}.copy`));
  world.api.start();
  await world.answers();
  await world.signIn();
  await until('both are unknown', async () => (await world.ask('GET', `/daemons/${daemon.id}/unknown-containers`)).items.length === 2);
  page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

test('the daemon’s page lists them, adopts one as it runs, and stops and deletes the other', { timeout: 180_000 }, async () => {
  await page.goto(`${world.base}/daemons/${daemon.id}`);
  const list = page.getByRole('region', { name: '2 containers on this host are missing from Raptor’s database' });
  const item = (name) => page.getByRole('listitem', { name });
  await list.waitFor();
  await item('Creative world').getByText(`127.0.0.1:${ports[0]}`).waitFor();
  await item('Creative world').getByText('Running').waitFor();
  await shot('unknown');

  await item('Creative world').getByRole('button', { name: 'Adopt…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Adopt Creative world' });
  await dialog.getByLabel('Template').selectOption({ label: 'Echo' });
  await shot('unknown-adopt');
  await dialog.getByRole('button', { name: 'Adopt', exact: true }).click();
  await page.getByText('Creative world adopted.').waitFor();
  await page.getByRole('region', { name: '1 container on this host is missing from Raptor’s database' }).waitFor();
  const kept = await until('it is there', () => world.ask('GET', `/containers/${ids.kept}`).catch(() => null));
  assert.equal(kept.live.phase, 'running');
  assert.deepEqual(
    kept.allocations.map(({ port }) => port),
    [ports[0]]
  );

  await item('Old test server').getByRole('button', { name: 'Stop' }).click();
  await item('Old test server').getByText('Offline').waitFor();
  await item('Old test server').getByRole('button', { name: 'Delete…' }).click();
  const danger = page.getByRole('dialog', { name: 'Delete Old test server' });
  await danger.getByRole('textbox').fill('Old test server');
  await shot('unknown-delete');
  await danger.getByRole('button', { name: 'Delete container' }).click();
  await page.getByText('are missing from').or(page.getByText('is missing from')).waitFor({ state: 'detached' });
  await until('its files are gone', () => !existsSync(join(world.api.path, 'data/containers', ids.gone)));
});

test('a container whose files are gone says so, with the ways out, and installing it again is one', { timeout: 180_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids.back}`);
  const banner = page.getByRole('status').filter({ hasText: 'no longer has the container' });
  await banner.waitFor();
  await page.getByText('Files missing').first().waitFor();
  await banner.getByRole('link', { name: 'Upload files' }).waitFor();
  await banner.getByRole('link', { name: 'Delete…' }).waitFor();
  await shot('files-missing');
  await banner.getByRole('button', { name: 'Reinstall' }).click();
  await banner.waitFor({ state: 'detached', timeout: 60_000 });
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await until('it runs', async () => (await world.ask('GET', `/containers/${ids.back}`)).live.phase === 'running');
});
