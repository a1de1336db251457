// The catalogue as people look through it: what most look for, then the rest by category.
import type { CatalogueCategory, CatalogueEntry } from '$lib/api';
import { m } from '$lib/messages';

export interface Group {
  /** Empty where there is but one. */
  title: string;
  entries: CatalogueEntry[];
}

/** In the order of `entries`. `flat` is for what was narrowed down already. */
export function grouped(entries: CatalogueEntry[], categories: Pick<CatalogueCategory, 'id' | 'name'>[], flat: boolean): Group[] {
  if (flat) return [{ title: '', entries }];
  const groups = new Map<string, CatalogueEntry[]>();
  for (const entry of entries) {
    const title = entry.popular ? m.catalogue_popular() : (categories.find(({ id }) => id === entry.category)?.name ?? entry.category);
    groups.set(title, [...(groups.get(title) ?? []), entry]);
  }
  const all = [...groups].map(([title, entries]) => ({ title, entries }));
  // A catalogue without popular entries and with one category needs no headings.
  return all.length === 1 && all[0] && !all[0].entries[0]?.popular ? [{ title: '', entries: all[0].entries }] : all;
}

/** A purpose as the start of a line. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
