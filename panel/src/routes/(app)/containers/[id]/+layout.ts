import { getContainer } from '$lib/api';
import { admitted, resource } from '$lib/load';
import { m } from '$lib/messages';

export const load = async (event) => {
  await admitted(event);
  const { id } = event.params;
  return {
    container: await resource(() => getContainer({ path: { id } }), { title: m.containers_not_found(), message: m.containers_gone() })
  };
};
