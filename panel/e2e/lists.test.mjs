// Long lists, and what a browser does by itself: going back, its language, the wheel, and fonts that come late.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, PASSWORD, until, World } from './world.mjs';

const COUNT = 104;
let world, browser, page, ids;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };
const name = (i) => `Server ${String(i).padStart(3, '0')}`;

before(async () => {
  world = await World.up();
  browser = await launch();
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
  const daemon = (await world.ask('GET', '/daemons')).items[0];
  // Nothing is started, so that nobody minds which ports these are.
  await world.ask('POST', `/daemons/${daemon.id}/allocations`, { ip: '127.0.0.1', ports: `41000-${41000 + COUNT - 1}` });
  ids = [];
  for (let i = 0; i < COUNT; i++) {
    const body = { name: name(i), template_id: template.id, limits: LIMITS, skip_install: true, daemon_id: daemon.id };
    ids.push((await world.ask('POST', '/containers', body)).id);
  }
  page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await signIn(page, world.base, 'admin', PASSWORD);
});
after(async () => {
  await browser?.close();
  await world?.end();
});

test('"Select all" selects all containers, not only those that were loaded', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  await page.getByRole('link', { name: name(0) }).waitFor();
  await page.getByLabel('Select all').check();
  await page.getByRole('region', { name: 'Selected containers' }).getByText(`${COUNT} selected`).waitFor();
  await page.getByLabel('Select all').uncheck();
  await until('nothing is selected', async () => (await page.getByRole('region', { name: 'Selected containers' }).count()) === 0);
});

test('back returns to the row that was opened', { timeout: 90_000 }, async () => {
  await page.goto(`${world.base}/containers`);
  const far = page.getByRole('link', { name: name(102) });
  await page.getByRole('link', { name: name(0) }).waitFor();
  await until('the row is there', async () => {
    // Less than a screen at once: rows beyond the screen are not in the page, and a longer way could lead past this one.
    await page.mouse.wheel(0, 600);
    return far.isVisible();
  });
  await far.scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => scrollY);
  await far.click();
  await page.getByTestId('terminal').waitFor();
  await page.goBack();
  await until('the row is on the screen again', async () => {
    const box = await far.boundingBox().catch(() => null);
    return box && box.y > 0 && box.y < 800;
  });
  const now = await page.evaluate(() => scrollY);
  assert.ok(Math.abs(now - before) < 60, `${before} before, ${now} now`);
  // Also where the browser has to load everything anew.
  await far.click();
  await page.getByTestId('terminal').waitFor();
  await page.reload();
  await page.getByTestId('terminal').waitFor();
  await page.goBack();
  await until('the row is on the screen after a reload', async () => {
    const box = await far.boundingBox().catch(() => null);
    return box && box.y > 0 && box.y < 800;
  });
});

test('activity is filtered by time and by kinds of actions, and what is filtered has an address', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/activity`);
  const [kind, time] = [page.getByLabel('Action', { exact: true }), page.getByLabel('Time', { exact: true })];
  const asked = async (name, value) => until(`${name} is ${value}`, () => new URL(page.url()).searchParams.get(name) === value);
  const told = page.getByRole('region', { name: 'Activity' }).getByRole('row');
  await told.filter({ hasText: 'Server 103' }).first().waitFor();
  await kind.selectOption({ label: 'All: Templates' });
  await asked('kind', 'template');
  await told.filter({ hasText: 'Server 103' }).first().waitFor({ state: 'detached' });
  await told.filter({ hasText: 'Imported' }).first().waitFor();
  await time.selectOption({ label: 'Last hour' });
  await asked('within', 'hour');
  await page.reload();
  await told.filter({ hasText: 'Imported' }).first().waitFor();
  assert.deepEqual([await kind.inputValue(), await time.inputValue()], ['template.', 'hour']);

  await time.selectOption({ label: 'Custom range' });
  await page.getByLabel('Until').fill('2020-01-01T00:00');
  await page.getByText('No activity matches these filters.').waitFor();
  assert.equal(await page.getByLabel('Until').inputValue(), '2020-01-01T00:00');
  await page.getByRole('button', { name: 'Clear filters' }).click();
  await told.filter({ hasText: 'Server 103' }).first().waitFor();
  await until('nothing is asked for', () => new URL(page.url()).search === '');
});

test('a browser whose language is malformed shows the console and its graphs', { timeout: 60_000 }, async () => {
  const context = await browser.newContext({ storageState: await page.context().storageState() });
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'language', { get: () => 'C', configurable: true }));
  const other = await context.newPage();
  const problems = [];
  other.on('pageerror', (error) => problems.push(String(error)));
  await other.goto(`${world.base}/containers/${ids[0]}`);
  await other.getByTestId('terminal').waitFor();
  await other
    .getByRole('slider', { name: /over time/ })
    .first()
    .waitFor();
  assert.deepEqual(problems, []);
  await context.close();
});

test('the wheel over a number scrolls the page and changes nothing', { timeout: 60_000 }, async () => {
  await page.goto(`${world.base}/containers/${ids[0]}/settings`);
  const memory = page.getByLabel('Memory', { exact: true });
  await memory.click();
  const value = await memory.inputValue();
  await page.mouse.wheel(0, 120);
  await until('the page is scrolled', async () => page.evaluate(() => scrollY > 0));
  assert.equal(await memory.inputValue(), value);
});

test('after a cold visit the newest console lines are not hidden', { timeout: 60_000 }, async () => {
  // A context has a cache of its own: the font arrives after the terminal.
  const context = await browser.newContext({ storageState: await page.context().storageState(), viewport: { width: 1280, height: 800 } });
  const cold = await context.newPage();
  await cold.route('**/*.woff2', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await route.continue();
  });
  await cold.goto(`${world.base}/containers/${ids[0]}`);
  await cold.locator('.xterm-screen').waitFor();
  await until('the font is there', () => cold.evaluate(() => document.fonts.check("13px 'JetBrains Mono Variable'")));
  const over = () =>
    cold.evaluate(() => {
      const place = document.querySelector('[data-testid=terminal]').getBoundingClientRect();
      return document.querySelector('.xterm-screen').getBoundingClientRect().bottom - place.bottom;
    });
  await until('all rows are in sight', async () => (await over()) <= 0);
  for (const height of [750, 700, 800]) {
    const before = await cold.locator('.xterm-screen').boundingBox();
    await cold.setViewportSize({ width: 1280, height });
    await until('the terminal has another size', async () => (await cold.locator('.xterm-screen').boundingBox()).height !== before.height);
    assert.ok((await over()) <= 0, `${await over()} px are hidden at ${height}`);
  }
  await context.close();
});

/** What a page receives and asks for: requests of the API, and all bytes, the frames of its sockets among them. */
async function traffic(of) {
  const line = await of.context().newCDPSession(of);
  await line.send('Network.enable');
  const seen = { asked: [], bytes: 0, stats: 0 };
  // The panel's own files come while nothing else does.
  const files = new Set();
  line.on('Network.requestWillBeSent', ({ requestId, request }) => {
    if (request.url.includes('/_app/')) files.add(requestId);
    else seen.asked.push(request.url.split('/api/v1')[1] ?? request.url);
  });
  line.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => (seen.bytes += files.has(requestId) ? 0 : encodedDataLength));
  line.on('Network.webSocketFrameReceived', ({ response }) => {
    seen.bytes += response.payloadData.length;
    if (response.payloadData.includes('"type":"stats"')) seen.stats += 1;
  });
  return seen;
}

test(
  'a list of running containers that nobody touches asks for nothing, and for one row after a rename',
  { timeout: 300_000 },
  async () => {
    const document = JSON.parse(readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
    const { template } = await world.ask(
      'POST',
      '/templates/import?on_existing=keep_both',
      JSON.stringify({ ...document, config: { ...document.config, startup: '{"done":"ready"}' } })
    );
    const daemon = (await world.ask('GET', '/daemons')).items[0];
    const limits = { ...LIMITS, memory_mib: 32, disk_mib: 32 };
    const running = [];
    for (let i = 0; i < 32; i++) {
      const made = {
        name: `Busy ${String(i).padStart(3, '0')}`,
        template_id: template.id,
        daemon_id: daemon.id,
        limits,
        skip_install: true,
        allocation_count: 0
      };
      running.push(
        (await world.ask('POST', '/containers', { ...made, startup_command: `sh -c 'echo ready; while :; do sleep 1; done'` })).id
      );
    }
    const list = await page.context().newPage();
    await list.setViewportSize({ width: 1280, height: 2_400 });
    for (const [from, to] of [
      [0, 5],
      [5, 32]
    ]) {
      for (const id of running.slice(from, to)) await world.ask('POST', `/containers/${id}/power`, { action: 'start' });
      await until('they run and are measured', async () => {
        const { items } = await world.ask('GET', '/containers?search=Busy&limit=100');
        return items.filter(({ live }) => live.phase === 'running' && live.stats).length === to;
      });
      await list.goto(`${world.base}/containers?search=Busy`);
      await until('their memory is shown', async () => (await list.getByRole('row').filter({ hasText: ' MiB' }).count()) >= to);
      const seen = await traffic(list);
      await until('four measurements have come', () => seen.stats >= 4);
      assert.deepEqual(seen.asked, [], 'nothing is asked for');
      // A measurement of a row takes less than 30 bytes; the frame around it and the beats between them less than 400.
      assert.ok(seen.bytes < seen.stats * (to * 30 + 400), `${seen.bytes} bytes for ${seen.stats} measurements of ${to} containers`);

      Object.assign(seen, { asked: [], bytes: 0, stats: 0 });
      await world.ask('PUT', `/containers/${running[2]}`, { name: `Busy 002 of ${to}` });
      await list.getByRole('link', { name: `Busy 002 of ${to}` }).waitFor();
      await until('two more measurements have come', () => seen.stats >= 2);
      // Once for the new name, and once when the host has taken it over. The host may have news of another row meanwhile, never of all.
      const rows = seen.asked.flatMap((url) => /^\/containers\?ids=([^&]*)&limit=100$/.exec(url)?.[1].split('%2C') ?? [url]);
      const renamed = rows.filter((id) => id === running[2]).length;
      assert.ok(renamed >= 1 && renamed <= 2, seen.asked.join('\n'));
      assert.ok(rows.every((id) => running.includes(id)) && rows.length - renamed < to / 2, seen.asked.join('\n'));
      assert.ok(
        seen.bytes < rows.length * 1_600 + seen.stats * (to * 30 + 400),
        `${seen.bytes} bytes for a rename and ${rows.length} rows`
      );
    }
    await list.close();
  }
);
