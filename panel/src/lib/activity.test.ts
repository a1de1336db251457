import { describe, expect, it } from 'vitest';
import { detailOf } from './activity';

const said = (detail: Record<string, unknown>, action = 'file.copied') => detailOf({ action, detail });

describe('what was recorded with a deed', () => {
  it('is in words, never JSON', () => {
    expect(said({ copies: [{ from: '/secret', to: '/x' }], count: 1 })).toBe('/secret → /x');
    expect(
      said({
        moves: [
          { from: '/a', to: '/b' },
          { from: '/c', to: '/d' }
        ],
        count: 40
      })
    ).toBe('/a → /b, /c → /d · and 38 more');
    expect(said({ paths: ['/a', '/b'], count: 2, to: '/x.zip' })).toBe('paths: /a, /b · to: /x.zip');
    expect(said({ from: 'anna', to: 'bob' })).toBe('anna → bob');
    expect(said({ path: '/a', converted: { from: 'utf-16le', to: 'utf-8' } })).toBe('path: /a · converted: utf-16le → utf-8');
    expect(
      said({ from: { max_crashes: 3, detect_crashes: true, mounts: [] }, to: { max_crashes: 5, detect_crashes: true, mounts: [] } })
    ).toBe('crashes before giving up: 3 → 5');
    expect(said({ from: { for_owners: false, patterns: ['a'] }, to: { for_owners: true, patterns: [] } })).toBe(
      'for owners: none → yes · patterns: a → none'
    );
    expect(said({ odd: { a: 1, b: [{ c: 'x' }] } })).toBe('odd: a: 1, b: c: x');
    expect(said({ freed_bytes: 2048, images: 3 })).toBe('freed: 2.0 KiB · images: 3');
  });
  it('leaves out what is empty, ids, and what is shown elsewhere', () => {
    expect(said({ user: 'anna', level: 'user', denied_files: [] })).toBe('user: anna · access level: user');
    expect(said({ image: 'a:1', variables: [] })).toBe('image: a:1');
    expect(said({ id: '01a22a0f-4a7e-72a6-a969-2532fddce299', force: false, note: null, more: {} })).toBe('');
    expect(said({ command: 'stop' }, 'container.command')).toBe('');
    expect(said({ count: 3 }, 'file.restored')).toBe('count: 3');
    expect(said({ count: 3, exit_code: 1, lines: ['oops'] }, 'container.crashed')).toBe('count: 3 · exit code: 1');
  });
});
