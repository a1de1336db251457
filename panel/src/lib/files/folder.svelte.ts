// The open folder: its entries in pages, as far as somebody has scrolled. The first page is read in `load`.
import { untrack } from 'svelte';
import { ask, listFiles, Refusal, words, type FileInfo, type FilePage, type FileSort } from '$lib/api';
import { heard, listen } from '$lib/feed';
import { needed } from '$lib/load';
import { m } from '$lib/messages';

/** How many entries are asked for first, and how many come at once at most. */
const FIRST = 500;
const MOST = 2_000;

interface Order {
  sort: FileSort;
  descending: boolean;
}

/** What `load` found of a folder. */
export interface FolderSource extends Order {
  path: string;
  page: FilePage;
  /** How much the feed had told before it was read. */
  heard: number;
}

/** The order of all folders: it stays while somebody goes from one to the other. */
const order = $state<Order>({ sort: 'name', descending: false });

const read = (id: string, path: string, search: string, offset: number, limit: number) =>
  listFiles({ path: { id }, query: { path, ...order, offset, limit, ...(search && { search }) } });

/** What the page of a folder begins with. The error page says why it can't be read. */
export async function readFolder(id: string, path: string): Promise<FolderSource> {
  const [at, ordered] = [heard(), { ...order }];
  const missing = { title: m.files_folder_missing(), message: m.files_folder_missing_text() };
  return { path, ...ordered, page: await needed(read(id, path, '', 0, FIRST), missing), heard: at };
}

export class Folder {
  items = $state.raw<FileInfo[]>([]);
  /** The newest page, for what it says of the whole folder. None where no folder was read yet, as in the trash. */
  page = $state.raw<FilePage | null>(null);
  failed = $state<string | null>(null);
  filter = $state('');
  private source: FolderSource | null = null;
  /** Order and filter of the rows that are shown. */
  private shown = $state('');
  private asked = 0;
  private growing: Promise<boolean> | null = null;

  /** To be created while a component is initialized, as it has effects. */
  constructor(
    private id: () => string,
    private path: () => string,
    source: () => FolderSource | null
  ) {
    untrack(() => this.take(source()));
    $effect(() => {
      const next = source();
      untrack(() => this.take(next));
      // What was told meanwhile told nobody.
      if (next && next.heard !== heard()) void this.load();
      return listen((kind) => kind === 'resync' && void this.load());
    });
    $effect(() => {
      if (this.page && this.wanted() !== this.shown) untrack(() => void this.load(true));
    });
  }

  get sort() {
    return order.sort;
  }

  /** Sorts by a column: the other way round where it is sorted by it already. */
  by(column: FileSort) {
    Object.assign(order, { sort: column, descending: order.sort === column ? !order.descending : column !== 'name' });
  }

  get descending() {
    return order.descending;
  }

  private wanted({ sort, descending }: Order = order, filter = this.filter) {
    return JSON.stringify([sort, descending, filter]);
  }

  private take(source: FolderSource | null) {
    if (!source || source === this.source) return;
    const same = source.path === this.source?.path;
    this.source = source;
    // As much as was scrolled to, filtered as before, is read again.
    if (same && (this.filter || this.items.length > source.page.items.length)) return void this.load();
    this.asked += 1;
    this.filter = '';
    this.shown = this.wanted(source);
    this.show(source.page.items, source.page);
  }

  private show(items: FileInfo[], page: FilePage) {
    this.items = items;
    this.page = page;
    this.failed = null;
  }

  private read(offset: number, limit: number) {
    return ask(read(this.id(), this.path(), this.filter, offset, limit));
  }

  /** Reads as much again as is shown, or the beginning `anew`. */
  async load(anew = false) {
    const asked = ++this.asked;
    const wanted = this.wanted();
    if (anew) this.shown = wanted;
    try {
      const count = anew ? FIRST : Math.max(FIRST, this.items.length);
      const found: FileInfo[] = [];
      let page: FilePage;
      do {
        page = await this.read(found.length, Math.min(count - found.length, MOST));
        if (asked !== this.asked) return;
        found.push(...page.items);
      } while (page.items.length > 0 && found.length < Math.min(count, page.total));
      this.shown = wanted;
      this.show(found, page);
    } catch (error) {
      if (asked !== this.asked) return;
      this.fail(error);
    }
  }

  /** What was read stays on the screen while Raptor is away: the panel says that it is. */
  private fail(error: unknown) {
    const away = error instanceof Refusal && (error.status === 0 || error.status >= 500);
    if (!away || !this.page) this.failed = words(error);
  }

  /** Reads the next page; says whether there is another after it. */
  more(): Promise<boolean> {
    this.growing ??= this.grow(FIRST).finally(() => (this.growing = null));
    return this.growing;
  }

  /** Reads everything that is left; says whether all of it is there. */
  async rest(): Promise<boolean> {
    await this.growing;
    while (await this.grow(MOST));
    return this.page !== null && this.items.length >= this.page.total;
  }

  /** Whether there is still more. */
  private async grow(limit: number): Promise<boolean> {
    const asked = this.asked;
    if (!this.page || this.items.length >= this.page.total) return false;
    try {
      const page = await this.read(this.items.length, limit);
      if (asked !== this.asked || page.items.length === 0) return false;
      const known = new Set(this.items.map(({ path }) => path));
      this.show([...this.items, ...page.items.filter(({ path }) => !known.has(path))], page);
      return this.items.length < page.total;
    } catch (error) {
      if (asked === this.asked) this.fail(error);
      return false;
    }
  }
}
