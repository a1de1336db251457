import { listCatalogue } from '$lib/api';
import { admitted, pages } from '$lib/load';

interface Filter {
  search: string;
  category: string;
}

// Variants are on the page of what they are variants of; a search finds them all the same.
const entries = ({ search, category }: Filter, cursor?: string) =>
  listCatalogue({
    query: {
      limit: 60,
      with_total: true,
      cursor,
      ...(search.trim() ? { search: search.trim() } : { variants: false }),
      ...(category && { category })
    }
  });

export const load = async (event) => {
  await admitted(event);
  const asked = event.url.searchParams;
  return { list: await pages(entries, { search: asked.get('search') ?? '', category: asked.get('category') ?? '' }) };
};
