// The list of containers: pages of it, kept true by the feed.
import { ask, getContainer, listContainers, words, type ContainerSort, type ContainerSummary, type Phase } from '$lib/api';
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

export interface History {
  cpu: number[];
  memory: number[];
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
  private starts: { at: number; cursor?: string }[] = [];
  private fresh = new Set<string>();
  private range: [number, number] = [0, PAGE];
  private asked = 0;
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
  async load(anew = false) {
    const asked = ++this.asked;
    try {
      const wanted = anew ? PAGE : Math.max(PAGE, this.items.length);
      const found: ContainerSummary[] = [];
      const starts: { at: number; cursor?: string }[] = [];
      let cursor: string | undefined;
      let total: number | null = null;
      do {
        starts.push({ at: found.length, cursor });
        const page = await this.read(cursor);
        found.push(...page.items);
        cursor = page.next ?? undefined;
        total = page.total ?? null;
      } while (cursor && found.length < wanted);
      if (asked !== this.asked) return;
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

  /** What is on the screen: only that is kept true to the second. */
  look(from: number, to: number) {
    this.range = [from, to];
    if (this.fresh.size > 0) this.soon();
  }

  /** Follows the feed until the returned function is called. */
  follow(): () => void {
    const reload = calmly(() => this.load(), 1_500);
    return listen((kind, news) => {
      if (kind === 'resync' || (kind === 'change' && ['container', 'access', 'allocation'].includes(news.subject ?? ''))) reload();
      if (kind !== 'live') return;
      for (const id of news.ids ?? []) this.fresh.add(id);
      this.soon();
    });
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
