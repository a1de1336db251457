// Which items of a list are chosen.
import { SvelteSet } from 'svelte/reactivity';

export class Selection<Item> {
  private chosen = new SvelteSet<string>();
  /** Where the last click was, for ranges. */
  private last: string | null = null;

  constructor(
    private items: () => Item[],
    /** What tells an item from the others. */
    private key: (item: Item) => string
  ) {}

  has = (key: string): boolean => this.chosen.has(key);
  /** Those that are chosen and still in the list. */
  list = $derived.by(() => (this.chosen.size === 0 ? [] : this.items().filter((item) => this.chosen.has(this.key(item)))));
  some = $derived.by(() => this.list.length > 0);
  all = $derived.by(() => this.some && this.list.length === this.items().length);

  /** With `range`, everything since the last one follows. */
  toggle(key: string, range: boolean) {
    const on = !this.chosen.has(key);
    const keys = this.items().map(this.key);
    const [a, b] = [keys.indexOf(this.last ?? key), keys.indexOf(key)];
    const span = range && a >= 0 ? keys.slice(Math.min(a, b), Math.max(a, b) + 1) : [key];
    for (const one of span) {
      if (on) this.chosen.add(one);
      else this.chosen.delete(one);
    }
    this.last = key;
  }

  toggleAll() {
    const full = this.all;
    this.chosen.clear();
    if (!full) for (const item of this.items()) this.chosen.add(this.key(item));
  }

  clear() {
    this.chosen.clear();
  }
}
