import { expect, it } from 'vitest';
import { scaleEnd } from './plotting';

const MIB = 2 ** 20;

it('the scale ends a little above what is shown, in round steps', () => {
  expect(scaleEnd(45 * MIB, 16 * MIB, 1024 * MIB, true)).toBe(64 * MIB);
  expect(scaleEnd(38 * MIB, 16 * MIB, 1024 * MIB, true)).toBe(48 * MIB);
  expect(scaleEnd(0.4, 5, 100, false)).toBe(5);
  expect(scaleEnd(12, 5, 100, false)).toBe(20);
  expect(scaleEnd(0, 1024, undefined, true)).toBe(1024);
});

it('and at the limit where that is near', () => {
  expect(scaleEnd(700 * MIB, 16 * MIB, 1024 * MIB, true)).toBe(1024 * MIB);
  expect(scaleEnd(80, 5, 100, false)).toBe(100);
  // A limit may be exceeded for a moment.
  expect(scaleEnd(130, 5, 100, false)).toBe(200);
});
