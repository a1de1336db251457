// What changes, as the API tells it. One connection for the whole panel.
import { link } from './link.svelte';

export interface News {
  subject?: string;
  id?: string;
  ids?: string[];
}
type Listener = (kind: string, news: News) => void;

const listeners = new Set<Listener>();
let source: EventSource | null = null;
let retry: ReturnType<typeof setTimeout> | null = null;
let ever = false;

function connect() {
  source = new EventSource('/api/v1/events');
  for (const kind of ['change', 'live', 'daemon', 'resync']) {
    source.addEventListener(kind, (event) => tell(kind, JSON.parse((event as MessageEvent<string>).data)));
  }
  source.onopen = () => {
    link.found();
    // What happened while the connection was away was not told.
    if (ever) tell('resync', {});
    ever = true;
  };
  source.onerror = () => {
    link.missed();
    if (source?.readyState !== EventSource.CLOSED) return;
    // The browser gives up after an answer such as 401 or 502: ask what is so, then try again.
    tell('resync', {});
    retry = setTimeout(() => listeners.size > 0 && connect(), 3_000);
  };
}

function tell(kind: string, news: News) {
  for (const listener of listeners) listener(kind, news);
}

/** Listens until the returned function is called. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  if (!source) connect();
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    if (retry) clearTimeout(retry);
    source?.close();
    source = null;
    ever = false;
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
