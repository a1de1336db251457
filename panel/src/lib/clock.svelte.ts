// The time, as often as what is relative to it needs to be written anew.
class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => !document.hidden && (this.now = Date.now()), 15_000);
    document.addEventListener('visibilitychange', () => !document.hidden && (this.now = Date.now()));
  }
}

export const clock = new Clock();
