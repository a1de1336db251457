// The time that a list is filtered by: a duration up to now, or a range.

const HOUR = 3_600_000;
/** Durations in milliseconds. */
const LAST = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR } as const;
export type Last = keyof typeof LAST;

export interface Period {
  /** The last hour, day and so on; "between" for `from` and `until`; empty for any time. */
  within: string;
  /** RFC 3339 in UTC, or empty. */
  from: string;
  until: string;
}

const isLast = (within: string): within is Last => Object.hasOwn(LAST, within);
const isTime = (text: string) => Number.isFinite(Date.parse(text));
/** A time in UTC; one without a zone is one of the browser's. Empty where it is none. */
const inUtc = (text: string): string => (isTime(text) ? new Date(text).toISOString() : '');

/** The period in a query string. Anything invalid is any time. */
export function period(asked: (name: string) => string): Period {
  const within = asked('within');
  if (isLast(within)) return { within, from: '', until: '' };
  const [from = '', until = ''] = ['from', 'until'].map((name) => inUtc(asked(name)));
  return { within: from || until || within === 'between' ? 'between' : '', from, until };
}

/** The same as the API's `from` and `until`. */
export function bounds({ within, from, until }: Period, now: number = Date.now()): { from?: string; until?: string } {
  if (isLast(within)) return { from: new Date(now - LAST[within]).toISOString() };
  return { ...(from && { from }), ...(until && { until }) };
}

const two = (part: number) => String(part).padStart(2, '0');

/** A time as a field of the type `datetime-local` has it: in the zone of the browser, to the minute. */
export function toField(time: string): string {
  if (!isTime(time)) return '';
  const at = new Date(time);
  const day = `${String(at.getFullYear()).padStart(4, '0')}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** What such a field holds, in UTC. It is empty while it is typed. */
export const fromField = inUtc;
