// Forms are made from the same parts: what is wrong is shown by Field and Problem, what could not be read by Failed, and each control
// has the panel's look.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { files } from './sentences.mjs';

/** What tells of something else than a form or a list, in a frame of its own. */
const OWN = [
  'src/lib/components/Broken.svelte',
  'src/lib/components/Failed.svelte',
  'src/lib/components/Field.svelte',
  'src/lib/components/Problem.svelte',
  'src/lib/components/SaveBar.svelte',
  'src/lib/daemon/KeySteps.svelte',
  'src/lib/shell/PageError.svelte',
  'src/routes/+error.svelte',
  'src/routes/(app)/templates/catalogue/[id]/+page.svelte'
];
const components = files()
  .filter((path) => path.endsWith('.svelte'))
  .map((path) => [path, readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')]);

const CONTROL = /<(?:input|select|textarea)\s(?:[^>"'{]|"[^"]*"|'[^']*'|\{(?:[^{}]|\{[^{}]*\})*\})*>/g;

test('what is wrong is shown by the parts that are there for it', () => {
  const others = components.filter(([path, code]) => code.includes('role="alert"') && !OWN.includes(path));
  expect(others.map(([path]) => path)).toEqual([]);
});

test('each control looks like the others, and a button opens what browsers draw by themselves', () => {
  const controls = components.flatMap(([path, code]) => [...code.matchAll(CONTROL)].map(([tag]) => ({ path, tag })));
  expect(controls.length).toBeGreaterThan(100);
  const styled = (tag) =>
    /\bhidden\b/.test(tag) || (!/type="file"/.test(tag) && /class="[^"]*\b(input|input-bare|input-terminal|check|quiet)\b/.test(tag));
  expect(controls.filter(({ tag }) => !styled(tag))).toEqual([]);
});

test('what is allowed here exists', () => {
  const known = components.map(([path]) => path);
  for (const path of OWN) expect(known).toContain(path);
});
