// One container's live stream: numbered lines that resume where they stopped.
import type { ConsoleLine, ContainerStatus, LiveFrame, Stats } from '../api';

export interface Sample {
  /** Seconds since 1970. */
  at: number;
  cpu_percent: number;
  memory_bytes: number;
  /** Page cache, beside it. */
  cache_bytes: number;
  /** Bytes in a second. */
  rx: number;
  tx: number;
}

/** Samples that are drawn: five minutes at one a second. */
const KEPT = 300;
/** Lines that wait for a terminal. */
const HELD = 10_000;
const PAUSES = [500, 1_000, 2_000, 5_000];

export class LiveContainer {
  status = $state<ContainerStatus | null>(null);
  stats = $state.raw<Stats | null>(null);
  samples = $state.raw<Sample[]>([]);
  connected = $state(false);
  /** Why the stream was ended for good, such as access that was taken away. */
  ended = $state<string | null>(null);
  partial = $state('');
  onlines: ((lines: ConsoleLine[]) => void) | null = null;
  onnotice: ((text: string) => void) | null = null;

  private lines: ConsoleLine[] = [];
  private last = 0;
  private tries = 0;
  private socket: WebSocket | null = null;
  private closed = false;
  private before: { at: number; stats: Stats } | null = null;

  constructor(private id: string) {}

  open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const since = this.last > 0 ? `after=${this.last}` : 'tail=1000';
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/containers/${this.id}/live?${since}`);
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => {
      this.connected = true;
      this.tries = 0;
      this.take(JSON.parse(event.data) as LiveFrame);
    };
    socket.onclose = (event) => {
      this.connected = false;
      this.stats = null;
      this.before = null;
      if (this.closed) return;
      if (event.code === 1008) {
        this.ended = 'Your access to this container has changed. Reload the page to go on with what you still may do.';
        return;
      }
      setTimeout(() => !this.closed && this.open(), PAUSES[Math.min(this.tries++, PAUSES.length - 1)]);
    };
  }

  close() {
    this.closed = true;
    this.socket?.close();
  }

  send(command: string): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ type: 'command', command }));
    return true;
  }

  /** Gives a terminal that comes later what came before it. */
  replay() {
    if (this.lines.length > 0) this.onlines?.(this.lines);
  }

  private take(frame: LiveFrame) {
    switch (frame.type) {
      case 'lines':
        this.add(frame.lines.filter((line) => line.seq > this.last));
        break;
      case 'gap':
        this.onnotice?.(`${frame.next - frame.from} older lines are no longer kept.`);
        this.last = frame.next - 1;
        break;
      case 'partial':
        this.partial = frame.text;
        break;
      case 'status':
        this.status = frame.status;
        if (frame.status.phase === 'offline') {
          this.stats = null;
          this.before = null;
        }
        break;
      case 'stats':
        this.measure(frame.stats);
        break;
      case 'problem':
        this.onnotice?.(frame.message);
        break;
    }
  }

  private add(fresh: ConsoleLine[]) {
    this.partial = '';
    if (fresh.length === 0) return;
    this.last = fresh.at(-1)?.seq ?? this.last;
    this.lines.push(...fresh);
    if (this.lines.length > HELD) this.lines = this.lines.slice(-HELD);
    this.onlines?.(fresh);
  }

  private measure(stats: Stats) {
    const at = Date.now() / 1000;
    const { before } = this;
    const seconds = before ? Math.max(at - before.at, 0.2) : 1;
    const rate = (now: number, then: number | undefined) => (then === undefined ? 0 : Math.max(0, now - then) / seconds);
    const sample: Sample = {
      at,
      cpu_percent: stats.cpu_percent,
      memory_bytes: stats.memory_bytes,
      cache_bytes: stats.memory_cache_bytes ?? 0,
      rx: rate(stats.network_rx_bytes, before?.stats.network_rx_bytes),
      tx: rate(stats.network_tx_bytes, before?.stats.network_tx_bytes)
    };
    this.before = { at, stats };
    this.stats = stats;
    this.samples = [...this.samples.slice(1 - KEPT), sample];
  }
}
