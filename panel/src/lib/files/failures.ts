// File operations that failed, those for one reason together.
import type { Operation } from '$lib/api';
import { m } from '$lib/messages';

export interface Failure {
  why: string;
  all: Operation[];
}

export function failures(operations: Operation[]): Failure[] {
  const found = new Map<string, Operation[]>();
  for (const one of operations) {
    if (one.state !== 'failed' || one.left_out_count) continue;
    const why = one.problem ?? m.files_failed();
    found.set(why, [...(found.get(why) ?? []), one]);
  }
  return [...found].map(([why, all]) => ({ why, all }));
}

/** Whether emptying the trash helps: the daemon says so where the trash holds something. */
export const wantsRoom = (why: string | null | undefined): boolean => /Empty the trash/.test(why ?? '');
