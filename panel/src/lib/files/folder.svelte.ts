// What is in the folder that is looked at: pages of it, as far as somebody has scrolled.
import { ask, listFiles, Refusal, words, type FileInfo, type FilePage, type FileSort } from '$lib/api';

/** What is asked for first, and the most that comes at once. */
const FIRST = 500;
const MOST = 2_000;

export class Folder {
  items = $state.raw<FileInfo[]>([]);
  /** The newest page, for what it says of the whole folder. */
  page = $state.raw<FilePage | null>(null);
  failed = $state<string | null>(null);
  sort = $state<FileSort>('name');
  descending = $state(false);
  filter = $state('');
  private asked = 0;
  private growing: Promise<boolean> | null = null;

  constructor(
    private id: () => string,
    private path: () => string
  ) {}

  private read(offset: number, limit: number) {
    const { sort, descending, filter } = this;
    const query = { path: this.path(), sort, descending, offset, limit, ...(filter && { search: filter }) };
    return ask(listFiles({ path: { id: this.id() }, query }));
  }

  /** Reads as much again as is shown, or the beginning `anew`. */
  async load(anew = false) {
    const asked = ++this.asked;
    if (anew) this.page = null;
    try {
      const wanted = anew ? FIRST : Math.max(FIRST, this.items.length);
      const found: FileInfo[] = [];
      let page: FilePage;
      do {
        page = await this.read(found.length, Math.min(wanted - found.length, MOST));
        if (asked !== this.asked) return;
        found.push(...page.items);
      } while (page.items.length > 0 && found.length < Math.min(wanted, page.total));
      this.items = found;
      this.page = page;
      this.failed = null;
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

  /** Reads what comes next. */
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
      this.items = [...this.items, ...page.items.filter(({ path }) => !known.has(path))];
      this.page = page;
      return this.items.length < page.total;
    } catch (error) {
      if (asked === this.asked) this.fail(error);
      return false;
    }
  }
}
