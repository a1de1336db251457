import { listActivity } from '$lib/api';
import { admitted, pages } from '$lib/load';

interface Filter {
  search: string;
  action: string;
  /** Of the user whose activity it is, and what they are called. */
  actor: string;
  name: string;
}

const activity = ({ search, action, actor }: Filter, cursor?: string) =>
  listActivity({
    query: {
      limit: 50,
      cursor,
      ...(search.trim() && { search: search.trim() }),
      ...(action && { action }),
      ...(actor && { actor_id: actor })
    }
  });

export const load = async (event) => {
  await admitted(event);
  const asked = (name: string) => event.url.searchParams.get(name) ?? '';
  const filter = { search: asked('search'), action: asked('action'), actor: asked('actor'), name: asked('name') };
  return { list: await pages(activity, filter) };
};
