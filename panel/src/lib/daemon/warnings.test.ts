import { expect, test } from 'vitest';
import type { Daemon } from '$lib/api';
import { connectionProblem } from './warnings';

type Seen = Pick<Daemon, 'connection' | 'system'>;
const seen = (connection: Partial<Daemon['connection']>, system: object = {}): Seen =>
  ({
    connection: { state: 'online', outdated: false, ...connection },
    system: { disk_total_bytes: 100, disk_used_bytes: 50, ...system }
  }) as Seen;
const told = (daemon: Seen) => connectionProblem(daemon, 'de');

test('a host that is well has no problem, and in English the API is quoted', () => {
  expect(told(seen({ clock_skew_seconds: 31 }))).toBeNull();
  expect(connectionProblem(seen({ message: 'As the API says.', clock_skew_seconds: 31 }), 'en')).toBe('As the API says.');
});

test('clocks and disks are told by their numbers', () => {
  expect(told(seen({ message: 'x', clock_skew_seconds: 90 }))).toContain('90 s ahead');
  expect(told(seen({ message: 'x', clock_skew_seconds: -90 }))).toContain('90 s behind');
  const both = told(seen({ message: 'x', clock_skew_seconds: 90 }, { disk_used_bytes: 95 }));
  expect(both).toContain('nearly full');
  expect(both).toContain('90 s ahead');
});

test('what the panel has no sentence for is told as the API says it', () => {
  expect(told(seen({ message: 'Something else.' }))).toBe('Something else.');
  expect(told(seen({ state: 'connecting', message: 'Not yet.' }))).toBe('Not yet.');
  expect(told(seen({ state: 'unreachable', message: 'Nothing answers at 203.0.113.7.' }))).toContain('Nothing answers at 203.0.113.7.');
});
