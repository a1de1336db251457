// The stream of events: one WebSocket per tab. It resumes after the last event that was received, so that a page in the browser's
// back/forward cache misses nothing. While there is no connection, pages are told every few seconds to read their data again.
import { getSettings, type EventFrame, type EventRequest } from './api';
import { Line } from './line';
import { link } from './link.svelte';

/** What a kind of event says. */
type Said<K extends EventFrame['type']> = Omit<Extract<EventFrame, { type: K }>, 'type'>;
/** Measurements of containers that are watched, in columns. */
export type Measured = Said<'stats'>;
export type News = Partial<Said<'change'> & Said<'live'> & Measured>;
export type Kind = Exclude<EventFrame['type'], 'beat'>;
type Listener = (kind: Kind, news: News) => void;

/** Milliseconds between two looks while the line is away. */
const LOOK_EVERY = 5_000;

const listeners = new Set<Listener>();
/** What is watched, with a number that grows with each choice. */
let watched: { watch: number; ids: string[] } = { watch: 0, ids: [] };
let last = '';
/** Whether the line was lost since it was last heard. */
let broken = false;
let look: ReturnType<typeof setInterval> | undefined;
let opened = false;

const line = new Line<EventFrame, EventRequest>({
  path: () => `/api/v1/events/live${last ? `?after=${last}` : ''}`,
  frame: (frame) => {
    last = frame.event_id;
    if (frame.type !== 'beat') tell(frame.type, frame);
  },
  up: () => {
    clearInterval(look);
    look = undefined;
    link.found();
    if (watched.ids.length > 0) line.send({ type: 'watch', ...watched });
    // What was asked while nobody answered has failed, so it is asked for again.
    if (broken) tell('resync', {});
    // What listens before the first frame was read before the line was there: nobody tells what changed until then.
    else if (!last) for (const listener of listeners) listener('resync', {});
    broken = false;
  },
  down: (dead) => {
    broken = true;
    link.missed(dead ? 0 : undefined);
    if (look) return;
    look = setInterval(poll, LOOK_EVERY);
    // The session may have ended, or something on the way lets no such connection through: ask what is so.
    tell('resync', {});
  }
});

async function poll() {
  const { response } = await getSettings().catch(() => ({ response: undefined }));
  link.asked(response?.ok ?? false);
  if (response?.ok && broken) tell('resync', {});
}

/** How much was told so far: measurements aside, which change nothing that is read. */
let told = 0;
export const heard = (): number => told;

function tell(kind: Kind, news: News) {
  if (kind !== 'stats') told += 1;
  for (const listener of listeners) listener(kind, news);
}

/** Has the measurements of these containers told, 100 at most, and of no others. Returns the number that `stats` come with. */
export function watch(ids: string[]): number {
  if (ids.join() !== watched.ids.join()) {
    watched = { watch: watched.watch + 1, ids };
    // A line that is not up yet is told when it is.
    line.send({ type: 'watch', ...watched });
  }
  return watched.watch;
}

/** Opens the line before anybody listens, so that what is read from now on and shown later misses nothing. */
export function begin() {
  if (opened) return;
  opened = true;
  line.open();
}

/** Listens until the returned function is called. `resync` says that anything may be different now. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  begin();
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    opened = false;
    line.close();
    clearInterval(look);
    look = undefined;
    last = '';
    broken = false;
    link.found();
  };
}

/** Calls `work` at most once in `ms`, and once more when it was called meanwhile. */
export function calmly(work: () => Promise<unknown> | void, ms: number): () => void {
  let waiting: ReturnType<typeof setTimeout> | null = null;
  let last = 0;
  return () => {
    if (waiting) return;
    const wait = Math.max(0, last + ms - Date.now());
    waiting = setTimeout(() => {
      waiting = null;
      last = Date.now();
      void work();
    }, wait);
  };
}
