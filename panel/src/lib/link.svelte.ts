// Whether the API is heard: what is shown may be old while it isn't.

/** Shorter absences are nobody's business. */
const GRACE = 2_500;

class Link {
  lost = $state(false);
  private timer: ReturnType<typeof setTimeout> | null = null;

  missed() {
    this.timer ??= setTimeout(() => (this.lost = true), GRACE);
  }

  found() {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.lost = false;
  }
}

export const link = new Link();
