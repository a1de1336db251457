// Which rows of a long list are near the screen: only those are in the page.

/** Shorter lists are shown whole. */
const SHORT = 60;
/** Rows above and below the screen. */
const SPARE = 12;

export class Rows {
  /** The element that the rows are in. */
  place = $state<HTMLElement>();
  private scroll = $state(0);
  private screen = $state(innerHeight);
  private top = $state(0);

  constructor(
    private count: () => number,
    private height: () => number
  ) {
    $effect(() => {
      const measure = () => {
        this.scroll = scrollY;
        this.screen = innerHeight;
        if (this.place) this.top = this.place.getBoundingClientRect().top + scrollY;
      };
      void this.count();
      measure();
      addEventListener('scroll', measure, { passive: true });
      addEventListener('resize', measure);
      return () => {
        removeEventListener('scroll', measure);
        removeEventListener('resize', measure);
      };
    });
  }

  from = $derived.by(() => {
    if (this.count() <= SHORT) return 0;
    const first = Math.floor((this.scroll - this.top) / this.height()) - SPARE;
    return Math.max(0, Math.min(first, this.count() - SPARE));
  });
  to = $derived.by(() => {
    if (this.count() <= SHORT) return this.count();
    const last = Math.ceil((this.scroll + this.screen - this.top) / this.height()) + SPARE;
    return Math.max(this.from, Math.min(last, this.count()));
  });
  /** Room of the rows that aren't there. */
  above = $derived.by(() => this.from * this.height());
  below = $derived.by(() => (this.count() - this.to) * this.height());
}
