// What different people see, and how a host is added.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, World } from './world.mjs';

let world, browser;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  browser = await launch();
  await world.user('mara', 'manager');
  const jonas = await world.user('jonas', 'user');
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const make = (name, owner_id) => world.ask('POST', '/containers', { name, owner_id, template_id: template.id, limits: LIMITS, skip_install: true });
  await make('Of the admin', undefined);
  await make('Of Jonas', jonas.id);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

async function visitor(username) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await signIn(page, world.base, username, PASSWORD);
  return page;
}
const places = (page) => page.getByRole('navigation', { name: 'Main' }).getByRole('link').allInnerTexts();

test('a user sees nothing but their own', { timeout: 60_000 }, async () => {
  const page = await visitor('jonas');
  await page.getByRole('link', { name: 'Of Jonas' }).first().waitFor();
  assert.deepEqual((await places(page)).map((text) => text.trim()), ['Containers']);
  assert.equal(await page.getByText('Of the admin').count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Create container' }).count(), 0);
  const foreign = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0].id;
  await page.goto(`${world.base}/containers/${foreign}`);
  await page.getByRole('heading', { name: 'There is no such container' }).waitFor();
});

test('access that is taken away closes the page at once', { timeout: 60_000 }, async () => {
  const { id } = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0];
  await world.ask('POST', `/containers/${id}/access`, { user: 'jonas', level: 'user' });
  const page = await visitor('jonas');
  await page.getByRole('link', { name: 'Of the admin' }).first().click();
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  for (const name of ['Settings', 'Files', 'Startup']) assert.equal(await page.getByRole('link', { name, exact: true }).count(), 0, `a user has no ${name}`);
  const jonas = (await world.ask('GET', '/users?search=jonas')).items[0].id;
  await world.ask('DELETE', `/containers/${id}/access/${jonas}`);
  await page.getByText('Your access to this container has changed').or(page.getByText('There is no such container')).first().waitFor();
});

test('a manager manages, but not roles and daemons', { timeout: 60_000 }, async () => {
  const page = await visitor('mara');
  await page.getByRole('link', { name: 'Of the admin' }).first().waitFor();
  await page.getByRole('link', { name: 'Roles' }).click();
  await page.getByRole('button', { name: /manager/ }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Create role' }).count(), 0);
  await page.getByRole('link', { name: 'Daemons' }).click();
  await page.getByRole('heading', { name: 'This host' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add daemon' }).count(), 0);
});

for (const [username, level] of [['mara', null], ['jonas', 'user'], ['jonas', 'admin']]) {
  test(`nothing that ${level ?? 'a manager'} is offered is refused to ${username}`, { timeout: 120_000 }, async () => {
    const { id } = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0];
    if (level) await world.ask('POST', `/containers/${id}/access`, { user: username, level });
    const page = await visitor(username);
    const refused = [];
    page.on('response', (answer) => answer.status() === 403 && refused.push(`${answer.request().method()} ${answer.url()}`));
    const walk = async (navigation) => {
      for (const name of (await navigation.getByRole('link').allInnerTexts()).map((text) => text.trim())) {
        await navigation.getByRole('link', { name, exact: true }).click();
        await page.locator('main h1').first().waitFor();
        await page.waitForLoadState('networkidle');
      }
    };
    await walk(page.getByRole('navigation', { name: 'Main' }));
    for (const name of ['Of the admin', 'Of Jonas']) {
      await page.goto(`${world.base}/containers?search=${encodeURIComponent(name)}`);
      await page.getByRole('link', { name }).first().click();
      await walk(page.getByRole('navigation', { name: 'Container', exact: true }));
    }
    assert.deepEqual(refused, []);
    await page.context().close();
    if (level) {
      const who = (await world.ask('GET', `/users?search=${username}`)).items[0].id;
      await world.ask('DELETE', `/containers/${id}/access/${who}`);
    }
  });
}

test('what may not be changed is shown with the reason, what may not be opened is not asked for', { timeout: 60_000 }, async () => {
  const { id } = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0];
  const looks = ['console.read', 'startup.read', 'network.read', 'file.read', 'file.read-content'];
  await world.ask('POST', `/containers/${id}/access`, { user: 'jonas', level: 'custom', permissions: looks });
  const page = await visitor('jonas');
  const refused = [];
  page.on('response', (answer) => answer.status() === 403 && refused.push(answer.url()));
  await page.goto(`${world.base}/containers/${id}/startup`);
  await page.getByText('You can view this but not change it.').waitFor();
  assert.ok(await page.getByLabel('Startup command').isDisabled());
  assert.equal(await page.getByRole('button', { name: 'Save changes' }).count(), 0);
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.getByRole('checkbox', { name: 'Select all' }).waitFor();
  for (const name of ['Upload', 'New file', 'New folder']) assert.equal(await page.getByRole('button', { name, exact: true }).count(), 0, name);
  for (const path of ['/users', '/roles', '/daemons', '/templates', '/activity', '/mail', '/containers/new']) {
    await page.goto(world.base + path);
    await page.getByRole('heading', { name: 'You may not open this page' }).waitFor();
  }
  assert.deepEqual(refused, []);
  await page.context().close();
});

test('a session that is ended elsewhere leads to the sign-in page', { timeout: 60_000 }, async () => {
  const page = await visitor('jonas');
  await page.getByRole('link', { name: 'Of Jonas' }).first().waitFor();
  const jonas = (await world.ask('GET', '/users?search=jonas')).items[0].id;
  await world.ask('DELETE', `/users/${jonas}/sessions`);
  await page.waitForURL('**/sign-in?next=**', { timeout: 15_000 });
});

test('a daemon is added with the key that is shown once', { timeout: 90_000 }, async () => {
  const page = await visitor('admin');
  const port = await freePort();
  await page.getByRole('link', { name: 'Daemons' }).click();
  await page.getByRole('button', { name: 'Add daemon' }).click();
  await page.getByLabel('Name').fill('Second host');
  await page.getByLabel('Host', { exact: true }).fill('127.0.0.1');
  await page.getByLabel('Port', { exact: true }).fill(String(port));
  await page.getByRole('dialog').getByRole('button', { name: 'Add daemon' }).click();
  const lines = await page.getByTestId('env').innerText();
  await page.getByRole('dialog').getByText('Unreachable').waitFor();

  const wrong = await world.daemon(port, 'rd_this-is-not-the-right-key');
  await page.getByRole('dialog').getByText('Wrong key').waitFor({ timeout: 30_000 });
  await wrong.stop();
  await world.daemon(port, /DAEMON_API_KEY=(\S+)/.exec(lines)[1]);
  await page.getByRole('dialog').getByText('Online').waitFor({ timeout: 30_000 });
  await page.getByRole('dialog').getByText(/Version .* Docker/).waitFor();

  await page.getByRole('link', { name: 'Add allocations' }).click();
  await page.getByRole('button', { name: 'Add allocations' }).click();
  await page.getByLabel('Address', { exact: true }).fill('127.0.0.1');
  await page.getByLabel('Ports').fill('27015-27019');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.getByText('5 of 5').waitFor();
});
