import { listTemplates } from '$lib/api';
import { admitted, pages } from '$lib/load';

const templates = ({ search }: { search: string }, cursor?: string) =>
  listTemplates({ query: { limit: 50, with_total: true, cursor, ...(search.trim() && { search: search.trim() }) } });

export const load = async (event) => {
  await admitted(event);
  return { list: await pages(templates, { search: '' }) };
};
