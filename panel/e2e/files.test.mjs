// The file manager, through a real daemon and a real browser.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

let world, browser, page, id;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 32, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  browser = await launch();
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  const ports = String(await freePort());
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports });
  const [allocation] = (await world.ask('GET', `/daemons/${daemon.id}/allocations?search=${ports}`)).items;
  const body = { name: 'Shelf', template_id: template.id, limits: LIMITS, skip_install: true, daemon_id: daemon.id, allocation_ids: [allocation.id] };
  id = (await world.ask('POST', '/containers', body)).id;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
  page = await context.newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
  await until('the host has it', async () => world.ask('GET', `/containers/${id}/files`).catch(() => null));
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.getByText('This folder is empty').waitFor();
});
after(async () => {
  await browser?.close();
  await world?.end();
});

const row = (name) => page.getByRole('row').filter({ has: page.getByRole('button', { name, exact: true }) });
const answer = async (label, text, verb) => {
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(label).fill(text);
  await dialog.getByRole('button', { name: verb }).click();
};
const files = async (path = '/') => (await world.ask('GET', `/containers/${id}/files?path=${encodeURIComponent(path)}`)).items.map((file) => file.name);

test('a file is made, edited, saved, and its earlier version put back', { timeout: 90_000 }, async () => {
  await page.getByRole('button', { name: 'New file' }).click();
  await answer('Name', 'server.properties', 'Create');
  const text = page.getByRole('textbox', { name: 'Content of server.properties' });
  await text.fill('motd=One');
  await page.keyboard.press('Control+s');
  await page.getByText('Saved.').first().waitFor();
  await text.fill('motd=Two');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('button', { name: 'Versions' }).click();
  await page.getByRole('dialog').getByRole('button', { name: /replaced by admin/ }).first().click();
  await page.getByRole('button', { name: 'Put this version back' }).click();
  await until('the earlier text is there', async () => (await text.textContent()).includes('motd=One'));
  await page.getByRole('button', { name: 'Save' }).click();
});

test('what somebody else saved meanwhile is shown before it is replaced', { timeout: 60_000 }, async () => {
  const text = page.getByRole('textbox', { name: 'Content of server.properties' });
  await until('it is saved', async () => page.getByRole('button', { name: 'Save' }).isDisabled());
  // Somebody else writes through the API.
  await world.ask('PUT', `/containers/${id}/files/content?path=/server.properties`, 'motd=Theirs');
  await text.fill('motd=Mine');
  await page.keyboard.press('Control+s');
  const dialog = page.getByRole('dialog', { name: 'Somebody else changed this file' });
  await dialog.getByText('Theirs').first().waitFor();
  await dialog.getByRole('button', { name: 'Replace with mine' }).click();
  await page.getByText('Saved.').first().waitFor();
  await page.getByRole('button', { name: 'Close the file' }).click();
  await row('server.properties').waitFor();
});

test('files are uploaded, renamed, deleted and taken back', { timeout: 90_000 }, async () => {
  await page.getByLabel('Files to upload').setInputFiles([
    { name: 'world.dat', mimeType: 'application/octet-stream', buffer: Buffer.alloc(20 * 1024 * 1024, 7) },
    { name: 'readme.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') }
  ]);
  await row('world.dat').waitFor({ timeout: 30_000 });
  await row('readme.txt').getByRole('button', { name: 'readme.txt', exact: true }).focus();
  await page.keyboard.press('Space');
  await page.keyboard.press('F2');
  await answer('New name', 'README.txt', 'Rename');
  await row('README.txt').waitFor();
  await row('README.txt').getByRole('checkbox').check();
  await page.keyboard.press('Delete');
  await page.getByText('README.txt is in the trash.').waitFor();
  assert.ok(!(await files()).includes('README.txt'));
  await page.getByRole('button', { name: 'Undo' }).click();
  await row('README.txt').waitFor();
});

test('a folder is packed and unpacked, and found again after a reload', { timeout: 90_000 }, async () => {
  await page.getByRole('button', { name: 'New folder' }).click();
  await answer('Name', 'plugins', 'Create');
  await row('plugins').waitFor();
  await row('plugins').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Make an archive' }).click();
  await answer('Name', 'plugins.tar.zst', 'Pack');
  await page.reload();
  await row('plugins.tar.zst').waitFor();
  await until('the operation is listed', async () => (await page.getByText('plugins.tar.zst: done').count()) > 0);
});

test('a download is an attachment that no page can run in', { timeout: 60_000 }, async () => {
  const coming = page.waitForEvent('download');
  await row('README.txt').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Download' }).click();
  const download = await coming;
  assert.equal(download.suggestedFilename(), 'README.txt');
  assert.equal(readFileSync(await download.path(), 'utf8'), 'hello');
});

test('what is larger than the disk is refused in words', { timeout: 60_000 }, async () => {
  await page.getByLabel('Files to upload').setInputFiles([{ name: 'huge.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(20 * 1024 * 1024) }]);
  await page.getByText(/huge.bin: The container's disk limit of 32 MiB is reached/).waitFor({ timeout: 20_000 });
});
