// docker-compose.yml as the tests run it: on an address and a network of its own, beside whatever this machine runs already. The
// base images are Debian's packages, and the programs those that were built already.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROGRAMS } from '../world.mjs';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** One of this machine's own addresses, so that the ports are free. */
export const ADDRESS = '127.0.0.77';
export const NETWORK = '10.215.254';
export const PANEL = `http://${ADDRESS}:5173`;
export const API = `http://${ADDRESS}:3000`;
export const DEBIAN = 'raptor-test/debian:1';
const PROJECT = 'raptor-compose-test';
const NAMES = {
  API_IMAGE: 'raptor-test/compose-api',
  PANEL_IMAGE: 'raptor-test/compose-panel',
  POSTGRES_IMAGE: 'raptor-test/compose-postgres'
};
const BASES = ['raptor-test/compose-nginx', 'raptor-test/compose-api-runtime', 'raptor-test/compose-panel-runtime'];
const ENV = { PATH: process.env.PATH, HOME: process.env.HOME, BIND_ADDRESS: ADDRESS, NETWORK, APP_URL: PANEL, BCRYPT_COST: '4', ...NAMES };

export const run = (command, args, options = {}) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });
/** In the place of a file .env that somebody may have here; `begin` writes it and `gone` takes it away. */
const SETTINGS = join(tmpdir(), `raptor-compose-${process.pid}.env`);
const line = (args) => ['--project-name', PROJECT, '--env-file', SETTINGS, ...args];
export const compose = (args, env = {}) => run('docker-compose', line(args), { cwd: ROOT, env: { ...ENV, ...env } });
export const composed = (args, env = {}) =>
  spawnSync('docker-compose', line(args), { cwd: ROOT, env: { ...ENV, ...env }, encoding: 'utf8' });
export const up = (env) => compose(['up', '--detach', '--no-build'], env);
export const logs = () => compose(['logs', '--no-color', '--tail=40']);
/** What a program of the Compose network gets to see, as one with this address in it. */
export const within = (address, args) => run('docker', ['run', '--rm', '--network', `${PROJECT}_raptor`, '--ip', address, DEBIAN, ...args]);
/** How Docker says that each of these services is. */
export const health = (...services) => {
  const ids = compose(['ps', '--quiet', ...services])
    .split(/\s+/)
    .filter(Boolean);
  return ids.map((id) => run('docker', ['inspect', '--format', '{{.State.Health.Status}}', id]).trim());
};

/** What the official image of PostgreSQL does with these variables, as far as it is asked here. */
const POSTGRES = `#!/bin/bash
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl -w -o "-c listen_addresses=" start >/dev/null
  createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl -w -m fast stop >/dev/null
fi
exec postgres -c listen_addresses='*'
`;
const POSTGRES_RECIPE = `FROM ${DEBIAN}
COPY entrypoint.sh /entrypoint.sh
RUN install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data && install -d -o postgres /var/run/postgresql
ENV LANG=C.UTF-8 PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/bin:/bin
USER postgres
# As the official image has it: postgres is stopped at once, not when the last client has gone.
STOPSIGNAL SIGINT
ENTRYPOINT ["/entrypoint.sh"]`;

/** Makes the images: the stages of our Dockerfiles that everything but the programs is in, and the programs on top. */
export function images() {
  const path = mkdtempSync(join(tmpdir(), 'raptor-compose-'));
  /** An image from a recipe and files beside it. */
  const image = (name, recipe, files = {}) => {
    const context = mkdtempSync(join(path, 'image-'));
    for (const [to, from] of Object.entries(files)) cpSync(from, join(context, to), { recursive: true });
    writeFileSync(join(context, 'Dockerfile'), recipe);
    run('docker', ['build', '--quiet', '--tag', name, context]);
  };
  const stage = (name, folder, file, base) =>
    run('docker', ['build', '--quiet', '--target', 'runtime', '--build-arg', base, '--tag', name, '--file', file, folder], { cwd: ROOT });
  const [nginx, api, panel] = BASES;
  try {
    const entrypoint = join(path, 'entrypoint.sh');
    writeFileSync(entrypoint, POSTGRES, { mode: 0o755 });
    image(NAMES.POSTGRES_IMAGE, POSTGRES_RECIPE, { 'entrypoint.sh': entrypoint });
    image(nginx, `FROM ${DEBIAN}\nRUN useradd --system nginx`);
    stage(api, '.', 'raptor-api-bin/Dockerfile', `RUNTIME_IMAGE=${DEBIAN}`);
    image(NAMES.API_IMAGE, `FROM ${api}\nCOPY raptor-api /usr/local/bin/`, { 'raptor-api': join(PROGRAMS, 'raptor-api') });
    stage(panel, 'panel', 'panel/Dockerfile', `NGINX_IMAGE=${nginx}`);
    image(NAMES.PANEL_IMAGE, `FROM ${panel}\nCOPY build /usr/share/nginx/html`, { build: join(ROOT, 'panel/build') });
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Takes away what a run that was cut off has left. */
export function begin() {
  writeFileSync(SETTINGS, '');
  composed(['down', '--volumes', '--remove-orphans']);
}

/** Takes away all that was made, the images included; what they are made of stays. */
export function gone() {
  composed(['down', '--volumes', '--remove-orphans']);
  spawnSync('docker', ['image', 'rm', ...Object.values(NAMES), ...BASES]);
  rmSync(SETTINGS, { force: true });
}
