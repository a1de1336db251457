import { untrack } from 'svelte';
import { goto } from '$app/navigation';
import { page } from '$app/state';

/** Runs `work` when the page is opened for it, as the palette does: `/users?create`. */
export function whenAsked(name: string, work: (value: string) => void) {
  $effect(() => {
    const value = page.url.searchParams.get(name);
    if (value === null) return;
    untrack(() => {
      void goto(page.url.pathname, { replaceState: true, keepFocus: true, noScroll: true });
      work(value);
    });
  });
}
