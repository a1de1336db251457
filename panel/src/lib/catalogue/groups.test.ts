import { describe, expect, it } from 'vitest';
import type { CatalogueEntry } from '$lib/api';
import { capital, grouped } from './groups';

const entry = (id: string, category: string, popular = false) => ({ id, category, popular }) as CatalogueEntry;
const categories = [
  { id: 'own', name: 'Your own program' },
  { id: 'survival', name: 'Survival' }
];
const shape = (flat: boolean, ...entries: CatalogueEntry[]) =>
  grouped(entries, categories, flat).map(({ title, entries }) => `${title}: ${entries.map(({ id }) => id).join(' ')}`);

describe('the catalogue', () => {
  it('shows what is popular first and the rest by category, in the order of the list', () => {
    expect(
      shape(false, entry('rust', 'survival', true), entry('node', 'own', true), entry('go', 'own'), entry('aska', 'survival'))
    ).toEqual(['Popular: rust node', 'Your own program: go', 'Survival: aska']);
  });
  it('has no headings where it was narrowed down or has but one category', () => {
    expect(shape(true, entry('rust', 'survival', true), entry('go', 'own'))).toEqual([': rust go']);
    expect(shape(false, entry('aska', 'survival'), entry('dayz', 'survival'))).toEqual([': aska dayz']);
  });
  it('writes purposes with a capital and leaves the rest alone', () => {
    expect(capital('query (game port + 1)')).toBe('Query (game port + 1)');
  });
});
