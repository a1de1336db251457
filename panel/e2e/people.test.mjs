// What different people see, and how a host is added.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { barriers, launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, PROGRAMS, until, World } from './world.mjs';

let world, browser;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  browser = await launch();
  await world.user('mara', 'manager');
  const jonas = await world.user('jonas', 'user');
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const make = (name, owner_id) =>
    world.ask('POST', '/containers', { name, owner_id, template_id: template.id, limits: LIMITS, skip_install: true });
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
async function shot(page, name) {
  if (process.env.RAPTOR_SHOTS) await page.screenshot({ path: `${process.env.RAPTOR_SHOTS}/${name}.png` });
}
const places = (page) => page.getByRole('navigation', { name: 'Main' }).getByRole('link').allInnerTexts();

test('a user sees nothing but their own', { timeout: 60_000 }, async () => {
  const page = await visitor('jonas');
  await page.getByRole('link', { name: 'Of Jonas' }).first().waitFor();
  assert.deepEqual(
    (await places(page)).map((text) => text.trim()),
    ['Containers']
  );
  assert.equal(await page.getByText('Of the admin').count(), 0);
  assert.equal(await page.getByRole('link', { name: 'Create container' }).count(), 0);
  const foreign = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0].id;
  await page.goto(`${world.base}/containers/${foreign}`);
  await page.getByRole('heading', { name: 'Container not found' }).waitFor();
});

test('access that is taken away closes the page at once', { timeout: 60_000 }, async () => {
  const { id } = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0];
  await world.ask('POST', `/containers/${id}/access`, { user: 'jonas', level: 'user' });
  const page = await visitor('jonas');
  await page.getByRole('link', { name: 'Of the admin' }).first().click();
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  for (const name of ['Settings', 'Files', 'Startup'])
    assert.equal(await page.getByRole('link', { name, exact: true }).count(), 0, `a user has no ${name}`);
  const jonas = (await world.ask('GET', '/users?search=jonas')).items[0].id;
  await world.ask('DELETE', `/containers/${id}/access/${jonas}`);
  await page.getByText('Your access to this container has changed').or(page.getByText('Container not found')).first().waitFor();
});

test('a manager manages, but not roles and daemons', { timeout: 60_000 }, async () => {
  const page = await visitor('mara');
  await page.getByRole('link', { name: 'Of the admin' }).first().waitFor();
  await page.getByRole('link', { name: 'Roles' }).click();
  await page.getByRole('button', { name: /Manager/ }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Create role' }).count(), 0);
  await page.getByRole('link', { name: 'Daemons' }).click();
  await page.getByRole('heading', { name: 'This host' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Add daemon' }).count(), 0);
});

for (const [username, level] of [
  ['mara', null],
  ['jonas', 'user'],
  ['jonas', 'admin']
]) {
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
  await page.getByText('You can view these settings but not change them.').waitFor();
  assert.ok(await page.getByLabel('Startup command').isDisabled());
  assert.equal(await page.getByRole('button', { name: 'Save changes' }).count(), 0);
  await page.goto(`${world.base}/containers/${id}/files`);
  await page.getByRole('checkbox', { name: 'Select all' }).waitFor();
  for (const name of ['Upload', 'New file', 'New folder'])
    assert.equal(await page.getByRole('button', { name, exact: true }).count(), 0, name);
  for (const path of ['/users', '/roles', '/daemons', '/templates', '/activity', '/mail', '/containers/new']) {
    await page.goto(world.base + path);
    await page.getByRole('heading', { name: 'You don’t have access to this page' }).waitFor();
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

test(
  'a daemon is added by one line with the key that is shown once, and gets its ports in the same place',
  { timeout: 90_000 },
  async () => {
    const page = await visitor('admin');
    const port = await freePort();
    await page.getByRole('link', { name: 'Daemons' }).click();
    await page.getByRole('button', { name: 'Add daemon' }).click();
    await page.getByLabel('Name').fill('Second host');
    await page.getByLabel('Host', { exact: true }).fill('127.0.0.1');
    await page.getByLabel('Port', { exact: true }).fill(String(port));
    await page.getByRole('dialog').getByRole('button', { name: 'Add daemon' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(`Waiting for 127.0.0.1:${port}`).waitFor();
    assert.deepEqual(await barriers(page), []);
    await shot(page, 'daemon-add');
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot(page, 'daemon-add-phone');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1280, height: 800 });

    // The key is not lost to a key or a click beside it: it is asked first.
    for (const leave of [
      () => page.keyboard.press('Escape'),
      () => page.mouse.click(5, 5),
      () => dialog.getByRole('button', { name: 'Close', exact: true }).click()
    ]) {
      await leave();
      await dialog.getByRole('alert').getByText('this key can’t be shown again').waitFor();
      await dialog.getByRole('button', { name: 'Keep open' }).click();
      await dialog.getByRole('alert').waitFor({ state: 'detached' });
    }
    const boxes = await Promise.all(
      [dialog.getByTestId('line'), dialog.getByRole('button', { name: 'Copy command' })].map((found) => found.boundingBox())
    );
    assert.ok(boxes[1].y + boxes[1].height <= boxes[0].y, 'nothing lies over the key');

    // A browser that refuses both ways of copying, and then the older one only where the page came over plain HTTP.
    const refuse = (refused) =>
      page.evaluate((refused) => {
        Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true });
        if (refused) document.execCommand = () => false;
        else delete document.execCommand;
      }, refused);
    await refuse(true);
    await dialog.getByRole('button', { name: 'Copy command' }).click();
    await dialog.getByRole('alert').getByText('Your browser blocked copying. Select the text and copy it manually.').waitFor();
    assert.equal(await dialog.getByRole('button', { name: 'Copied' }).count(), 0, 'nothing was copied');
    await refuse(false);
    await dialog.getByRole('button', { name: 'Copy command' }).click();
    await dialog.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await dialog.getByRole('alert').count(), 0);

    // The line is run as it is but for the program's place and the folder, which this test has no right to.
    await dialog.getByRole('radio', { name: 'Without systemd' }).check();
    const line = await dialog.getByTestId('line').innerText();
    const folder = join(mkdtempSync(join(tmpdir(), 'raptor-setup-')), 'daemon');
    const [settings] = line.split(' && ');
    const here = settings.replace('/usr/local/bin/raptor-daemon setup', `'${PROGRAMS}/raptor-daemon' setup --folder '${folder}'`);
    assert.notEqual(here, settings);
    execFileSync('sh', ['-c', here], { env: {} });
    const file = join(folder, '.env');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const written = readFileSync(file, 'utf8');
    assert.match(written, new RegExp(`^DAEMON_ADDR=0\\.0\\.0\\.0:${port}$`, 'm'));

    const wrong = await world.daemon(port, 'rd_9fK2mQ7xV4bN8sL1wE6tY3uI5oP0aZcDgHjRkXvBn2m');
    await dialog.getByText('Wrong key').waitFor({ timeout: 30_000 });
    await wrong.stop();
    await world.daemon(port, /DAEMON_API_KEY=(\S+)/.exec(written)[1]);
    await dialog.getByText('Online').waitFor({ timeout: 30_000 });
    await dialog.getByText(/Version .* Docker/).waitFor();

    // And it gets ports in the same place.
    await dialog.getByLabel('Address', { exact: true }).fill('127.0.0.1');
    await dialog.getByLabel('Ports').fill('27015-27019');
    await dialog.getByRole('button', { name: 'Add ports' }).click();
    await dialog.getByText('5 allocations added.').waitFor();
    await dialog.getByText('Add ports for containers: done').waitFor();
    await shot(page, 'daemon-added');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('link', { name: /Second host/ }).click();
    await page.getByText('5 of 5').waitFor();
  }
);

test('the rule of a password is read before there is an error, and one can be made, seen and copied', { timeout: 60_000 }, async () => {
  const page = await visitor('admin');
  await page.goto(`${world.base}/users`);
  await page.getByRole('button', { name: 'Create user' }).click();
  const dialog = page.getByRole('dialog', { name: 'Create user' });
  const field = dialog.getByLabel('Password', { exact: true });
  await dialog.getByText('At least 8 characters. Common passwords are rejected.').waitFor();
  const rule = await field.getAttribute('aria-describedby');
  assert.equal(await page.locator(`#${rule}`).innerText(), 'At least 8 characters. Common passwords are rejected.');
  assert.equal(await field.getAttribute('type'), 'password');
  await field.fill('seen by nobody');
  await dialog.getByRole('button', { name: 'Show password' }).click();
  assert.equal(await field.getAttribute('type'), 'text');
  await dialog.getByRole('button', { name: 'Hide password' }).click();
  await dialog.getByRole('button', { name: 'Generate and copy' }).click();
  const made = await field.inputValue();
  assert.match(made, /^[A-Za-z0-9]{20}$/);
  await shot(page, 'user-create');
  await dialog.getByLabel('User name').fill('erika');
  await dialog.getByLabel('Email').fill('erika@example.com');
  await dialog.getByRole('button', { name: 'Create user' }).click();
  await dialog.waitFor({ state: 'detached' });
  const session = await fetch(`${world.base}/api/v1/auth/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'erika', password: made })
  });
  assert.equal(session.status, 200, 'it is the password');
});

test('a new container gets a name of its own and is told what the host has left', { timeout: 60_000 }, async () => {
  const page = await visitor('admin');
  const { id, name } = (await world.ask('GET', '/templates')).items[0];
  const { total_mib, daemon } = await (async () => {
    const [daemon] = (await world.ask('GET', '/daemons')).items;
    return { daemon, total_mib: Math.floor(daemon.system.memory_total_bytes / 2 ** 20) };
  })();
  const { id: taken } = await world.ask('POST', '/containers', {
    name,
    template_id: id,
    limits: LIMITS,
    skip_install: true,
    allocation_count: 0
  });
  await page.goto(`${world.base}/containers/new?template=${id}`);
  const field = page.getByLabel('Name', { exact: true });
  await until('a name is suggested', async () => (await field.inputValue()) === `${name} 2`);
  await page.getByText(`left on ${daemon.name}`).first().waitFor();
  await page
    .getByText(new RegExp(`^(Only )?\\d+ free on ${daemon.name}$`))
    .first()
    .waitFor();
  await page.getByLabel('Memory').fill(String(total_mib + 1));
  await page
    .getByText(/^Only .* left on /)
    .first()
    .waitFor();
  assert.deepEqual(await barriers(page), []);
  await shot(page, 'container-room');
  await world.ask('DELETE', `/containers/${taken}`);
});

test('names of accounts are suggested to those who may list them, and to nobody else', { timeout: 60_000 }, async () => {
  const jonas = (await world.ask('GET', '/containers?search=Of%20Jonas')).items[0].id;
  const asked = [];
  const suggested = async (username) => {
    const page = await visitor(username);
    page.on('request', (request) => request.url().includes('/api/v1/users') && asked.push(username));
    await page.goto(`${world.base}/containers/${jonas}/access`);
    await page.getByRole('button', { name: 'Give access' }).click();
    const field = page.getByLabel('User name or email');
    await field.fill('mar');
    return { page, field };
  };
  const { page: admin } = await suggested('admin');
  await until('mara is suggested', async () =>
    (await admin.locator('#access-users option').evaluateAll((all) => all.map(({ value }) => value))).includes('mara')
  );
  const own = await admin.locator('#access-users option').evaluateAll((all) => all.map(({ value }) => value));
  assert.ok(!own.includes('jonas'), 'not those who have access already');
  const { page: owner, field } = await suggested('jonas');
  await owner.getByRole('list', { name: 'What User can do' }).waitFor();
  assert.equal(await field.getAttribute('list'), null);
  assert.ok(asked.includes('admin') && !asked.includes('jonas'), asked.join());
});

test(
  'somebody who may create containers but not see daemons leaves the host to Raptor, and is asked for nothing else',
  { timeout: 90_000 },
  async () => {
    await world.ask('POST', '/roles', { name: 'maker', description: '', permissions: ['containers.create', 'templates.read'] });
    await world.user('dave', 'maker');
    const { id } = (await world.ask('GET', '/templates')).items[0];
    const page = await visitor('dave');
    const refused = [];
    page.on('response', (answer) => answer.status() === 403 && refused.push(answer.url()));
    await page.goto(`${world.base}/containers/new?template=${id}`);
    await page.getByText('Raptor picks the host').waitFor();
    assert.equal(await page.getByText('No daemons yet').count(), 0);
    assert.deepEqual(await barriers(page), []);
    await shot(page, 'maker');
    await page.getByLabel('Ports', { exact: true }).fill('0');
    await page.getByLabel('Skip installation').check();
    await page.getByLabel('Start immediately').uncheck();
    await page.getByRole('button', { name: 'Create container' }).click();
    await page.waitForURL(/\/containers\/[0-9a-f-]{36}/);
    assert.deepEqual(refused, []);
    await page.context().close();
  }
);

test('who may not read the console gets the first page that is theirs, on a phone without an empty line', { timeout: 60_000 }, async () => {
  const { id } = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0];
  await world.user('gina', 'user');
  await world.ask('POST', `/containers/${id}/access`, { user: 'gina', level: 'custom', permissions: ['file.read'] });
  const page = await visitor('gina');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('link', { name: 'Of the admin' }).first().click();
  await page.waitForURL(`**/containers/${id}/files`);
  await page.getByRole('checkbox', { name: 'Select all' }).or(page.getByText('This folder is empty')).first().waitFor();
  assert.ok(await page.getByRole('group', { name: 'Power', includeHidden: true }).isHidden());
  await shot(page, 'guest-files');
  await page.goto(`${world.base}/containers/${id}/settings`);
  await page.getByText('You don’t have access to this page.').waitFor();
  await page.getByRole('link', { name: 'Open Files' }).click();
  await page.waitForURL(`**/containers/${id}/files`);
  await page.context().close();
});

test('what a field lacks is said below it in the panel’s words, with its label in sight', { timeout: 90_000 }, async () => {
  const page = await visitor('admin');
  const { id } = (await world.ask('GET', '/templates')).items[0];
  await page.goto(`${world.base}/containers/new?template=${id}`);
  const count = page.getByLabel('Ports', { exact: true });
  await count.fill('101');
  await page.getByRole('button', { name: 'Create container' }).click();
  await page.getByRole('alert').getByText('Enter a whole number from 0 to 100.').waitFor();
  assert.equal(await count.getAttribute('aria-invalid'), 'true');
  assert.ok(await count.evaluate((element) => element === document.activeElement));
  const label = await count.evaluate((field) => {
    const [element] = field.labels;
    const { left, top } = element.getBoundingClientRect();
    return document.elementFromPoint(left + 2, top + 2) === element;
  });
  assert.ok(label, 'the label is not below the header');
  await shot(page, 'count-error');
  await count.fill('50');
  assert.equal(await page.getByText('Enter a whole number from 0 to 100.').count(), 0);
  assert.ok(await count.evaluate((element) => element.validity.valid), 'as many as the API takes');

  await page.goto(`${world.base}/users?create`);
  const dialog = page.getByRole('dialog', { name: 'Create user' });
  await dialog.getByLabel('Email').fill('nobody');
  await dialog.getByRole('button', { name: 'Create user' }).click();
  await dialog.getByText('This field is required.').first().waitFor();
  await dialog.getByText('Enter an email address, such as name@example.com.').waitFor();
  assert.ok(await dialog.getByLabel('User name').evaluate((element) => element === document.activeElement));
  await shot(page, 'user-error');
  await page.context().close();
});

test('what the API refuses in a field is said in the language of the panel', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ locale: 'de-AT' });
  const page = await context.newPage();
  await context.request.post(`${world.base}/api/v1/auth/sign-in`, {
    data: { login: 'admin', password: PASSWORD },
    headers: { 'X-Raptor-CSRF': '1' }
  });
  await context.addInitScript(() => localStorage.setItem('signed-in', 'true'));
  await page.goto(`${world.base}/users?create`);
  const dialog = page.getByRole('dialog', { name: 'Benutzer erstellen' });
  await dialog.getByLabel('Benutzername').fill('a b');
  await dialog.getByLabel('E-Mail-Adresse').fill('ab@example.com');
  await dialog.getByLabel('Passwort', { exact: true }).fill('password123');
  const create = dialog.getByRole('button', { name: 'Benutzer erstellen' });
  await create.click();
  await dialog.getByText('1 bis 32 Buchstaben, Ziffern, Punkte').waitFor();
  await dialog.getByLabel('Benutzername').fill('ab');
  await create.click();
  await dialog.getByText('Dieses Passwort gehört zu denen, die zuerst erraten werden.').waitFor();
  await shot(page, 'user-refused-de');
  await context.close();
});

test('changing access begins at the level, and its button is in reach on a phone', { timeout: 60_000 }, async () => {
  const { id } = (await world.ask('GET', '/containers?search=Of%20the%20admin')).items[0];
  await world.user('hugo', 'user');
  await world.ask('POST', `/containers/${id}/access`, { user: 'hugo', level: 'user' });
  const page = await visitor('admin');
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(`${world.base}/containers/${id}/access`);
  await page
    .getByRole('listitem')
    .or(page.getByRole('row'))
    .filter({ hasText: 'hugo' })
    .first()
    .getByRole('button', { name: /Change/ })
    .click();
  const dialog = page.getByRole('dialog', { name: 'Access of hugo' });
  const level = dialog.getByRole('radio', { name: /^User/ });
  await level.waitFor();
  await until('the level has the focus', () => level.evaluate((element) => element === document.activeElement));
  await shot(page, 'access-change');
  await dialog.getByRole('radio', { name: /^Custom/ }).check();
  const { y, height } = await dialog.getByRole('button', { name: 'Save' }).boundingBox();
  assert.ok(y + height <= 844, `the button ends at ${y + height}`);
  await page.context().close();
});
