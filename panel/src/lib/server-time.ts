// The API's time, as the live lines tell it. An order that travels on a line that was dead for a while must not be carried out when
// nobody expects it any more: so it says until when it holds, by the API's clock.

/** Milliseconds for which an order holds, and for which an answer to it is awaited. */
export const PATIENCE = 15_000;

class ServerTime {
  /** The API's clock minus this page's; null until it was heard. */
  private ahead: number | null = null;

  says(time: string) {
    // What is heard is late by the time on the way: the newest that was ever heard is the nearest.
    const ahead = Date.parse(time) - performance.now();
    if (Number.isFinite(ahead)) this.ahead = this.ahead === null || Math.abs(ahead - this.ahead) > 1_000 ? ahead : Math.max(this.ahead, ahead);
  }

  /** Until when an order of now holds; undefined while the API's time is not known. */
  limit(): string | undefined {
    return this.ahead === null ? undefined : new Date(this.ahead + performance.now() + PATIENCE).toISOString();
  }
}

export const server = new ServerTime();
