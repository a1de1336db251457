import { expect, test } from 'vitest';
import { Refusal } from '$lib/api';
import { Draft } from './draft.svelte';

const refused = (field: string | null) => new Refusal({ status: 422, code: 'invalid', detail: `About ${field}.`, field });

test('a problem stands at its field, or else at the form', async () => {
  const form = new Draft({ name: '' });
  const gone = form.shows('name');
  const again = form.shows('limits');
  for (const [field, at, whole] of [
    ['name', 'About name.', null],
    ['limits.memory_mib', null, null],
    ['email', null, 'About email.'],
    [null, null, 'About null.']
  ] as const) {
    expect(await form.run(() => Promise.reject(refused(field)))).toBe(false);
    expect([form.about('name'), form.problem], String(field)).toEqual([at, whole]);
  }
  await form.run(() => Promise.reject(refused('limits.memory_mib')));
  expect(form.about('limits')).toBe('About limits.memory_mib.');
  again();
  expect(form.problem).toBe('About limits.memory_mib.');
  gone();
  await form.run(() => Promise.reject(refused('name')));
  expect(form.problem).toBe('About name.');
  expect(await form.run(() => Promise.resolve())).toBe(true);
  expect(form.problem).toBe(null);
});

test('what was changed is known, undone and saved', () => {
  const form = new Draft({ name: 'a', list: ['x'] });
  expect(form.dirty).toBe(false);
  form.values.list.push('y');
  expect(form.dirty).toBe(true);
  form.reset();
  expect([form.dirty, form.values.list]).toEqual([false, ['x']]);
  form.values.name = 'b';
  form.load({ name: 'b', list: ['x'] });
  expect(form.dirty).toBe(false);
});

test('a form that is on its way is not sent twice', async () => {
  const form = new Draft({});
  let count = 0;
  let end = () => {};
  const first = form.run(() => new Promise<void>((resolve) => ((count += 1), (end = resolve))));
  expect(form.busy).toBe(true);
  expect(await form.run(async () => (count += 1))).toBe(false);
  end();
  expect(await first).toBe(true);
  expect([count, form.busy]).toEqual([1, false]);
});
