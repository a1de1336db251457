// What was recorded with a deed, in words.
import type { Activity } from './api';
import { bytes } from './format';
import { m } from '$lib/messages';

/** Ids say nothing to people. */
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}$/;
type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const spaced = (key: string) => key.replaceAll('_', ' ');
/** Whether there is nothing to say about it. */
const empty = (value: unknown): boolean =>
  value === null || value === undefined || value === '' || value === false || (Array.isArray(value) ? value.every(empty) : isFields(value) && Object.values(value).every(empty));
/** Whether the sentence, or what is shown below it, says it already. */
const told = (action: string, key: string): boolean =>
  key === 'lines' || (action === 'container.command' && key === 'command') || (action === 'container.sftp.changed' && key === 'changes');

/** A value by itself: "/secret → /x", "a, b", "2". */
function plain(value: unknown): string {
  if (empty(value)) return 'none';
  if (Array.isArray(value)) return value.filter((one) => !empty(one)).map(plain).join(', ');
  if (!isFields(value)) return value === true ? 'yes' : String(value);
  if (isMove(value)) return `${plain(value['from'])} → ${plain(value['to'])}`;
  return Object.entries(value).filter(([, one]) => !empty(one)).map(([key, one]) => named(key, one)).join(', ');
}

const isMove = (value: Fields): boolean => Object.keys(value).length === 2 && 'from' in value && 'to' in value;

function named(key: string, value: unknown): string {
  if (typeof value === 'number' && key.endsWith('_bytes')) return `${spaced(key.slice(0, -6))}: ${bytes(value)}`;
  if (value === true) return spaced(key);
  return `${spaced(key)}: ${plain(value)}`;
}

/** What is another than before. */
function changed(from: Fields, to: Fields): string[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .filter((key) => JSON.stringify(from[key]) !== JSON.stringify(to[key]))
    .map((key) => `${spaced(key)}: ${plain(from[key])} → ${plain(to[key])}`);
}

/** What was recorded beside what the sentence says already. */
export function detailOf({ action, detail }: Pick<Activity, 'action' | 'detail'>): string {
  const { from, to, ...others } = detail as Fields;
  const parts: string[] = [];
  if (isFields(from) && isFields(to)) parts.push(...changed(from, to));
  else if (!empty(from) && !empty(to)) parts.push(`${plain(from)} → ${plain(to)}`);
  else Object.assign(others, { from, to });
  const listed = Object.values(others).find((value) => Array.isArray(value)) as unknown[] | undefined;
  for (const [key, value] of Object.entries(others)) {
    if (empty(value) || told(action, key) || (typeof value === 'string' && ID.test(value))) continue;
    // How many there are is seen, unless they are too many to be listed.
    if (key === 'count' && listed?.length && typeof value === 'number') {
      if (value > listed.length) parts.push(m.activity_more({ count: value - listed.length }));
    } else if (key === 'copies' || key === 'moves') parts.push(plain(value));
    else parts.push(named(key, value));
  }
  return parts.join(' · ');
}
