// How templates are told apart: who made them, in which format they are, and where they came from.
import type { TemplateOrigin } from '$lib/api';
import { m } from '$lib/messages';

const FAMILIES: [string, string][] = [
  ['PTDL', 'Pterodactyl'],
  ['PLCN', 'Pelican'],
  ['RAPTOR', 'Raptor']
];

/** `PTDL_v2` as people know it: Pterodactyl v2. */
export function format(source: string): string {
  const family = FAMILIES.find(([mark]) => source.startsWith(mark));
  return family ? `${family[1]} ${source.slice(family[0].length + 1)}` : source;
}

/** Where it came from, in a few words. */
export function place(origin: TemplateOrigin | null | undefined): string {
  if (!origin) return m.templates_source_unknown();
  if (origin.repository) return origin.repository;
  if (origin.kind === 'own') return m.templates_included();
  if (origin.kind === 'pasted') return m.templates_pasted();
  if (origin.address) return new URL(origin.address).host;
  return origin.file ?? m.templates_uploaded();
}

/** Where a newer file is looked for, in a few words: where it came from, or else the host that its own file names. */
export function source(template: { origin?: TemplateOrigin | null; update_url?: string | null }): string | null {
  const { origin, update_url } = template;
  if (origin?.repository || (origin?.address && !origin.address_shortened)) return place(origin);
  return update_url && URL.canParse(update_url) && /^https:/i.test(update_url) ? new URL(update_url).host : null;
}

interface Told {
  author: string;
  source_format: string;
  origin?: TemplateOrigin | null;
}

/** Author, format and source in one line. */
export const byline = (template: Told): string =>
  template.origin?.kind === 'own'
    ? m.templates_byline_included()
    : [template.author.trim() || m.templates_author_unknown(), format(template.source_format), place(template.origin)].join(' · ');

/** A hue for a name, 0 to 359: the same one each time. */
export function hue(name: string): number {
  let sum = 7;
  for (const character of name.trim().toLowerCase()) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 3_600;
  return Math.floor(sum / 10);
}

/** The first letters of a name, two at most. */
export function letters(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const firsts = words.length > 1 ? words.slice(0, 2).map((word) => [...word][0] ?? '') : [...(words[0] ?? '?')].slice(0, 2);
  return firsts.join('').toUpperCase();
}
