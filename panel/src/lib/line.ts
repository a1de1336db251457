// A WebSocket that notices when its other end is gone, and reconnects.
//
// The API says something at least every two seconds. A line that is dead but not closed, such as behind a router that went away,
// tells nobody: only the silence does.
import { server } from './server-time';

/** Seconds of silence after which a line is dead. */
const SILENCE = 5;
/** Seconds that a new line may take until its first frame. */
const OPENING = 10;
/** Milliseconds before the next try. */
const PAUSES = [500, 1_000, 2_000, 5_000];
/** Milliseconds for which a tab that nobody looks at keeps its line. */
const UNSEEN = 600_000;

export interface Frame {
  type: string;
}

export interface Ends<F extends Frame> {
  /** Where the line goes now: it may go on after what was heard. */
  path: () => string;
  frame: (frame: F) => void;
  /** It is alive. Called with the first frame of each line. */
  up: () => void;
  /** It is gone, for a reason other than that this page rests. Called again for each try that fails. */
  down: (dead: boolean) => void;
  /** The API ended it for good. Says whether to try again. */
  refused?: () => boolean;
}

/** A line that brings frames and takes requests. */
export class Line<F extends Frame, R extends Frame> {
  private socket: WebSocket | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private ticks: ReturnType<typeof setInterval> | undefined;
  private unseen: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;
  /** Seconds without a frame, as far as this tab was awake. */
  private quiet = 0;
  private heard = 0;
  private alive = false;
  private wanted = false;
  private away = new AbortController();

  constructor(private ends: Ends<F>) {}

  open() {
    this.wanted = true;
    this.away = new AbortController();
    const { signal } = this.away;
    addEventListener('pagehide', () => this.rest(), { signal });
    addEventListener('pageshow', (event) => event.persisted && this.wake(), { signal });
    document.addEventListener('freeze', () => this.rest(), { signal });
    document.addEventListener('resume', () => this.wake(), { signal });
    addEventListener('online', () => this.wake(), { signal });
    // The network of this machine went away. One that is on this machine itself is still heard, so what counts is the silence.
    addEventListener('offline', () => (this.quiet = Math.max(this.quiet, SILENCE - 3)), { signal });
    document.addEventListener('visibilitychange', () => this.seen(), { signal });
    this.ticks = setInterval(() => this.tick(), 1_000);
    this.connect();
  }

  close() {
    this.wanted = false;
    this.away.abort();
    clearInterval(this.ticks);
    this.rest();
  }

  /** Whether the API hears this page. */
  get up() {
    return this.alive;
  }

  send(frame: R): boolean {
    if (!this.alive || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private connect() {
    clearTimeout(this.retry);
    this.retry = undefined;
    this.quiet = 0;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}${this.ends.path()}`);
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => this.take(JSON.parse(event.data) as F);
    socket.onclose = ({ code }) => {
      if (code === 1008 && this.ends.refused && !this.ends.refused()) return this.close();
      this.lost(false);
    };
  }

  private take(frame: F) {
    this.quiet = 0;
    this.heard = Date.now();
    if (frame.type === 'beat') server.says((frame as unknown as { time: string }).time);
    if (!this.alive) {
      this.alive = true;
      this.tries = 0;
      this.ends.up();
    }
    this.ends.frame(frame);
  }

  /** Lets go of the socket: nothing that it still brings or takes counts. */
  private drop() {
    const { socket } = this;
    this.socket = null;
    this.alive = false;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private lost(dead: boolean) {
    this.drop();
    this.ends.down(dead);
    this.retry = setTimeout(() => this.connect(), PAUSES[Math.min(this.tries++, PAUSES.length - 1)]);
  }

  private tick() {
    if (!this.socket) return;
    this.quiet += 1;
    if (this.quiet >= (this.alive ? SILENCE : OPENING)) this.lost(true);
  }

  /** This page is put aside, and may come back as it is. */
  private rest() {
    clearTimeout(this.retry);
    clearTimeout(this.unseen);
    this.retry = undefined;
    this.drop();
  }

  private wake() {
    if (!this.wanted) return;
    if (this.socket && this.alive) return;
    this.rest();
    this.tries = 0;
    this.connect();
  }

  private seen() {
    clearTimeout(this.unseen);
    if (document.hidden) this.unseen = setTimeout(() => this.rest(), UNSEEN);
    else if (!this.socket) this.wake();
    // A tab in the background counts its seconds slowly, and not at all while the machine sleeps.
    else if (this.alive && Date.now() - this.heard > SILENCE * 1_000) {
      this.drop();
      this.ends.down(true);
      this.wake();
    }
  }
}
