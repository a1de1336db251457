// What a page reads before it is drawn, in its `load`.
import { error, type LoadEvent } from '@sveltejs/kit';
import { ask, Refusal, type Container, type ContainerPermission } from './api';
import { heard } from './feed';
import type { Page, PageSource } from './live/pages.svelte';
import type { Source } from './live/resource.svelte';
import { session } from './session.svelte';
import { admits } from './shell/places';
import { m } from '$lib/messages';

type Answer<T> = Parameters<typeof ask<T>>[0];

/** What the API answers. Where it refuses, the error page says why: `missing` is what it says of what does not exist. */
export const needed = <T>(answer: Answer<T>, missing?: App.Error): Promise<T> => orError(ask(answer), missing);

/** What `work` gives. Where the API refuses it, the error page says why. */
export async function orError<T>(work: Promise<T>, missing?: App.Error): Promise<T> {
  try {
    return await work;
  } catch (reason) {
    if (!(reason instanceof Refusal)) throw reason;
    // Where nobody answered there is no status.
    error(reason.status || 503, (reason.status === 404 && missing) || { message: reason.message });
  }
}

/** Ends the `load` of a page that this person may not open, before anything is asked for. The frame says so in its place. */
export async function admitted({ parent, url, untrack }: Pick<LoadEvent, 'parent' | 'url' | 'untrack'>): Promise<void> {
  await parent();
  // What is read does not depend on the rest of the address, so another one alone is no reason to read it again.
  const path = untrack(() => url.pathname);
  if (session.account?.password_change_required || !admits(path)) error(403, m.shell_forbidden_text());
}

/** The same for a page of one container. */
export async function permitted(parent: () => Promise<{ container: Source<Container> }>, permission: ContainerPermission): Promise<void> {
  const { container } = await parent();
  if (!container.value.permissions.includes(permission)) error(403, m.containers_forbidden());
}

/** What a `Resource` begins with. */
export async function resource<T>(read: () => Answer<T>, missing?: App.Error): Promise<Source<T>> {
  const at = heard();
  return { value: await needed(read(), missing), read: () => ask(read()), heard: at };
}

/** What `Pages` begin with: the first page of what `filter` finds. */
export async function pages<P extends Page<unknown>, Filter extends object>(
  read: (filter: Filter, cursor?: string) => Answer<P>,
  filter: Filter
): Promise<PageSource<P['items'][number], Filter, P>> {
  const at = heard();
  return { page: await needed(read(filter)), filter, read: (...asked) => ask(read(...asked)), heard: at };
}
