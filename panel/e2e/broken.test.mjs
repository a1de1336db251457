// What goes wrong in the panel itself is said, with a way on; and lists with the same thing twice are shown.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, PASSWORD, until, World } from './world.mjs';

let world, browser, page, template;
const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  const twice = JSON.parse(readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  twice.name = 'Zebra';
  twice.docker_images = { busybox: '~raptor-test/busybox:1', 'busybox too': '~raptor-test/busybox:1' };
  template = (await world.ask('POST', '/templates/import', JSON.stringify(twice))).template;
  browser = await launch();
  page = await browser.newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

test('a page that throws says so, and leads on', { timeout: 60_000 }, async () => {
  let broken = true;
  await page.route(/\/api\/v1\/roles/, (route) => (broken ? route.fulfill({ json: { items: [null] } }) : route.continue()));
  await page.getByRole('link', { name: 'Roles' }).click();
  await page.getByRole('heading', { name: 'This page didn’t load' }).waitFor();
  await page.getByRole('alert').filter({ hasText: 'Your containers aren’t affected.' }).waitFor();
  // The rest of the panel works.
  await page.getByRole('link', { name: 'Templates' }).click();
  await page.getByRole('heading', { name: 'Templates', level: 1 }).waitFor();
  await page.getByRole('link', { name: 'Roles' }).click();
  await page.getByRole('heading', { name: 'This page didn’t load' }).waitFor();
  broken = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Roles', level: 1 }).waitFor();
  await page.getByText('manager', { exact: false }).first().waitFor();
  await page.unrouteAll();
});

test('graphs that can not be loaded, and a language that is none, leave the console whole', { timeout: 60_000 }, async () => {
  const made = { name: 'Graphs', template_id: template.id, limits, skip_install: true, allocation_count: 0, startup_command: 'sleep 1000' };
  const { id } = await world.ask('POST', '/containers', made);
  const tongue = await browser.newContext();
  await tongue.addInitScript(() => Object.defineProperty(navigator, 'language', { value: 'C', configurable: true }));
  const other = await tongue.newPage();
  await signIn(other, world.base, 'admin', PASSWORD);
  const drawn = other.waitForResponse((answer) => answer.url().endsWith('.js') && answer.ok());
  await other.goto(`${world.base}/containers/${id}`);
  await drawn;
  await other
    .getByRole('status')
    .filter({ hasText: /^\s*Live\s*$/ })
    .waitFor();
  await other.locator('figure .uplot').first().waitFor({ state: 'attached' });
  await tongue.close();
});

test('two labels of one image are both shown, at startup, when creating and at the template', { timeout: 60_000 }, async () => {
  const made = { name: 'Twice', template_id: template.id, limits, skip_install: true, allocation_count: 0 };
  const { id } = await world.ask('POST', '/containers', made);
  const options = (name) => page.locator(`option:text-is("${name}")`);
  await page.goto(`${world.base}/containers/${id}/startup`);
  for (const name of ['busybox', 'busybox too']) await options(name).first().waitFor({ state: 'attached' });
  await page.goto(`${world.base}/templates/${template.id}`);
  for (const name of ['busybox', 'busybox too']) await page.getByText(name, { exact: true }).first().waitFor();
  await page.goto(`${world.base}/containers/new?template=${template.id}`);
  for (const name of ['busybox', 'busybox too']) await options(name).first().waitFor({ state: 'attached' });
});

test('"Create container" on a template shows that template as chosen, on a phone too', { timeout: 90_000 }, async () => {
  const plain = JSON.parse(readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  for (let i = 0; i < 30; i++) {
    await world.ask(
      'POST',
      '/templates/import',
      JSON.stringify({ ...plain, name: `Another ${i}`, uuid: `5f2a2b1e-0000-4000-8000-0000000001${String(i).padStart(2, '0')}` })
    );
  }
  for (const [width, height] of [
    [1440, 900],
    [390, 844]
  ]) {
    await page.setViewportSize({ width, height });
    await page.goto(`${world.base}/templates/${template.id}`);
    await page.getByRole('link', { name: 'Create container' }).click();
    const chosen = page.getByRole('radio', { name: 'Zebra' });
    await chosen.waitFor();
    await until(`the chosen template is seen at ${width} px`, () =>
      chosen.evaluate((input) => {
        const [box, frame] = [input.closest('label').getBoundingClientRect(), input.closest('[role=radiogroup]').getBoundingClientRect()];
        const within = box.top >= frame.top && box.bottom <= frame.bottom;
        return input.checked && within && box.top >= 0 && box.bottom <= innerHeight;
      })
    );
  }
  await page.setViewportSize({ width: 1280, height: 720 });
});

test('an installation that failed and counts as done leads to Offline', { timeout: 90_000 }, async () => {
  const failing = JSON.parse(readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  failing.name = 'Failing';
  failing.scripts = { installation: { container: '~raptor-test/nowhere:1', entrypoint: 'sh', script: 'true' } };
  failing.uuid = '5f2a2b1e-0000-4000-8000-000000000199';
  const { template: broken } = await world.ask('POST', '/templates/import', JSON.stringify(failing));
  const { id } = await world.ask('POST', '/containers', {
    name: 'Not installed',
    template_id: broken.id,
    limits,
    allocation_count: 0,
    startup_command: 'sleep 1000'
  });
  await page.goto(`${world.base}/containers/${id}`);
  await page.getByText('Install failed').first().waitFor();
  await page.getByRole('button', { name: 'Skip installation' }).click();
  await page.getByText('Offline', { exact: true }).first().waitFor();
  assert.equal(await page.getByText('Start failed').count(), 0);
  assert.equal((await world.ask('GET', `/containers/${id}`)).live.problem ?? null, null);
});

test('a configuration file that could not be edited is told on the page until a start edits it', { timeout: 120_000 }, async () => {
  const document = JSON.parse(readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  document.name = 'Configured';
  document.uuid = '5f2a2b1e-0000-4000-8000-000000000198';
  const [variable] = document.variables;
  document.variables = [
    { ...variable, name: 'Greeting', env_variable: 'GREETING', default_value: 'rcon \u65e5', rules: 'required|string' }
  ];
  document.config = { ...document.config, files: { 'server.cfg': { parser: 'file', find: { rcon: '{{server.build.env.GREETING}}' } } } };
  const { template } = await world.ask('POST', '/templates/import', JSON.stringify(document));
  const made = {
    name: 'Configured',
    template_id: template.id,
    limits,
    skip_install: true,
    allocation_count: 0,
    startup_command: 'sleep 1000'
  };
  const { id } = await world.ask('POST', '/containers', made);
  const at = `${world.base}/api/v1/containers/${id}/files/content?path=%2Fserver.cfg`;
  const headers = { authorization: `Bearer ${world.token}`, 'content-type': 'application/octet-stream' };
  await until('the host has it', async () => {
    const body = Buffer.from('// Serveur de J\xe9r\xf4me\nrcon old\n', 'latin1');
    return (await fetch(at, { method: 'PUT', headers, body })).ok;
  });
  const power = (action) => world.ask('POST', `/containers/${id}/power`, { action });
  await page.goto(`${world.base}/containers/${id}`);
  await power('start');
  const banner = page.getByRole('status').filter({ hasText: 'The file server.cfg was not edited' });
  await banner.waitFor();
  assert.match(await banner.innerText(), /can't hold "\u65e5"\. Save it as UTF-8 or choose another value\./);
  await page.reload();
  await banner.waitFor();

  await world.ask('PUT', `/containers/${id}/startup`, { variables: { GREETING: 'rcon new' } });
  await power('kill');
  await until('it is offline', async () => (await world.ask('GET', `/containers/${id}`)).live.phase === 'offline');
  await power('start');
  await banner.waitFor({ state: 'detached' });
  const now = Buffer.from(await (await fetch(at, { headers })).arrayBuffer()).toString('latin1');
  assert.equal(now, '// Serveur de J\xe9r\xf4me\nrcon new\n');
});

test('the palette goes from one daemon to another, whose page is shown', { timeout: 60_000 }, async () => {
  const draft = (name) => ({ name, host: '192.0.2.1', port: 8080 });
  const { daemon } = await world.ask('POST', '/daemons', draft('first-host'));
  await world.ask('POST', '/daemons', draft('second-host'));
  await page.goto(`${world.base}/daemons/${daemon.id}`);
  await page.getByRole('heading', { name: 'first-host' }).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('second-host');
  await page
    .getByRole('option', { name: /second-host/ })
    .first()
    .click();
  await page.getByRole('heading', { name: 'second-host' }).waitFor();
});
