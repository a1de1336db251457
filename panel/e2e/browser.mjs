// Chromium as the tests use it: Debian's own, never downloaded.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const launch = (more = {}) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    ...more
  });

/** With the cache for going back and forth, which people's browsers have and the tests' library switches off. */
export const launchAsPeopleDo = () => launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });

/** Signs in by the form, as a person does. */
export async function signIn(page, base, username, password) {
  await page.goto(`${base}/sign-in`);
  await page.getByLabel('User name or email').fill(username);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Containers', level: 1 }).waitFor();
}

/** What axe finds on the page as it is, a line for each kind. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => (await globalThis.axe.run(document, { resultTypes: ['violations'] })).violations);
  return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
}
