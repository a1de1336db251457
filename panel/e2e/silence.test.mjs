// Lines that are dead but not closed: noticed, said, and nothing that was ordered on them is carried out later.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { Silence } from './silence.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

let world, browser, page, template;
const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };
// Says back what it is told, so that each command that arrives is seen.
const ECHO = "sh -c 'echo Map generated, starting game; while read line; do echo got $line; done'";

before(async () => {
  world = await World.up();
  template = (await world.ask('POST', '/templates/import', readFileSync(egg('~raptor-test/busybox:1'), 'utf8'))).template;
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await world?.end();
});

async function running(name, more = {}) {
  const made = {
    name,
    template_id: template.id,
    limits,
    skip_install: true,
    allocation_count: 0,
    startup_command: ECHO,
    start: true,
    ...more
  };
  const { id } = await world.ask('POST', '/containers', made);
  await until(`${name} runs`, async () => {
    const { live } = await world.ask('GET', `/containers/${id}`);
    return live.phase === 'running';
  });
  return id;
}
const lines = async (id) => (await world.ask('GET', `/containers/${id}/console?limit=200`)).lines.map(({ text }) => text);
const since = async (id) => (await world.ask('GET', `/containers/${id}`)).live.since;

test('between browser and Raptor: it is said, orders are not carried out afterwards, and all goes on', { timeout: 240_000 }, async () => {
  const id = await running('Dead line');
  const line = await Silence.before(new URL(world.base).port);
  const base = `http://127.0.0.1:${line.port}`;
  page = await browser.newPage();
  await signIn(page, base, 'admin', PASSWORD);
  await page.goto(`${base}/containers/${id}`);
  const live = page.getByRole('status').filter({ hasText: /^\s*Live\s*$/ });
  await live.waitFor();
  const command = page.getByRole('textbox', { name: 'Command' });
  await command.fill('before');
  await command.press('Enter');
  await until('a command that arrives leaves the field', async () => (await command.inputValue()) === '');
  await until('it is carried out', async () => (await lines(id)).includes('got before'));
  const started = await since(id);

  line.fall();
  await command.fill('into the void');
  await command.press('Enter');
  await page.getByRole('button', { name: 'Restart' }).click();
  await page.getByRole('status').filter({ hasText: 'Reconnecting…' }).first().waitFor();
  await page.getByText('Check the console before sending it again', { exact: false }).first().waitFor();
  await page.getByText('Raptor isn’t responding.').first().waitFor();
  assert.equal(await command.inputValue(), 'into the void', 'what was not confirmed is still there');
  await page.getByText('may or may not have been made', { exact: false }).first().waitFor();

  line.end();
  await live.waitFor();
  await page.getByText('Raptor isn’t responding.').first().waitFor({ state: 'detached' });
  await command.fill('after');
  await command.press('Enter');
  await until('what is ordered now is carried out', async () => (await lines(id)).includes('got after'));
  assert.ok(!(await lines(id)).includes('got into the void'), 'the old command came too late');
  assert.equal(await since(id), started, 'nor was it restarted');
  line.close();
  await page.close();
});

test(
  'between Raptor and a daemon: it is said, orders are refused at once and not carried out afterwards',
  { timeout: 240_000 },
  async () => {
    const port = await freePort();
    const line = await Silence.before(port);
    const { daemon, api_key } = await world.ask('POST', '/daemons', { name: 'Far', host: '127.0.0.1', port: line.port });
    await world.daemon(port, api_key);
    const state = async () => (await world.ask('GET', `/daemons/${daemon.id}`)).connection.state;
    await until('the daemon is online', async () => (await state()) === 'online');
    const id = await running('Far away', { daemon_id: daemon.id });
    const started = await since(id);

    line.fall();
    // One order while nobody knows yet.
    const first = world.ask('POST', `/containers/${id}/commands`, { command: 'into the void' }).then(() => null, String);
    await until('the daemon is said to be away', async () => (await state()) === 'unreachable');
    for (const [path, body] of [
      ['power', { action: 'restart' }],
      ['commands', { command: 'later' }]
    ]) {
      const refused = await world.ask('POST', `/containers/${id}/${path}`, body).then(() => null, String);
      assert.match(refused, /answered 503.*daemon_unreachable/);
    }
    assert.match(await first, /answered 503.*(may have been done or not|lost)/);
    // Longer than an order holds.
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    line.end();
    await until('the daemon is back', async () => (await state()) === 'online');
    await world.ask('POST', `/containers/${id}/commands`, { command: 'after' });
    await until('what is ordered now is carried out', async () => (await lines(id)).includes('got after'));
    assert.ok(!(await lines(id)).some((text) => text === 'got into the void' || text === 'got later'));
    assert.equal(await since(id), started);
    await world.ask('DELETE', `/containers/${id}`);
    await until('it is gone', async () => !(await world.ask('GET', '/containers?limit=100')).items.some((item) => item.id === id));
    line.close();
  }
);
