import { listActivity } from '$lib/api';
import { admitted, pages } from '$lib/load';
import { bounds, period, type Period } from '$lib/period';

interface Filter extends Period {
  search: string;
  /** One action, or all of a kind, such as `container.power`. */
  action: string;
  kind: string;
  /** Of the user whose activity it is, and what they are called. */
  actor: string;
  name: string;
}

const activity = ({ search, action, kind, actor, ...when }: Filter, cursor?: string) =>
  listActivity({
    query: {
      limit: 50,
      cursor,
      ...bounds(when),
      ...(search.trim() && { search: search.trim() }),
      ...(action && { action }),
      ...(kind && { kind }),
      ...(actor && { actor_id: actor })
    }
  });

export const load = async (event) => {
  await admitted(event);
  const asked = (name: string) => event.url.searchParams.get(name) ?? '';
  const filter = {
    search: asked('search'),
    action: asked('action'),
    kind: asked('kind'),
    actor: asked('actor'),
    name: asked('name'),
    ...period(asked)
  };
  return { list: await pages(activity, filter) };
};
