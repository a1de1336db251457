// Where templates come from, the same one again, newer files at the source, and containers that change to another template.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { PASSWORD, until, World } from './world.mjs';

const IMAGE = '~raptor-test/busybox:1';
const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };
const published = { file: '', etag: '"1"' };
const requests = [];
let world, browser, page, site, address;

const plain = (more) =>
  JSON.stringify({
    meta: { version: 'PTDL_v2' },
    name: 'Trains',
    author: 'steve@example.com',
    description: 'Rails and signals.',
    docker_images: { busybox: IMAGE },
    startup: 'sleep 1000',
    config: { files: '{}', startup: '{}', logs: '{}', stop: '^C' },
    variables: [],
    ...more
  });
const upload = (name, text) =>
  page.getByTestId('egg-files').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
const templates = async () => (await world.ask('GET', '/templates')).items;

before(async () => {
  site = createServer((request, response) => {
    const known = request.headers['if-none-match'] === published.etag;
    requests.push(known ? 304 : 200);
    response.writeHead(known ? 304 : 200, { etag: published.etag });
    response.end(known ? undefined : published.file);
  });
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  address = `http://127.0.0.1:${site.address().port}/trains.json`;
  world = await World.up({ OUTBOUND_ALLOW: '127.0.0.1' });
  browser = await launch();
  page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
});
after(async () => {
  await browser?.close();
  await world?.end();
  site?.close();
});

test(
  'the same egg again shows the difference first and is updated or kept beside, and twins can be told apart',
  { timeout: 120_000 },
  async () => {
    await page.goto(`${world.base}/templates`);
    await upload('trains.json', plain());
    const report = page.getByRole('dialog');
    await report.getByText('Trains').first().waitFor();
    await report.getByRole('button', { name: 'Done' }).click();
    await upload('trains-2.json', plain({ startup: 'sleep 2000' }));
    await report.getByText('Another version of this template already exists.').waitFor();
    assert.equal((await templates()).length, 1, 'nothing is imported before somebody chose');
    await report.getByRole('button', { name: 'Show changes' }).click();
    await report.getByText('- sleep 1000').waitFor();
    await report.getByText('+ sleep 2000').waitFor();
    await report.getByRole('button', { name: 'Update to version 2' }).click();
    await report.getByText('updated to a new version').waitFor();
    await report.getByRole('button', { name: 'Done' }).click();

    await upload('other.json', plain({ startup: 'sleep 3000' }));
    await report.getByRole('button', { name: 'Keep both' }).click();
    await until('both are here', async () => (await templates()).length === 2);
    await report.getByRole('button', { name: 'Done' }).click();
    await page.getByText('steve@example.com · Pterodactyl v2 · trains-2.json').waitFor();
    await page.getByText('steve@example.com · Pterodactyl v2 · other.json').waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').getByRole('combobox').fill('trains');
    await page.getByRole('dialog').getByText('steve@example.com · Pterodactyl v2 · other.json').waitFor();
    await page.keyboard.press('Escape');
    await page.goto(`${world.base}/containers/new`);
    await page.getByRole('radiogroup', { name: 'Template' }).getByText('steve@example.com · Pterodactyl v2 · other.json').waitFor();
  }
);

test('a newer file at the source is offered with its difference and becomes a new version', { timeout: 120_000 }, async () => {
  published.file = plain({ name: 'Published', startup: 'sleep 1' });
  const { template } = await world.ask('POST', '/templates/import-url', { url: address });
  published.file = plain({ name: 'Published', startup: 'sleep 2' });
  published.etag = '"2"';
  await page.goto(`${world.base}/templates/${template.id}`);
  await page.getByText(address).waitFor();
  await page.getByRole('button', { name: 'Check for updates' }).click();
  await page.getByText('Update available.').waitFor();
  await page.goto(`${world.base}/templates`);
  await page.getByText('Update available').waitFor();
  await page.goto(`${world.base}/templates/${template.id}`);
  await page.getByRole('button', { name: 'Show changes' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('+ sleep 2').waitFor();
  await dialog.getByRole('button', { name: 'Update', exact: true }).click();
  await page.getByText('Updated to version 2.').waitFor();
  assert.equal(await page.getByText('Update available.').count(), 0);
  await page.getByRole('button', { name: 'Check for updates' }).click();
  await page.getByText('This is the latest version.').waitFor();
  await page.getByRole('button', { name: 'Check for updates' }).click();
  await until('what is known is not fetched again', () => requests.at(-1) === 304);

  // An answer that comes while the difference is shown doesn't fetch it again.
  published.file = plain({ name: 'Published', startup: 'sleep 2', description: 'Newer.' });
  published.etag = '"3"';
  await page.getByRole('button', { name: 'Check for updates' }).click();
  await page.getByText('Update available.').waitFor();
  let release;
  const held = new Promise((done) => (release = done));
  const checks = /\/source-check/;
  await page.route(checks, async (route) => {
    await held;
    await route.continue();
  });
  let previews = 0;
  const count = (request) => (previews += /\/templates\/preview/.test(request.url()) ? 1 : 0);
  page.on('request', count);
  await page.getByRole('button', { name: 'Check for updates' }).click();
  await page.getByRole('button', { name: 'Show changes' }).click();
  await dialog.getByText('+ Newer.').waitFor();
  const checked = page.waitForResponse(checks);
  release();
  await checked;
  await page.getByRole('button', { name: 'Check for updates', includeHidden: true, disabled: false }).waitFor({ state: 'attached' });
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  assert.equal(previews, 1);
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  page.off('request', count);
  await page.unroute(checks);

  // From a file, on the same page.
  await page.getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: 'Update…' }).click();
  await page.getByTestId('update-file').setInputFiles({
    name: 'newer.json',
    mimeType: 'application/json',
    buffer: Buffer.from(plain({ name: 'Published', startup: 'sleep 3' }))
  });
  await dialog.getByText('+ sleep 3').waitFor();
  await dialog.getByRole('button', { name: 'Update', exact: true }).click();
  await page.getByText('Updated to version 3.').waitFor();
  await page.getByText('newer.json').waitFor();
});

test(
  'a container changes to another template with its files kept and the new installation run over them',
  { timeout: 240_000 },
  async () => {
    const variable = (env, value, rules) => ({
      name: env,
      env_variable: env,
      default_value: value,
      rules,
      description: '',
      user_viewable: true,
      user_editable: true
    });
    const vanilla = plain({ name: 'Vanilla', variables: [variable('LEVEL', 'world', 'string'), variable('GONE', '1', 'string')] });
    const paper = plain({
      name: 'Paper',
      startup: "sh -c 'cat kept.txt made.txt; echo level {{LEVEL}}; sleep 1000'",
      config: { files: '{}', startup: '{"done":"level"}', logs: '{}', stop: '^C' },
      variables: [variable('LEVEL', 'world', 'string'), variable('TOKEN', '', 'required|string')],
      scripts: { installation: { container: IMAGE, entrypoint: 'sh', script: 'echo by the installer > /mnt/server/made.txt' } }
    });
    const from = (await world.ask('POST', '/templates/import', vanilla)).template;
    await world.ask('POST', '/templates/import', paper);
    const { id } = await world.ask('POST', '/containers', {
      name: 'World',
      template_id: from.id,
      limits,
      allocation_count: 0,
      variables: { LEVEL: 'mine' }
    });
    await until('its host has it', () =>
      world.ask('PUT', `/containers/${id}/files/content?path=/kept.txt`, 'by its owner').then(
        () => true,
        () => false
      )
    );
    await page.goto(`${world.base}/containers/${id}/settings`);
    // The list of all comes after the one that was searched for.
    let release;
    const held = new Promise((done) => (release = done));
    const all = (url) => url.pathname.endsWith('/api/v1/templates') && !url.searchParams.has('search');
    await page.route(all, async (route) => {
      await held;
      await route.continue();
    });
    const asked = page.waitForRequest((request) => all(new URL(request.url())));
    await page.getByRole('button', { name: 'Change template…' }).click();
    await asked;
    await page.getByLabel('Search templates to change to').fill('paper');
    await page.getByRole('button', { name: /Paper/ }).waitFor();
    const late = page.waitForResponse((response) => all(new URL(response.url())));
    release();
    await (await late).finished();
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
    assert.equal(await page.getByRole('button', { name: /Trains/ }).count(), 0, 'what was searched for last stays');
    await page.unroute(all);
    await page.getByRole('button', { name: /Paper/ }).click();
    await page.getByText('LEVEL=mine').waitFor();
    await page.getByText('GONE', { exact: true }).waitFor();
    await page.getByText('- sleep 1000').waitFor();
    const change = page.getByRole('button', { name: 'Change to Paper' });
    await change.click();
    await page.getByRole('alert').getByText('TOKEN: enter a value that meets the rules.').waitFor();
    await page.getByLabel(/TOKEN needs a value/).fill('hunter2');
    assert.equal(await page.getByLabel(/Run the installation of Paper/).isChecked(), true);
    await change.click();
    await page.getByText('Changed to Paper. Installing; your files are kept.').waitFor();
    await until('it is installed', async () => (await world.ask('GET', `/containers/${id}`)).installation.state === 'installed');
    await world.ask('POST', `/containers/${id}/power`, { action: 'start' });
    await until('it runs', async () => (await world.ask('GET', `/containers/${id}`)).live.phase === 'running');
    const { lines } = await world.ask('GET', `/containers/${id}/console?limit=200`);
    const said = lines.map(({ text }) => text);
    for (const line of ['by its owner', 'by the installer', 'level mine'])
      assert.ok(
        said.some((text) => text.includes(line)),
        `${line}: ${said.join('\n')}`
      );
    const now = await world.ask('GET', `/containers/${id}`);
    assert.equal(now.template.name, 'Paper');
    await page.goto(`${world.base}/containers/${id}/activity`);
    await page.getByText('Changed the template of').waitFor();
  }
);
