// What is done when a page's program could not be fetched: browsers drop what they have in hand whenever an interface of
// their machine comes or goes, such as another Wi-Fi or, with Raptor on the same machine, a container's network.
import type { HandleClientError } from '@sveltejs/kit';
import { answers } from '$lib/api';
import { m } from '$lib/messages';

document.documentElement.dataset.begun = 'true';
const missing = new WeakSet<Error>();
addEventListener('vite:preloadError', ({ payload }) => missing.add(payload));

export const handleError: HandleClientError = async ({ error, event, message }) => {
  if (!(error instanceof Error && missing.has(error))) return { message };
  if ((await answers()) && window.anew()) {
    location.assign(event.url);
    // Nothing is drawn before the browser leaves.
    return new Promise<never>(() => {});
  }
  void openLater(event.url);
  return { message: m.shell_part_missing(), broken: true };
};

/** Opens a page once Raptor answers, unless somebody has gone elsewhere meanwhile. */
async function openLater(url: URL) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const back = await answers();
    if (!document.querySelector('[data-failed]')) return;
    if (back && window.anew()) return location.assign(url);
  }
}
