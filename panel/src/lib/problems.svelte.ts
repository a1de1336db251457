// What every form has: whether it is on its way, and where what went wrong is said.
import { untrack } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import { Refusal, words } from './api';

export class Problems {
  busy = $state(false);
  error = $state.raw<unknown>(null);
  /** The fields that show what is wrong with them, and how many times each is on the page. */
  private fields = new SvelteMap<string, number>();

  /** What is wrong with the form as a whole: what no field shows. */
  problem = $derived.by(() => {
    if (!this.error) return null;
    const field = this.error instanceof Refusal ? this.error.field : null;
    const shown = field !== null && [...this.fields.keys()].some((name) => field === name || field.startsWith(`${name}.`));
    return shown ? null : words(this.error);
  });

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
}
