// How numbers, sizes and times are written, everywhere: as the language of the panel does.
import { region } from './locale';
import { m } from '$lib/messages';

/** Bytes in a mebibyte, the unit of limits. */
export const MIB = 1024 * 1024;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A number with so many decimals. */
const decimal = (value: number, digits: number): string =>
  value.toLocaleString(region, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });

/** 12345 → "12,345". */
export const number = (value: number): string => value.toLocaleString(region);

/** 1536 → "1.5 KiB". */
export function bytes(value: number): string {
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${decimal(value, digits)} ${UNITS[unit]}`;
}

/** MiB; 0 is no limit. */
export const mib = (value: number): string => (value === 0 ? m.common_no_limit() : bytes(value * MIB));

/** 12.34 → "12 %". */
export const percent = (value: number): string => `${decimal(value, value === 0 || value >= 10 ? 0 : 1)} %`;

/** Milliseconds → "2 d 3 h". */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's']
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** From how many milliseconds on a date says more than "… ago". */
const LONG_AGO = 30 * 86_400_000;

/** "3 min ago", "in 2 min"; a date for what is further away, such as the time of a file may be. */
export function ago(time: string, now = Date.now()): string {
  const at = new Date(time);
  const ms = now - at.getTime();
  if (ms < -60_000 && ms > -86_400_000) return m.common_in({ duration: duration(-ms) });
  if (ms > LONG_AGO || ms < -60_000) return at.toLocaleDateString(region, { dateStyle: 'medium' });
  if (ms < 60_000) return m.common_just_now();
  const first = duration(ms).split(' ').slice(0, 2).join(' ');
  return m.common_ago({ duration: first });
}

/** A day such as "2026-11-29", as people write it. */
export const day = (date: string): string => new Date(`${date}T00:00:00`).toLocaleDateString(region, { dateStyle: 'medium' });

/** The day of a time: "Today", "Yesterday", "Monday, March 3, 2026". */
export function dayTitle(time: string, now = new Date()): string {
  const at = new Date(time);
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  if (at.toDateString() === now.toDateString()) return m.common_today();
  if (at.toDateString() === yesterday.toDateString()) return m.common_yesterday();
  return at.toLocaleDateString(region, { dateStyle: 'full' });
}

/** The time of day of a Unix time in seconds. */
export const clockTime = (seconds: number): string => new Date(seconds * 1000).toLocaleTimeString(region);

/** Date and time in full, for tooltips of relative times. */
export const exact = (time: string): string => new Date(time).toLocaleString(region);
