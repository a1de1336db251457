// The API's time, as the live lines tell it. An order that travels on a line that was dead for a while must not be carried out when
// nobody expects it any more: so it says until when it holds, by the API's clock.

/** Milliseconds for which an order holds, and for which an answer to it is awaited. */
export const PATIENCE = 15_000;

export class ServerTime {
  /** The API's clock minus two clocks of this machine; null until it was heard. */
  private ahead: { steady: number; wall: number } | null = null;

  says(time: string) {
    const [api, steady, wall] = [Date.parse(time), performance.now(), Date.now()];
    if (!Number.isFinite(api)) return;
    // What is heard is late by the time on the way: the newest that was ever heard is the nearest.
    const before = this.ahead?.steady ?? -Infinity;
    const near = api - steady < before && before - (api - steady) < 1_000 ? before : api - steady;
    this.ahead = { steady: near, wall: near + steady - wall };
  }

  /** Until when an order of now holds; undefined while the API's time is not known. */
  limit(): string | undefined {
    if (this.ahead === null) return undefined;
    // The steady clock stands still while the machine sleeps, and the wall clock may be set back: the later of both is right.
    const now = Math.max(this.ahead.steady + performance.now(), this.ahead.wall + Date.now());
    return new Date(now + PATIENCE).toISOString();
  }
}

export const server = new ServerTime();
