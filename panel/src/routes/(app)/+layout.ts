import { error, redirect } from '@sveltejs/kit';
import { Refusal } from '$lib/api';
import { begin } from '$lib/feed';
import { session } from '$lib/session.svelte';

/** Who is signed in is known before anything is drawn; who isn't signs in first, and comes back. */
export const load = async ({ url, untrack }) => {
  const account =
    session.account ??
    (await session.load().catch((reason) => {
      if (!(reason instanceof Refusal)) throw reason;
      error(reason.status || 503, reason.message);
    }));
  if (!account)
    redirect(
      307,
      untrack(() => session.door(url))
    );
  // Before the page is read, so that no change falls between the two.
  if (!account.password_change_required) begin();
};
