// Which sizes are suggested for a container: what is stated, or common ones that the host has room for.
import type { CatalogueEntry, Daemon } from '$lib/api';
import { MIB } from '$lib/format';
import { m } from '$lib/messages';

type Figures = Pick<CatalogueEntry, 'memory_mib' | 'disk_mib'>;

export interface Size {
  title: string;
  memory: number;
  /** Whether it is chosen at first, where the host has room for it. */
  preferred?: boolean;
}

const COMMON = [1024, 2048, 4096, 8192];
const DISK = 10_240;

/** The least memory that is stated, in MiB. */
export const statedMemory = ({ memory_mib }: Figures): number | null => memory_mib?.minimum ?? memory_mib?.recommended ?? null;

/** Memory and disk space of a host that no container was given yet, in MiB; null where it is not known. */
export function left(daemon: Daemon | undefined): { memory: number; disk: number } | null {
  if (!daemon?.system) return null;
  const { system, allocated } = daemon;
  const memory = (daemon.memory_limit_mib ?? Math.floor(system.memory_total_bytes / MIB)) - allocated.memory_mib;
  const free = Math.floor((system.disk_total_bytes - system.disk_used_bytes) / MIB);
  const disk = daemon.disk_limit_mib == null ? free : Math.min(free, daemon.disk_limit_mib - allocated.disk_mib);
  return { memory: Math.max(0, memory), disk: Math.max(0, disk) };
}

/** What to choose from, the smallest first. */
export function sizes(figures: Figures, room: number | null): Size[] {
  const stated = figures.memory_mib;
  if (stated) {
    const { minimum, recommended } = stated;
    if (minimum && recommended && minimum !== recommended) {
      return [
        { title: m.catalogue_minimum(), memory: minimum },
        { title: m.catalogue_recommended(), memory: recommended, preferred: true }
      ];
    }
    const only = recommended ?? minimum;
    if (only) {
      return [
        { title: recommended ? m.catalogue_recommended() : m.catalogue_minimum(), memory: only, preferred: true },
        { title: m.catalogue_double(), memory: only * 2 }
      ];
    }
  }
  const titles = [m.catalogue_small(), m.catalogue_medium(), m.catalogue_large(), m.catalogue_very_large()];
  const common = COMMON.map((memory, at) => ({ title: titles[at] ?? '', memory, preferred: at === 1 }));
  const fitting = common.filter(({ memory }) => room === null || memory <= room);
  return fitting.length > 0 ? fitting : common.slice(0, 1);
}

/** The size that is chosen at first: what is recommended, or else the second smallest, as far as the host has room. */
export function first(choices: Size[], room: number | null): number {
  const fits = ({ memory }: Size) => room === null || memory <= room;
  const wanted = choices.find(({ preferred }) => preferred) ?? choices[0];
  const chosen = wanted && fits(wanted) ? wanted : (choices.filter(fits).at(-1) ?? choices[0]);
  return chosen?.memory ?? 1024;
}

/** Disk space in MiB: what is stated, or else 10 GiB, as far as the host has room. */
export function disk(figures: Figures, room: number | null): number {
  const stated = figures.disk_mib?.recommended ?? figures.disk_mib?.minimum;
  if (stated) return stated;
  return room === null ? DISK : Math.max(1024, Math.min(DISK, Math.floor(room / 2)));
}
