import { listDaemons } from '$lib/api';
import { admitted, resource } from '$lib/load';

export const load = async (event) => {
  await admitted(event);
  return { daemons: await resource(listDaemons) };
};
