// The proof in the browser: from the sign-in page to a running game server and back, by mouse and keyboard alone.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

let world, browser, page, port;
const problems = [];

before(async () => {
  world = await World.up();
  // A port that nothing else on this machine has.
  port = await freePort();
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: String(port) });
  browser = await launch();
  page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
});
after(async () => {
  await browser?.close();
  await world?.end();
});

const output = () => page.locator('.xterm-rows').innerText();
const heading = () => page.locator('h1').locator('..');

test('an administrator runs a game server', { timeout: 170_000 }, async (t) => {
  await t.test('a wrong password is refused in words', async () => {
    await page.goto(`${world.base}/daemons`);
    await page.waitForURL('**/sign-in?next=%2Fdaemons');
    await page.getByLabel('User name or email').fill('admin');
    await page.getByLabel('Password', { exact: true }).fill('not this one');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page
      .getByRole('alert')
      .filter({ hasText: /password/i })
      .waitFor();
    problems.length = 0; // The browser itself reports the refusals.
  });

  await t.test('an egg is imported', async () => {
    await signIn(page, world.base, 'admin', PASSWORD);
    await page.getByText('No containers yet').waitFor();
    await page.getByRole('link', { name: 'Templates' }).click();
    await page.getByText('No templates yet').waitFor();
    await page.getByTestId('egg-files').setInputFiles(egg());
    await page.getByRole('dialog').getByText('Imported as is.').waitFor();
    await page.getByRole('button', { name: 'Done' }).click();
    await page
      .getByRole('link', { name: /OpenTTD/ })
      .first()
      .waitFor();
  });

  await t.test('a container is created and runs', async () => {
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Search' }).fill('create');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Create container' }).waitFor();
    await page.getByLabel('Name', { exact: true }).fill('Trains');
    await page.getByLabel('Daemon').selectOption({ index: 1 });
    await page.getByLabel('Allocations').selectOption(`127.0.0.1:${port}`);
    await page.getByLabel('Memory', { exact: true }).fill('512');
    await page.getByLabel('Server Name').fill('Trains of the panel');
    await page.getByLabel('Skip installation').check();
    await page.getByRole('button', { name: 'Create container' }).click();
    await page.getByRole('heading', { name: 'Trains', level: 1 }).waitFor();
    await heading().getByText('Running').waitFor({ timeout: 60_000 });
    await until('the console shows the map', async () => (await output()).includes('Map generated'));
  });

  await t.test('a client connects to the address that the panel shows', async () => {
    const shown = await heading()
      .locator('..')
      .getByRole('button', { name: /^Copy / })
      .innerText();
    assert.equal(shown.trim(), `127.0.0.1:${port}`);
    await new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(socket.destroy()));
      socket.once('error', reject);
    });
  });

  await t.test('a typed command is answered', async () => {
    const line = page.getByRole('textbox', { name: 'Command' });
    await until('the answer', async () => {
      await line.fill('server_info');
      await line.press('Enter');
      await page.waitForTimeout(500);
      return (await output()).includes('Current/maximum clients');
    });
    await line.press('ArrowUp');
    assert.equal(await line.inputValue(), 'server_info');
    await line.fill('');
    await page.getByText(/of 512 MiB/).waitFor();
    await until('the uptime', async () => /Uptime\s+\d+/.test(await page.locator('dl', { hasText: 'Uptime' }).innerText()));
  });

  await t.test('a restarted API is found again without a lost or doubled line', async () => {
    // A session outlives the restart; the game never notices.
    const id = page.url().split('/').at(-1);
    const before = (await world.ask('GET', `/containers/${id}`)).live.since;
    await world.restart();
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor();
    assert.equal((await world.ask('GET', `/containers/${id}`)).live.since, before);
    const line = page.getByRole('textbox', { name: 'Command' });
    await until('an answer after the restart', async () => {
      await line.fill('echo after-the-restart');
      await line.press('Enter');
      await page.waitForTimeout(500);
      return (await output()).split('\n').some((text) => text.trim() === 'after-the-restart');
    });
    const maps = (await output()).split('\n').filter((text) => text.includes('Map generated')).length;
    assert.ok(maps <= 1, 'lines that were shown are not shown again');
  });

  await t.test('it stops by the stop command', async () => {
    await page.getByRole('group', { name: 'Power' }).getByRole('button', { name: 'Stop' }).click();
    await heading().getByText('Offline').waitFor({ timeout: 60_000 });
    const id = page.url().split('/').at(-1);
    const { last_exit: exit } = (await world.ask('GET', `/containers/${id}`)).live;
    assert.deepEqual([exit.code, exit.crash], [0, false]);
    await page.getByRole('link', { name: 'Activity', exact: true }).last().click();
    await page.getByRole('cell', { name: /Stopped/ }).waitFor();
  });

  await t.test('it is deleted after its name is typed', async () => {
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('button', { name: 'Delete…' }).click();
    const verb = page.getByRole('button', { name: 'Delete container' });
    assert.ok(await verb.isDisabled());
    await page.getByLabel(/^Type Trains/).fill('Trains');
    await verb.click();
    await page.getByText('No containers yet').waitFor({ timeout: 30_000 });
  });

  const own = problems.filter((text) => !/Failed to load resource|WebSocket connection|ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(text));
  assert.deepEqual(own, [], 'the pages reported errors');
});
