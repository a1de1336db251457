// Screenshots of every page in both themes and three widths, for looking at.
//   node e2e/screenshots.mjs <address> <user name> <password> <folder> [page…]
import { mkdirSync } from 'node:fs';
import { launch, signIn } from './browser.mjs';

const [base, username, password, folder, ...only] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node e2e/screenshots.mjs <address> <user name> <password> <folder> [page…]');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const browser = await launch();

const read = async (page, path) => (await page.request.get(`${base}/api/v1${path}`)).json();

for (const theme of ['light', 'dark']) {
  for (const width of [390, 820, 1440]) {
    const context = await browser.newContext({
      viewport: { width, height: width < 500 ? 844 : 900 },
      colorScheme: theme,
      deviceScaleFactor: 1,
      reducedMotion: 'reduce'
    });
    const page = await context.newPage();
    await page.goto(`${base}/sign-in`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    const shot = async (name) => {
      if (only.length > 0 && !only.includes(name)) return;
      await page.screenshot({ path: `${folder}/${name}-${theme}-${width}.png` });
    };
    await shot('sign-in');
    await signIn(page, base, username, password);
    const container = (await read(page, '/containers?phase=running&limit=1')).items[0] ?? (await read(page, '/containers?limit=1')).items[0];
    const daemon = (await read(page, '/daemons')).items[0];
    const template = (await read(page, '/templates?limit=1')).items[0];
    const pages = {
      containers: '/containers',
      new: `/containers/new?template=${template?.id}`,
      daemons: '/daemons',
      daemon: `/daemons/${daemon?.id}`,
      templates: '/templates',
      template: `/templates/${template?.id}`,
      users: '/users',
      roles: '/roles',
      activity: '/activity',
      account: '/account',
      console: `/containers/${container?.id}`,
      startup: `/containers/${container?.id}/startup`,
      network: `/containers/${container?.id}/network`,
      access: `/containers/${container?.id}/access`,
      'container-activity': `/containers/${container?.id}/activity`,
      settings: `/containers/${container?.id}/settings`
    };
    for (const [name, path] of Object.entries(pages)) {
      if (only.length > 0 && !only.includes(name)) continue;
      await page.goto(base + path);
      await page.waitForLoadState('load');
      await page.waitForTimeout(name === 'console' ? 4_000 : 900);
      await shot(name);
    }
    if (only.length === 0 || only.includes('palette')) {
      await page.goto(`${base}/containers`);
      await page.waitForTimeout(700);
      await page.keyboard.press('Control+k');
      await page.waitForTimeout(500);
      await shot('palette');
    }
    await context.close();
  }
}
await browser.close();
