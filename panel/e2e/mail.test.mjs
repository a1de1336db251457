// Forgotten passwords, notices and the mail server's state, with a real mail server.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { freePort, PASSWORD, until, World } from './world.mjs';

const skip = !existsSync('/usr/bin/aiosmtpd') && process.env.CI !== 'true' && 'python3-aiosmtpd is not there';
const SERVER = new URL('../../e2e/mail/server.py', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'raptor-mail-'));
let world, browser, port, server;

const listens = () =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket.end() && true));
    socket.once('error', () => resolve(false));
  });

before(async () => {
  if (skip) return;
  port = await freePort();
  server = spawn('/usr/bin/python3', [SERVER, String(port), folder], { stdio: 'ignore' });
  await until('the mail server listens', listens);
  world = await World.up({
    SMTP_HOST: '127.0.0.1',
    SMTP_PORT: String(port),
    SMTP_SECURITY: 'none',
    SMTP_FROM: 'Raptor <raptor@example.com>',
    APP_URL: 'http://panel.example.com'
  });
  browser = await launch();
  await world.user('jonas', 'user');
});
after(async () => {
  await browser?.close();
  await world?.end();
  server?.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const taken = (to) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
    .filter((mail) => mail.to === to);
const visitor = async () => (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();

test('a forgotten password is replaced by the link in a mail', { skip, timeout: 90_000 }, async () => {
  const page = await visitor();
  await page.goto(`${world.base}/sign-in`);
  await page.getByRole('link', { name: 'Forgot your password?' }).click();
  // The field of the page before has the same name.
  await page.getByRole('heading', { name: 'Forgot your password?' }).waitFor();
  await page.getByLabel('User name or email').fill('jonas');
  await page.getByRole('button', { name: 'Send link' }).click();
  await page.getByRole('heading', { name: 'Check your inbox' }).waitFor();
  const mail = await until('the mail arrives', () => taken('jonas@example.com')[0]);
  const link = /http:\/\/panel\.example\.com(\/reset-password#\S+)/.exec(mail.text)[1];

  await page.goto(world.base + link);
  await page.getByLabel('New password').fill('another horse battery');
  assert.ok(!page.url().includes('#'), 'the token leaves the address');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('Password changed').waitFor();
  await signIn(page, world.base, 'jonas', 'another horse battery');
  await until('the owner is told', () => taken('jonas@example.com').some((mail) => mail.subject === 'Your Raptor password was changed'));

  await page.goto(`${world.base}/account`);
  const notices = page.getByLabel('When somebody gives me access');
  await notices.uncheck();
  await until('it is kept', async () => {
    await page.reload();
    await page.getByRole('heading', { name: 'Email notifications' }).waitFor();
    return !(await notices.isDisabled()) && !(await notices.isChecked());
  });
  assert.equal(await page.getByRole('link', { name: 'Email', exact: true }).count(), 0, 'a user does not see the mail server');

  const late = await visitor();
  await late.goto(world.base + link);
  await late.getByLabel('New password').fill('a third horse battery');
  await late.getByRole('button', { name: 'Change password' }).click();
  await late.getByRole('alert').filter({ hasText: 'is no longer valid' }).waitFor();
  await late.getByRole('link', { name: 'Request a new link' }).click();
  await late.getByRole('heading', { name: 'Forgot your password?' }).waitFor();
});

test('an administrator sees whether mail works and tries it', { skip, timeout: 90_000 }, async () => {
  const page = await visitor();
  await signIn(page, world.base, 'admin', PASSWORD);
  await page.getByRole('link', { name: 'Email', exact: true }).click();
  await page.getByText(`127.0.0.1:${port}, not encrypted`).waitFor();
  await page.getByRole('button', { name: 'Send test message' }).click();
  await page.getByText('Sent to admin@localhost').waitFor();
  assert.equal(taken('admin@localhost').length, 1);
  server.kill('SIGKILL');
  await until('it is gone', async () => !(await listens()));
  await page.getByRole('button', { name: 'Send test message' }).click();
  await page
    .getByText(/The mail server .* can't be used/)
    .first()
    .waitFor();
  await page.getByLabel('Show unsent mail only').check();
  await page.getByRole('list', { name: 'Sent mail' }).getByText('Given up').first().waitFor();
});

test('without a mail server nobody is offered a mail', { skip, timeout: 60_000 }, async () => {
  const dumb = await World.up();
  try {
    const page = await visitor();
    await page.goto(`${dumb.base}/forgot-password`);
    await page.getByText('This Raptor can’t send email').waitFor();
    await signIn(page, dumb.base, 'admin', PASSWORD);
    await page.getByRole('link', { name: 'Email', exact: true }).click();
    await page.getByText('No mail server is set up').waitFor();
    await page.goto(`${dumb.base}/account`);
    await page.getByRole('heading', { name: 'SSH keys' }).waitFor();
    assert.equal(await page.getByRole('heading', { name: 'Email notifications' }).count(), 0);
  } finally {
    await dumb.end();
  }
});
