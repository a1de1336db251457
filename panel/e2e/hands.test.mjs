// What hands do: the keyboard, the palette, many at once, Undo, and questions before what can't be undone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

let world, browser, page, ids;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  browser = await launch();
  await world.user('jonas', 'user');
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  ids = {};
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  for (const name of ['Trains', 'Boats', 'Planes']) {
    // A port that nothing else on this machine has.
    const ports = String(await freePort());
    await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports });
    const [{ id }] = (await world.ask('GET', `/daemons/${daemon.id}/allocations?search=${ports}`)).items;
    const body = { name, template_id: template.id, limits: LIMITS, skip_install: true, daemon_id: daemon.id, allocation_ids: [id] };
    ids[name] = (await world.ask('POST', '/containers', body)).id;
  }
  await world.ask('POST', `/containers/${ids.Boats}/access`, { user: 'jonas', level: 'user' });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ['clipboard-read', 'clipboard-write'] });
  page = await context.newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
  await page.getByRole('link', { name: 'Trains' }).waitFor();
});
after(async () => {
  await browser?.close();
  await world?.end();
});

const row = (name) => page.getByRole('row', { name: new RegExp(name) });
const find = async (text) => {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Search' }).fill(text);
};

test('the palette finds a page of a container, and gives the focus back', { timeout: 60_000 }, async () => {
  await page.getByRole('link', { name: 'Boats' }).focus();
  await page.keyboard.press('Control+k');
  await page.getByRole('option', { name: 'Roles' }).waitFor();
  await page.keyboard.press('Escape');
  await until('the focus is back', () => page.evaluate(() => document.activeElement?.textContent === 'Boats'));
  await find('boats network');
  await page.getByRole('option', { name: 'Boats: Network' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Allocations' }).waitFor();
  await find('create user');
  await page.getByRole('option', { name: 'Create user' }).waitFor();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Create user' });
  await dialog.waitFor();
  assert.ok(
    await dialog.getByLabel('User name').evaluate((element) => element === document.activeElement),
    'the first field has the focus'
  );
  for (let i = 0; i < 12; i++) await page.keyboard.press('Tab');
  assert.ok(await dialog.evaluate((element) => element.contains(document.activeElement)), 'the focus stays in the dialog');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
});

test('many are started, stopped and killed at once', { timeout: 120_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  await page.getByLabel('Select Trains').click();
  await page.getByLabel('Select Planes').click();
  const bar = page.getByRole('region', { name: 'Selected containers' });
  await bar.getByText('2 selected').waitFor();
  await bar.getByRole('button', { name: 'Start' }).click();
  // What follows is shown before the daemon has told.
  await row('Trains')
    .getByText(/Starting|Running/)
    .waitFor({ timeout: 2_000 });
  for (const name of ['Trains', 'Planes']) await row(name).getByText('Running').waitFor({ timeout: 60_000 });
  await bar.getByRole('button', { name: 'Kill' }).click();
  const question = page.getByRole('dialog', { name: 'Kill 2 containers' });
  await question.getByText('Anything it hasn’t saved is lost').waitFor();
  await question.getByRole('button', { name: 'Kill' }).click();
  for (const name of ['Trains', 'Planes'])
    await row(name)
      .getByText(/Offline|Crashed/)
      .waitFor({ timeout: 30_000 });
});

test('a menu is used by the keyboard alone', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  await page.getByRole('button', { name: 'Actions for Trains' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: 'Start', exact: true }).waitFor();
  await page.keyboard.press('Enter');
  await row('Trains').getByText('Running').waitFor({ timeout: 60_000 });
});

test('columns are chosen and kept', { timeout: 30_000 }, async () => {
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Memory' }).click();
  await page.keyboard.press('Escape');
  await page.reload();
  await page.getByRole('link', { name: 'Boats' }).waitFor();
  assert.equal(await page.getByRole('columnheader', { name: 'Memory' }).count(), 0);
});

test('the console counts what comes while somebody reads further up', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids.Trains}`);
  const line = page.getByRole('textbox', { name: 'Command' });
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  // A person types ten commands a second at most; programs have no such limit.
  for (let i = 0; i < 39; i++) await world.ask('POST', `/containers/${ids.Trains}/commands`, { command: `echo line-${i}` });
  await line.fill('echo line-39');
  await line.press('Enter');
  await until('the lines are there', async () => (await page.locator('.xterm-rows').innerText()).includes('line-39'));
  await page.getByTestId('terminal').hover();
  // A turn of the wheel is lost when the terminal is laid out again in the same moment; a person turns once more.
  await until('it stands further up', async () => {
    await page.mouse.wheel(0, -400);
    return page.getByRole('button', { name: /Jump to end|new lines?/ }).isVisible();
  });
  await world.ask('POST', `/containers/${ids.Trains}/commands`, { command: 'echo from-elsewhere' });
  await page.getByRole('button', { name: /\d+ new lines?/ }).click();
  await until('the end', async () => (await page.locator('.xterm-rows').innerText()).includes('from-elsewhere'));
  await page.keyboard.press('Control+f');
  await page.getByLabel('Find in console').fill('line-3');
  await page.getByText(/\d+ of \d+/).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Copy output' }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(copied.includes('from-elsewhere') && !copied.includes('\x1b'), 'what is copied has no colours');
});

test('all that is kept of a console is searched, seen in its place, and downloaded', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids.Trains}`);
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  await page.keyboard.press('Control+f');
  await page.getByLabel('Find in console').fill('LINE-2');
  await page.getByRole('button', { name: 'Search all…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Search entire console' });
  const hits = dialog.getByRole('list', { name: 'Results' });
  await hits
    .getByRole('button', { name: /line-2/ })
    .first()
    .waitFor();
  assert.equal(await hits.locator('mark').first().innerText(), 'line-2');
  await hits
    .getByRole('button', { name: /line-21/ })
    .first()
    .click();
  const around = dialog.getByTestId('context');
  await around.getByText('line-20').first().waitFor();
  assert.match(await around.locator('[aria-current]').innerText(), /line-21/);
  await dialog.getByRole('button', { name: 'Back to results' }).click();
  await dialog.getByLabel('Regular expression').check();
  await dialog.getByLabel('Text').fill('(');
  await dialog.getByRole('button', { name: 'Search', exact: true }).click();
  await dialog.getByText('This is not a regular expression').waitFor();
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Download console' }).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('dialog', { name: 'Download console' }).getByRole('link', { name: 'Download' }).click()
  ]);
  const text = readFileSync(await download.path(), 'utf8');
  assert.match(text, /^\d{4}-\d\d-\d\dT[\d:.]+Z .*line-39/m);
});

test('commands of earlier come back after a reload, and who sent them is listed', { timeout: 60_000 }, async () => {
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  const line = page.getByLabel('Command', { exact: true });
  await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
  await until('the earlier commands are there', async () => {
    await line.press('ArrowUp');
    return (await line.inputValue()) !== '';
  });
  assert.equal(await line.inputValue(), 'echo from-elsewhere');
  await line.press('ArrowUp');
  assert.equal(await line.inputValue(), 'echo line-39');
  await page.getByRole('button', { name: 'Command history' }).click();
  const first = page.getByRole('dialog', { name: 'Command history' }).getByRole('row').nth(1);
  await first.getByText('echo from-elsewhere').waitFor();
  await first.getByText('admin').waitFor();
  await page.keyboard.press('Escape');
});

test('what was used over the last hour is drawn beside what is used now', { timeout: 240_000 }, async () => {
  await page.getByRole('group', { name: 'Time range' }).getByRole('button', { name: 'Hour' }).click();
  const memory = page.getByRole('slider', { name: 'Memory over time' });
  // What was used is written down once a minute.
  await until('something was measured', async () => (await memory.getAttribute('aria-disabled')) === 'false', 3);
  await memory.focus();
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  await until('a value is told', async () => /\d ([KMG]i)?B|no data/.test((await memory.getAttribute('aria-valuetext')) ?? ''));
});

test('the graphs tell the value at a time, and why there is none', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids.Boats}`);
  await page.getByText('Measured while the container is running.').first().waitFor();
  await page.goto(`${world.base}/containers/${ids.Trains}`);
  const chart = page.getByRole('slider', { name: 'Memory over time' });
  await until('there are some measurements', async () => Number(await chart.getAttribute('aria-valuemax')) > 4);
  await chart.focus();
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowLeft');
  let told = await chart.getAttribute('aria-valuetext');
  if (/no data/.test(told)) {
    // The moment between what the host had measured before and what the page has received since; before it there is a value.
    await page.keyboard.press('ArrowLeft');
    told = await chart.getAttribute('aria-valuetext');
  }
  assert.match(told, /\d:\d\d.*: .*[KM]iB/);
  const last = await chart.getAttribute('aria-valuemax');
  await until('another measurement', async () => (await chart.getAttribute('aria-valuemax')) !== last);
  assert.equal(await chart.getAttribute('aria-valuetext'), told, 'the time that was chosen stays');
  await chart.blur();
  await until('it tells what is now', async () => (await chart.getAttribute('aria-valuetext')).startsWith('Now'));
  await until('the pointer is told the value', async () => {
    // A notice above may have moved the graph meanwhile.
    const place = await chart.boundingBox();
    await page.mouse.move(place.x + place.width - 6, place.y + 40 + Math.round(Math.random() * 4));
    return /\d:\d\d/.test(await chart.getAttribute('aria-valuetext'));
  });
});

test('the page to sign in has the focus where one begins to type', { timeout: 30_000 }, async () => {
  const visitor = await (await browser.newContext()).newPage();
  await visitor.goto(`${world.base}/sign-in`);
  await until('the focus', () => visitor.evaluate(() => document.activeElement?.getAttribute('name') === 'username'));
  await visitor.keyboard.type('admin');
  assert.equal(await visitor.getByLabel('User name or email').inputValue(), 'admin');
  await visitor.context().close();
});

test('the theme that was chosen is there before any program runs', { timeout: 30_000 }, async () => {
  const context = await browser.newContext({ colorScheme: 'light' });
  const dark = await context.newPage();
  const errors = [];
  dark.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await dark.goto(`${world.base}/sign-in`);
  await dark.evaluate(() => localStorage.setItem('theme', 'dark'));
  await dark.route('**/_app/**/*.js', (route) => route.abort());
  await dark.reload({ waitUntil: 'domcontentloaded' });
  assert.equal(await dark.evaluate(() => document.documentElement.dataset.theme), 'dark');
  assert.deepEqual(
    errors.filter((text) => /content security/i.test(text)),
    []
  );
  await context.close();
});

test('access and addresses that are taken away come back by Undo', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids.Boats}/access`);
  await page.getByRole('button', { name: 'Remove access of jonas' }).click();
  await page.getByText('Access of jonas removed.').waitFor();
  const held = async () =>
    (await world.ask('GET', `/containers/${ids.Boats}/access`)).items.filter((item) => item.user.username === 'jonas');
  assert.equal((await held()).length, 0);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Undone.').waitFor();
  assert.equal((await held())[0].level, 'user');

  await page.goto(`${world.base}/containers/${ids.Boats}/settings`);
  await page.getByRole('textbox', { name: 'Description' }).fill('For the summer');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await page.getByText('Saved.').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Undone.').waitFor();
  assert.equal((await world.ask('GET', `/containers/${ids.Boats}`)).description ?? '', '');

  const command = async () => (await world.ask('GET', `/containers/${ids.Boats}`)).startup_command;
  const before = await command();
  await page.goto(`${world.base}/containers/${ids.Boats}/startup`);
  await page.getByLabel('Startup command').fill(`${before} -d`);
  await page.getByRole('button', { name: 'Save changes' }).click();
  await page.getByText('Saved. Takes effect at the next start.').waitFor();
  assert.equal(await command(), `${before} -d`);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Undone.').waitFor();
  assert.equal(await command(), before);
});

test('what was changed and not saved is not lost by leaving the page', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids.Boats}/settings`);
  const description = page.getByRole('textbox', { name: 'Description' });
  const bar = page.getByRole('region', { name: 'Unsaved changes' });
  await description.fill('For the autumn');
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  await page.getByRole('link', { name: 'Console', exact: true }).click();
  const question = page.getByRole('dialog', { name: 'Unsaved changes' });
  await question.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await description.inputValue(), 'For the autumn');
  // Both forms of the page are saved by one button, and taken back together.
  await bar.getByRole('button', { name: 'Save changes' }).click();
  await bar.waitFor({ state: 'detached' });
  const stored = async () => {
    const { description, behaviour } = await world.ask('GET', `/containers/${ids.Boats}`);
    return [description ?? '', behaviour.timezone ?? ''];
  };
  assert.deepEqual(await stored(), ['For the autumn', 'Europe/Berlin']);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Undone.').last().waitFor();
  assert.deepEqual(await stored(), ['', '']);
  // What is refused stays in its field, with the reason.
  await page.getByLabel('Time zone').fill('Nowhere/Land');
  await bar.getByRole('button', { name: 'Save changes' }).click();
  await page.locator('#settings').getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Time zone').getAttribute('aria-invalid'), 'true');
  await page.getByRole('link', { name: 'Console', exact: true }).click();
  await question.getByRole('button', { name: 'Leave page' }).click();
  await page.getByRole('region', { name: 'Console' }).waitFor();
  assert.deepEqual(await stored(), ['', '']);
});

test('an owner is found by typing, by the keyboard alone', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids.Planes}/settings`);
  const owner = page.getByRole('combobox', { name: 'Owner' });
  await until('it names the owner', async () => (await owner.inputValue()) === 'admin');
  await owner.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.type('jon');
  await page.getByRole('option', { name: 'jonas' }).waitFor();
  await page.getByRole('option', { name: 'admin' }).waitFor({ state: 'detached' });
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  assert.equal(await owner.inputValue(), 'jonas');
  await page.getByRole('button', { name: 'Change owner' }).click();
  await page.getByText('Owner changed.').waitFor();
  assert.equal((await world.ask('GET', `/containers/${ids.Planes}`)).owner.username, 'jonas');
});

test('an API that goes away is said, and what was read stays', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  await page.getByRole('link', { name: 'Boats' }).waitFor();
  await world.api.stop();
  await page.getByText('Raptor isn’t responding.').first().waitFor({ timeout: 20_000 });
  assert.equal(await page.getByRole('link', { name: 'Boats' }).count(), 1);
  world.api.start();
  await world.answers();
  await page.getByText('What you see may be outdated').waitFor({ state: 'detached', timeout: 30_000 });
});
