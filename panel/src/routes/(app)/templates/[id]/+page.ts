import { getTemplate, listTemplateRevisions } from '$lib/api';
import { admitted, needed, resource } from '$lib/load';
import { m } from '$lib/messages';

export const load = async (event) => {
  await admitted(event);
  const { id } = event.params;
  const [template, revisions] = await Promise.all([
    resource(() => getTemplate({ path: { id } }), { message: m.templates_not_found() }),
    needed(listTemplateRevisions({ path: { id } }), { message: m.templates_not_found() })
  ]);
  return { template, revisions: revisions.items };
};
