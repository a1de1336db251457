// A list that comes in pages: the first is read before it is drawn, more when somebody asks, and all of them again whenever the feed
// tells of a change or the filter is another.
import { untrack } from 'svelte';
import { words } from '$lib/api';
import { calmly, heard, listen, type Kind, type News } from '$lib/feed';

export interface Page<Item> {
  items: Item[];
  next?: string | null;
  total?: number | null;
}

/** What `load` found. */
export interface PageSource<Item, Filter extends object, Answer extends Page<Item> = Page<Item>> {
  page: Answer;
  filter: Filter;
  read: (filter: Filter, cursor?: string) => Promise<Answer>;
  /** How much the feed had told before it was read. */
  heard: number;
}

/** Milliseconds without typing after which a filter is asked for. */
const PAUSE = 150;

export class Pages<Item, Filter extends object = object, Answer extends Page<Item> = Page<Item>> {
  /** What is looked for. May be bound to fields. */
  filter = $state() as Filter;
  items = $state.raw<Item[]>([]);
  /** How many there are, where the API was asked for it. */
  total = $state(0);
  next = $state<string | null>(null);
  failed = $state<string | null>(null);
  /** The newest page, for what it says beside its items. */
  page = $state.raw() as Answer;
  /** What the list that is shown was filtered by. */
  shown = $state.raw() as Filter;
  private source: PageSource<Item, Filter, Answer>;
  private asked = 0;
  /** What is being read, one after the other. */
  private reading: Promise<void> = Promise.resolve();
  private reloading: Promise<void> | null = null;
  private growing = false;
  /** Whether more than the first page is shown. */
  private grown = false;

  /**
   * Made while a component is. `about` says whether news are about the list, of which more than the first page is shown where it has
   * `grown`. It is then read at most once in `every` milliseconds.
   */
  constructor(source: () => PageSource<Item, Filter, Answer>, about: (kind: Kind, news: News, grown: boolean) => boolean, every = 1_500) {
    this.source = untrack(source);
    this.begin();
    $effect(() => {
      const next = source();
      untrack(() => this.take(next));
      const reload = calmly(() => this.load(), every);
      // What was told meanwhile told nobody.
      if (next.heard !== heard()) reload();
      return listen((kind, news) => (kind === 'resync' || about(kind, news, this.grown)) && reload());
    });
    $effect(() => {
      if (!this.other()) return;
      const timer = setTimeout(() => void this.load(true), PAUSE);
      return () => clearTimeout(timer);
    });
  }

  /** Whether another list is looked for than is shown. */
  private other() {
    return JSON.stringify(this.filter) !== JSON.stringify(this.shown);
  }

  private begin() {
    const { page, filter } = this.source;
    this.filter = { ...filter };
    this.shown = filter;
    this.grown = false;
    this.show(page.items, page);
  }

  private take(source: PageSource<Item, Filter, Answer>) {
    if (source === this.source) return;
    this.source = source;
    this.asked += 1;
    this.begin();
  }

  private show(items: Item[], page: Answer) {
    this.items = items;
    this.page = page;
    this.next = page.next ?? null;
    this.total = page.total ?? this.total;
    this.failed = null;
  }

  /** Reads as much again as is shown; the first page alone where another list is asked for. */
  load = (anew = false): Promise<void> => {
    // Another list waits for nothing, and takes the place of all that is being read.
    if (anew) return (this.reading = this.renew(true));
    return (this.reloading ??= this.reading =
      this.reading.then(() => {
        this.reloading = null;
        return this.renew(this.other());
      }));
  };

  private async renew(anew: boolean): Promise<void> {
    const asked = ++this.asked;
    const filter = $state.snapshot(this.filter) as Filter;
    try {
      const wanted = anew ? 0 : this.items.length;
      let page = await this.source.read(filter);
      const found = [...page.items];
      let grown = false;
      while (page.next && found.length < wanted && asked === this.asked) {
        page = await this.source.read(filter, page.next);
        found.push(...page.items);
        grown = true;
      }
      if (asked !== this.asked) return;
      this.shown = filter;
      this.grown = grown;
      this.show(found, page);
    } catch (reason) {
      if (asked === this.asked) this.failed = words(reason);
    }
  }

  /** Reads the next page, unless another list is about to be read. */
  more = async (): Promise<void> => {
    if (this.growing) return;
    this.growing = true;
    await (this.reading = this.reading.then(() => this.grow()));
    this.growing = false;
  };

  private async grow(): Promise<void> {
    if (!this.next || this.other()) return;
    const asked = ++this.asked;
    try {
      const page = await this.source.read(this.shown, this.next);
      if (asked !== this.asked) return;
      this.grown = true;
      this.show([...this.items, ...page.items], page);
    } catch (reason) {
      if (asked === this.asked) this.failed = words(reason);
    }
  }
}
