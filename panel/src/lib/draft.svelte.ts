// A form that is filled in and sent, as in a dialog: what is typed, whether it is on its way, and what was wrong with it.
import { Refusal, words } from '$lib/api';
import { untrack } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

export class Draft<Values extends object = object> {
  /** What stands in the fields. */
  values = $state() as Values;
  busy = $state(false);
  error = $state.raw<unknown>(null);
  /** What it began with. */
  private saved = $state.raw() as Values;
  /** The fields that show what is wrong with them, and how many times each is on the page. */
  private fields = new SvelteMap<string, number>();

  /** Whether something was changed since it began. */
  dirty = $derived(!same($state.snapshot(this.values), this.saved));
  /** What is wrong with the form as a whole: what no field shows. */
  problem = $derived.by(() => {
    if (!this.error) return null;
    const field = this.error instanceof Refusal ? this.error.field : null;
    const shown = field !== null && [...this.fields.keys()].some((name) => field === name || field.startsWith(`${name}.`));
    return shown ? null : words(this.error);
  });

  constructor(values: Values) {
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

  /** What the API says is wrong with a field, or with a part of it. */
  about(name: string): string | null {
    const field = this.error instanceof Refusal ? this.error.field : null;
    return field === name || field?.startsWith(`${name}.`) ? words(this.error) : null;
  }

  /** Says that a field shows what is wrong with it, until the answer is called. For an effect of what shows it. */
  shows(name: string): () => void {
    const count = (more: number) =>
      untrack(() => {
        const now = (this.fields.get(name) ?? 0) + more;
        if (now > 0) this.fields.set(name, now);
        else this.fields.delete(name);
      });
    count(1);
    return () => count(-1);
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
