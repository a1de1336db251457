// docker-compose.yml as a newcomer starts it, and what comes after. What is left to the images' own stages is to compile.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from '../browser.mjs';
import { ADDRESS, API, begin, compose, composed, gone, health, images, logs, NETWORK, PANEL, ROOT, run, up, within } from './stack.mjs';
import { egg, freePort, PASSWORD, until, World } from '../world.mjs';

const MIB = 1024 * 1024;
let browser;

async function call(base, method, path, { token, body } = {}) {
  return fetch(`${base}/api/v1${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body)
  });
}
const signIn = (base, password) => call(base, 'POST', '/auth/sign-in', { body: { login: 'admin', password } });

async function enter(page, password) {
  await page.goto(`${PANEL}/sign-in`);
  await page.getByLabel('User name or email').fill('admin');
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

before(async () => {
  begin();
  images();
  browser = await launch();
  up();
});
after(async () => {
  await browser?.close();
  gone();
});

test('the file says nothing that Compose does not know, and every port is for the address that is set', () => {
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  assert.doesNotMatch(text, /^version:/m);
  // Checks the file against the schema of Compose.
  const others = compose(['config'], { BIND_ADDRESS: '192.0.2.7' });
  const ports = [...others.matchAll(/^ +- (\S+):(\d+):(\d+)\/tcp$/gm)].map(([, ...port]) => port.join(' '));
  assert.deepEqual(ports.sort(), ['192.0.2.7 3000 3000', '192.0.2.7 5173 5173', '192.0.2.7 5432 5432']);
  assert.match(others, /^ +PUBLISHED_ADDRESS: 192\.0\.2\.7$/m);
  assert.match(compose(['config'], { BIND_ADDRESS: '' }), /^ +- 127\.0\.0\.1:3000:3000\/tcp$/m);
});

test('every setting of the API can be set with Compose', () => {
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  const [example] = readFileSync(join(ROOT, 'raptor-api-bin/.env.example'), 'utf8').split('# Only for `raptor-api up`');
  const names = [...example.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name);
  // The key is in a file, which is made in the API's volume.
  const left = names.filter((name) => !new RegExp(`^ +${name}:`, 'm').test(text));
  assert.deepEqual(left, ['APP_KEY']);
});

test('the images compile what the workspace is made of', () => {
  const manifest = readFileSync(join(ROOT, 'Cargo.toml'), 'utf8');
  const [, list] = /members = \[(.*?)\]/s.exec(manifest);
  const recipe = readFileSync(join(ROOT, 'raptor-api-bin/Dockerfile'), 'utf8');
  for (const [, member] of list.matchAll(/"(.*?)"/g)) assert.ok(recipe.includes(`COPY ${member}/Cargo.toml ${member}/`), member);
});

test('everything gets healthy, and nothing of ours runs as root', async () => {
  await until('all services are healthy', () => {
    const states = health('postgres', 'api', 'panel');
    if (states.some((state) => state === 'unhealthy')) assert.fail(logs());
    return states.length === 3 && states.every((state) => state === 'healthy');
  });
  for (const service of ['api', 'panel']) {
    const user = compose(['exec', '-T', service, 'id', '-u']).trim();
    assert.notEqual(user, '0', service);
  }
});

test('the panel asks for another password than the one that everybody knows, and until then nothing else works', async () => {
  const token = (await (await signIn(API, 'admin123')).json()).token;
  const refused = await call(API, 'GET', '/containers', { token });
  assert.equal((await refused.json()).code, 'password_change_required');

  const page = await browser.newPage();
  const broken = [];
  page.on('console', (message) => message.type() === 'error' && /content security/i.test(message.text()) && broken.push(message.text()));
  await enter(page, 'admin123');
  await page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Containers' }).count(), 0);
  await page.getByLabel('Current password').fill('admin123');
  await page.getByLabel('New password').fill('admin123');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('one of those that are guessed first').waitFor();
  await page.getByLabel('New password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByRole('link', { name: 'Containers', exact: true }).first().waitFor();
  await page.getByRole('link', { name: 'Daemons' }).first().click();
  await page.getByText('Not live').waitFor({ state: 'hidden' });
  assert.deepEqual(broken, []);
  await page.close();
});

test('the page has the same policy from the panel as from the API', async () => {
  const [there, here] = await Promise.all([fetch(PANEL), fetch(`${PANEL}/containers`)]);
  const policy = there.headers.get('content-security-policy');
  assert.equal(policy, here.headers.get('content-security-policy'));
  assert.equal(policy, readFileSync(join(ROOT, 'panel/build/policy.txt'), 'utf8'));
  for (const part of ["frame-ancestors 'none'", "form-action 'self'", "connect-src 'self'"]) assert.ok(policy.includes(part), policy);
});

test('people are known by their own addresses, which the panel is believed and nobody else', async () => {
  const client = `${NETWORK}.14`;
  const body = JSON.stringify({ login: 'admin', password: PASSWORD });
  const headers = ['-H', 'content-type: application/json', '-H', 'x-forwarded-for: 203.0.113.9'];
  for (const base of ['http://panel:5173', 'http://api:3000']) {
    const { token } = JSON.parse(within(client, ['curl', '--silent', ...headers, '--data', body, `${base}/api/v1/auth/sign-in`]));
    const { items } = await (await call(API, 'GET', '/account/sessions', { token })).json();
    assert.equal(items.find(({ current }) => current).ip, client, base);
    const seen = (await (await call(API, 'GET', '/account/activity', { token })).json()).items;
    assert.equal(seen[0].ip, client, `${base}: ${JSON.stringify(seen[0])}`);
  }
  // What the documentation says of a proxy on this machine.
  const { token } = await (await signIn(PANEL, PASSWORD)).json();
  const { items } = await (await call(API, 'GET', '/account/sessions', { token })).json();
  assert.equal(items.find(({ current }) => current).ip, `${NETWORK}.1`);
});

test('the database is reached on its port with the password that was made', () => {
  const password = compose(['exec', '-T', 'api', 'cat', '/run/raptor/database/password']).trim();
  assert.ok(password.length >= 32);
  const ask = (PGPASSWORD) =>
    spawnSync('psql', ['-h', ADDRESS, '-U', 'raptor', '-Atc', 'SELECT COUNT(*) FROM users', 'raptor'], {
      env: { ...process.env, PGPASSWORD },
      encoding: 'utf8'
    });
  assert.equal(ask(password).stdout.trim(), '1');
  assert.notEqual(ask('wrong').status, 0);
});

test(
  'a daemon on this machine is reached by the name that the panel says, and all of it works through the panel',
  { timeout: 180_000 },
  async () => {
    const port = await freePort();
    const world = Object.assign(new World(), { base: PANEL, daemons: [] });
    await world.signIn();
    const made = await world.ask('POST', '/daemons', { name: 'This machine', host: 'host.docker.internal', port, tls: false });
    const daemon = await world.daemon(port, made.api_key, '0.0.0.0');
    try {
      await until('the daemon is online', async () => (await world.ask('GET', `/daemons/${made.daemon.id}`)).connection.state === 'online');
      await worksThroughThePanel(world, made.daemon.id);
    } finally {
      for (const { id } of (await world.ask('GET', '/containers')).items) await world.ask('DELETE', `/containers/${id}`);
      await until('the container is gone', async () => (await world.ask('GET', '/containers')).items.length === 0);
      await daemon.stop();
      rmSync(daemon.path, { recursive: true, force: true });
    }
  }
);

/** What passes the panel's nginx: a socket with console and commands, events, files. */
async function worksThroughThePanel(world, daemon) {
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };
  const startup = `sh -c 'echo Map generated, starting game; while read -r line; do echo heard $line; done'`;
  const new_ = {
    name: 'Echo',
    template_id: template.id,
    daemon_id: daemon,
    limits,
    skip_install: true,
    allocation_count: 0,
    startup_command: startup
  };
  const { id } = await world.ask('POST', '/containers', new_);

  const events = new AbortController();
  const stream = await fetch(`${PANEL}/api/v1/events`, { headers: { authorization: `Bearer ${world.token}` }, signal: events.signal });
  assert.ok((await stream.body.getReader().read()).value.length > 0, 'events come as they happen');
  events.abort();

  const page = await browser.newPage();
  await enter(page, PASSWORD);
  await page.getByRole('heading', { name: 'Containers', level: 1 }).waitFor();
  await page.goto(`${PANEL}/containers/${id}`);
  await page
    .getByRole('status')
    .filter({ hasText: /^\s*Live\s*$/ })
    .waitFor();
  await world.ask('POST', `/containers/${id}/power`, { action: 'start' });
  const line = page.getByLabel('Command', { exact: true });
  await until('it runs', async () => (await page.locator('.xterm-rows').innerText()).includes('Map generated'));
  await line.fill('ninety-nine');
  await line.press('Enter');
  await until('the console answers', async () => (await page.locator('.xterm-rows').innerText()).includes('heard ninety-nine'));
  await page.getByRole('link', { name: 'Files' }).click();
  await page
    .getByLabel('Files to upload')
    .setInputFiles({ name: 'nine.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(9 * MIB, 7) });
  await until('the upload has arrived whole', async () => {
    const { items } = await world.ask('GET', `/containers/${id}/files?path=%2F`);
    return items.find(({ name }) => name === 'nine.bin')?.size_bytes === 9 * MIB;
  });
  await page.close();
}

test('made anew, everything is as it was', { timeout: 180_000 }, async () => {
  const secrets = () => compose(['exec', '-T', 'api', 'cat', '/run/raptor/database/password', '/var/lib/raptor/app.key']);
  const kept = secrets();
  compose(['restart', 'postgres', 'api']);
  await until('it answers', () =>
    signIn(PANEL, PASSWORD).then(
      (answer) => answer.status === 200,
      () => false
    )
  );
  compose(['down']);
  up();
  await until('it answers', () =>
    signIn(PANEL, PASSWORD).then(
      (answer) => answer.status === 200,
      () => false
    )
  );
  assert.equal((await signIn(PANEL, 'admin123')).status, 401);
  assert.equal(secrets(), kept);
});

test('where others reach it, it does not start while everybody knows the password', { timeout: 180_000 }, async () => {
  compose(['down', '--volumes']);
  compose(['up', '--detach', '--no-build', 'postgres']);
  await until('PostgreSQL is healthy', () => health('postgres')[0] === 'healthy');
  const others = ['run', '--no-deps', '-e', 'PUBLISHED_ADDRESS=0.0.0.0'];
  const refused = composed([...others, '--rm', 'api']);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stdout + refused.stderr, /admin still has the default password/);
  // The way out that it names.
  const started = compose([...others, '-e', `ADMIN_PASSWORD=${PASSWORD}`, '--detach', 'api'])
    .trim()
    .split('\n')
    .pop();
  await until('it is well', () => spawnSync('docker', ['exec', started, 'raptor-api', 'health']).status === 0);
  run('docker', ['rm', '--force', started]);
});

test('ADMIN_PASSWORD is the first password, and no other is asked for', { timeout: 180_000 }, async () => {
  compose(['down', '--volumes']);
  up({ ADMIN_PASSWORD: PASSWORD, SIGN_IN_ATTEMPTS: '100' });
  const signed = await until('it answers', () =>
    signIn(PANEL, PASSWORD).then(
      (answer) => answer.status === 200 && answer.json(),
      () => false
    )
  );
  assert.equal((await call(PANEL, 'GET', '/containers', { token: signed.token })).status, 200);
  assert.equal((await signIn(PANEL, 'admin123')).status, 401);
  assert.match(compose(['exec', '-T', 'api', 'env']), /^SIGN_IN_ATTEMPTS=100$/m);
});
