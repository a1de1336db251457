// The real programs in folders of their own, as a user runs them.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = new URL('../..', import.meta.url).pathname;
export const PROGRAMS = process.env.RAPTOR_PROGRAMS ?? join(ROOT, 'target/debug');
export const PASSWORD = 'correct horse battery';

export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Asks until `look` gives something, for a minute at most, or as many as it takes. */
export async function until(what, look, minutes = 1) {
  const deadline = Date.now() + minutes * 60_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`not seen within ${minutes} min: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function folder() {
  const path = mkdtempSync(join(tmpdir(), 'raptor-e2e-'));
  await chmod(path, 0o755);
  return path;
}

class Program {
  constructor(name, args, env, path) {
    Object.assign(this, { name, args, env, path, process: null });
  }

  start() {
    const log = openSync(join(this.path, 'log'), 'a');
    this.process = spawn(join(PROGRAMS, this.name), this.args, {
      cwd: this.path,
      env: { PATH: process.env.PATH, ...this.env },
      stdio: ['ignore', log, log]
    });
    closeSync(log);
  }

  async stop() {
    const { process: child } = this;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    await ended;
  }

  log() {
    return readFileSync(join(this.path, 'log'), 'utf8');
  }
}

/** A running `raptor-api up` and its API as the administrator uses it. */
export class World {
  static async up(extra = {}) {
    const world = new World();
    const port = await freePort();
    world.base = `http://127.0.0.1:${port}`;
    const sftp = { SFTP_HOST: '127.0.0.1', SFTP_PORT: String(await freePort()) };
    const env = { API_ADDR: `127.0.0.1:${port}`, ADMIN_PASSWORD: PASSWORD, BCRYPT_COST: '4', ...sftp, ...extra };
    world.api = new Program('raptor-api', ['up'], env, await folder());
    world.daemons = [];
    world.api.start();
    await world.answers();
    await world.signIn();
    return world;
  }

  answers() {
    return until('the API answers', () =>
      fetch(`${this.base}/api/v1/settings`).then(
        (answer) => answer.ok,
        () => false
      )
    );
  }

  async signIn() {
    const session = await this.ask('POST', '/auth/sign-in', { login: 'admin', password: PASSWORD });
    this.token = session.token;
  }

  async restart() {
    await this.api.stop();
    this.api.start();
    await this.answers();
  }

  async ask(method, path, body) {
    const answer = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers: {
        ...(this.token && { authorization: `Bearer ${this.token}` }),
        'content-type': typeof body === 'string' ? 'application/octet-stream' : 'application/json'
      },
      body: typeof body === 'string' ? body : body && JSON.stringify(body)
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
    return text && JSON.parse(text);
  }

  async user(username, role) {
    const roles = (await this.ask('GET', '/roles')).items;
    const role_id = roles.find((item) => item.name === role).id;
    return this.ask('POST', '/users', { username, email: `${username}@example.com`, password: PASSWORD, role_id });
  }

  /** A daemon process of its own. */
  async daemon(port, key, address = '127.0.0.1') {
    const path = await folder();
    const env = {
      SFTP_HOST: '127.0.0.1',
      SFTP_PORT: String(await freePort()),
      DAEMON_ADDR: `${address}:${port}`,
      DAEMON_API_KEY: key,
      SFTP_BASE_PATH: join(path, 'containers')
    };
    const daemon = new Program('raptor-daemon', [], env, path);
    daemon.start();
    this.daemons.push(daemon);
    return daemon;
  }

  /** Deletes what is left of containers, then ends the programs. */
  async end() {
    try {
      await until('all containers are gone', async () => {
        const left = (await this.ask('GET', '/containers?limit=100')).items;
        // One that is being deleted already is refused.
        for (const { id } of left) await this.ask('DELETE', `/containers/${id}`).catch(() => {});
        return left.length === 0;
      });
    } finally {
      for (const program of [this.api, ...this.daemons]) {
        await program.stop();
        if (!process.env.RAPTOR_KEEP) rmSync(program.path, { recursive: true, force: true });
      }
    }
  }
}

/** The published OpenTTD egg with the image that the tests make, as a file. */
export function egg(image = '~raptor-test/openttd:1') {
  const document = JSON.parse(readFileSync(join(ROOT, 'raptor-core/tests/fixtures/eggs/openttd.json'), 'utf8'));
  document.docker_images = { OpenTTD: image };
  const file = join(mkdtempSync(join(tmpdir(), 'raptor-egg-')), 'egg-openttd.json');
  writeFileSync(file, JSON.stringify(document));
  return file;
}
