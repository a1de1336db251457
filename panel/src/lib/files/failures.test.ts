import { describe, expect, it } from 'vitest';
import type { Operation } from '$lib/api';
import { failures, wantsRoom } from './failures';

const FULL =
  'The container’s disk limit of 20 MiB is reached. Empty the trash, which holds 8 MiB, delete something for good, or have the limit raised.';
const one = (id: string, state: string, problem: string | null = null, left_out_count = 0) =>
  ({ id, state, problem, left_out_count }) as unknown as Operation;

describe('operations that failed', () => {
  it('stand together where the reason is one', () => {
    const all = [
      one('a', 'failed', FULL),
      one('b', 'done'),
      one('c', 'failed', 'No such file.'),
      one('d', 'failed', FULL),
      one('e', 'running'),
      one('f', 'failed', FULL, 2)
    ];
    expect(failures(all).map(({ why, all }) => [why, all.map(({ id }) => id)])).toEqual([
      [FULL, ['a', 'd']],
      ['No such file.', ['c']]
    ]);
  });
  it('offer to empty the trash where that helps', () => {
    expect(wantsRoom(FULL)).toBe(true);
    expect(wantsRoom('The container’s disk limit of 20 MiB is reached. Delete something for good, or have the limit raised.')).toBe(false);
    expect(wantsRoom(null)).toBe(false);
  });
});
