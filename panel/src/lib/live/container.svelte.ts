// One container's live stream: numbered lines that resume where they stopped.
import type { ConsoleLine, ContainerStatus, LiveFrame, Stats } from '../api';

export interface Sample {
  at: number;
  stats: Stats;
}

const KEPT = 300;
const PAUSES = [500, 1_000, 2_000, 5_000];

export class LiveContainer {
  status = $state<ContainerStatus | null>(null);
  stats = $state<Stats | null>(null);
  samples = $state.raw<Sample[]>([]);
  connected = $state(false);
  /** Why the stream was ended for good, such as access that was taken away. */
  ended = $state<string | null>(null);
  partial = $state('');
  onlines: (lines: ConsoleLine[]) => void = () => {};
  onnotice: (text: string) => void = () => {};

  private last = 0;
  private tries = 0;
  private socket: WebSocket | null = null;
  private closed = false;

  constructor(private id: string) {}

  open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const since = this.last > 0 ? `after=${this.last}` : 'tail=1000';
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/containers/${this.id}/live?${since}`);
    this.socket = socket;
    socket.onopen = () => {
      this.connected = true;
      this.tries = 0;
    };
    socket.onmessage = (event: MessageEvent<string>) => this.take(JSON.parse(event.data) as LiveFrame);
    socket.onclose = (event) => {
      this.connected = false;
      if (this.closed) return;
      if (event.code === 1008) {
        this.ended = 'Your access to this container has changed.';
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

  private take(frame: LiveFrame) {
    switch (frame.type) {
      case 'lines': {
        const fresh = frame.lines.filter((line) => line.seq > this.last);
        this.last = fresh.at(-1)?.seq ?? this.last;
        this.partial = '';
        if (fresh.length > 0) this.onlines(fresh);
        break;
      }
      case 'gap':
        this.onnotice(`${frame.next - frame.from} older lines are no longer kept.`);
        this.last = frame.next - 1;
        break;
      case 'partial':
        this.partial = frame.text;
        break;
      case 'status':
        this.status = frame.status;
        if (frame.status.phase === 'offline') this.stats = null;
        break;
      case 'stats':
        this.stats = frame.stats;
        this.samples = [...this.samples.slice(1 - KEPT), { at: Date.now() / 1000, stats: frame.stats }];
        break;
      case 'problem':
        this.onnotice(frame.message);
        break;
    }
  }
}
