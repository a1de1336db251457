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
const KEPT = 40;
/** Pages of this size. */
const PAGE = 50;

export class Containers {
  items = $state<ContainerSummary[]>([]);
  total = $state<number | null>(null);
  next = $state<string | null>(null);
  loading = $state(true);
  failed = $state<string | null>(null);
  /** The newest CPU values by container. */
  history: Record<string, number[]> = $state({});

  private fresh = new Set<string>();
  private asked = 0;

  constructor(private filter: () => Filter) {}

  private query(cursor?: string, limit = PAGE) {
    const { search, phase, sort, mine } = this.filter();
    return {
      limit,
      sort,
      with_total: true,
      ...(search.trim() ? { search: search.trim() } : {}),
      ...(phase ? { phase } : {}),
      ...(mine ? { mine } : {}),
      ...(cursor ? { cursor } : {})
    };
  }

  /** Reads as much again as is shown. */
  async load() {
    const asked = ++this.asked;
    try {
      const wanted = Math.max(PAGE, this.items.length);
      const found: ContainerSummary[] = [];
      let cursor: string | undefined;
      let total: number | null = null;
      do {
        const page = await ask(listContainers({ query: this.query(cursor, Math.min(100, wanted - found.length)) }));
        found.push(...page.items);
        cursor = page.next ?? undefined;
        total = page.total ?? null;
      } while (cursor && found.length < wanted);
      if (asked !== this.asked) return;
      this.items = found;
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

  async more() {
    if (!this.next) return;
    const asked = this.asked;
    const page = await ask(listContainers({ query: this.query(this.next) }));
    if (asked !== this.asked) return;
    this.items.push(...page.items);
    this.next = page.next ?? null;
  }

  /** Follows the feed until the returned function is called. */
  follow(): () => void {
    const reload = calmly(() => this.load(), 1_500);
    const refresh = calmly(() => this.refresh(), 1_000);
    return listen((kind, news) => {
      if (kind === 'resync' || (kind === 'change' && ['container', 'access', 'allocation'].includes(news.subject ?? ''))) reload();
      if (kind !== 'live') return;
      for (const id of news.ids ?? []) if (this.items.some((item) => item.id === id)) this.fresh.add(id);
      if (this.fresh.size > 0) refresh();
    });
  }

  /** Reads the state of those that have news: one by one while they are few. */
  private async refresh() {
    const ids = [...this.fresh];
    this.fresh.clear();
    if (document.hidden || ids.length === 0) return;
    if (ids.length > 3) return this.load();
    const read = await Promise.all(ids.map((id) => ask(getContainer({ path: { id } })).catch(() => null)));
    for (const container of read) {
      const at = this.items.findIndex((item) => item.id === container?.id);
      if (container && at >= 0) this.items[at] = container;
    }
    this.note(read.filter((container) => container !== null));
  }

  private note(containers: ContainerSummary[]) {
    for (const { id, live } of containers) {
      if (live.stats) this.history[id] = [...(this.history[id] ?? []), live.stats.cpu_percent].slice(-KEPT);
      else delete this.history[id];
    }
  }
}
