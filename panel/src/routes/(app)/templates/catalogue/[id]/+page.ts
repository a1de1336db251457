import { getCatalogueEntry } from '$lib/api';
import { admitted, needed } from '$lib/load';
import { m } from '$lib/messages';

export const load = async (event) => {
  await admitted(event);
  const { id } = event.params;
  return { entry: await needed(getCatalogueEntry({ path: { id } }), { message: m.catalogue_not_found() }) };
};
