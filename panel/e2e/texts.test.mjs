// Text files in any encoding, large logs, and many uploads while Raptor goes away and comes back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

let world, browser, page, id;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  browser = await launch();
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  const ports = String(await freePort());
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports });
  const [allocation] = (await world.ask('GET', `/daemons/${daemon.id}/allocations?search=${ports}`)).items;
  const body = {
    name: 'Texts',
    template_id: template.id,
    limits: LIMITS,
    skip_install: true,
    daemon_id: daemon.id,
    allocation_ids: [allocation.id]
  };
  id = (await world.ask('POST', '/containers', body)).id;
  page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
  await until('the host has it', async () => world.ask('GET', `/containers/${id}/files`).catch(() => null));
});
after(async () => {
  await browser?.close();
  await world?.end();
});

const content = (path) => `${world.base}/api/v1/containers/${id}/files/content?path=${encodeURIComponent(path)}`;
const headers = () => ({ authorization: `Bearer ${world.token}`, 'content-type': 'application/octet-stream' });
async function put(path, bytes) {
  const answer = await fetch(content(path), { method: 'PUT', headers: headers(), body: bytes });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
}
const get = async (path) => Buffer.from(await (await fetch(content(path), { headers: headers() })).arrayBuffer()).toString('hex');
const hex = (text) => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** Opens a file; the editor has the focus. */
async function open(path) {
  await page.goto(`${world.base}/containers/${id}/files?${new URLSearchParams({ path: '/', open: path })}`);
  const text = page.getByRole('textbox', { name: `Content of ${path.slice(1)}` });
  await text.waitFor();
  await text.click();
  return text;
}
async function save() {
  await page.keyboard.press('Control+s');
  await page.getByText('Saved.').last().waitFor();
  await until('it is saved', () => page.getByRole('button', { name: 'Save', exact: true }).isDisabled());
}

test('saving in the browser changes only what was typed, whatever the encoding and the line ends', { timeout: 180_000 }, async () => {
  const files = {
    '/latin1.properties': '6d6f74643d636166e920a7610d0a706f72743d310d0a',
    '/crlf.bat': '610d0a620d0a',
    '/mark.cfg': 'efbbbf6b65793d310a',
    '/mixed.txt': '610d0a620a630d640d0a',
    '/no-end.txt': '610d0a62',
    '/broken.txt': '4772c3bcc39f6520c3a4c3b620ff0a',
    '/gbk.ini': 'b7fecef1c6f7c5e4d6c3cec4bcfe0d0a6d6f74643dbbb6d3adc0b4b5bdced2c3c7b5c4d3cecfb7b7fecef1c6f70d0a'
  };
  for (const [path, bytes] of Object.entries(files)) {
    await put(path, hex(bytes));
    await open(path);
    await page.keyboard.press('Control+End');
    await page.keyboard.type('Z');
    await save();
    assert.equal(await get(path), `${bytes}5a`, path);
  }
  const wide = 'fffe6b00650079003d0031000d000a00';
  await put('/wide.ini', hex(wide));
  await open('/wide.ini');
  await page.getByRole('button', { name: 'Encoding: UTF-16LE' }).waitFor();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('Z');
  await save();
  assert.equal(await get('/wide.ini'), `${wide}5a00`);
});

test('a guessed encoding is asked about before letters beyond ASCII are saved', { timeout: 60_000 }, async () => {
  await put('/guess.cfg', hex('636166e90a'));
  await open('/guess.cfg');
  await page.getByText('Is the text displayed correctly?').waitFor();
  await page.keyboard.press('Control+Home');
  await page.keyboard.type('é');
  await page.keyboard.press('Control+s');
  const asked = page.getByRole('dialog', { name: 'Is this text windows-1252?' });
  await asked.getByRole('button', { name: 'The text looks right, save' }).click();
  await page.getByText('Saved.').last().waitFor();
  assert.equal(await get('/guess.cfg'), 'e9636166e90a');
});

test('a letter that the encoding lacks is asked about and never replaced', { timeout: 60_000 }, async () => {
  await put('/lacks.cfg', hex('636166e90a'));
  await open('/lacks.cfg');
  await page.getByRole('button', { name: 'Yes, keep windows-1252' }).click();
  // The focus is back in the text.
  await page.keyboard.press('Control+Home');
  await page.keyboard.insertText('服');
  await page.keyboard.press('Control+s');
  const refused = page.getByRole('dialog', { name: 'Not saved' });
  await refused.getByText("windows-1252 can't represent “服”").waitFor();
  assert.equal(await get('/lacks.cfg'), '636166e90a');
  await refused.getByRole('button', { name: 'Save as UTF-8 instead' }).click();
  await page.getByText('Saved.').last().waitFor();
  assert.equal(Buffer.from(await get('/lacks.cfg'), 'hex').toString(), '服café\n');
});

test('a file is reopened in another encoding, saved in another one, and given other line ends', { timeout: 60_000 }, async () => {
  await put('/again.txt', hex('cff0e8e2e5f20d0a'));
  await open('/again.txt');
  await page.getByRole('button', { name: /^Encoding: / }).click();
  let dialog = page.getByRole('dialog', { name: 'Encoding' });
  await dialog.getByLabel('Encoding').selectOption('windows-1251');
  await dialog.getByRole('button', { name: 'Reopen with encoding' }).click();
  await until('it reads well', async () =>
    (await page.getByRole('textbox', { name: 'Content of again.txt' }).textContent()).includes('Привет')
  );
  await until('nobody is asked about it', async () => (await page.getByText('Is the text displayed correctly?').count()) === 0);
  await page.getByLabel('Line endings', { exact: true }).selectOption('lf');
  await page.getByRole('button', { name: 'Encoding: windows-1251' }).click();
  dialog = page.getByRole('dialog', { name: 'Encoding' });
  await dialog.getByLabel('Encoding').selectOption('UTF-8');
  await dialog.getByRole('button', { name: 'Save with encoding' }).click();
  await page.getByText('Saved.').last().waitFor();
  assert.equal(Buffer.from(await get('/again.txt'), 'hex').toString(), 'Привет\n');
});

test('a save with another encoding keeps it when it replaces what somebody else saved meanwhile', { timeout: 60_000 }, async () => {
  await put('/both.txt', Buffer.from('Grüße\n'));
  await open('/both.txt');
  await put('/both.txt', Buffer.from('theirs\n'));
  await page.getByRole('button', { name: 'Encoding: UTF-8' }).click();
  const dialog = page.getByRole('dialog', { name: 'Encoding' });
  await dialog.getByLabel('Encoding').selectOption('windows-1252');
  await dialog.getByRole('button', { name: 'Save with encoding' }).click();
  const asked = page.getByRole('dialog', { name: 'Somebody else changed this file' });
  await asked.getByRole('button', { name: 'Overwrite with mine' }).click();
  await page.getByRole('button', { name: 'Encoding: windows-1252' }).waitFor();
  assert.equal(await get('/both.txt'), '4772fcdf650a');
});

test('what is no text is said to be none', { timeout: 60_000 }, async () => {
  await put('/level.dat', hex('0a00000a00044461746100'));
  await page.goto(`${world.base}/containers/${id}/files?path=/&open=/level.dat`);
  await page.getByText('This isn’t a text file.').waitFor();
});

test('of a log that is too large to edit, the end is shown', { timeout: 90_000 }, async () => {
  const line = (i) => `[${String(i).padStart(8, '0')}] Steve joined the game, and this line says so at some length.\n`;
  await put('/latest.log', Buffer.from(Array.from({ length: 300_000 }, (_, i) => line(i)).join('')));
  const text = await open('/latest.log');
  await page.getByText('Read-only, last 1.0 MiB').waitFor();
  await until('its end is shown', async () => (await text.textContent()).includes('[00299999]'));
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.getByText('Read-only, last 4.0 MiB').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Save', exact: true }).count(), 0);
});

test('the encoding of a console is a setting of its container', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${id}/settings`);
  await page.getByLabel('Console encoding').selectOption('GBK');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await page
    .getByText(/^Saved\./)
    .last()
    .waitFor();
  assert.equal((await world.ask('GET', `/containers/${id}`)).behaviour.console_encoding, 'GBK');
  await page.reload();
  await until(
    'it is shown',
    async () =>
      (await page
        .getByLabel('Console encoding')
        .inputValue()
        .catch(() => '')) === 'GBK'
  );
});

test('500 small files arrive with few requests, though Raptor goes away meanwhile', { timeout: 240_000 }, async () => {
  await world.ask('POST', `/containers/${id}/files/folders`, { path: '/mods' });
  await page.goto(`${world.base}/containers/${id}/files?path=/mods`);
  await page.getByText('This folder is empty').waitFor();
  const requests = [];
  page.on('request', (request) => request.url().includes('/files') && requests.push(`${request.method()} ${request.url()}`));
  const name = (i) => `mod-${String(i).padStart(3, '0')}.jar`;
  const some = Array.from({ length: 500 }, (_, i) => ({
    name: name(i),
    mimeType: 'application/java-archive',
    buffer: Buffer.from(`jar ${i}`)
  }));
  await page.getByLabel('Files to upload').setInputFiles(some);
  await until('some have arrived', async () => (await world.ask('GET', `/containers/${id}/files?path=/mods`)).total > 20);
  await world.api.stop();
  await page
    .getByText(/waiting: /)
    .first()
    .waitFor();
  world.api.start();
  await world.answers();
  await until(
    'all have arrived',
    async () => (await world.ask('GET', `/containers/${id}/files?path=/mods`).catch(() => ({}))).total === 500
  );
  await page.getByText('500 of 500 uploaded').waitFor();
  await page.getByText('500 items').waitFor();
  for (const i of [0, 250, 499]) assert.equal(Buffer.from(await get(`/mods/${name(i)}`), 'hex').toString(), `jar ${i}`);
  const sent = requests.filter((request) => request.startsWith('PUT')).length;
  assert.equal(requests.filter((request) => request.startsWith('POST')).length, 0);
  // Each once, and again what was on its way or waited while Raptor was away.
  assert.ok(sent >= 500 && sent < 700, `${sent} requests for 500 files`);
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
});

test('a folder and a file that are opened while Raptor is away open once it is back', { timeout: 120_000 }, async () => {
  const base = `${world.base}/containers/${id}/files`;
  await page.goto(`${base}?path=/`);
  const row = (name) => page.getByRole('row').filter({ has: page.getByRole('button', { name, exact: true }) });
  await row('mods').waitFor();
  await world.api.stop();
  await row('mods').getByRole('button', { name: 'mods', exact: true }).click();
  await page.getByText('Raptor isn’t responding.').first().waitFor();
  world.api.start();
  await world.answers();
  await row('mod-000.jar').waitFor({ timeout: 20_000 });

  await page.goto(`${base}?path=/`);
  await row('crlf.bat').waitFor();
  await world.api.stop();
  await row('crlf.bat').getByRole('button', { name: 'crlf.bat', exact: true }).click();
  await page.getByText('Raptor isn’t responding.').first().waitFor();
  world.api.start();
  await world.answers();
  await page.getByRole('textbox', { name: 'Content of crlf.bat' }).waitFor({ timeout: 20_000 });
});

test('a page whose program could not be fetched opens once Raptor is back', { timeout: 120_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  await page.getByRole('link', { name: 'Texts' }).waitFor();
  await world.api.stop();
  await page.getByRole('link', { name: 'Roles' }).first().click();
  await page.getByRole('heading', { name: 'This page didn’t load' }).waitFor({ timeout: 60_000 });
  world.api.start();
  await world.answers();
  await page.getByRole('heading', { name: 'Roles', level: 1 }).waitFor({ timeout: 40_000 });
});

test('what Raptor refused can be taken up again at once', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers/${id}/files?path=/mods`);
  const again = [0, 1, 2].map((i) => ({ name: `mod-00${i}.jar`, mimeType: 'application/java-archive', buffer: Buffer.from(`newer ${i}`) }));
  await page.getByLabel('Files to upload').setInputFiles(again);
  await page.getByRole('button', { name: 'Replace all (3)' }).click();
  await page.getByText('3 of 3 uploaded').waitFor();
  assert.equal(Buffer.from(await get('/mods/mod-002.jar'), 'hex').toString(), 'newer 2');
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
});

test('"Resume all" sends what failed once there is room for it', { timeout: 120_000 }, async () => {
  const limit = (disk_mib) => world.ask('PUT', `/containers/${id}/limits`, { limits: { ...LIMITS, disk_mib }, stop_timeout_ms: 10_000 });
  const synced = () => until('the host has it', async () => (await world.ask('GET', `/containers/${id}`)).synced);
  await limit(1);
  await synced();
  await page.goto(`${world.base}/containers/${id}/files?path=/`);
  const worlds = [0, 1].map((i) => ({
    name: `world-${i}.dat`,
    mimeType: 'application/octet-stream',
    buffer: Buffer.alloc(1_500_000, i + 1)
  }));
  await page.getByLabel('Files to upload').setInputFiles(worlds);
  const resume = page.getByRole('button', { name: 'Resume all (2)' });
  await resume.waitFor();
  await page.getByText(/world-0\.dat: .*disk/i).waitFor();
  await limit(LIMITS.disk_mib);
  await synced();
  await resume.click();
  await page.getByText('2 of 2 uploaded').waitFor();
  for (const i of [0, 1]) assert.equal(await get(`/world-${i}.dat`), Buffer.alloc(1_500_000, i + 1).toString('hex'));
});
