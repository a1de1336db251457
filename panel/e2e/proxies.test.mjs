// The examples of docs/proxies.md with the real programs, and nginx as everybody has it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, signIn } from './browser.mjs';
import { egg, freePort, PASSWORD, until, World } from './world.mjs';

const DOCUMENT = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8');
const UPSTREAM = '127.0.0.1:3000';
/** The address of who asks: another one than the proxy's. */
const CLIENT = '127.0.0.7';
const MIB = 1024 * 1024;

let browser, path;
const running = [];

before(async () => {
  path = mkdtempSync(join(tmpdir(), 'raptor-proxies-'));
  const files = ['-keyout', join(path, 'privkey.pem'), '-out', join(path, 'fullchain.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', ...files], {
    stdio: 'ignore'
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  for (const { world, program } of running) {
    const ended = new Promise((resolve) => program.once('exit', resolve));
    program.kill('SIGTERM');
    await ended;
    await world.end();
  }
  rmSync(path, { recursive: true, force: true });
});

/** The example in the document, with this machine's addresses and files. */
function example(language, changes) {
  const found = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(DOCUMENT);
  assert.ok(found, `the document has an example for ${language}`);
  let text = found[1];
  text = text.replaceAll('/etc/letsencrypt/live/panel.example.com', path);
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `the example has ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** Raptor behind a proxy whose program `run` starts. */
async function behind(name, scheme, run) {
  const port = await freePort();
  const base = `${scheme}://localhost:${port}`;
  const world = await World.up({ APP_URL: base, TRUSTED_PROXIES: '127.0.0.1' });
  const log = openSync(join(path, `${name}.log`), 'a');
  const [command, args] = run(port, new URL(world.base).host);
  const program = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, HOME: path } });
  running.push({ world, program });
  await until(`${name} answers`, () =>
    ask(base, 'GET', '/settings').then(
      ({ status }) => status === 200,
      () => program.exitCode !== null && assert.fail(readFileSync(join(path, `${name}.log`), 'utf8'))
    )
  );
  return { world, base };
}

/** A request through the proxy from another address than its own. */
function ask(base, method, at, { body, headers, onanswer } = {}) {
  const url = new URL(`${base}/api/v1${at}`);
  const options = {
    method,
    host: '127.0.0.1',
    port: url.port,
    path: url.pathname + url.search,
    localAddress: CLIENT,
    rejectUnauthorized: false
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(
      { ...options, headers: { host: url.host, ...headers } },
      (answer) => {
        if (onanswer) return onanswer(answer, request);
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString();
          resolve({ status: answer.statusCode, text, json: () => JSON.parse(text) });
        });
      }
    );
    request.on('error', reject);
    request.end(body);
  });
}

async function made(world, name) {
  const { template } = await world.ask('POST', '/templates/import', readFileSync(egg('~raptor-test/busybox:1'), 'utf8'));
  const limits = { memory_mib: 64, swap_mib: 0, cpu_percent: 0, disk_mib: 64, pids: 64, io_weight: 500 };
  return world.ask('POST', '/containers', {
    name,
    template_id: template.id,
    limits,
    skip_install: true,
    allocation_count: 0,
    startup_command: 'sleep 1000'
  });
}

/** The first event that comes, as a program reads it. */
const firstEvent = (base, token) =>
  new Promise((resolve, reject) => {
    const onanswer = (answer, request) => {
      answer.once('data', (data) => (resolve(data.toString()), request.destroy()));
    };
    ask(base, 'GET', '/events', { headers: { authorization: `Bearer ${token}` }, onanswer }).catch(reject);
  });

async function upload(page, size) {
  await page
    .getByLabel('Files to upload')
    .setInputFiles({ name: 'two.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(size, 7) });
}

async function whole(world, container, size) {
  await until('the file has arrived whole', async () => {
    const page = await world.ask('GET', `/containers/${container.id}/files?path=%2F`);
    return page.items.find((item) => item.name === 'two.bin')?.size_bytes === size;
  });
}

/** Everything that the document promises of an example. */
async function works({ world, base }) {
  // Who asks is known by their own address, and nobody can claim another one.
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.9' };
  const signed = await ask(base, 'POST', '/auth/sign-in', { headers, body: JSON.stringify({ login: 'admin', password: PASSWORD }) });
  assert.equal(signed.status, 200, signed.text);
  const { token } = signed.json();
  const { items } = (await ask(base, 'GET', '/account/sessions', { headers: { authorization: `Bearer ${token}` } })).json();
  assert.equal(items.find((item) => item.current).ip_address ?? items.find((item) => item.current).ip, CLIENT);
  assert.match(await firstEvent(base, token), /retry: 1000|event: beat/);

  const container = await made(world, 'Behind');
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await signIn(page, base, 'admin', PASSWORD);
  await page.getByRole('link', { name: 'Behind' }).waitFor();
  await world.ask('PUT', `/containers/${container.id}`, { name: 'Seen at once' });
  await page.getByRole('link', { name: 'Seen at once' }).click();
  await page
    .getByRole('status')
    .filter({ hasText: /^\s*Live\s*$/ })
    .waitFor();
  assert.equal(await page.getByText('Not live').count(), 0);
  await page.getByRole('link', { name: 'Files' }).click();
  await upload(page, 9 * MIB);
  await whole(world, container, 9 * MIB);
  await context.close();
}

const nginxAround = (server) =>
  `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${path}/nginx.pid; error_log stderr;
   events {}
   http { access_log off; client_body_temp_path ${path}/body; proxy_temp_path ${path}/temp; fastcgi_temp_path ${path}/f; uwsgi_temp_path ${path}/u; scgi_temp_path ${path}/s;
   ${server} }`;
function nginx(server) {
  const file = join(path, 'nginx.conf');
  writeFileSync(file, nginxAround(server));
  return ['/usr/sbin/nginx', ['-p', path, '-c', file]];
}
const there = (file, t) => existsSync(file) || (process.env.CI ? assert.fail(`${file} is missing`) : t.skip(`${file} is missing`));

test('the example for nginx', { timeout: 180_000 }, async (t) => {
  if (!there('/usr/sbin/nginx', t)) return;
  const run = (port, upstream) =>
    nginx(
      example('nginx', [
        ['listen 443 ssl;', `listen 127.0.0.1:${port} ssl;`],
        ['panel.example.com', 'localhost'],
        [UPSTREAM, upstream]
      ])
    );
  await works(await behind('nginx', 'https', run));
});

test('the example for Caddy', { timeout: 180_000 }, async (t) => {
  if (!there('/usr/bin/caddy', t)) return;
  const run = (port, upstream) => {
    const file = join(path, 'Caddyfile');
    // Without certificates from elsewhere and without its own control port; the rest is the example.
    const site = example('caddyfile', [
      ['panel.example.com', `http://localhost:${port}`],
      [UPSTREAM, upstream]
    ]);
    writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${site}`);
    return ['/usr/bin/caddy', ['run', '--config', file, '--adapter', 'caddyfile']];
  };
  await works(await behind('caddy', 'http', run));
});

test('the example for Apache', { timeout: 180_000 }, async (t) => {
  if (!there('/usr/sbin/apache2', t)) return;
  const run = (port, upstream) => {
    const file = join(path, 'apache.conf');
    const modules = ['mpm_event', 'authz_core', 'proxy', 'proxy_http', 'ssl'].map(
      (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
    );
    const site = example('apache', [
      ['*:443', `127.0.0.1:${port}`],
      ['panel.example.com', 'localhost'],
      [UPSTREAM, upstream]
    ]);
    const around = [
      `ServerRoot ${path}`,
      `PidFile ${path}/apache.pid`,
      'ErrorLog /dev/stderr',
      `Listen 127.0.0.1:${port}`,
      `DefaultRuntimeDir ${path}`,
      `Mutex file:${path} default`
    ];
    writeFileSync(file, [...modules, ...around, site].join('\n'));
    return ['/usr/sbin/apache2', ['-f', file, '-D', 'FOREGROUND']];
  };
  await works(await behind('apache', 'https', run));
});

test('nginx with its defaults: it is live, and an upload of more than it lets pass arrives', { timeout: 180_000 }, async (t) => {
  if (!there('/usr/sbin/nginx', t)) return;
  const run = (port, upstream) =>
    nginx(`server { listen 127.0.0.1:${port}; location / { proxy_pass http://${upstream}; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; } }`);
  const { world, base } = await behind('defaults', 'http', run);
  assert.match(await firstEvent(base, world.token), /retry: 1000|event: beat/, 'events are not kept back');
  const container = await made(world, 'Defaults');
  const page = await browser.newPage();
  await signIn(page, base, 'admin', PASSWORD);
  await page.getByRole('link', { name: 'Defaults' }).waitFor();
  await world.ask('PUT', `/containers/${container.id}`, { name: 'Live' });
  await page.getByRole('link', { name: 'Live', exact: true }).waitFor();
  await page.goto(`${base}/containers/${container.id}/files`);
  await upload(page, 3 * MIB);
  await whole(world, container, 3 * MIB);
  // What can't be sent in pieces says what is in the way.
  const told = await page.evaluate(async () => {
    const answer = await fetch('/api/v1/templates/import', {
      method: 'POST',
      headers: { 'X-Raptor-CSRF': '1' },
      body: new Blob(['x'.repeat(2_000_000)])
    });
    return answer.status;
  });
  assert.equal(told, 413);
  await page.goto(`${base}/templates`);
  await page.getByTestId('egg-files').setInputFiles({
    name: 'egg-large.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify({ ...JSON.parse(readFileSync(egg(), 'utf8')), description: 'x'.repeat(1_500_000) }))
  });
  await page
    .getByText(
      'The proxy in front of Raptor rejects requests of this size (413). An administrator can raise its limit, such as client_max_body_size in nginx.'
    )
    .waitFor();
  await page.close();
});

test('a proxy that lets no WebSocket through: the panel says that it is not live, and reads again', { timeout: 180_000 }, async (t) => {
  if (!there('/usr/sbin/nginx', t)) return;
  const run = (port, upstream) => nginx(`server { listen 127.0.0.1:${port}; location / { proxy_pass http://${upstream}; } }`);
  const { world, base } = await behind('plain', 'http', run);
  const container = await made(world, 'Plain');
  const page = await browser.newPage();
  await signIn(page, base, 'admin', PASSWORD);
  await page.getByRole('link', { name: 'Plain' }).waitFor();
  await page.getByText('Not live.').waitFor();
  await world.ask('PUT', `/containers/${container.id}`, { name: 'Read again' });
  await page.getByRole('link', { name: 'Read again' }).waitFor();
  assert.equal(await page.getByText('Raptor isn’t responding').count(), 0);
  await page.close();
});
