import { describe, expect, it } from 'vitest';
import { byline, format, hue, letters, place, source } from './look';

const origin = { kind: 'file', author: '', sha256: '', revision: 1 } as const;

describe('templates', () => {
  it('with the same name are told apart by author, format and source', () => {
    const one = byline({ author: 'a@b.c', source_format: 'PTDL_v2', origin: { ...origin, file: 'eggs/7dtd.json' } });
    const other = byline({
      author: 'a@b.c',
      source_format: 'PLCN_v3',
      origin: { ...origin, kind: 'catalogue', repository: 'pelican-eggs/games' }
    });
    expect(one).toBe('a@b.c · Pterodactyl v2 · eggs/7dtd.json');
    expect(other).toBe('a@b.c · Pelican v3 · pelican-eggs/games');
    expect(byline({ author: ' ', source_format: 'RAPTOR_v1', origin: null })).toBe('Unknown author · Raptor v1 · unknown source');
  });
  it('name the host of an address, and what came with Raptor', () => {
    expect(place({ ...origin, kind: 'address', address: 'https://example.com/egg.json' })).toBe('example.com');
    expect(byline({ author: 'Raptor', source_format: 'RAPTOR_v1', origin: { ...origin, kind: 'own' } })).toBe('Included with Raptor');
    expect(place({ ...origin, kind: 'own' })).toBe('included with Raptor');
    expect(place({ ...origin, kind: 'pasted' })).toBe('pasted');
    expect(place(origin)).toBe('uploaded file');
    expect(format('X_v1')).toBe('X_v1');
  });
  it('are looked for where they came from, or else where their file says, over https only', () => {
    const update_url = 'https://eggs.example.org/trains.json';
    expect(source({ origin: { ...origin, kind: 'address', address: 'https://example.com/egg.json' }, update_url })).toBe('example.com');
    expect(source({ origin, update_url })).toBe('eggs.example.org');
    expect(
      source({ origin: { ...origin, kind: 'address', address: 'https://example.com/egg.json', address_shortened: true }, update_url })
    ).toBe('eggs.example.org');
    for (const other of ['http://example.org/a.json', 'javascript:alert(1)', 'https:', '', null])
      expect(source({ origin, update_url: other })).toBe(null);
  });
  it('without a drawing have letters on a colour of their own', () => {
    expect(['7 Days To Die', 'OpenTTD', 'Ärger im Wald', '!'].map(letters)).toEqual(['7D', 'OP', 'ÄI', '?']);
    expect(hue('OpenTTD')).toBe(hue(' openttd '));
    expect(new Set(['OpenTTD', 'Rust', 'Paper', 'Vanilla Minecraft', 'ARK', 'Valheim'].map(hue)).size).toBe(6);
  });
});
