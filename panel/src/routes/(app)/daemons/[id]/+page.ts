import { getDaemon } from '$lib/api';
import { admitted, resource } from '$lib/load';
import { m } from '$lib/messages';

export const load = async (event) => {
  await admitted(event);
  const { id } = event.params;
  return { daemon: await resource(() => getDaemon({ path: { id } }), { message: m.daemons_not_found() }) };
};
