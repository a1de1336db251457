// Files on their way to a container. Small ones go in one request, others in pieces; what fails because Raptor can’t be
// reached is sent again once it can be, and each request may safely arrive twice.
import { m } from '$lib/messages';
import { abortUpload, ask, beginUpload, finishUpload, getUpload, Refusal, refused, words, type FileInfo, type Upload } from '../api';

const PIECE = 8 * 1024 * 1024;
/** Files up to this size go in one request; what is in front of Raptor may take no more than 1 MiB. */
const SMALL = 512 * 1024;
/** What nginx lets pass by default, and the least that is worth a request. */
const [USUAL, LEAST] = [1024 * 1024, 64 * 1024];
const AT_ONCE = 3;
/** How often something is tried that Raptor itself failed to do. */
const ATTEMPTS = 6;
/** The longest pause before it is tried again, in milliseconds. */
const PAUSE = 2_000;

export interface Sending {
  key: number;
  file: File;
  path: string;
  replace: boolean;
  sent: number;
  state: 'waiting' | 'sending' | 'done' | 'failed' | 'cancelled';
  problem: string | null;
  /** Why the upload is paused; it resumes automatically. Null while it is not paused. */
  held: string | null;
  taken: boolean;
  /** Whether emptying the trash makes room for it. */
  room: boolean;
  /** What names it at the host. */
  upload: string | null;
}

class Uploads {
  all = $state<Sending[]>([]);
  private next = 0;
  /** Bytes in a piece: fewer where a proxy refuses more. */
  private size = PIECE;
  private running = 0;
  private requests = new Map<number, XMLHttpRequest>();
  /** Called when a file has arrived. */
  arrived: (path: string) => void = () => {};

  busy = $derived(this.all.some(({ state }) => state === 'waiting' || state === 'sending'));
  total = $derived(this.all.reduce((sum, { file }) => sum + file.size, 0));
  sent = $derived(this.all.reduce((sum, { sent }) => sum + sent, 0));
  failed = $derived(this.all.filter(({ state }) => state === 'failed'));

  constructor(private container: string) {}

  add(files: { file: File; path: string }[]) {
    for (const { file, path } of files) {
      this.all.push({
        key: this.next++,
        file,
        path,
        replace: false,
        sent: 0,
        state: 'waiting',
        problem: null,
        held: null,
        taken: false,
        room: false,
        upload: null
      });
    }
    this.work();
  }

  again(one: Sending) {
    // What replaces another file is another upload.
    if (one.taken) Object.assign(one, { replace: true, upload: null });
    Object.assign(one, { state: 'waiting', problem: null, taken: false, room: false });
    this.work();
  }

  cancel(one: Sending) {
    if (one.state === 'sending' || one.state === 'waiting') one.state = 'cancelled';
    this.requests.get(one.key)?.abort();
    if (one.upload) void ask(abortUpload({ path: { id: this.container, upload_id: one.upload } })).catch(() => {});
    one.upload = null;
  }

  clear() {
    this.all = this.all.filter(({ state }) => state === 'waiting' || state === 'sending');
  }

  private work() {
    while (this.running < AT_ONCE) {
      const one = this.all.find(({ state }) => state === 'waiting');
      if (!one) return;
      one.state = 'sending';
      this.running += 1;
      void this.send(one).finally(() => {
        this.running -= 1;
        this.work();
      });
    }
  }

  private async send(one: Sending) {
    try {
      if (!(await this.atOnce(one))) await this.inPieces(one);
      if (one.state !== 'sending') return;
      Object.assign(one, { sent: one.file.size, state: 'done', held: null, upload: null });
      this.arrived(one.path);
    } catch (error) {
      if (one.state === 'cancelled') return;
      const refusal = error instanceof Refusal ? error : null;
      // The host does not know it any more.
      if (refusal?.status === 404) one.upload = null;
      const room = Number(refusal?.params['trash_bytes'] ?? 0) > 0;
      Object.assign(one, { state: 'failed', held: null, problem: words(error), taken: refusal?.code === 'file_exists', room });
    }
  }

  /** Sends a small file in one request, unless it is too large for what is in front of Raptor. */
  private async atOnce(one: Sending): Promise<boolean> {
    if (one.file.size > Math.min(SMALL, this.size)) return false;
    try {
      await this.surely(one, () => this.whole(one));
      return true;
    } catch (error) {
      if (!this.shrink(error)) throw error;
      return false;
    }
  }

  private async inPieces(one: Sending) {
    const id = this.container;
    one.upload ??= newId();
    const body = { id: one.upload, path: one.path, size_bytes: one.file.size, replace: one.replace };
    let upload = await this.surely(one, () => ask(beginUpload({ path: { id }, body })));
    let known = true;
    while (one.state === 'sending' && upload.received_bytes < one.file.size) {
      await this.surely(one, async () => {
        if (!known) upload = await ask(getUpload({ path: { id, upload_id: upload.id } }));
        known = false;
        try {
          if (upload.received_bytes < one.file.size) upload = await this.piece(one, upload);
          known = true;
        } catch (error) {
          if (!this.shrink(error)) throw error;
        }
      });
      one.sent = upload.received_bytes;
    }
    if (one.state === 'sending') await this.surely(one, () => ask(finishUpload({ path: { id, upload_id: upload.id } })));
  }

  /** Does what may be done twice: while Raptor is away, it waits and tries again. */
  private async surely<T>(one: Sending, work: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      try {
        const done = await work();
        one.held = null;
        return done;
      } catch (error) {
        if (one.state !== 'sending' || !(error instanceof Refusal)) throw error;
        // A browser ends the request where the file itself can't be read any more, as it does where nobody answers.
        if (error.status === 0 && !(await readable(one.file))) throw new Error(m.files_upload_changed(), { cause: error });
        const away = [0, 502, 503, 504].includes(error.status);
        // 422: a piece that begins elsewhere than the host expects, after an answer was lost.
        const shaky = error.status >= 500 || error.status === 429 || (error.status === 422 && one.file.size > SMALL);
        if (!away && (!shaky || failures >= ATTEMPTS)) throw error;
        one.held = words(error);
        await new Promise((resolve) => setTimeout(resolve, Math.min(PAUSE, 250 * 2 ** failures)));
        if (one.state !== 'sending') throw error;
      }
    }
  }

  /** Whether a smaller piece may pass where this one was refused. Some proxies end the connection without an answer. */
  private shrink(error: unknown): boolean {
    if (!(error instanceof Refusal) || error.code !== 'unknown' || (error.status !== 413 && error.status !== 0)) return false;
    const smaller = this.size > USUAL ? USUAL : this.size / 2;
    const passes = error.status === 413 && smaller >= LEAST;
    if (passes || this.size > USUAL) this.size = smaller;
    return passes;
  }

  private whole(one: Sending): Promise<FileInfo> {
    const query = new URLSearchParams({ path: one.path, size_bytes: String(one.file.size), replace: String(one.replace) });
    return this.put(one, `uploads?${query}`, one.file, 0);
  }

  private piece(one: Sending, upload: Upload): Promise<Upload> {
    const start = upload.received_bytes;
    return this.put(one, `uploads/${upload.id}/content?offset=${start}`, one.file.slice(start, start + this.size), start);
  }

  // The generated client can't tell how far a request is; a browser's own request can.
  private put<T>(one: Sending, at: string, body: Blob, start: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.requests.set(one.key, request);
      request.open('PUT', `/api/v1/containers/${this.container}/files/${at}`);
      request.setRequestHeader('X-Raptor-CSRF', '1');
      request.setRequestHeader('Content-Type', 'application/octet-stream');
      request.upload.onprogress = ({ loaded }) => (one.sent = start + loaded);
      request.onloadend = () => {
        this.requests.delete(one.key);
        const answer = read(request.responseText);
        if (request.status >= 200 && request.status < 300) return resolve(answer as T);
        const silent = request.status === 0 && { detail: m.files_upload_no_answer() };
        void refused({ ...silent, ...answer, status: request.status }).then(reject);
      };
      request.send(body);
    });
  }
}

/** Whether the browser can still read a file that was chosen: it can't once that was changed, moved or removed. */
async function readable(file: File): Promise<boolean> {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** A UUID. `crypto.randomUUID` is for pages that came by HTTPS only. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function read(text: string): object {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

// Uploads go on while other pages are open.
const kept = new Map<string, Uploads>();
export function uploadsOf(container: string): Uploads {
  const uploads = kept.get(container) ?? new Uploads(container);
  kept.set(container, uploads);
  return uploads;
}
