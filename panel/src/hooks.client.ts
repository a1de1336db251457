// What is done when a page's program could not be fetched: browsers drop what they have in hand whenever an interface of
// their machine comes or goes, such as another Wi-Fi or, with Raptor on the same machine, a container's network.
import type { HandleClientError } from '@sveltejs/kit';
import { answers } from '$lib/api';

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
  return { message: 'A part of the panel could not be loaded. Check your connection, then try again.' };
};
