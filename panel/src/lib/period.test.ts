import { describe, expect, it } from 'vitest';
import { bounds, fromField, period, toField } from './period';

const of = (query: string) => period((name) => new URLSearchParams(query).get(name) ?? '');

describe('a period of an address', () => {
  it('that ends now begins so long before', () => {
    const now = Date.parse('2026-11-30T12:00:00Z');
    expect(bounds(of('within=hour'), now)).toEqual({ from: '2026-11-30T11:00:00.000Z' });
    expect(bounds(of('within=week&from=2020-01-01T00:00:00Z'), now)).toEqual({ from: '2026-11-23T12:00:00.000Z' });
  });

  it('may have a beginning, an end, or both', () => {
    expect(of('from=2026-11-01T00:00:00Z')).toEqual({ within: 'between', from: '2026-11-01T00:00:00.000Z', until: '' });
    expect(bounds(of('until=2026-11-02T00:00:00Z'))).toEqual({ until: '2026-11-02T00:00:00.000Z' });
  });

  it('is any time where it makes no sense', () => {
    expect(of('within=constructor&from=yesterday')).toEqual({ within: '', from: '', until: '' });
    expect(bounds(of(''))).toEqual({});
  });

  it('is typed in the zone of the browser', () => {
    expect(fromField(toField('2026-11-30T10:15:00.000Z'))).toBe('2026-11-30T10:15:00.000Z');
    expect(toField('2026-11-30T10:15:00.000Z')).toMatch(/^2026-(11-30|12-01|11-29)T\d\d:\d\d$/);
    expect([toField(''), fromField('')]).toEqual(['', '']);
  });
});
