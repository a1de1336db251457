// What keeps a container from running, as its owner reads it: a sentence, the button that mends it, Docker's words under Details.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { barriers, launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

const BUSYBOX = '~raptor-test/busybox:1';
const LIMITS = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };
let world, browser, page;
let made = 0;

before(async () => {
  world = await World.up();
  browser = await launch();
  page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

/** A container of a template of its own. */
async function container(name, { image = BUSYBOX, script, startup = 'sleep 1000', limits = {}, more = {} }) {
  const document = JSON.parse(readFileSync(egg(BUSYBOX), 'utf8'));
  document.name = `Template of ${name}`;
  document.uuid = `5f2a2b1e-0000-4000-8000-0000000003${String(++made).padStart(2, '0')}`;
  document.docker_images = { It: image, Busybox: BUSYBOX };
  document.config = { ...document.config, startup: '{"done":"ready"}' };
  document.scripts = script ? { installation: { container: BUSYBOX, entrypoint: 'sh', script } } : {};
  const { template } = await world.ask('POST', '/templates/import', JSON.stringify(document));
  const body = {
    name,
    template_id: template.id,
    limits: { ...LIMITS, ...limits },
    image,
    allocation_count: 0,
    startup_command: `sh -c 'echo ready; ${startup}'`,
    ...more
  };
  const { id } = await world.ask('POST', '/containers', body);
  await page.goto(`${world.base}/containers/${id}`);
  return id;
}

const live = async (id) => (await world.ask('GET', `/containers/${id}`)).live;
const banner = (text) => page.getByRole('status').filter({ hasText: text });
const start = () => page.getByRole('button', { name: 'Start', exact: true }).click();
async function shot(name) {
  if (process.env.RAPTOR_SHOTS) await page.screenshot({ path: `${process.env.RAPTOR_SHOTS}/${name}.png` });
}

test('a registry that is away is said in words, and another image is a click away', { timeout: 180_000 }, async () => {
  const registry = `127.0.0.1:${await freePort()}`;
  const id = await container('Away', { image: `${registry}/games/echo:1` });
  await start();
  const told = banner(`${registry} can't be reached from this host.`);
  await told.waitFor({ timeout: 60_000 });
  assert.equal((await live(id)).fault.type, 'registry_unreachable');
  const details = told.getByText(/dial tcp/);
  assert.ok(!(await details.isVisible()), 'Docker’s words are for those who ask');
  await told.getByText('Details').click();
  await details.waitFor();
  assert.deepEqual(await barriers(page), []);
  await shot('fault-image');
  await told.getByRole('button', { name: 'Try again' }).waitFor();
  await told.getByRole('link', { name: 'Choose another image' }).click();
  await page.waitForURL(/\/startup$/);
  const field = page.getByLabel('Docker image');
  await field.fill(BUSYBOX);
  await page.getByRole('button', { name: 'Save' }).first().click();
  await until('the image is saved', async () => (await world.ask('GET', `/containers/${id}`)).image === BUSYBOX);
  await start();
  await until('it runs', async () => (await live(id)).phase === 'running');
  assert.equal((await live(id)).fault ?? null, null);
});

test('an installation that failed shows its log, can be tried again, and gone on without', { timeout: 180_000 }, async () => {
  // A script that ends with a code of its own is a warning; one that is killed has failed.
  const id = await container('Half installed', { script: 'n=$(ls /mnt/server | wc -l); touch /mnt/server/$n; echo "try $n"; exit 137' });
  const told = banner('The installation script failed with exit code 137.');
  await told.waitFor({ timeout: 60_000 });
  assert.deepEqual((await live(id)).fault, { type: 'script_failed', exit_code: 137 });
  // The last line of the console keeps its end in a narrower window.
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  await until('the whole last line', async () =>
    (await page.locator('.xterm-rows').innerText()).replace(/\s+/g, '').includes('failedwithexitcode137.')
  );
  await page.setViewportSize({ width, height });
  await told.getByRole('button', { name: 'View log' }).click();
  const log = page.getByRole('dialog', { name: 'Installation log of Half installed' });
  await log.getByText('try 0').waitFor();
  assert.deepEqual(await barriers(page), []);
  await shot('fault-install-log');
  await log.getByRole('button', { name: 'Close' }).last().click();
  await told.getByRole('button', { name: 'Try again' }).click();
  await until('it was tried again', async () => {
    const { lines } = await world.ask('GET', `/containers/${id}/console?limit=100`);
    return lines.some(({ text }) => text === 'try 1');
  });
  await told.waitFor();
  await told.getByRole('button', { name: 'View log' }).click();
  await log.getByText('try 1').waitFor();
  assert.equal(await log.getByText('try 0').count(), 0, 'of the newest installation alone');
  await log.getByRole('button', { name: 'Close' }).last().click();
  await told.getByRole('button', { name: 'Skip installation' }).click();
  await page.getByText('Offline', { exact: true }).first().waitFor();
  await start();
  await until('it runs', async () => (await live(id)).phase === 'running');
});

test('an installer without memory fails with the way to raise the limit, and goes through with it', { timeout: 180_000 }, async () => {
  const id = await container('Hungry installer', {
    script: 'exec dd if=/dev/zero of=/dev/null bs=1300M count=1',
    limits: { memory_mib: 16 }
  });
  const told = banner('The installation needed more memory than the 1024 MiB that it may use.');
  await told.waitFor({ timeout: 90_000 });
  await page.getByText('Install failed').first().waitFor();
  await shot('fault-install');
  await told.getByRole('button', { name: 'Raise limit' }).click();
  const dialog = page.getByRole('dialog', { name: 'Raise memory limit' });
  assert.equal(await dialog.getByLabel('Memory').inputValue(), '2048', 'twice what was not enough is suggested');
  assert.deepEqual(await barriers(page), []);
  await shot('fault-raise');
  await dialog.getByRole('button', { name: 'Save and reinstall' }).click();
  await until('it is installed', async () => (await world.ask('GET', `/containers/${id}`)).installation.state === 'installed');
  await told.waitFor({ state: 'detached' });
});

test('a process that was killed for memory says so, and raising the limit starts it again', { timeout: 180_000 }, async () => {
  const hungry = 'dd if=/dev/zero of=/dev/null bs=48M count=1 || exit 1; sleep 1000';
  const id = await container('Hungry', { startup: hungry, limits: { memory_mib: 16 } });
  await start();
  const told = banner('exceeded its memory limit of 16.0 MiB');
  await told.waitFor({ timeout: 60_000 });
  assert.deepEqual((await live(id)).fault, { type: 'out_of_memory', limit_mib: 16, details: null });
  await shot('fault-memory');
  await told.getByRole('button', { name: 'Raise limit' }).click();
  const dialog = page.getByRole('dialog', { name: 'Raise memory limit' });
  assert.equal(await dialog.getByLabel('Memory').inputValue(), '32', 'twice as much is suggested');
  // It starts again by itself meanwhile, which is no reason for the dialog to go.
  await until('it crashed once more', async () => ((await live(id)).crashes?.count ?? 0) > 1);
  await dialog.getByLabel('Memory').fill('256');
  await dialog.getByRole('button', { name: /^Save/ }).click();
  await dialog.waitFor({ state: 'detached' });
  await until('it runs', async () => (await live(id)).phase === 'running');
});

test('a full disk is said with figures, and emptying the trash mends it', { timeout: 180_000 }, async (t) => {
  const [daemon] = (await world.ask('GET', '/daemons')).items;
  if (daemon.system.disk_limits.by_kernel) return t.skip('the kernel keeps the limit here, so a start is no check');
  const id = await container('Full', { limits: { disk_mib: 8 } });
  await world.ask('PUT', `/containers/${id}/files/content?path=/old.bin`, 'x'.repeat(3 << 20));
  await world.ask('POST', `/containers/${id}/files/trash`, { paths: ['/old.bin'] });
  await world.ask('PUT', `/containers/${id}/limits`, { limits: { ...LIMITS, disk_mib: 1 }, stop_timeout_ms: 10_000 });
  await start();
  const told = banner('MiB of disk and may use 1 MiB');
  await told.waitFor({ timeout: 60_000 });
  await page.getByText('Disk full').first().waitFor();
  await shot('fault-disk');
  await told.getByRole('button', { name: /^Empty trash \([34]\.\d MiB\)$/ }).click();
  await told.waitFor({ state: 'detached' });
  await start();
  await until('it runs', async () => (await live(id)).phase === 'running');
});

test('a port of another program has its button on a phone, too', { timeout: 120_000 }, async () => {
  const port = await freePort();
  const [daemon] = (await world.ask('GET', '/daemons')).items;
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: `${port}` });
  const found = (await world.ask('GET', `/daemons/${daemon.id}/allocations?search=${port}`)).items[0];
  const busy = net.createServer();
  await new Promise((resolve) => busy.listen(port, '127.0.0.1', resolve));
  try {
    await page.setViewportSize({ width: 390, height: 844 });
    await container('Trains', { more: { allocation_count: undefined, allocation_ids: [found.id] } });
    await start();
    const told = banner(`Port ${port} is used by another program`);
    await told.waitFor({ timeout: 60_000 });
    const button = told.getByRole('button', { name: 'Use another port' });
    const box = await button.boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 390 && box.height >= 40, JSON.stringify(box));
    assert.deepEqual(await barriers(page), []);
    await shot('fault-port-phone');
  } finally {
    busy.close();
    await page.setViewportSize({ width: 1440, height: 900 });
  }
});

test('a device that is offline is told so, not that Raptor failed', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  await page.getByRole('heading', { name: 'Containers', level: 1 }).waitFor();
  await page.context().setOffline(true);
  try {
    await page.getByRole('link', { name: 'Users', exact: true }).click();
    await page.getByText('Your device is offline. Check your connection.').first().waitFor({ timeout: 30_000 });
    assert.equal(await page.getByText('Failed to fetch').count(), 0);
  } finally {
    await page.context().setOffline(false);
  }
  // It is read again by itself.
  await page.getByText('Your device is offline').first().waitFor({ state: 'detached' });
});
