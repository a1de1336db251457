import { describe, expect, test } from 'vitest';
import type { Allocation, CatalogueEntry, Daemon } from '$lib/api';
import { freeName } from './names';
import { assign, needs } from './ports';
import { disk, first, left, sizes } from './sizes';

const stated = (minimum: number | null, recommended: number | null) => ({
  memory_mib: { minimum, recommended, stated_in: 'a:b' },
  disk_mib: null
});
const nothing = { memory_mib: null, disk_mib: null };

describe('sizes', () => {
  test('are what is stated, and the recommended one is chosen', () => {
    const choices = sizes(stated(2048, 4096), 16_000);
    expect(choices.map(({ memory }) => memory)).toEqual([2048, 4096]);
    expect(first(choices, 16_000)).toBe(4096);
    expect(first(choices, 3000)).toBe(2048);
    // Where not even the minimum fits, the figure stays honest.
    expect(first(choices, 1000)).toBe(2048);
  });
  test('are common ones that the host has room for where nothing is stated', () => {
    expect(sizes(nothing, 4096).map(({ memory }) => memory)).toEqual([1024, 2048, 4096]);
    expect(sizes(nothing, 100).map(({ memory }) => memory)).toEqual([1024]);
    expect(first(sizes(nothing, null), null)).toBe(2048);
  });
  test('of disks leave the host half of what it has', () => {
    expect(disk(nothing, null)).toBe(10_240);
    expect(disk(nothing, 6000)).toBe(3000);
    expect(disk({ memory_mib: null, disk_mib: { minimum: 500, recommended: null, stated_in: 'a:b' } }, 6000)).toBe(500);
  });
  test('count what containers were given, and the limits of the daemon', () => {
    const system = { memory_total_bytes: 8192 * 1048576, disk_total_bytes: 100 * 1048576, disk_used_bytes: 40 * 1048576 };
    const daemon = {
      system,
      allocated: { memory_mib: 1000, disk_mib: 30, cpu_percent: 0 },
      memory_limit_mib: null,
      disk_limit_mib: null
    } as unknown as Daemon;
    expect(left(daemon)).toEqual({ memory: 7192, disk: 60 });
    expect(left({ ...daemon, memory_limit_mib: 900, disk_limit_mib: 50 })).toEqual({ memory: 0, disk: 20 });
    expect(left(undefined)).toBeNull();
  });
});

describe('ports', () => {
  const free = [27015, 25565, 25566].map((port) => ({ id: `${port}`, port }) as Allocation);
  const entry = (ports: CatalogueEntry['ports']) => ({ ports });
  const port = (purpose: string, variable: string | null, number: number | null) => ({
    purpose,
    variable,
    default: number,
    protocol: null,
    stated_in: 'a:b'
  });
  test('are the usual ones where they are free, and one for each variable of the template', () => {
    const wanted = needs(
      entry([port('query', 'QUERY_PORT', 27015), port('game', 'SERVER_PORT', 25566), port('rcon', 'OTHER', 1), port('web', null, 80)]),
      ['QUERY_PORT']
    );
    expect(wanted.map(({ purpose, variable }) => [purpose, variable])).toEqual([
      ['game', null],
      ['query', 'QUERY_PORT']
    ]);
    expect(assign(wanted, free).map((found) => found?.port)).toEqual([25566, 27015]);
  });
  test('a usual number of another port is not given away first', () => {
    const wanted = needs(entry([port('game', 'SERVER_PORT', 1), port('query', 'QUERY_PORT', 27015)]), ['QUERY_PORT']);
    expect(assign(wanted, free).map((found) => found?.port)).toEqual([25565, 27015]);
    expect(assign(wanted, free.slice(0, 1)).map((found) => found?.port)).toEqual([undefined, 27015]);
  });
  test('none are needed only where that is stated', () => {
    expect(needs(entry([]), [])).toEqual([]);
    expect(needs(entry(null), [])).toHaveLength(1);
  });
});

test('a suggested name is one that nobody has yet', () => {
  expect(freeName('Paper', [])).toBe('Paper');
  expect(freeName('Paper', ['paper', 'Paper 2'])).toBe('Paper 3');
  expect(freeName('x'.repeat(120), ['x'.repeat(100)])).toHaveLength(100);
});
