// The file manager, through a real daemon and a real browser.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

/** A PNG of one pixel. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
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
  const body = {
    name: 'Shelf',
    template_id: template.id,
    limits: LIMITS,
    skip_install: true,
    daemon_id: daemon.id,
    allocation_ids: [allocation.id]
  };
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
const files = async (path = '/') =>
  (await world.ask('GET', `/containers/${id}/files?path=${encodeURIComponent(path)}`)).items.map((file) => file.name);

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
  await page
    .getByRole('dialog')
    .getByRole('button', { name: /replaced by admin/ })
    .first()
    .click();
  await page.getByRole('button', { name: 'Restore this version' }).click();
  await until('the earlier text is there', async () => (await text.textContent()).includes('motd=One'));
  await page.getByRole('button', { name: 'Save' }).click();
});

test('what somebody else saved meanwhile is shown before it is replaced', { timeout: 60_000 }, async () => {
  const text = page.getByRole('textbox', { name: 'Content of server.properties' });
  const kept = `${world.base}/api/v1/containers/${id}/files/content?path=/server.properties`;
  const headers = { authorization: `Bearer ${world.token}` };
  await until('it is saved', async () => (await (await fetch(kept, { headers })).text()) === 'motd=One');
  // Somebody else writes through the API.
  await world.ask('PUT', `/containers/${id}/files/content?path=/server.properties`, 'motd=Theirs');
  await text.fill('motd=Mine');
  await page.keyboard.press('Control+s');
  const dialog = page.getByRole('dialog', { name: 'Somebody else changed this file' });
  await dialog.getByText('Theirs').first().waitFor();
  await dialog.getByRole('button', { name: 'Overwrite with mine' }).click();
  await page.getByText('Saved.').first().waitFor();
  await page.getByRole('button', { name: 'Close file' }).click();
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
  await page.getByText('“README.txt” was moved to the trash.').waitFor();
  assert.ok(!(await files()).includes('README.txt'));
  await page.getByRole('button', { name: 'Undo' }).click();
  await row('README.txt').waitFor();
});

test('a folder is packed and unpacked, and found again after a reload', { timeout: 90_000 }, async () => {
  await page.getByRole('button', { name: 'New folder' }).click();
  await answer('Name', 'plugins', 'Create');
  await row('plugins').waitFor();
  await row('plugins').click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Create archive' }).click();
  await answer('Name', 'plugins.tar.zst', 'Create archive');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.reload();
  await row('plugins.tar.zst').waitFor();
  await until('the operation is listed', async () => (await page.getByText('Created plugins.tar.zst').count()) > 0);
});

test('unpacking asks what happens to files that are there, and lists what was skipped', { timeout: 90_000 }, async () => {
  await world.ask('PUT', `/containers/${id}/files/content?path=/notes.txt`, 'packed');
  await world.ask('POST', `/containers/${id}/files/operations`, {
    task: { type: 'archive', paths: ['/notes.txt'], to: '/notes.zip', format: 'zip' }
  });
  await until('it is packed', async () => (await files()).includes('notes.zip'));
  await world.ask('PUT', `/containers/${id}/files/content?path=/notes.txt`, 'since');
  await page.goto(`${world.base}/containers/${id}/files`);
  const unpack = async (choice) => {
    await row('notes.zip').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Unpack' }).click();
    const dialog = page.getByRole('dialog', { name: 'Unpack “notes.zip”' });
    await dialog.getByRole('radio', { name: choice }).check();
    await dialog.getByRole('button', { name: 'Unpack' }).click();
    await dialog.waitFor({ state: 'detached' });
  };
  await unpack('Skip');
  await page.getByText('1 entry was skipped').click();
  await page.getByText('A file with this name already exists.').waitFor();
  await unpack('Keep both');
  await row('notes (1).txt').waitFor();
  assert.equal((await world.ask('GET', `/containers/${id}/files/info?path=/notes.txt`)).size_bytes, 5);
  await unpack('Replace');
  await until('it is replaced', async () => (await world.ask('GET', `/containers/${id}/files/info?path=/notes.txt`)).size_bytes === 6);
  await world.ask('POST', `/containers/${id}/files/operations`, {
    task: { type: 'delete', paths: ['/notes.txt', '/notes (1).txt', '/notes.zip'] }
  });
  await until('they are gone', async () => !(await files()).includes('notes.zip'));
});

test('operations that have finished are one row, not shown in the trash, and dismissed together', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${id}/files`);
  const transfers = page.getByRole('list', { name: 'Transfers' });
  const finished = transfers.getByText(/^\d+ finished$/);
  await finished.click();
  await transfers.getByText('Deleted 3 items').waitFor();
  // What was skipped is worth a look, and stands by itself.
  await transfers.getByText('1 entry was skipped').waitFor();
  const told = page.waitForResponse((answer) => answer.url().endsWith('/files/operations'));
  await page.goto(`${world.base}/containers/${id}/files?path=/&trash`);
  await (await told).finished();
  await page.getByText(/^Deleted files stay here/).waitFor();
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  assert.equal(await transfers.count(), 0);
  await page.goto(`${world.base}/containers/${id}/files`);
  await transfers.getByRole('button', { name: 'Dismiss all' }).click();
  await finished.waitFor({ state: 'detached' });
  assert.equal(await transfers.getByText('1 entry was skipped').count(), 1);
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
  await page
    .getByLabel('Files to upload')
    .setInputFiles([{ name: 'huge.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(20 * 1024 * 1024) }]);
  await page.getByText(/huge.bin: The container’s disk limit of 32.0 MiB is reached/).waitFor({ timeout: 20_000 });
});

test('files are found by their names and by what is in them', { timeout: 60_000 }, async () => {
  for (const path of ['/config', '/config/deep']) await world.ask('POST', `/containers/${id}/files/folders`, { path });
  await world.ask('PUT', `/containers/${id}/files/content?path=/config/deep/spawn.yml`, 'a: 1\nspawn: needle-42\n');
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.getByRole('button', { name: 'Search this folder and its subfolders' }).click();
  const dialog = page.getByRole('dialog', { name: 'Search in /' });
  await dialog.getByLabel('Name').fill('nothing-*.yml');
  await dialog.getByRole('button', { name: 'Search' }).click();
  await dialog.getByText('No matches.').waitFor();
  await dialog.getByLabel('Name').fill('*.yml');
  await dialog.getByRole('button', { name: 'Search' }).click();
  await dialog.getByRole('button', { name: '/config/deep/spawn.yml' }).waitFor();
  await dialog.getByLabel('Name').fill('');
  await dialog.getByLabel('Contains text').fill('needle-42');
  await dialog.getByRole('button', { name: 'Search' }).click();
  await dialog.getByRole('button', { name: /\/config\/deep\/spawn.yml:2/ }).click();
  const text = page.getByRole('textbox', { name: 'Content of spawn.yml' });
  await until('the file is open', async () => (await text.textContent()).includes('needle-42'));
  await page.getByRole('button', { name: 'Close file' }).click();
});

test('permissions are changed, and several files moved at once', { timeout: 60_000 }, async () => {
  for (const name of ['one.txt', 'two.txt']) await world.ask('PUT', `/containers/${id}/files/content?path=/${name}`, name);
  await page.goto(`${world.base}/containers/${id}/files`);
  await row('one.txt').getByRole('button', { name: 'Actions for one.txt' }).click();
  await page.getByRole('menuitem', { name: 'Permissions' }).click();
  await answer('Octal mode', '9', 'Change permissions');
  await page.getByRole('dialog').getByText('Use three digits from 0 to 7, such as 644.').waitFor();
  await answer('Octal mode', '755', 'Change permissions');
  await row('one.txt').getByText('755').waitFor();
  const { mode } = await world.ask('GET', `/containers/${id}/files/info?path=/one.txt`);
  assert.equal(mode & 0o777, 0o755);

  await row('one.txt').getByRole('checkbox').check();
  await row('two.txt').getByRole('checkbox').check();
  const bar = page.getByRole('region', { name: 'Selected files' });
  await bar.getByText('2 selected').waitFor();
  await bar.getByRole('button', { name: 'More actions for the selected files' }).click();
  await page.getByRole('menuitem', { name: 'Move' }).click();
  await answer('Destination folder', '/plugins', 'Move');
  await row('two.txt').waitFor({ state: 'detached' });
  assert.deepEqual(await files('/plugins'), ['one.txt', 'two.txt']);
  await bar.waitFor({ state: 'detached' });
});

test('a folder that is dropped arrives with all that is in it', { timeout: 60_000 }, async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'raptor-drop-')), 'pack');
  mkdirSync(join(folder, 'textures'), { recursive: true });
  mkdirSync(join(folder, 'empty', 'deep'), { recursive: true });
  writeFileSync(join(folder, 'pack.txt'), 'of the pack');
  writeFileSync(join(folder, 'textures', 'stone.txt'), 'stone');
  await page.goto(`${world.base}/containers/${id}/files`);
  await row('plugins').waitFor();
  const place = await page.getByRole('region', { name: 'Files', exact: true }).boundingBox();
  const devtools = await page.context().newCDPSession(page);
  const drag = (type) =>
    devtools.send('Input.dispatchDragEvent', {
      type,
      x: place.x + 80,
      y: place.y + 120,
      data: { items: [], files: [folder], dragOperationsMask: 1 }
    });
  await drag('dragEnter');
  await drag('dragOver');
  await page.getByText('Drop to upload to /').waitFor();
  await drag('drop');
  await row('pack').waitFor();
  await until('all of it is there', async () => (await files('/pack/textures').catch(() => [])).includes('stone.txt'));
  await until('empty folders too', async () => (await files('/pack/empty').catch(() => [])).includes('deep'));
  assert.deepEqual(await files('/pack'), ['empty', 'textures', 'pack.txt']);
});

test('the upload button takes a folder', { timeout: 60_000 }, async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'raptor-pick-')), 'mods');
  mkdirSync(join(folder, 'deep'), { recursive: true });
  writeFileSync(join(folder, 'deep', 'mod.txt'), 'mod');
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  const chosen = page.waitForEvent('filechooser');
  await page.getByRole('menuitem', { name: 'Folder' }).click();
  await (await chosen).setFiles(folder);
  await row('mods').waitFor();
  await until('all of it is there', async () => (await files('/mods/deep').catch(() => [])).includes('mod.txt'));
});

test('a picture and a packed log are shown', { timeout: 60_000 }, async () => {
  await page.getByLabel('Files to upload').setInputFiles([
    { name: 'icon.png', mimeType: 'image/png', buffer: Buffer.from(PIXEL, 'base64') },
    { name: 'old.log.gz', mimeType: 'application/gzip', buffer: gzipSync('[10:00:00] Done (3.1s)!\n') },
    { name: 'latest.log', mimeType: 'text/plain', buffer: Buffer.from('[11:00:00] Ready\n') }
  ]);
  await row('icon.png').getByRole('button', { name: 'icon.png', exact: true }).click();
  const picture = page.getByRole('img', { name: 'icon.png' });
  await until('the picture is drawn', () => picture.evaluate((image) => image.complete && image.naturalWidth === 1));
  for (const [name, words] of [
    ['old.log.gz', 'Done (3.1s)!'],
    ['latest.log', '[11:00:00] Ready']
  ]) {
    await page.getByRole('button', { name: 'Close file' }).click();
    await row(name).getByRole('button', { name, exact: true }).click();
    const text = page.getByRole('textbox', { name: `Content of ${name}` });
    await until(`${name} is open`, async () => ((await text.textContent()) ?? '').includes(words));
  }
  await page.getByRole('button', { name: 'Close file' }).click();
});

test('an address inside the network is not fetched, and why is said', { timeout: 60_000 }, async () => {
  let asked = 0;
  const server = createServer((_, answer) => {
    asked += 1;
    answer.end('secret');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await page.getByRole('button', { name: 'More', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Download from URL' }).click();
    await answer('URL', `http://127.0.0.1:${server.address().port}/inside.txt`, 'Download');
    await page.getByText('Raptor fetches from public addresses only; this one is private, local, or that of a Raptor host.').waitFor();
    assert.equal(asked, 0);
    assert.ok(!(await files()).includes('inside.txt'));
  } finally {
    server.close();
  }
});

test('a folder has an address and a way back, and one that is gone is said in the frame of the panel', { timeout: 60_000 }, async () => {
  await world.ask('POST', `/containers/${id}/files/folders`, { path: '/there' });
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.getByLabel('Filter this folder').fill('there');
  await row('there').getByRole('button', { name: 'there', exact: true }).click();
  await page.getByText('This folder is empty').waitFor();
  assert.equal(new URL(page.url()).searchParams.get('path'), '/there');
  assert.equal(await page.getByLabel('Filter this folder').inputValue(), '', 'a filter is of one folder');
  await page.goBack();
  await row('there').waitFor();
  await page.getByRole('button', { name: 'Size', exact: true }).click();
  await page.goForward();
  await page.getByText('This folder is empty').waitFor();
  await page.getByRole('columnheader', { name: 'Size' }).and(page.locator('[aria-sort=descending]')).waitFor();
  await page.getByRole('button', { name: 'Name', exact: true }).click();

  await page.goto(`${world.base}/containers/${id}/files?path=/gone`);
  await page.getByRole('heading', { name: 'Folder not found' }).waitFor();
  await page.getByRole('heading', { name: 'Shelf' }).waitFor();
  await page.getByRole('link', { name: 'Go to the top folder' }).click();
  await row('there').waitFor();
});

test('files are read while their tab is pointed at', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${id}/settings`);
  const tab = page.getByRole('link', { name: 'Files', exact: true });
  const read = page.waitForResponse((answer) => /\/files\?/.test(answer.url()));
  await tab.hover();
  assert.equal((await read).status(), 200);
  assert.equal(new URL(page.url()).pathname, `/containers/${id}/settings`);
  await tab.click();
  await row('there').waitFor();
});

test('a folder of thousands is selected whole, with few rows in the page', { timeout: 60_000 }, async () => {
  const many = join(world.api.path, 'data/containers', id, 'many');
  mkdirSync(many);
  for (let i = 0; i < 3_000; i++) writeFileSync(join(many, `chunk-${String(i).padStart(4, '0')}.dat`), '');
  await page.goto(`${world.base}/containers/${id}/files?path=/many`);
  await row('chunk-0000.dat').waitFor();
  await page.getByText('3,000 items').waitFor();
  await page.getByLabel('Select all').click();
  await page.getByRole('region', { name: 'Selected files' }).getByText('3,000 selected').waitFor();
  assert.ok((await page.getByRole('row').count()) < 120, 'only the rows near the screen are there');
  await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
  await row('chunk-2999.dat').waitFor();
  assert.ok(await row('chunk-2999.dat').getByRole('checkbox').isChecked());
});

test('the upload of a file that is gone from the computer ends and says so', { timeout: 60_000 }, async () => {
  const gone = join(mkdtempSync(join(tmpdir(), 'raptor-gone-')), 'gone.bin');
  writeFileSync(gone, Buffer.alloc(2 * 1024 * 1024, 1));
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.route('**/files/uploads', async (route) => {
    rmSync(gone, { force: true });
    await route.continue();
  });
  await page.getByLabel('Files to upload').setInputFiles(gone);
  await page.getByText('gone.bin: The file was changed or removed on your computer. Choose it again.').waitFor({ timeout: 20_000 });
  await page.unroute('**/files/uploads');
});

test('what is dropped and can not be read is said to be so', { timeout: 60_000 }, async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'raptor-drop-')), 'vanished');
  mkdirSync(folder);
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.getByRole('region', { name: 'Files', exact: true }).waitFor();
  const place = await page.getByRole('region', { name: 'Files', exact: true }).boundingBox();
  const devtools = await page.context().newCDPSession(page);
  const drag = (type) =>
    devtools.send('Input.dispatchDragEvent', {
      type,
      x: place.x + 80,
      y: place.y + 120,
      data: { items: [], files: [folder], dragOperationsMask: 1 }
    });
  await drag('dragEnter');
  await drag('dragOver');
  await page.getByText('Drop to upload to /').waitFor();
  // Whatever opens it next does not find it.
  await page.evaluate(() => addEventListener('drop', () => (window.dropped = true), { capture: true, once: true }));
  rmSync(folder, { recursive: true });
  await drag('drop');
  await until('it was dropped', () => page.evaluate(() => window.dropped === true));
  await page.getByText('Your browser couldn’t read everything you dropped').waitFor({ timeout: 20_000 });
});

test('copies that fail for want of room are one row, which empties the trash', { timeout: 90_000 }, async () => {
  // What other tests left takes up room.
  const paths = (await files()).map((name) => `/${name}`);
  if (paths.length) await world.ask('POST', `/containers/${id}/files/operations`, { task: { type: 'delete', paths } });
  await until('the folder is empty', async () => (await files()).length === 0);
  await world.ask('POST', `/containers/${id}/files/trash/empty`, {});
  await world.ask('PUT', `/containers/${id}/files/content?path=/old.bin`, 'x'.repeat(12 << 20));
  await world.ask('POST', `/containers/${id}/files/trash`, { paths: ['/old.bin'] });
  await world.ask('PUT', `/containers/${id}/files/content?path=/fill.bin`, 'x'.repeat(12 << 20));
  for (let one = 1; one <= 6; one++) {
    const task = { type: 'copy', copies: [{ from: '/fill.bin', to: `/copy-${one}.bin` }] };
    await world.ask('POST', `/containers/${id}/files/operations`, { task });
  }
  const failed = async () => (await world.ask('GET', `/containers/${id}/files/operations`)).items.filter(({ state }) => state === 'failed');
  await until('all have failed', async () => (await failed()).length >= 6);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${world.base}/containers/${id}/files`);
  const row = page.getByRole('list', { name: 'Transfers' }).getByRole('listitem').filter({ hasText: '6 operations failed: ' });
  await row.waitFor();
  if (process.env.RAPTOR_SHOTS) await page.screenshot({ path: `${process.env.RAPTOR_SHOTS}/files-full.png` });
  await row.getByRole('button', { name: 'Empty trash' }).click();
  await row.waitFor({ state: 'detached' });
  assert.deepEqual((await world.ask('GET', `/containers/${id}/files/trash`)).items, []);
});
