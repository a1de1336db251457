// The list of containers: pages of it, kept true by the feed.
import { ask, listContainers, words, type ContainerSort, type ContainerSummary, type Phase, type Subject } from '$lib/api';
import { calmly, heard, listen, watch, type News } from '$lib/feed';
import { session } from '$lib/session.svelte';
import { isTrouble, stateOf, type StateName } from '$lib/state';
import type { Page } from './pages.svelte';

export interface Filter {
  search: string;
  /** `trouble` = whatever went wrong. */
  state: StateName | 'trouble' | '';
  sort: ContainerSort;
  mine: boolean;
}

/** Values of the small graphs. */
export const KEPT = 40;
/** The most rows that one request gives, and that are watched. */
const PAGE = 100;
/** After so many milliseconds, rows that could not be read are read again. */
const RETRY = 3_000;

export interface History {
  cpu: number[];
  memory: number[];
}

/** What a list begins with. */
type Begun = Pick<Containers, 'items' | 'next' | 'total' | 'history'> & { heard: number };
/** The list that was left last, and whose it was. */
let left: (Begun & { filter: string; account: string }) | null = null;
/** The list that was left, where it is the one that is asked for by the one who left it. */
const kept = (filter: Filter) => (left?.filter === JSON.stringify(filter) && left.account === session.account?.id ? left : null);

const PHASES: (Phase | string)[] = ['running', 'starting', 'stopping', 'offline'] satisfies Phase[];
/** Every other state but these is one of an offline container, or of any. */
const ANY: (StateName | string)[] = ['suspended', 'damaged', 'deleting'] satisfies StateName[];

/** The phase that the API filters by, where a state is one. */
function phaseOf(state: Filter['state']): Phase | undefined {
  if (PHASES.includes(state)) return state as Phase;
  return state === '' || state === 'trouble' || ANY.includes(state) ? undefined : 'offline';
}

/**
 * One page of the list. The API knows phases, and people more states than those: with one chosen, it is read on until a page has
 * something to show.
 */
async function read({ search, state, sort, mine }: Filter, from?: string): Promise<Page<ContainerSummary>> {
  const phase = phaseOf(state);
  const fits = (item: ContainerSummary) => {
    const now = stateOf(item);
    return state === '' || (state === 'trouble' ? isTrouble(now) : now.name === state);
  };
  const items: ContainerSummary[] = [];
  let cursor = from;
  let total: number | null;
  do {
    const query = {
      limit: PAGE,
      sort,
      with_total: true,
      cursor,
      ...(search.trim() && { search: search.trim() }),
      ...(phase && { phase }),
      ...(mine && { mine })
    };
    const page = await ask(listContainers({ query }));
    items.push(...page.items.filter(fits));
    cursor = page.next ?? undefined;
    total = page.total ?? null;
  } while (state && cursor && items.length < PAGE);
  // How many there are of a state is known once all were seen.
  return { items, next: cursor ?? null, total: state ? (cursor || from ? null : items.length) : total };
}

/** What is needed before the list is drawn: as it was left, or else its first page. */
export async function begin(filter: Filter): Promise<Begun> {
  const before = kept(filter);
  // What changed while nobody followed it is read once it is shown.
  if (before) return { ...before, heard: -1 };
  const at = heard();
  const { items, next = null, total = null } = await read(filter);
  return { items, next, total, history: {}, heard: at };
}

export class Containers {
  items = $state.raw<ContainerSummary[]>([]);
  total = $state<number | null>(null);
  /** Whether the next page is being read. */
  growing = $state(false);
  failed = $state<string | null>(null);
  next = $state<string | null>(null);
  /** The newest values by container. */
  history: Record<string, History> = $state({});

  private fresh = new Set<string>();
  private changed = new Set<string>();
  private range: [number, number] = [0, PAGE];
  private asked = 0;
  /** The last request that was queued: they run one after the other. */
  private reading: Promise<void> = Promise.resolve();
  /** Whether somebody came back: the first reading does not begin from the start then. */
  private came = false;
  /** How many rows are read at least. */
  private wanted = 0;
  private following = false;
  private watched: { number: number; ids: string[] } = { number: 0, ids: [] };
  private soon = calmly(() => this.refresh(), 1_000);
  private show = calmly(() => this.watch(), 250);
  private again = calmly(() => this.reread(), 500);

  constructor(
    private filter: () => Filter,
    private begun: Begun
  ) {
    const { items, next, total, history } = begun;
    Object.assign(this, { items, next, total, history });
    this.note(items);
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
      const filter = this.filter();
      const found: ContainerSummary[] = [];
      let cursor: string | undefined;
      let total: number | null = null;
      do {
        const page = await read(filter, cursor);
        if (asked !== this.asked) return;
        found.push(...page.items);
        cursor = page.next ?? undefined;
        total = page.total ?? null;
      } while (cursor && found.length < wanted);
      if (asked !== this.asked) return;
      this.wanted = 0;
      this.items = found;
      this.next = cursor ?? null;
      this.total = total;
      this.failed = null;
      this.note(found);
    } catch (error) {
      if (asked === this.asked) this.failed = words(error);
    }
  }

  /** Reads the next page, if there is one. */
  async more() {
    if (!this.next || this.growing) return;
    const asked = this.asked;
    this.growing = true;
    try {
      const page = await read(this.filter(), this.next);
      if (asked !== this.asked) return;
      this.items = [...this.items, ...page.items];
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
    const { items, next, total, history } = this;
    const account = session.account?.id;
    left = account ? { filter: JSON.stringify(this.filter()), account, items, next, total, history, heard: heard() } : null;
    return items.length;
  }

  /** Shows what was left, or else reads as many rows as there were; then all of it is read anew. */
  async comeBack(count: number) {
    this.came = true;
    const before = kept(this.filter());
    if (before) {
      const { items, next, total, history } = before;
      // A list that began with it is read anew already.
      if (this.items === items) return;
      Object.assign(this, { items, next, total, history });
      void this.load();
      return;
    }
    this.wanted = count;
    void this.load();
    // Whatever else is asked for meanwhile takes the place of what was.
    for (let awaited: unknown; awaited !== this.reading;) await (awaited = this.reading);
  }

  /** What is on the screen: only that is kept true to the second. To be called again when the items are others. */
  look(from: number, to: number) {
    this.range = [from, to];
    void this.items;
    this.show();
    if (this.fresh.size > 0) this.soon();
  }

  /** Follows the feed until the returned function is called. */
  follow(): () => void {
    const reload = calmly(() => this.load(), 1_500);
    const seen = () => {
      this.show();
      this.soon();
    };
    document.addEventListener('visibilitychange', seen);
    this.following = true;
    this.show();
    // What was told meanwhile told nobody.
    if (this.begun.heard !== heard()) reload();
    const deaf = listen((kind, news) => {
      const { subject, verb, id = '' } = news;
      const concerns = (...subjects: Subject[]) => !!subject && subjects.includes(subject);
      const shown = concerns('container', 'access') && this.items.some((item) => item.id === id);
      if (kind === 'change' && shown) {
        if (subject === 'container' && verb === 'deleted') this.drop(id);
        else {
          this.changed.add(id);
          this.again();
        }
      } else if (kind === 'resync' || (kind === 'change' && concerns('container', 'access', 'allocation'))) {
        // What changed further down than this list was read is read when somebody gets there.
        if (subject !== 'container' || verb !== 'updated' || !this.next) reload();
      }
      if (kind === 'stats') this.measured(news);
      if (kind !== 'live') return;
      for (const id of news.ids ?? []) this.fresh.add(id);
      this.soon();
    });
    return () => {
      document.removeEventListener('visibilitychange', seen);
      deaf();
      this.following = false;
      this.watch();
    };
  }

  /** Has the measurements of what is on the screen told. */
  private watch() {
    const ids =
      document.hidden || !this.following
        ? []
        : this.items
            .slice(...this.range)
            .map(({ id }) => id)
            .slice(0, PAGE);
    this.watched = { number: watch(ids), ids };
  }

  /** Adds measurements. A container that is not among them repeats its last value, so that all graphs have the same length. */
  private measured({ watch: number, rows = [], cpu_percent = [], memory_bytes = [] }: News) {
    const { ids } = this.watched;
    if (number !== this.watched.number) return;
    const places = new Map(rows.map((row, i) => [row, i]));
    ids.forEach((id, row) => {
      const i = places.get(row);
      const last = this.history[id];
      if (i !== undefined) this.push(id, cpu_percent[i] ?? 0, memory_bytes[i] ?? 0);
      else if (last) this.push(id, last.cpu.at(-1) ?? 0, last.memory.at(-1) ?? 0);
    });
  }

  private drop(id: string) {
    const others = this.items.filter((item) => item.id !== id);
    if (this.total !== null) this.total -= this.items.length - others.length;
    this.items = others;
  }

  /** Reads those that were changed. */
  private async reread() {
    const ids = [...this.changed];
    this.changed.clear();
    try {
      await this.renew(ids);
    } catch {
      for (const id of ids) this.changed.add(id);
      setTimeout(() => this.following && this.again(), RETRY);
    }
  }

  /** Reads the state of those on the screen that have news. */
  private async refresh() {
    const shown = this.items.slice(...this.range).filter(({ id }) => this.fresh.has(id));
    if (document.hidden) return;
    for (const { id } of shown) this.fresh.delete(id);
    try {
      await this.renew(shown.map(({ id }) => id));
    } catch {
      // What is really gone is told by the feed; everything else is asked for again with the next news.
    }
  }

  /** Reads these rows and no others, and drops those that are gone or nobody's business any more. */
  private async renew(ids: string[]) {
    for (let at = 0; at < ids.length; at += PAGE) {
      const some = ids.slice(at, at + PAGE);
      const { items } = await ask(listContainers({ query: { ids: some.join(), limit: PAGE } }));
      this.take(items);
      const found = new Set(items.map(({ id }) => id));
      for (const id of some) if (!found.has(id)) this.drop(id);
    }
  }

  private take(read: ContainerSummary[]) {
    const byId = new Map(read.map((container) => [container.id, container]));
    this.items = this.items.map((item) => byId.get(item.id) ?? item);
    this.note(read);
  }

  private note(containers: ContainerSummary[]) {
    for (const { id, live } of containers) {
      if (live.stats) this.push(id, live.stats.cpu_percent, live.stats.memory_bytes);
      else delete this.history[id];
    }
  }

  private push(id: string, cpu: number, memory: number) {
    const before = this.history[id] ?? { cpu: [], memory: [] };
    this.history[id] = { cpu: [...before.cpu, cpu].slice(-KEPT), memory: [...before.memory, memory].slice(-KEPT) };
  }
}
