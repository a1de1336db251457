import { listContainerActivity } from '$lib/api';
import { pages, permitted } from '$lib/load';

export const load = async ({ params: { id }, parent }) => {
  await permitted(parent, 'activity.read');
  return { list: await pages((_: object, cursor?: string) => listContainerActivity({ path: { id }, query: { limit: 50, cursor } }), {}) };
};
