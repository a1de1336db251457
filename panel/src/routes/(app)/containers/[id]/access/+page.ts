import { listAccess } from '$lib/api';
import { permitted, resource } from '$lib/load';

export const load = async ({ params: { id }, parent }) => {
  await permitted(parent, 'access.read');
  return { access: await resource(() => listAccess({ path: { id } })) };
};
