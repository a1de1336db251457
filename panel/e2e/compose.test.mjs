// docker-compose.yml as a newcomer starts it. The base images are Debian's packages under names of the tests, and the programs are
// those that were built already: what is left to the images' own stages is to compile.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { freePort, PASSWORD, until, World } from './world.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** One of this machine's own addresses, so that the ports are free. */
const ADDRESS = '127.0.0.77';
const PANEL = `http://${ADDRESS}:5173`;
const API = `http://${ADDRESS}:3000`;
const PROJECT = 'raptor-compose-test';
const ENV = {
  ...process.env,
  BIND_ADDRESS: ADDRESS,
  APP_URL: PANEL,
  API_IMAGE: 'raptor-test/compose-api',
  PANEL_IMAGE: 'raptor-test/compose-panel',
  POSTGRES_IMAGE: 'raptor-test/compose-postgres'
};

let browser, path;

const run = (command, args, options = {}) => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
const compose = (args, env = {}) => run('docker-compose', ['-p', PROJECT, ...args], { cwd: ROOT, env: { ...ENV, ...env } });
const logs = () => compose(['logs', '--no-color', '--tail=40']);

/** An image from a recipe and files beside it. */
function image(name, recipe, files = {}) {
  const context = mkdtempSync(join(path, 'image-'));
  for (const [to, from] of Object.entries(files)) cpSync(from, join(context, to), { recursive: true });
  writeFileSync(join(context, 'Dockerfile'), recipe);
  run('docker', ['build', '--quiet', '--tag', name, context]);
}

/** The stage of a Dockerfile of ours that everything but the program is in. */
function stage(name, folder, file, argument, base) {
  run('docker', ['build', '--quiet', '--target', 'runtime', '--build-arg', `${argument}=${base}`, '--tag', name, '--file', file, folder], { cwd: ROOT });
}

/** What the official image of PostgreSQL does with these variables, as far as it is asked here. */
const POSTGRES = `#!/bin/bash
set -e
export PATH=/usr/lib/postgresql/17/bin:$PATH
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl -w -o "-c listen_addresses=" start >/dev/null
  createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -w -m fast stop >/dev/null
fi
exec postgres -c listen_addresses='*'
`;

function images() {
  const entrypoint = join(path, 'entrypoint.sh');
  writeFileSync(entrypoint, POSTGRES, { mode: 0o755 });
  const postgres = [
    'FROM raptor-test/debian:1',
    'COPY entrypoint.sh /entrypoint.sh',
    'RUN install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data && install -d -o postgres /var/run/postgresql',
    'ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin',
    'USER postgres',
    'ENTRYPOINT ["/entrypoint.sh"]'
  ];
  image(ENV.POSTGRES_IMAGE, postgres.join('\n'), { 'entrypoint.sh': entrypoint });
  image('raptor-test/compose-nginx', 'FROM raptor-test/debian:1\nRUN useradd --system nginx');
  stage('raptor-test/compose-api-runtime', '.', 'raptor-api-bin/Dockerfile', 'RUNTIME_IMAGE', 'raptor-test/debian:1');
  image(ENV.API_IMAGE, 'FROM raptor-test/compose-api-runtime\nCOPY raptor-api /usr/local/bin/', { 'raptor-api': join(ROOT, 'target/debug/raptor-api') });
  stage('raptor-test/compose-panel-runtime', 'panel', 'panel/Dockerfile', 'NGINX_IMAGE', 'raptor-test/compose-nginx');
  image(ENV.PANEL_IMAGE, 'FROM raptor-test/compose-panel-runtime\nCOPY build /usr/share/nginx/html', { build: join(ROOT, 'panel/build') });
}

async function call(base, method, path, { token, body, headers } = {}) {
  return fetch(`${base}/api/v1${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }), ...headers },
    body: body && JSON.stringify(body)
  });
}
const signIn = (base, password, headers) => call(base, 'POST', '/auth/sign-in', { body: { login: 'admin', password }, headers });

before(async () => {
  path = mkdtempSync(join(tmpdir(), 'raptor-compose-'));
  images();
  browser = await launch();
  compose(['up', '--detach', '--no-build']);
});
after(async () => {
  await browser?.close();
  spawnSync('docker-compose', ['-p', PROJECT, 'down', '--volumes'], { cwd: ROOT, env: ENV });
  rmSync(path, { recursive: true, force: true });
});

test('the file says nothing that Compose does not know', () => {
  compose(['config', '--quiet']);
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  assert.doesNotMatch(text, /^version:/m);
});

test('the images compile what the workspace is made of', () => {
  const manifest = readFileSync(join(ROOT, 'Cargo.toml'), 'utf8');
  const [, list] = /members = \[(.*?)\]/s.exec(manifest);
  const recipe = readFileSync(join(ROOT, 'raptor-api-bin/Dockerfile'), 'utf8');
  for (const [, member] of list.matchAll(/"(.*?)"/g)) assert.ok(recipe.includes(`COPY ${member}/Cargo.toml ${member}/`), member);
});

test('everything gets healthy, and nothing runs as root but by the images of others', async () => {
  await until('all services are healthy', () => {
    const ids = compose(['ps', '--quiet', 'postgres', 'api', 'panel']).split(/\s+/).filter(Boolean);
    const states = ids.map((id) => run('docker', ['inspect', '--format', '{{.State.Health.Status}}', id]).trim());
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
  await page.goto(PANEL);
  await page.getByLabel('User name or email').fill('admin');
  await page.getByRole('textbox', { name: 'Password' }).fill('admin123');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Choose a new password' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Containers' }).count(), 0);
  await page.getByLabel('Password that you signed in with').fill('admin123');
  await page.getByLabel('New password').fill('admin123');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('This is your present password.').waitFor();
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

test('addresses are believed of the panel and of nobody else', async () => {
  const seen = async (base, headers) => {
    const { token } = await (await signIn(base, PASSWORD, headers)).json();
    const { items } = await (await call(base, 'GET', '/account/sessions', { token })).json();
    const { session_id } = await (await call(base, 'GET', '/account', { token })).json();
    return items.find(({ id }) => id === session_id).ip;
  };
  const claimed = { 'x-forwarded-for': '203.0.113.9' };
  assert.notEqual(await seen(API, claimed), '203.0.113.9');
  assert.notEqual(await seen(PANEL, claimed), '203.0.113.9', 'the panel adds whom it saw itself');
  assert.notEqual(await seen(PANEL, {}), '10.215.255.3');
});

test('the database is reached on its port with the password that was made', () => {
  const password = compose(['exec', '-T', 'api', 'cat', '/run/raptor/database/password']).trim();
  assert.ok(password.length >= 32);
  const ask = (PGPASSWORD) =>
    spawnSync('psql', ['-h', ADDRESS, '-U', 'raptor', '-Atc', 'SELECT COUNT(*) FROM users', 'raptor'], { env: { ...process.env, PGPASSWORD }, encoding: 'utf8' });
  assert.equal(ask(password).stdout.trim(), '1');
  assert.notEqual(ask('wrong').status, 0);
});

test('a daemon on this machine is reached by the name that the panel says', { timeout: 120_000 }, async () => {
  const port = await freePort();
  const { token } = await (await signIn(PANEL, PASSWORD)).json();
  const body = { name: 'This machine', host: 'host.docker.internal', port, tls: false };
  const made = await (await call(PANEL, 'POST', '/daemons', { token, body })).json();
  const world = Object.assign(new World(), { daemons: [] });
  const daemon = await world.daemon(port, made.api_key, '0.0.0.0');
  try {
    await until('the daemon is online', async () => {
      const { connection } = await (await call(PANEL, 'GET', `/daemons/${made.daemon.id}`, { token })).json();
      return connection.state === 'online';
    });
  } finally {
    await daemon.stop();
    rmSync(daemon.path, { recursive: true, force: true });
  }
});

test('made anew, everything is as it was', { timeout: 180_000 }, async () => {
  compose(['down']);
  compose(['up', '--detach', '--no-build']);
  await until('it answers', () => signIn(PANEL, PASSWORD).then((answer) => answer.status === 200, () => false));
  assert.equal((await signIn(PANEL, 'admin123')).status, 401);
});

test('where others reach it, it does not start while everybody knows the password', { timeout: 180_000 }, async () => {
  compose(['down', '--volumes']);
  compose(['up', '--detach', '--no-build', 'postgres']);
  const env = ['-e', 'PUBLISHED_ADDRESS=0.0.0.0'];
  const refused = spawnSync('docker-compose', ['-p', PROJECT, 'run', '--rm', ...env, 'api'], { cwd: ROOT, env: ENV, encoding: 'utf8' });
  assert.notEqual(refused.status, 0);
  assert.match(refused.stdout + refused.stderr, /admin still has the default password/);
});
