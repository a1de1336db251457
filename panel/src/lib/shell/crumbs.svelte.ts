// The name of what a page is about, for the top bar.
class Crumbs {
  /** What follows the place's own name. */
  tail = $state<string | null>(null);
}

export const crumbs = new Crumbs();
