// The state of a form that changes what is stored: what was read, what stands in the fields, and how saving went.
import { untrack } from 'svelte';
import { Problems } from './problems.svelte';

/** A form for `Values`, which are plain data. Made while a component is. */
export class Form<Values extends object> extends Problems {
  /** What stands in the fields; none until it was read for the first time. */
  values = $state<Values | null>(null);
  private stored = $state('null');

  /** Whether something in the fields is not stored. */
  dirty = $derived(this.values !== null && JSON.stringify(this.values) !== this.stored);

  /**
   * `read` gives what is stored, or nothing while that is unknown. The fields follow it until somebody types in them. `write`
   * stores what it is given, and throws where that is refused.
   */
  constructor(
    private read: () => Values | null,
    private write: (values: Values, before: Values) => Promise<unknown>
  ) {
    super();
    $effect(() => {
      const fresh = read();
      if (fresh && !untrack(() => this.dirty)) untrack(() => this.fill(fresh));
    });
  }

  private fill(values: Values) {
    this.stored = JSON.stringify(values);
    this.values = JSON.parse(this.stored) as Values;
  }

  /** Discards the changes and the error. */
  reset() {
    this.error = null;
    this.fill(this.read() ?? (JSON.parse(this.stored) as Values));
  }

  /** Stores what stands in the fields. Gives a function that takes it back, or nothing where it was refused: `error` says why. */
  async save(): Promise<(() => Promise<void>) | null> {
    const sent = $state.snapshot(this.values) as Values;
    const before = JSON.parse(this.stored) as Values;
    this.busy = true;
    this.error = null;
    try {
      await this.write(sent, before);
      this.stored = JSON.stringify(sent);
      // What was typed meanwhile stays.
      if (!this.dirty) this.reset();
    } catch (error) {
      this.error = error;
      return null;
    } finally {
      this.busy = false;
    }
    return async () => {
      await this.write(before, sent);
      this.reset();
    };
  }
}
