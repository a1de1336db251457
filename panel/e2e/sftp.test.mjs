// Keys under Account, the card on the container, and OpenSSH's client with what both say.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, PASSWORD, World } from './world.mjs';

let world, browser, own;
const LIMITS = { memory_mib: 256, swap_mib: 0, cpu_percent: 0, disk_mib: 512, pids: 64, io_weight: 500 };

before(async () => {
  world = await World.up();
  browser = await launch();
  own = mkdtempSync(join(tmpdir(), 'raptor-e2e-sftp-'));
});
after(async () => {
  await browser?.close();
  await world?.end();
  rmSync(own, { recursive: true, force: true });
});

test(
  'what the panel shows is what OpenSSH needs',
  { timeout: 90_000, skip: !existsSync('/usr/bin/sftp') && process.env.CI !== 'true' },
  async () => {
    const key = join(own, 'id');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'laptop', '-f', key]);
    const { template } = await world.ask('POST', '/templates/import', readFileSync(egg(), 'utf8'));
    const { id } = await world.ask('POST', '/containers', { name: 'Files', template_id: template.id, limits: LIMITS, skip_install: true });

    const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
    await signIn(page, world.base, 'admin', PASSWORD);
    await page.goto(`${world.base}/account`);
    await page.getByRole('button', { name: 'Add key' }).first().click();
    await page.getByLabel('Public key').fill('not a key');
    await page.getByRole('dialog').getByRole('button', { name: 'Add key' }).click();
    await page.getByRole('alert').filter({ hasText: '.pub' }).waitFor();
    await page.getByLabel('Public key').fill(readFileSync(`${key}.pub`, 'utf8'));
    await page.getByRole('dialog').getByRole('button', { name: 'Add key' }).click();
    const fingerprint = execFileSync('ssh-keygen', ['-l', '-f', `${key}.pub`], { encoding: 'utf8' }).split(' ')[1];
    await page.getByText(fingerprint).waitFor();
    await page.getByText('never used').waitFor();
    if (process.env.RAPTOR_SHOTS) await page.screenshot({ path: join(process.env.RAPTOR_SHOTS, 'account.png'), fullPage: true });

    await page.goto(`${world.base}/containers/${id}/network`);
    const line = await page.getByRole('button', { name: /^Copy sftp -P/ }).innerText();
    if (process.env.RAPTOR_SHOTS) await page.screenshot({ path: join(process.env.RAPTOR_SHOTS, 'network.png'), fullPage: true });
    const [, port, place] = line.trim().match(/^sftp -P (\d+) (\S+)$/);
    const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'IdentitiesOnly=yes', 'BatchMode=yes'].flatMap(
      (option) => ['-o', option]
    );
    const listed = execFileSync('sftp', [...options, '-i', key, '-P', port, '-b', '-', place], {
      input: 'mkdir made\nls\n',
      encoding: 'utf8'
    });
    assert.match(listed, /made/);

    await page.goto(`${world.base}/account`);
    await page
      .getByText(/used (just now|\d)/)
      .first()
      .waitFor();
    await page.getByRole('button', { name: 'Delete the key laptop' }).click();
    await page.getByRole('button', { name: 'Delete key' }).click();
    await page.getByText('No keys yet.').waitFor();
    assert.throws(() => execFileSync('sftp', [...options, '-i', key, '-P', port, '-b', '-', place], { input: 'ls\n', stdio: 'pipe' }));
  }
);
