import { expect, test } from 'vitest';
import type { Fault } from '$lib/api';
import { faultText } from './faults';

const fault: Fault = { type: 'disk_full', used_bytes: 3 << 20, limit_bytes: 2 << 20, trash_bytes: 0 };

test('a host is quoted in English, and told in the words of the panel elsewhere', () => {
  expect(faultText(fault, 'The host says.', 'en')).toBe('The host says.');
  const told = faultText(fault, 'The host says.', 'de');
  expect(told).not.toBe('The host says.');
  expect(told).toContain('3');
});

test('what only a newer host knows is told as it said it', () => {
  expect(faultText({ type: 'comet' } as unknown as Fault, 'A comet.', 'de')).toBe('A comet.');
  expect(faultText(null, 'Something else.', 'de')).toBe('Something else.');
});
