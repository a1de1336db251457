import { describe, expect, it } from 'vitest';
import { ago, bytes, duration, mib, percent } from './format';

describe('sizes', () => {
  it('have a unit that fits', () => {
    expect([0, 1023, 1536, 5 * 1024 ** 3].map(bytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '5.0 GiB']);
  });
  it('of 0 are no limit', () => {
    expect(mib(0)).toBe('No limit');
    expect(mib(512)).toBe('512 MiB');
  });
});

describe('times', () => {
  it('show their two largest parts', () => {
    expect([0, 59_000, 61_000, 90_061_000].map(duration)).toEqual(['0 s', '59 s', '1 min 1 s', '1 d 1 h']);
  });
  it('that are past are relative', () => {
    const now = Date.parse('2026-01-01T12:00:00Z');
    expect(ago('2026-01-01T11:59:50Z', now)).toBe('just now');
    expect(ago('2026-01-01T09:30:00Z', now)).toBe('2 h ago');
    expect(ago('2025-12-03T12:00:00Z', now)).toBe('29 d ago');
  });
  it('that are long past, or to come as those of files may be, are dates', () => {
    const now = Date.parse('2026-01-01T12:00:00Z');
    expect(ago('2026-01-01T12:02:00Z', now)).toBe('in 2 min');
    for (const year of ['2001', '2031']) {
      expect(ago(`${year}-09-09T12:00:00Z`, now)).toContain(year);
      expect(ago(`${year}-09-09T12:00:00Z`, now)).not.toContain('ago');
    }
  });
});

it('small percentages keep a digit', () => {
  expect([0.31, 42.4].map(percent)).toEqual(['0.3 %', '42 %']);
});
