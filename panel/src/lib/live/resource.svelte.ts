// Something that a page shows: read before the page is drawn, and again whenever the feed tells of a change.
import { untrack } from 'svelte';
import { words } from '$lib/api';
import { calmly, heard, listen, type Kind, type News } from '$lib/feed';

/** What `load` found. */
export interface Source<T> {
  value: T;
  read: () => Promise<T>;
  /** How much the feed had told before it was read. */
  heard: number;
}

export class Resource<T> {
  value = $state.raw() as T;
  /** Why it could not be read again. What was read last stays. */
  failed = $state<string | null>(null);
  private source: Source<T>;
  private asked = 0;

  /** Made while a component is. `about` says whether news are about it, which is then read at most once in `every` milliseconds. */
  constructor(source: () => Source<T>, about: (kind: Kind, news: News) => boolean, every = 1_000) {
    this.source = untrack(source);
    this.value = this.source.value;
    $effect(() => {
      const next = source();
      untrack(() => this.take(next));
      const reload = calmly(() => this.load(), every);
      // What was told meanwhile told nobody.
      if (next.heard !== heard()) reload();
      return listen((kind, news) => (kind === 'resync' || about(kind, news)) && reload());
    });
  }

  private take(source: Source<T>) {
    if (source === this.source) return;
    this.source = source;
    this.asked += 1;
    this.value = source.value;
    this.failed = null;
  }

  load = async (): Promise<void> => {
    const asked = ++this.asked;
    try {
      const value = await this.source.read();
      if (asked !== this.asked) return;
      this.value = value;
      this.failed = null;
    } catch (reason) {
      if (asked === this.asked) this.failed = words(reason);
    }
  };
}
