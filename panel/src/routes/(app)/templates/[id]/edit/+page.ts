import { exportTemplate, getTemplate } from '$lib/api';
import { admitted, needed } from '$lib/load';
import { m } from '$lib/messages';

export const load = async (event) => {
  await admitted(event);
  const { id } = event.params;
  const [template, text] = await Promise.all([
    needed(getTemplate({ path: { id } }), { message: m.templates_not_found() }),
    needed(exportTemplate({ path: { id }, query: { format: 'raptor' }, parseAs: 'text' }), { message: m.templates_not_found() })
  ]);
  return { template, text: String(text) };
};
