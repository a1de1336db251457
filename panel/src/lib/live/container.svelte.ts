// One container's live stream: numbered lines that resume where they stopped.
import type { ConsoleLine, ContainerStatus, LiveFrame, LiveRequest, PowerAction, Series, Stats, StatsHistory } from '../api';
import { Line } from '../line';
import { PATIENCE, server } from '../server-time';
import { m } from '$lib/messages';

/** What was used at a time; nothing where nobody measured. */
export interface Sample {
  /** Seconds since 1970. */
  at: number;
  cpu_percent: number | null;
  memory_bytes: number | null;
  /** Page cache, beside it. */
  cache_bytes: number | null;
  /** Received and sent over the network, in bytes per second; null where it is unknown. */
  rx: number | null;
  tx: number | null;
}

/** Samples that are drawn: five minutes at one a second. */
const KEPT = 300;
/** Lines that wait for a terminal. */
const HELD = 10_000;

/** A command whose answer is awaited. */
interface Sent {
  accepted: () => void;
  failed: (why: Error) => void;
}

export class LiveContainer {
  status = $state<ContainerStatus | null>(null);
  /** What can be done with its process, as the stream said last: it holds while connected. Null until the stream says it. */
  actions = $state.raw<PowerAction[] | null>(null);
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
  private before: { at: number; stats: Stats } | null = null;
  private commands = new Map<number, Sent>();
  private command = 0;
  private line: Line<LiveFrame, LiveRequest>;

  constructor(id: string) {
    this.line = new Line<LiveFrame, LiveRequest>({
      path: () => `/api/v1/containers/${id}/live?${this.last > 0 ? `after=${this.last}` : 'tail=1000'}`,
      frame: (frame) => this.take(frame),
      up: () => (this.connected = true),
      down: () => this.away(),
      refused: () => {
        this.away();
        this.ended = m.console_access_changed();
        return false;
      }
    });
  }

  open() {
    this.line.open();
  }

  close() {
    this.line.close();
    this.away();
  }

  private away() {
    this.connected = false;
    this.stats = null;
    this.before = null;
    const why = m.console_command_lost();
    for (const { failed } of this.commands.values()) failed(new Error(why));
  }

  /** Sends a command. Done when the container was given it. */
  send(command: string): Promise<void> {
    const command_id = ++this.command;
    return new Promise<void>((accepted, failed) => {
      this.commands.set(command_id, { accepted, failed });
      const sent = this.line.send({ type: 'command', command, command_id, not_after: server.limit() });
      if (!sent) failed(new Error(m.console_not_connected()));
      setTimeout(() => failed(new Error(m.console_command_late())), PATIENCE + 2_000);
    }).finally(() => this.commands.delete(command_id));
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
        this.onnotice?.(m.console_lines_dropped({ count: frame.next - frame.from }));
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
      case 'actions':
        this.actions = frame.actions;
        break;
      case 'stats':
        this.measure(frame.stats);
        break;
      case 'accepted':
        this.commands.get(frame.command_id)?.accepted();
        break;
      case 'problem':
        if (frame.command_id) this.commands.get(frame.command_id)?.failed(new Error(frame.message));
        else this.onnotice?.(frame.message);
        break;
    }
  }

  /** Puts what the host measured before the stream was opened in front of its samples. Nothing is drawn between the two. */
  recall({
    from,
    step_seconds: step,
    cpu_percent,
    memory_bytes,
    network_rx_bytes_per_second: rx,
    network_tx_bytes_per_second: tx
  }: StatsHistory) {
    const now = Date.now() / 1000;
    const until = Math.min(this.samples[0]?.at ?? now, now) - 1;
    const begin = new Date(from).getTime() / 1000;
    const value = ({ avg }: Series, i: number) => avg[i] ?? null;
    const earlier = memory_bytes.avg
      .map((memory, i): Sample => ({
        at: begin + i * step,
        cpu_percent: value(cpu_percent, i),
        memory_bytes: memory,
        cache_bytes: null,
        rx: value(rx, i),
        tx: value(tx, i)
      }))
      .filter(({ at, memory_bytes }) => memory_bytes !== null && at < until && at > now - KEPT);
    const last = earlier.at(-1);
    if (!last) return;
    const gap = { at: Math.min(last.at + step, until + 0.5), cpu_percent: null, memory_bytes: null, cache_bytes: null, rx: null, tx: null };
    this.samples = [...earlier, gap, ...this.samples].slice(-KEPT);
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
