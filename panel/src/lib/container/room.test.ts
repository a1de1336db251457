import { describe, expect, it } from 'vitest';
import type { Daemon } from '$lib/api';
import { unused } from './naming';
import { room, roomSentence, type Room } from './room';

const GIB = 2 ** 30;
function daemon(id: string, memory: number, more: object = {}): Daemon {
  const system = { memory_total_bytes: memory * GIB, disk_total_bytes: 100 * GIB, disk_used_bytes: 80 * GIB, cpu_count: 4 };
  const allocated = { memory_mib: 1024, disk_mib: 10 * 1024, cpu_percent: 150 };
  return { id, name: id, connection: { state: 'online' }, system, allocated, allocation_free_count: 3, ...more } as unknown as Daemon;
}

describe('what a host has left', () => {
  it('is what it has without what is given away, and never more than is free', () => {
    expect(room([daemon('a', 8)], 'a')).toEqual({ host: 'a', memory_mib: 7168, disk_mib: 20 * 1024, cpu_percent: 250, ports: 3 });
    expect(room([daemon('a', 8, { memory_limit_mib: 1500, disk_limit_mib: 12 * 1024 })], 'a')).toMatchObject({
      memory_mib: 476,
      disk_mib: 2048
    });
    expect(room([daemon('a', 8, { memory_limit_mib: 512 })], 'a')?.memory_mib).toBe(0);
  });
  it('is that of the host with most memory where none is chosen', () => {
    const hosts = [
      daemon('a', 8),
      daemon('b', 32),
      daemon('c', 64, { connection: { state: 'unreachable' } }),
      daemon('d', 64, { maintenance: 'disk' })
    ];
    expect(room(hosts, '')?.host).toBe('b');
    expect(room(hosts, 'c')).toBeNull();
    expect(room([], '')).toBeNull();
  });
});

describe('the sentence about what is left', () => {
  const left: Room = { host: 'This host', memory_mib: 2048, disk_mib: 0, cpu_percent: 0, ports: 1 };
  it('has a figure where something is left, and none where all is given away', () => {
    expect(roomSentence(left, 'memory_mib', 1024)).toEqual({ text: '2.0 GiB left on This host', enough: true });
    expect(roomSentence(left, 'memory_mib', 4096)).toEqual({ text: 'Only 2.0 GiB left on This host', enough: false });
    expect(roomSentence(left, 'cpu_percent', 100).text).toBe('All CPUs on This host are allocated; containers share them under load');
    expect(roomSentence(left, 'disk_mib', 100).text).toBe('No disk space left on This host');
  });
});

describe('a name for a new container', () => {
  it('has a number where others have it already', () => {
    expect(unused('OpenTTD', [])).toBe('OpenTTD');
    expect(unused('OpenTTD', ['openttd'])).toBe('OpenTTD 2');
    expect(unused('OpenTTD', ['OpenTTD', 'OpenTTD 2', 'OpenTTD 4', 'OpenTTD server'])).toBe('OpenTTD 3');
  });
});
