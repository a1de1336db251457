// A form that is filled in and sent, as in a dialog: what is typed, whether it is on its way, and what was wrong with it.
import { untrack } from 'svelte';
import { Problems } from './problems.svelte';

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

export class Draft<Values extends object = object> extends Problems {
  /** What stands in the fields. */
  values = $state() as Values;
  /** What it began with. */
  private saved = $state.raw() as Values;
  /** Whether something was changed since it began. */
  dirty = $derived(!same($state.snapshot(this.values), this.saved));
  constructor(values: Values) {
    super();
    this.load(values);
  }

  /** Begins with these values, such as when the dialog opens. */
  load(values: Values) {
    const saved = $state.snapshot(values) as Values;
    this.saved = saved;
    this.values = structuredClone(saved);
    this.error = null;
  }

  /** Goes back to what it began with. */
  reset() {
    untrack(() => this.load(this.saved));
  }

  /** Does the form's work, one at a time, and keeps what went wrong. Whether it was done. */
  async run(work: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.error = null;
    try {
      await work();
      return true;
    } catch (reason) {
      this.error = reason;
      return false;
    } finally {
      this.busy = false;
    }
  }

  /** `run` for the `submit` event. */
  on(work: () => Promise<unknown>) {
    return (event: SubmitEvent) => {
      event.preventDefault();
      void this.run(work);
    };
  }
}
