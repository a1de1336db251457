// The list of containers: pages of it, kept true by the feed.
import { ask, getContainer, listContainers, Refusal, words, type ContainerSort, type ContainerSummary, type Phase } from '$lib/api';
import { calmly, listen } from '$lib/feed';

export interface Filter {
  search: string;
  phase: Phase | '';
  sort: ContainerSort;
  mine: boolean;
}

/** Values of the small graphs. */
export const KEPT = 40;
/** Pages of this size. */
const PAGE = 100;
/** So many with news are read one by one, more of them by their pages. */
const FEW = 3;
/** So many that were changed at once are read one by one; more of them by their pages. */
const MANY = 20;

export interface History {
  cpu: number[];
  memory: number[];
}

/** The list that was left last. */
let left: (Pick<Containers, 'items' | 'next' | 'total' | 'history'> & { filter: string; starts: Start[] }) | null = null;

interface Start {
  at: number;
  cursor?: string;
}

export class Containers {
  items = $state.raw<ContainerSummary[]>([]);
  total = $state<number | null>(null);
  loading = $state(true);
  /** Whether the next page is being read. */
  growing = $state(false);
  failed = $state<string | null>(null);
  next = $state<string | null>(null);
  /** The newest values by container. */
  history: Record<string, History> = $state({});

  /** Where each page that was read begins. */
  private starts: Start[] = [];
  private fresh = new Set<string>();
  private changed = new Set<string>();
  private range: [number, number] = [0, PAGE];
  private asked = 0;
  /** What is being read. */
  private reading: Promise<void> = Promise.resolve();
  /** Whether somebody came back: the first reading does not begin from the start then. */
  private came = false;
  /** How many rows are read at least. */
  private wanted = 0;
  private soon = calmly(() => this.refresh(), 1_000);

  constructor(private filter: () => Filter) {}

  private read(cursor?: string) {
    const { search, phase, sort, mine } = this.filter();
    const query = {
      limit: PAGE,
      sort,
      with_total: true,
      ...(search.trim() ? { search: search.trim() } : {}),
      ...(phase ? { phase } : {}),
      ...(mine ? { mine } : {}),
      ...(cursor ? { cursor } : {})
    };
    return ask(listContainers({ query }));
  }

  /** Reads as much again as is shown; from the start only, when another list is asked for. */
  load(anew = false): Promise<void> {
    return (this.reading = this.reload(anew));
  }

  private async reload(anew: boolean) {
    const asked = ++this.asked;
    try {
      const wanted = anew && !this.came ? PAGE : Math.max(PAGE, this.items.length, this.wanted);
      if (anew) this.came = false;
      const found: ContainerSummary[] = [];
      const starts: Start[] = [];
      let cursor: string | undefined;
      let total: number | null = null;
      do {
        starts.push({ at: found.length, cursor });
        const page = await this.read(cursor);
        if (asked !== this.asked) return;
        found.push(...page.items);
        cursor = page.next ?? undefined;
        total = page.total ?? null;
      } while (cursor && found.length < wanted);
      if (asked !== this.asked) return;
      this.wanted = 0;
      this.items = found;
      this.starts = starts;
      this.next = cursor ?? null;
      this.total = total;
      this.failed = null;
      this.note(found);
    } catch (error) {
      if (asked === this.asked) this.failed = words(error);
    } finally {
      if (asked === this.asked) this.loading = false;
    }
  }

  /** Reads the next page, if there is one. */
  async more() {
    if (!this.next || this.growing) return;
    const asked = this.asked;
    this.growing = true;
    try {
      const start = { at: this.items.length, cursor: this.next };
      const page = await this.read(this.next);
      if (asked !== this.asked) return;
      this.items = [...this.items, ...page.items];
      this.starts.push(start);
      this.next = page.next ?? null;
      this.failed = null;
    } catch (error) {
      if (asked === this.asked) this.failed = words(error);
    } finally {
      this.growing = false;
    }
  }

  /** Reads everything that is left; says whether all of it is there. */
  async rest(): Promise<boolean> {
    while (this.next) {
      const before = this.items.length;
      await this.more();
      if (this.failed) return false;
      // Another page was being read, or another list was asked for.
      if (this.items.length === before) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return true;
  }

  /** Keeps what is shown for somebody who comes back to it. */
  leave(): number {
    const { items, starts, next, total, history } = this;
    left = { filter: JSON.stringify(this.filter()), items, starts, next, total, history };
    return items.length;
  }

  /** Shows what was left, or else reads as many rows as there were; then all of it is read anew. */
  async comeBack(count: number) {
    this.came = true;
    if (left?.filter === JSON.stringify(this.filter())) {
      const { filter: _, ...shown } = left;
      Object.assign(this, shown, { loading: false });
      void this.load();
      return;
    }
    this.wanted = count;
    void this.load();
    // Whatever else is asked for meanwhile takes the place of what was.
    for (let awaited: unknown; awaited !== this.reading; ) await (awaited = this.reading);
  }

  /** What is on the screen: only that is kept true to the second. */
  look(from: number, to: number) {
    this.range = [from, to];
    if (this.fresh.size > 0) this.soon();
  }

  /** Follows the feed until the returned function is called. */
  follow(): () => void {
    const reload = calmly(() => this.load(), 1_500);
    const reread = calmly(() => this.reread(), 500);
    return listen((kind, news) => {
      const { subject = '', verb, id = '' } = news;
      const shown = ['container', 'access'].includes(subject) && this.items.some((item) => item.id === id);
      if (kind === 'change' && shown) {
        if (subject === 'container' && verb === 'deleted') this.drop(id);
        else {
          this.changed.add(id);
          reread();
        }
      } else if (kind === 'resync' || (kind === 'change' && ['container', 'access', 'allocation'].includes(subject))) {
        // What changed further down than this list was read is read when somebody gets there.
        if (subject !== 'container' || verb !== 'updated' || !this.next) reload();
      }
      if (kind !== 'live') return;
      for (const id of news.ids ?? []) this.fresh.add(id);
      this.soon();
    });
  }

  private drop(id: string) {
    this.items = this.items.filter((item) => item.id !== id);
    if (this.total !== null) this.total -= 1;
  }

  /** Reads those that were changed, each by itself. */
  private async reread() {
    const ids = [...this.changed];
    this.changed.clear();
    if (ids.length > MANY) return this.load();
    const one = async (id: string) => {
      try {
        this.take([await ask(getContainer({ path: { id } }))]);
      } catch (error) {
        // It is gone, or nobody's business any more.
        if (error instanceof Refusal && error.status === 404) this.drop(id);
        else this.changed.add(id);
      }
    };
    await Promise.all(ids.map(one));
  }

  /** Reads the state of those on the screen that have news. */
  private async refresh() {
    const [from, to] = this.range;
    const shown = this.items.slice(from, to).filter(({ id }) => this.fresh.has(id));
    if (document.hidden || shown.length === 0) return;
    for (const { id } of shown) this.fresh.delete(id);
    try {
      if (shown.length <= FEW) this.take(await Promise.all(shown.map(({ id }) => ask(getContainer({ path: { id } })))));
      else {
        const pages = this.starts.filter(({ at }, i) => at < to && (this.starts[i + 1]?.at ?? Infinity) > from);
        const read = await Promise.all(pages.map(({ cursor }) => this.read(cursor)));
        this.take(read.flatMap((page) => page.items));
      }
    } catch {
      // What is really gone is told by the feed; everything else is asked for again with the next news.
    }
  }

  private take(read: ContainerSummary[]) {
    const byId = new Map(read.map((container) => [container.id, container]));
    this.items = this.items.map((item) => byId.get(item.id) ?? item);
    this.note(read);
  }

  private note(containers: ContainerSummary[]) {
    for (const { id, live } of containers) {
      if (!live.stats) {
        delete this.history[id];
        continue;
      }
      const { cpu, memory } = this.history[id] ?? { cpu: [], memory: [] };
      this.history[id] = {
        cpu: [...cpu, live.stats.cpu_percent].slice(-KEPT),
        memory: [...memory, live.stats.memory_bytes].slice(-KEPT)
      };
    }
  }
}
