// Files on their way to a container, in pieces: a piece that fails is sent again from where the host is.
import { abortUpload, ask, beginUpload, finishUpload, getUpload, Refusal, words, type Upload } from '../api';

const PIECE = 8 * 1024 * 1024;
/** What nginx lets pass by default, and the least that is worth a request. */
const [USUAL, LEAST] = [1024 * 1024, 64 * 1024];
const AT_ONCE = 3;
const ATTEMPTS = 6;

export interface Sending {
  key: number;
  file: File;
  path: string;
  replace: boolean;
  sent: number;
  state: 'waiting' | 'sending' | 'done' | 'failed' | 'cancelled';
  problem: string | null;
  taken: boolean;
}

class Uploads {
  all = $state<Sending[]>([]);
  private next = 0;
  /** Bytes in a piece: fewer where a proxy refuses more. */
  private size = PIECE;
  private running = 0;
  private requests = new Map<number, XMLHttpRequest>();
  private begun = new Map<number, Upload>();
  /** Called when a file has arrived. */
  arrived: (path: string) => void = () => {};

  busy = $derived(this.all.some(({ state }) => state === 'waiting' || state === 'sending'));
  total = $derived(this.all.reduce((sum, { file }) => sum + file.size, 0));
  sent = $derived(this.all.reduce((sum, { sent }) => sum + sent, 0));

  constructor(private container: string) {}

  add(files: { file: File; path: string }[]) {
    for (const { file, path } of files) {
      this.all.push({ key: this.next++, file, path, replace: false, sent: 0, state: 'waiting', problem: null, taken: false });
    }
    this.work();
  }

  again(one: Sending, replace: boolean) {
    Object.assign(one, { replace: one.replace || replace, state: 'waiting', problem: null, taken: false });
    this.work();
  }

  cancel(one: Sending) {
    if (one.state === 'sending' || one.state === 'waiting') one.state = 'cancelled';
    this.requests.get(one.key)?.abort();
    const upload = this.begun.get(one.key);
    if (upload) void ask(abortUpload({ path: { id: this.container, upload_id: upload.id } })).catch(() => {});
    this.begun.delete(one.key);
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
      const id = this.container;
      let upload =
        this.begun.get(one.key) ??
        (await ask(beginUpload({ path: { id }, body: { path: one.path, size_bytes: one.file.size, replace: one.replace } })));
      this.begun.set(one.key, upload);
      for (let failures = 0; one.state === 'sending' && upload.received_bytes < one.file.size; ) {
        try {
          upload = await this.piece(one, upload);
          failures = 0;
        } catch (error) {
          if (this.shrink(error)) continue;
          failures += 1;
          const final = error instanceof Refusal && error.status !== 0 && error.status < 500 && error.status !== 422;
          if (one.state !== 'sending' || final || failures >= ATTEMPTS) throw error;
          await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** failures));
          upload = await ask(getUpload({ path: { id, upload_id: upload.id } }));
        }
        one.sent = upload.received_bytes;
      }
      if (one.state !== 'sending') return;
      await ask(finishUpload({ path: { id, upload_id: upload.id } }));
      this.begun.delete(one.key);
      one.sent = one.file.size;
      one.state = 'done';
      this.arrived(one.path);
    } catch (error) {
      if (one.state === 'cancelled') return;
      one.state = 'failed';
      one.problem = words(error);
      one.taken = error instanceof Refusal && error.code === 'file_exists';
    }
  }

  /** Whether a smaller piece may pass where this one was refused. Some proxies end the connection without an answer. */
  private shrink(error: unknown): boolean {
    if (!(error instanceof Refusal) || error.code !== 'unknown' || (error.status !== 413 && error.status !== 0)) return false;
    const smaller = this.size > USUAL ? USUAL : this.size / 2;
    const refused = error.status === 413 && smaller >= LEAST;
    if (refused || this.size > USUAL) this.size = smaller;
    return refused;
  }

  // The generated client can't tell how far a request is; a browser's own request can.
  private piece(one: Sending, upload: Upload): Promise<Upload> {
    const start = upload.received_bytes;
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.requests.set(one.key, request);
      request.open('PUT', `/api/v1/containers/${this.container}/files/uploads/${upload.id}/content?offset=${start}`);
      request.setRequestHeader('X-Raptor-CSRF', '1');
      request.setRequestHeader('Content-Type', 'application/octet-stream');
      request.upload.onprogress = ({ loaded }) => (one.sent = start + loaded);
      request.onloadend = () => {
        this.requests.delete(one.key);
        const answer = read(request.responseText);
        if (request.status >= 200 && request.status < 300) resolve(answer as Upload);
        else reject(new Refusal({ ...(request.status === 0 && { detail: 'The connection was lost.' }), ...answer, status: request.status }));
      };
      request.send(one.file.slice(start, start + this.size));
    });
  }
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

/** Everything that was dropped, folders with all that is in them, by paths from where it was dropped. */
export async function dropped(transfer: DataTransfer): Promise<{ file: File; path: string }[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: { file: File; path: string }[] = [];
  const look = async (entry: FileSystemEntry): Promise<void> => {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      found.push({ file, path: entry.fullPath.replace(/^\//, '') });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const one of some) await look(one);
    }
  };
  for (const entry of entries) await look(entry);
  return found;
}
