// Which allocations a container is given for the ports that its template has variables for.
import type { Allocation, CatalogueEntry } from '$lib/api';
import { m } from '$lib/messages';

export interface Need {
  purpose: string;
  /** The template's variable that is told the port; none for the primary allocation, which every template knows as SERVER_PORT. */
  variable: string | null;
  /** Default port of the game, such as 25565; null where the catalogue names none. */
  usual: number | null;
}

/** The primary allocation first. Empty only where it is stated that no port is needed. */
export function needs(entry: Pick<CatalogueEntry, 'ports'>, variables: string[]): Need[] {
  if (entry.ports?.length === 0) return [];
  const stated = entry.ports ?? [];
  const main = stated.find(({ variable }) => variable === 'SERVER_PORT');
  const more = stated.filter(
    ({ variable }, at) =>
      variable && variable !== 'SERVER_PORT' && variables.includes(variable) && stated.findIndex((one) => one.variable === variable) === at
  );
  return [
    { purpose: main?.purpose ?? m.catalogue_port_main(), variable: null, usual: main?.default ?? null },
    ...more.map(({ purpose, variable, default: usual }) => ({ purpose, variable: variable ?? null, usual: usual ?? null }))
  ];
}

type Page = { items: Allocation[]; next?: string | null };

/**
 * Free allocations: the first page of them, and in front those with one of the `usual` port numbers. `read` answers a page of free
 * ones; a search finds a number also as a part of others, so that pages of it are read until the number itself comes.
 */
export async function freeOnes(
  usual: number[],
  read: (query: { search?: string; cursor?: string }) => Promise<Page>
): Promise<Allocation[]> {
  const withPort = async (port: number): Promise<Allocation[]> => {
    for (let cursor: string | undefined; ;) {
      const { items, next } = await read({ search: String(port), ...(cursor && { cursor }) });
      const found = items.filter((one) => one.port === port);
      if (found.length > 0 || !next) return found;
      cursor = next;
    }
  };
  const found = await Promise.all([...usual.map(withPort), read({}).then(({ items }) => items)]);
  return [...new Map(found.flat().map((one) => [one.id, one])).values()];
}

/** A free allocation for each need, the usual number where it is free; null where there are too few. */
export function assign(wanted: Need[], free: Allocation[]): (Allocation | null)[] {
  const left = [...free];
  const take = (at: number) => (at < 0 ? null : (left.splice(at, 1)[0] ?? null));
  // Usual numbers first, so that none of them is given away as just any free one.
  const usual = wanted.map((need) => (need.usual === null ? null : take(left.findIndex(({ port }) => port === need.usual))));
  return usual.map((found) => found ?? take(left.length > 0 ? 0 : -1));
}
