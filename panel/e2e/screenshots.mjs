// Screenshots of every page in both themes and three widths (WIDTHS says others), for looking at.
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
  for (const width of (process.env.WIDTHS ?? '390,768,1440').split(',').map(Number)) {
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
    await page.getByLabel('User name or email').fill('nobody');
    await page.getByLabel('Password', { exact: true }).fill('not the password');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').first().waitFor();
    await shot('sign-in-refused');
    await page.goto(`${base}/forgot-password`);
    await page.locator('h1').waitFor();
    await shot('forgot-password');
    await signIn(page, base, username, password);
    const container =
      (await read(page, '/containers?phase=running&limit=1')).items[0] ?? (await read(page, '/containers?limit=1')).items[0];
    const daemons = (await read(page, '/daemons')).items;
    // One of each state that a link to a host can be in.
    const states = Object.fromEntries(
      daemons.map(({ id, connection }) => [`daemon-${connection.message ? 'trouble' : ''}${connection.state}`, `/daemons/${id}`])
    );
    const template = (await read(page, '/templates?limit=1')).items[0];
    const pages = {
      containers: '/containers',
      'containers-none': '/containers?search=nothing-is-called-this',
      new: `/containers/new?template=${template?.id}`,
      daemons: '/daemons',
      ...states,
      templates: '/templates',
      template: `/templates/${template?.id}`,
      catalogue: '/templates/catalogue',
      'catalogue-entry': '/templates/catalogue/docker-image',
      users: '/users',
      'user-new': '/users?create',
      roles: '/roles',
      activity: '/activity',
      mail: '/mail',
      account: '/account',
      console: `/containers/${container?.id}`,
      files: `/containers/${container?.id}/files`,
      file: `/containers/${container?.id}/files?path=/&open=/server.properties`,
      trash: `/containers/${container?.id}/files?path=/&trash`,
      startup: `/containers/${container?.id}/startup`,
      network: `/containers/${container?.id}/network`,
      access: `/containers/${container?.id}/access`,
      'container-activity': `/containers/${container?.id}/activity`,
      settings: `/containers/${container?.id}/settings`,
      'no-container': '/containers/00000000-0000-7000-8000-000000000000',
      'no-page': '/nowhere'
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
