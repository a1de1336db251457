// What a host has left for one more container.
import type { Daemon } from '$lib/api';
import { bytes, MIB, percent } from '$lib/format';
import { m } from '$lib/messages';

export interface Room {
  /** Name of the daemon, for the sentence. */
  host: string;
  /** MiB that are not given to containers. */
  memory_mib: number;
  /** MiB that are neither given to containers nor used by others. */
  disk_mib: number;
  /** Percent of one CPU that are not given to containers; CPUs may be given more than once. */
  cpu_percent: number;
  /** Number of free allocations on the host. */
  ports: number;
}

/** Of one host; none while nobody knows what it has. */
export function roomOf(daemon: Daemon): Room | null {
  const { system, allocated } = daemon;
  if (daemon.connection.state !== 'online' || !system) return null;
  const total = (bytes: number) => Math.floor(bytes / MIB);
  const left = (all: number, given: number) => Math.max(0, all - given);
  const disk = total(system.disk_total_bytes);
  return {
    host: daemon.name,
    memory_mib: left(daemon.memory_limit_mib ?? total(system.memory_total_bytes), allocated.memory_mib),
    disk_mib: Math.min(left(daemon.disk_limit_mib ?? disk, allocated.disk_mib), left(disk, total(system.disk_used_bytes))),
    cpu_percent: left(system.cpu_count * 100, allocated.cpu_percent),
    ports: daemon.allocation_free_count
  };
}

/** Of the host with this id; without one, of the host that is chosen for most memory. */
export function room(daemons: Daemon[], id: string): Room | null {
  const chosen = daemons.find((daemon) => daemon.id === id);
  if (chosen) return roomOf(chosen);
  const rooms = daemons
    .filter(({ maintenance }) => !maintenance)
    .map(roomOf)
    .filter((found) => found !== null);
  return rooms.sort((a, b) => b.memory_mib - a.memory_mib)[0] ?? null;
}

/** What is left of one thing, and whether that is enough for what is `wanted`. */
export function roomSentence(
  room: Room,
  key: 'memory_mib' | 'disk_mib' | 'cpu_percent',
  wanted: number
): { text: string; enough: boolean } {
  const free = room[key];
  const enough = wanted <= free;
  const host = room.host;
  if (free === 0 && !enough) {
    // CPUs may be given more than once.
    const gone = { memory_mib: m.containers_room_no_memory, disk_mib: m.containers_room_no_disk, cpu_percent: m.containers_room_no_cpu };
    return { text: gone[key]({ host }), enough };
  }
  const left = key === 'cpu_percent' ? percent(free) : bytes(free * MIB);
  return { text: enough ? m.containers_room_left({ left, host }) : m.containers_room_short({ left, host }), enough };
}
