// Which containers of a list are chosen.
import { SvelteSet } from 'svelte/reactivity';
import type { ContainerSummary } from '$lib/api';

export class Selection {
  private chosen = new SvelteSet<string>();
  /** Where the last click was, for ranges. */
  private last: string | null = null;

  constructor(private items: () => ContainerSummary[]) {}

  has = (id: string): boolean => this.chosen.has(id);
  /** Those that are chosen and still in the list. */
  list = $derived.by(() => (this.chosen.size === 0 ? [] : this.items().filter(({ id }) => this.chosen.has(id))));
  some = $derived.by(() => this.list.length > 0);
  all = $derived.by(() => this.some && this.list.length === this.items().length);

  /** With `range`, everything since the last one follows. */
  toggle(id: string, range: boolean) {
    const on = !this.chosen.has(id);
    const ids = this.items().map((item) => item.id);
    const [a, b] = [ids.indexOf(this.last ?? id), ids.indexOf(id)];
    const span = range && a >= 0 ? ids.slice(Math.min(a, b), Math.max(a, b) + 1) : [id];
    for (const one of span) {
      if (on) this.chosen.add(one);
      else this.chosen.delete(one);
    }
    this.last = id;
  }

  toggleAll() {
    const full = this.all;
    this.chosen.clear();
    if (!full) for (const { id } of this.items()) this.chosen.add(id);
  }

  clear() {
    this.chosen.clear();
  }
}
