// The first minute: from an empty panel to a running server, by the catalogue, with eggs that a server on this machine has.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { freePort, PASSWORD, until, World } from './world.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const IMAGE = '~raptor-test/busybox:1';
const COUNTING = `/bin/sh -c 'echo ready on {{SERVER_PORT}} and {{QUERY_PORT}}; while read line; do echo "heard $line"; done'`;

/** An egg that prints and listens to its console. */
const counter = (startup = COUNTING) =>
  JSON.stringify({
    meta: { version: 'PTDL_v2', update_url: null },
    name: 'Counter',
    author: 'someone@example.com',
    description: 'Counts.',
    features: null,
    docker_images: { Busybox: IMAGE },
    file_denylist: [],
    startup,
    config: { files: '{}', startup: '{"done": "ready on"}', logs: '{}', stop: '^C' },
    scripts: { installation: { script: '', container: IMAGE, entrypoint: 'sh' } },
    variables: [
      {
        name: 'Query port',
        description: 'Where it is asked.',
        env_variable: 'QUERY_PORT',
        default_value: '1',
        user_viewable: true,
        user_editable: true,
        rules: 'required|integer',
        field_type: 'text'
      }
    ]
  });
/** One that can't start without a file, as Java says it. */
const needy = JSON.stringify({
  ...JSON.parse(
    counter(
      `/bin/sh -c '[ -f {{JAR_FILE}} ] || { echo "Error: Unable to access jarfile {{JAR_FILE}}"; exit 1; }; echo ready on it; while read line; do echo "heard $line"; done'`
    )
  ),
  name: 'Needy',
  variables: [
    {
      name: 'Archive',
      description: 'The file that is run.',
      env_variable: 'JAR_FILE',
      default_value: 'app.jar',
      user_viewable: true,
      user_editable: true,
      rules: 'required',
      field_type: 'text'
    }
  ]
});
const hash = (text) => createHash('sha256').update(text).digest('hex');

const entry = (id, name, more = {}) => ({
  id,
  name,
  category: 'games',
  kind: 'game',
  description: 'Counts what it hears and says so, to see that everything works.',
  icon: 'dice',
  colour: '#337c39',
  source: {
    repository: 'owner/eggs',
    branch: 'main',
    path: `${id}/egg counter.json`,
    sha256: hash(counter()),
    format: 'PTDL_v2',
    licence: 'MIT'
  },
  memory_mib: { minimum: 64, recommended: 128, stated_in: 'owner/eggs:README.md' },
  disk_mib: null,
  ports: [
    { purpose: 'game', variable: 'SERVER_PORT', default: 1, protocol: 'tcp', stated_in: 'owner/eggs:README.md' },
    { purpose: 'query', variable: 'QUERY_PORT', default: null, protocol: 'udp', stated_in: 'owner/eggs:README.md' }
  ],
  ...more
});

let world, browser, page, server, base, ports;
/** What the server on this machine has; anything else is 404. */
const files = new Map();
let clicks = 0;
const problems = [];

before(async () => {
  server = http.createServer((request, answer) => {
    const file = files.get(decodeURIComponent(request.url));
    answer.writeHead(file === undefined ? 404 : 200).end(file);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  base = `http://127.0.0.1:${server.address().port}`;
  files.set('/owner/eggs/main/counter/egg counter.json', counter());
  files.set('/owner/eggs/main/changed/egg counter.json', counter(COUNTING.replace('ready on', 'really ready on')));
  files.set('/owner/eggs/abc123/changed/egg counter.json', counter());
  files.set('/owner/eggs/main/needy/egg counter.json', needy);
  world = await World.up({ CATALOGUE_MIRROR: base, OUTBOUND_ALLOW: '127.0.0.0/8' });
  // Ports that nothing else on this machine has, in place of those that a new host gets.
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  for (const { id } of (await world.ask('GET', `/daemons/${daemon.id}/allocations?limit=100`)).items)
    await world.ask('DELETE', `/allocations/${id}`);
  ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  for (const port of ports) await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: String(port) });
  browser = await launch();
  page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await page.exposeBinding('clicked', () => (clicks += 1));
  await page.addInitScript(() => addEventListener('pointerdown', () => globalThis.clicked(), true));
  page.on('pageerror', (error) => problems.push(String(error)));
});
after(async () => {
  await browser?.close();
  await world?.end();
  server?.close();
});

const output = () => page.locator('.xterm-rows').innerText();
const running = (name) => page.locator('h1', { hasText: name }).locator('..').getByText('Running').waitFor({ timeout: 60_000 });
const start = () => page.getByRole('button', { name: 'Create and start' });
const card = (name) => page.getByRole('main').getByRole('link', { name: new RegExp(`^${name}`) });

/** No barrier that axe finds, and nothing wider than the screen, in both themes and on a phone. */
async function fine(where) {
  for (const [width, colorScheme] of [
    [1440, 'light'],
    [1440, 'dark'],
    [390, 'light'],
    [390, 'dark']
  ]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ['violations'] })).violations);
    assert.deepEqual(
      found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`),
      [],
      `${where}, ${width} px, ${colorScheme}`
    );
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${where} is ${wide} px wider than ${width} px`);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${where}-${colorScheme}-${width}.png`, fullPage: true });
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
}

test('an empty panel leads to a running server in five clicks: any Docker image', { timeout: 120_000 }, async () => {
  await signIn(page, world.base, 'admin', PASSWORD);
  clicks = 0;
  await page.getByRole('link', { name: 'Choose what to run' }).click();
  await page.getByText(/^Docker is running\./).waitFor();
  await page.getByLabel('Search the catalogue').fill('any dócker IMAGE');
  await card('Any Docker image').first().click();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Any Docker image');
  await page.getByLabel('Docker image', { exact: true }).fill(IMAGE);
  await page.getByText(/^More settings/).click();
  await page.getByLabel('Command', { exact: true }).fill('/bin/busybox sleep 100000');
  await start().click();
  await page.getByRole('heading', { name: 'Any Docker image', level: 1 }).waitFor();
  await running('Any Docker image');
  assert.ok(clicks <= 5, `${clicks} clicks`);
});

test('the catalogue begins with what most people look for, and keeps variants of one program together', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/templates/catalogue`);
  const popular = page.getByRole('heading', { level: 2 }).first();
  await popular.waitFor();
  assert.equal(await popular.innerText(), 'Popular');
  const first = await page
    .getByRole('main')
    .getByRole('listitem')
    .getByRole('link')
    .evaluateAll((links) => links.slice(0, 12).map((link) => link.getAttribute('href').split('/').at(-1)));
  assert.deepEqual(
    [first[0], first.includes('docker-image'), first.filter((id) => id.startsWith('minecraft')).length],
    ['minecraft-vanilla', true, 1]
  );
  await page.getByRole('heading', { name: 'Your own program', level: 2 }).waitFor();
  await card('Palworld')
    .getByText(/^\d variants$/)
    .waitFor();
  assert.equal(await card('Palworld').count(), 1, 'its variants are on its page');
  await fine('catalogue-first');
  // A search finds them all, and leaves out categories where nothing is.
  await page.getByLabel('Search the catalogue').fill('palworld');
  await card('Palworld \\(Proton\\)').waitFor();
  assert.equal(await page.getByRole('navigation', { name: 'Categories' }).getByRole('button').count(), 2);
  await page.goto(`${world.base}/templates/catalogue/palworld`);
  await page.getByRole('link', { name: 'Palworld (Proton)', exact: true }).click();
  await page.getByRole('link', { name: 'View the standard template' }).click();
  await page.waitForURL(/\/palworld$/);
});

test('what was imported shows as such and is used again, with a name that is free', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/templates`);
  await page.getByRole('link', { name: 'Browse catalogue' }).click();
  await page.getByLabel('Search the catalogue').fill('any docker image');
  await card('Any Docker image').first().getByText('Imported').waitFor();
  await card('Any Docker image').first().click();
  await until('the suggested name', async () => (await page.getByLabel('Name', { exact: true }).inputValue()) === 'Any Docker image 2');
  assert.equal((await world.ask('GET', '/templates')).items.length, 1);
});

test('a newer catalogue is fetched from an address, and a bad one changes nothing', { timeout: 60_000 }, async () => {
  const catalogue = {
    format: 1,
    indexed_on: '2027-01-02',
    categories: [{ id: 'games', name: 'Games', icon: 'dice' }],
    collections: [{ repository: 'owner/eggs', branch: 'main', commit: 'abc123' }],
    entries: [
      entry('needy', 'Needy', { source: { ...entry('needy').source, sha256: hash(needy) }, ports: [], upload: { variable: 'JAR_FILE' } }),
      entry('changed', 'Changed counter'),
      entry('counter', 'Counter'),
      entry('usual', 'Usual', { ports: [{ ...entry('usual').ports[0], default: 25565 }], source: entry('counter').source }),
      entry('gone', 'Gone counter', { source: { ...entry('gone').source, sha256: '0'.repeat(64) } })
    ]
  };
  files.set('/catalogue.json', JSON.stringify(catalogue));
  files.set('/bad.json', JSON.stringify({ ...catalogue, entries: [{ ...entry('x', 'X'), colour: 'red' }] }));
  await page.goto(`${world.base}/templates/catalogue`);
  await page.getByText(/^About this catalogue/).click();
  const address = page.getByLabel('Catalogue URL');
  await address.fill(`${base}/bad.json`);
  await page.getByRole('button', { name: 'Download and use' }).click();
  await page
    .getByRole('alert')
    .getByText(/entries\[0\]\.colour.*stays in use/)
    .waitFor();
  await address.fill(`${base}/catalogue.json`);
  await page.getByRole('button', { name: 'Download and use' }).click();
  await page.getByText('Now using the catalogue of Jan 2, 2027 with 5 entries.').waitFor();
  await page.getByText('5 entries', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Use the built-in catalogue' }).waitFor();
  await fine('catalogue-fetched');
});

test('a published egg runs in five clicks, with its stated size and a port for each of its variables', { timeout: 120_000 }, async () => {
  // The second container comes from the page that makes one.
  await page.goto(`${world.base}/containers`);
  await page.getByRole('link', { name: 'Any Docker image' }).first().waitFor();
  clicks = 0;
  await page.getByRole('link', { name: 'Create container' }).click();
  await page.getByRole('link', { name: 'Browse the catalogue' }).click();
  await card('Counter').first().click();
  await start().waitFor();
  assert.equal(await page.getByLabel('Memory in MiB').inputValue(), '128');
  await fine('catalogue-entry');
  await start().click();
  await page.getByRole('heading', { name: 'Counter', level: 1 }).waitFor();
  await running('Counter');
  assert.ok(clicks <= 5, `${clicks} clicks`);
  await until('its line', async () => /ready on \d+ and \d+/.test(await output()));
  const id = page.url().split('/').at(-1);
  const { allocations, limits, variables } = await world.ask('GET', `/containers/${id}`);
  assert.equal(allocations.length, 2);
  assert.equal(limits.memory_mib, 128);
  const second = allocations.find(({ primary }) => !primary).port;
  assert.ok((await output()).includes(`and ${second}`), 'the query port is the second allocation');
  assert.equal(variables.find(({ env }) => env === 'QUERY_PORT').value, String(second));
});

test('a changed file is shown with its difference and runs only when that was confirmed', { timeout: 120_000 }, async () => {
  await page.goto(`${world.base}/templates/catalogue/changed`);
  await page.getByRole('heading', { name: /^This template has changed since the catalogue was created/ }).waitFor();
  await page.getByText(/^\+ .*really ready on/).waitFor();
  assert.ok(await start().isDisabled());
  await fine('catalogue-changed');
  const before = (await world.ask('GET', '/templates')).items.length;
  await page.getByLabel('I’ve reviewed the changes and want to use this version').check();
  // One port is left, and two are needed.
  await page.getByText(/enough free ports: 2 needed, 1 free/).waitFor();
  await page.getByLabel('Name', { exact: true }).fill('Changed');
  await page.getByRole('button', { name: 'Only import template' }).click();
  await page.waitForURL(/\/templates\/[0-9a-f-]{36}$/);
  await page.getByRole('main').getByText('really ready on').first().waitFor();
  assert.equal((await world.ask('GET', '/templates')).items.length, before + 1);
});

test(
  'a program that needs a file says which one and leads to its files, before and after a start without it',
  { timeout: 120_000 },
  async () => {
    await page.goto(`${world.base}/templates/catalogue/needy`);
    await page
      .getByRole('status')
      .getByText(/^This needs the file app\.jar/)
      .waitFor();
    await fine('catalogue-upload');
    await page.getByRole('button', { name: 'Create and upload' }).click();
    await page.waitForURL(/\/files$/);
    await page.getByText('Offline', { exact: true }).first().waitFor();
    const id = page.url().split('/').at(-2);
    await world.ask('POST', `/containers/${id}/power`, { action: 'start' });
    const told = page.getByRole('status').filter({ hasText: 'app.jar is missing' });
    await told.waitFor();
    await fine('catalogue-missing-file');
    await told.getByRole('link', { name: 'Upload files' }).click();
    await page.waitForURL(/\/files$/);
    await world.ask('PUT', `/containers/${id}/files/content?path=/app.jar`, 'any');
    await world.ask('POST', `/containers/${id}/power`, { action: 'start' });
    await running('Needy');
    await until('it says no more of it', async () => (await told.count()) === 0);
  }
);

test(
  'the usual port is offered where more than a hundred others come before it, and is called taken only where it is',
  { timeout: 60_000 },
  async () => {
    const daemon = (await world.ask('GET', '/daemons')).items[0];
    await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: '20000-20149' });
    await page.goto(`${world.base}/templates/catalogue/usual`);
    const port = page.getByLabel('Port', { exact: true });
    const chosen = () => port.evaluate((field) => field.selectedOptions[0]?.textContent ?? '');
    await page.getByText('Usually 25565, which isn’t free on this host.').waitFor();
    await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: '25565' });
    await page.reload();
    await until('the usual port', async () => /:25565$/.test(await chosen()));
    assert.equal(await page.getByText(/which isn’t free on this host/).count(), 0);
  }
);

test('a file that is gone and a source that is away are said, with what to do', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/templates/catalogue/gone`);
  await page
    .getByRole('alert')
    .getByText(/no longer where the catalogue says/)
    .waitFor();
  await page.getByRole('link', { name: 'Import from file' }).waitFor();
  await fine('catalogue-gone');
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  await page.getByRole('button', { name: 'Try again' }).click();
  await page
    .getByRole('alert')
    .getByText(/can't be fetched from 127\.0\.0\.1/)
    .waitFor();
  // The list is here whatever the network does.
  await page.goto(`${world.base}/templates/catalogue`);
  await card('Gone counter').first().waitFor();
  await page.getByText(/^About this catalogue/).click();
  await page.getByRole('button', { name: 'Use the built-in catalogue' }).click();
  await page.getByText(/^2\d\d entries$/).waitFor();
  await fine('catalogue');
});

test('the catalogue is used by keyboard alone', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/templates/catalogue`);
  await card('Folia').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('static web site');
  await until('one card', async () => (await page.getByRole('main').getByRole('listitem').getByRole('link').count()) === 1);
  clicks = 0;
  for (let turn = 0; turn < 40; turn += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(() => document.activeElement?.getAttribute('href') === '/templates/catalogue/static-site')) break;
  }
  await page.keyboard.press('Enter');
  await start().waitFor();
  assert.equal(clicks, 0);
  assert.deepEqual(problems, []);
});

test('a host without Docker says so with the way out, and the page notices when Docker is there', { timeout: 90_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'raptor-socket-'));
  const socket = join(folder, 'docker.sock');
  const other = await World.up({ DOCKER_SOCKET: socket });
  const guest = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  try {
    await signIn(guest, other.base, 'admin', PASSWORD);
    await guest.getByRole('link', { name: 'Choose what to run' }).click();
    await guest.getByText('Docker isn’t responding on this host').waitFor();
    await guest.getByText('systemctl enable --now docker').first().waitFor();
    // One can choose meanwhile.
    await guest.getByLabel('Search the catalogue').fill('any docker image');
    await guest
      .getByRole('main')
      .getByRole('link', { name: /^Any Docker image/ })
      .first()
      .click();
    await guest.getByText('Waiting for a host with Docker.').waitFor();
    assert.ok(await guest.getByRole('button', { name: 'Create and start' }).isDisabled());
    symlinkSync(process.env.DOCKER_SOCKET ?? '/var/run/docker.sock', socket);
    await guest.getByText(/^Docker is running\./).waitFor({ timeout: 60_000 });
    await until('the button can be pressed', () => guest.getByRole('button', { name: 'Create and start' }).isEnabled());
  } finally {
    await guest.close();
    await other.end();
    rmSync(folder, { recursive: true, force: true });
  }
});
