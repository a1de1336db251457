import { region } from '$lib/locale';

// The library that draws the graphs. While it is loaded it reads the browser's language, and fails where that is no language, such
// as "C".
export async function plotting() {
  try {
    new Intl.NumberFormat(navigator.language);
  } catch {
    Object.defineProperty(navigator, 'language', { value: 'en', configurable: true });
  }
  return (await import('uplot')).default;
}

/** The next round number at or above `value`: 1, 1.5, 2, 3 and 4 times a power of two for bytes, else 1, 2 and 5 times one of ten. */
function round(value: number, binary: boolean): number {
  const unit = binary ? 2 ** Math.floor(Math.log2(value)) : 10 ** Math.floor(Math.log10(value));
  return unit * ((binary ? [1, 1.5, 2] : [1, 2, 5, 10]).find((step) => unit * step >= value) ?? 1);
}

/**
 * Where a scale from 0 ends that shows `most`: a little above it, but at the limit where that is near, so that a small value is no
 * line on the floor and a large one shows how much is left.
 */
export function scaleEnd(most: number, least: number, limit: number | undefined, binary: boolean): number {
  const end = round(Math.max(most * 1.15, least, 1e-9), binary);
  return limit && most <= limit && end > limit / 2 ? limit : end;
}

/** The time at a graph's foot. Over more than a day, the time of day says too little. */
export const axisTime = (seconds: number, span: number): string =>
  new Date(seconds * 1000).toLocaleString(
    region,
    span > 90_000 ? { weekday: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit' }
  );
