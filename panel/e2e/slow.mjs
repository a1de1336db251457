// How long a first visit takes over a slow line: node e2e/slow.mjs [kbit/s] [ms]. Prints what docs/benchmarks.md says.
import { readFileSync } from 'node:fs';
import { launch } from './browser.mjs';
import { egg, PASSWORD, World } from './world.mjs';

const [kilobits = 400, latency = 400] = process.argv.slice(2).map(Number);
const LIMITS = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };

/** Slows the line of a page, and counts what comes over it. */
async function slowed(page) {
  const line = await page.context().newCDPSession(page);
  const counted = { requests: 0, bytes: 0 };
  await line.send('Network.enable');
  const throughput = (kilobits * 1000) / 8;
  await line.send('Network.emulateNetworkConditions', {
    offline: false,
    latency,
    downloadThroughput: throughput,
    uploadThroughput: throughput
  });
  const cached = new Set();
  line.on('Network.requestServedFromCache', ({ requestId }) => cached.add(requestId));
  line.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (cached.has(requestId) || encodedDataLength === 0) return;
    counted.requests += 1;
    counted.bytes += encodedDataLength;
  });
  return counted;
}

const world = await World.up();
const browser = await launch();
try {
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  const ids = [];
  for (let i = 0; i < 20; i++) {
    const made = { name: `Server ${i}`, template_id: template.id, limits: LIMITS, skip_install: true, allocation_count: 0 };
    ids.push((await world.ask('POST', '/containers', made)).id);
  }
  const rows = (page) => page.getByRole('link', { name: 'Server 1', exact: true }).waitFor();
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const counted = await slowed(page);
  const step = async (what, work) => {
    const before = { ...counted };
    const began = performance.now();
    await work();
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `${what}: ${seconds} s, ${counted.requests - before.requests} requests, ${Math.round((counted.bytes - before.bytes) / 1000)} kB`
    );
  };
  console.log(`${kilobits} kbit/s, ${latency} ms`);
  await step('first visit → form', async () => {
    await page.goto(`${world.base}/containers`, { waitUntil: 'commit' });
    await page.getByLabel('User name or email').waitFor();
  });
  await page.getByLabel('User name or email').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  // What a person takes to type it.
  await page.waitForTimeout(3_000);
  await step('sign-in → rows', async () => {
    await page.getByRole('button', { name: 'Sign in' }).click();
    await rows(page);
  });
  await page.waitForTimeout(3_000);
  await step('row → console', async () => {
    await page.getByRole('link', { name: 'Server 1', exact: true }).click();
    await page.locator('.xterm-screen').waitFor();
    await page
      .getByRole('status')
      .filter({ hasText: /^\s*Live\s*$/ })
      .waitFor();
  });
  await page.waitForTimeout(3_000);
  await step('console, loaded anew', async () => {
    await page.reload({ waitUntil: 'commit' });
    await page.locator('.xterm-screen').waitFor();
    await page
      .getByRole('status')
      .filter({ hasText: /^\s*Live\s*$/ })
      .waitFor();
  });
  await page.waitForTimeout(2_000);
  await step('list, loaded anew', async () => {
    await page.goto(`${world.base}/containers`, { waitUntil: 'commit' });
    await rows(page);
  });
  const cold = await (
    await browser.newContext({ storageState: await context.storageState(), viewport: { width: 1280, height: 800 } })
  ).newPage();
  Object.assign(counted, { requests: 0, bytes: 0 });
  const other = await slowed(cold);
  const began = performance.now();
  await cold.goto(`${world.base}/containers/${ids[1]}`, { waitUntil: 'commit' });
  await cold.locator('.xterm-screen').waitFor();
  await cold
    .getByRole('status')
    .filter({ hasText: /^\s*Live\s*$/ })
    .waitFor();
  console.log(
    `console, first visit while signed in: ${((performance.now() - began) / 1000).toFixed(1)} s, ${other.requests} requests, ${Math.round(other.bytes / 1000)} kB`
  );
} finally {
  await browser.close();
  await world.end();
}
