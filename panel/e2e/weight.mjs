// What a page of the panel weighs on a first visit, with an empty cache: node e2e/weight.mjs prints it.
import { readFileSync } from 'node:fs';
import { launch } from './browser.mjs';
import { egg, PASSWORD, World } from './world.mjs';

/** The kinds of files that are told apart. */
const KINDS = { Document: 'HTML', Stylesheet: 'CSS', Script: 'JS', Font: 'fonts' };
const ALL = ['HTML', 'CSS', 'JS', 'fonts'];

/** A page, and all that is loaded for it but the API's answers: bytes over the wire, by kind and in the order in which they came. */
async function counted(context) {
  const page = await context.newPage();
  const line = await page.context().newCDPSession(page);
  await line.send('Network.enable');
  const known = new Map();
  const files = [];
  const kindOf = (type, url) => (url.endsWith('.js') ? 'JS' : KINDS[type]);
  line.on('Network.requestWillBeSent', ({ requestId, type, request }) => known.set(requestId, { type, url: request.url }));
  line.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const { type, url } = known.get(requestId) ?? {};
    const kind = url && !url.includes('/api/') && kindOf(type, url);
    if (kind) files.push({ kind, url, bytes: encodedDataLength });
  });
  return { page, files };
}

const sum = (files) => files.reduce((all, { bytes }) => all + bytes, 0);

/** Opens an address, and says what came until `ready` was there and its fonts were, and what comes by itself once the browser is idle. */
async function first(context, address, ready) {
  const { page, files } = await counted(context);
  // Whatever is done when the browser is idle waits, so that it is told from what the page needs.
  await page.addInitScript(() => {
    globalThis.waiting = [];
    globalThis.requestIdleCallback = (run) => globalThis.waiting.push(run);
  });
  await page.goto(address);
  await ready(page);
  await page.waitForLoadState('networkidle');
  await page.evaluate(() => document.fonts.ready);
  const needed = [...files];
  await page.evaluate(() => globalThis.waiting.forEach((run) => run()));
  for (let count = -1; count !== files.length; await page.waitForTimeout(1_000)) count = files.length;
  const later = files.slice(needed.length);
  await page.close();
  return { needed, bytes: sum(needed), later: sum(later), files };
}

/** A context with an empty cache in which somebody is signed in, as `cookies` say. */
async function signedIn(browser, base, locale) {
  const context = await browser.newContext({ locale, viewport: { width: 1280, height: 800 } });
  await context.request.post(`${base}/api/v1/auth/sign-in`, {
    data: { login: 'admin', password: PASSWORD },
    headers: { 'X-Raptor-CSRF': '1' }
  });
  await context.addInitScript(() => localStorage.setItem('signed-in', 'true'));
  return context;
}

/** The three pages that people come to first. `id` is a container's, which has written something. */
export async function weigh(browser, base, id, locale = 'en-US') {
  const visitor = await browser.newContext({ locale });
  const weights = {
    'sign-in': await first(visitor, `${base}/sign-in`, (page) => page.locator('[name=password]').waitFor()),
    list: await first(await signedIn(browser, base, locale), `${base}/containers`, (page) => page.getByRole('row').nth(1).waitFor()),
    console: await first(await signedIn(browser, base, locale), `${base}/containers/${id}`, async (page) => {
      await page.locator('.xterm-rows').getByText('Raptor').first().waitFor();
    })
  };
  for (const context of browser.contexts()) await context.close();
  return weights;
}

/** A container whose console has a line. */
export async function spoken(world) {
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };
  const made = { name: 'Weighed', template_id: template.id, limits, skip_install: true, allocation_count: 0 };
  const { id } = await world.ask('POST', '/containers', { ...made, startup_command: 'echo hello' });
  await world.ask('POST', `/containers/${id}/power`, { action: 'start' });
  return id;
}

if (import.meta.filename === process.argv[1]) {
  const world = await World.up();
  const browser = await launch();
  try {
    const id = await spoken(world);
    for (const locale of ['en-US', 'de-DE']) {
      console.log(locale);
      for (const [name, { needed, bytes, later, files }] of Object.entries(await weigh(browser, world.base, id, locale))) {
        const kinds = ALL.map((kind) => `${kind} ${(sum(needed.filter((file) => file.kind === kind)) / 1_000).toFixed(1)}`).join(', ');
        console.log(
          `${name}: ${(bytes / 1_000).toFixed(1)} kB in ${needed.length} files (${kinds}); ${(later / 1_000).toFixed(1)} kB later`
        );
        if (process.env.VERBOSE) for (const file of files) console.log(`  ${needed.includes(file) ? ' ' : '+'} ${file.bytes} ${file.url}`);
      }
    }
  } finally {
    await browser.close();
    await world.end();
  }
}
