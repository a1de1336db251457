import type { ContainerSort } from '$lib/api';
import { begin, type Filter } from '$lib/live/containers.svelte';
import { admitted, orError } from '$lib/load';

export const load = async (event) => {
  await admitted(event);
  const asked = event.url.searchParams;
  const filter: Filter = {
    search: asked.get('search') ?? '',
    state: (asked.get('state') ?? '') as Filter['state'],
    sort: (asked.get('sort') ?? 'name') as ContainerSort,
    mine: asked.get('mine') === 'true'
  };
  return { filter, begun: await orError(begin(filter)) };
};
