// What changes, as the API tells it. One connection for the whole panel.
type Listener = (kind: string, data: { subject?: string; id?: string; ids?: string[] }) => void;

const listeners = new Set<Listener>();
let source: EventSource | null = null;

function connect() {
  source = new EventSource('/api/v1/events');
  for (const kind of ['change', 'live', 'daemon', 'resync']) {
    source.addEventListener(kind, (event) => {
      const data = JSON.parse((event as MessageEvent<string>).data);
      for (const listener of listeners) listener(kind, data);
    });
  }
}

/** Listens until the returned function is called. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  if (!source) connect();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      source?.close();
      source = null;
    }
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
