import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PATIENCE, ServerTime } from './server-time';

describe('the time until which an order holds', () => {
  const API = Date.parse('2026-01-31T12:00:00Z');
  let steady = 0;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: API + 3_600_000 });
    steady = 5_000;
    vi.spyOn(performance, 'now').mockImplementation(() => steady);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });
  const pass = (ms: number, asleep = false) => {
    if (!asleep) steady += ms;
    vi.setSystemTime(Date.now() + ms);
  };
  const left = (time: ServerTime, api: number) => Date.parse(time.limit() ?? '') - api;

  it("is the API's, whatever this machine's clock says", () => {
    const time = new ServerTime();
    expect(time.limit()).toBeUndefined();
    time.says(new Date(API).toISOString());
    pass(2_000);
    expect(left(time, API + 2_000)).toBe(PATIENCE);
    // One that was heard late makes it no earlier.
    time.says(new Date(API + 1_500).toISOString());
    expect(left(time, API + 2_000)).toBe(PATIENCE);
  });

  it('is not over when the machine wakes from its sleep', () => {
    const time = new ServerTime();
    time.says(new Date(API).toISOString());
    pass(3_600_000, true);
    expect(left(time, API + 3_600_000)).toBe(PATIENCE);
  });

  it("is not over when this machine's clock is set back", () => {
    const time = new ServerTime();
    time.says(new Date(API).toISOString());
    vi.setSystemTime(Date.now() - 7_200_000);
    expect(left(time, API)).toBe(PATIENCE);
  });
});
