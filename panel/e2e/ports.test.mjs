// Ports and access as an owner meets them: a port that is in use, the limit, and what a level may do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

let world, browser, page, id, ports, busy;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  browser = await launch();
  const lena = await world.user('lena', 'user');
  await world.user('jonas', 'user');
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  ports = [await freePort(), await freePort()].sort();
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: ports.join(',') });
  const found = await world.ask('GET', `/daemons/${daemon.id}/allocations?search=${ports[0]}`);
  const allocation_ids = [found.items.find(({ port }) => port === ports[0]).id];
  const { sftp_read_only, name, host, port } = daemon;
  // What owners are given: the second port only.
  const body = { name, host, port, sftp_read_only, self_service_ports: String(ports[1]) };
  await world.ask('PUT', `/daemons/${daemon.id}`, body);
  ({ id } = await world.ask('POST', '/containers', {
    name: 'Trains',
    owner_id: lena.id,
    template_id: template.id,
    limits: LIMITS,
    skip_install: true,
    allocation_ids
  }));
  busy = net.createServer();
  await new Promise((resolve) => busy.listen(ports[0], '127.0.0.1', resolve));
  page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await signIn(page, world.base, 'lena', PASSWORD);
});
after(async () => {
  busy?.close();
  await browser?.close();
  await world?.end();
});

test('an owner whose container may have no more allocations is told so', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${id}/network`);
  await page.getByText('0 of 0 extra allocations used. An administrator can raise the limit.').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Add allocation' }).isDisabled());
});

test('a port that another program has is said in words, and another one is a click away', { timeout: 120_000 }, async () => {
  await page.goto(`${world.base}/containers/${id}`);
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await page
    .getByRole('status')
    .getByText(`Port ${ports[0]} is used by another program on this host. Stop it, or use another port.`)
    .waitFor({ timeout: 60_000 });
  await page.getByText('Details').click();
  await page.getByText('address already in use').first().waitFor();
  await page.getByRole('button', { name: 'Use another port' }).click();
  const now = async () => world.ask('GET', `/containers/${id}`);
  await until('it starts on the other port', async () => {
    const { allocations, live } = await now();
    return allocations.length === 1 && allocations[0].port === ports[1] && allocations[0].primary && live.phase !== 'offline';
  });
  assert.equal((await now()).live.problem ?? null, null);
});

test('the dialog lists what a level may do before it is given', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${id}/access`);
  await page.getByRole('button', { name: 'Give access' }).click();
  const user = page.getByRole('list', { name: 'What User can do' });
  await user.waitFor();
  const items = (await user.getByRole('listitem').allInnerTexts()).map((text) => text.replace(/\s+/g, ' ').trim());
  assert.ok(items.includes('Allowed: Read the console') && items.includes('Allowed: Start'), items.join('; '));
  for (const no of ['Open and download files', 'See files and folders', 'See the startup command and variables'])
    assert.ok(items.includes(`Not allowed: ${no}`), no);
  await page.getByRole('radio', { name: /Admin/ }).check();
  const admin = (await page.getByRole('list', { name: 'What Admin can do' }).getByRole('listitem').allInnerTexts()).map((text) =>
    text.replace(/\s+/g, ' ').trim()
  );
  assert.deepEqual(
    admin.filter((text) => text.startsWith('Not allowed:')),
    ['Not allowed: Delete the container']
  );
  assert.equal(await page.getByRole('radio').count(), 3, 'the owner is not a level to be given');
});
