// docker-compose.yml, where this machine has what that takes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { DEBIAN } from './compose/stack.mjs';

const there = (command, ...args) => spawnSync(command, args).status === 0;
const missing = [
  !there('docker-compose', 'version') && 'docker-compose is missing',
  !there('docker', 'image', 'inspect', DEBIAN) && `the image ${DEBIAN} is missing: cargo xtask images, as root, makes it`
].find(Boolean);

if (!missing) await import('./compose/tests.mjs');
else test('Compose', (t) => (process.env.CI ? assert.fail(missing) : t.skip(missing)));
