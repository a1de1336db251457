import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { worded } from '../src/lib/api/problems';

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const { ProblemCode: schema, InvalidReason: reasons } = read('../../openapi.json').components.schemas;
/** What is told in units, by the value that it comes from. */
const IN_UNITS = { trash: 'trash_bytes' };
const told = (code, name) => (code === 'disk_limit' && name === 'limit' ? 'limit_mib' : (IN_UNITS[name] ?? name));

describe('problems in the words of the panel', () => {
  it.each(['en', 'de'])('%s: every code has a sentence, and every value in it is one of the code', (locale) => {
    const messages = read(`../messages/api/${locale}.json`);
    for (const code of schema.enum) expect(messages, code).toHaveProperty(`api_problem_${code}`);
    for (const [key, message] of Object.entries(messages)) {
      if (!key.startsWith('api_problem_')) continue;
      const codes = schema.enum.filter((code) => `${key}_`.startsWith(`api_problem_${code}_`));
      const code = codes.sort((a, b) => b.length - a.length)[0];
      expect(code, key).toBeDefined();
      const values = ['detail', ...(schema['x-params'][code] ?? [])];
      for (const [, name] of message.matchAll(/\{(\w+)\}/g)) expect(values, key).toContain(told(code, name));
    }
  });

  it.each(['en', 'de'])('%s: so has every reason why a field is refused', (locale) => {
    const messages = read(`../messages/api/${locale}.json`);
    const told = Object.keys(messages).filter((key) => key.startsWith('api_invalid_'));
    expect(told.map((key) => key.replace('api_invalid_', ''))).toEqual(reasons.enum);
    for (const key of told) {
      const values = ['detail', ...(reasons['x-params'][key.replace('api_invalid_', '')] ?? [])];
      for (const [, name] of messages[key].matchAll(/\{(\w+)\}/g)) expect(values, key).toContain(name);
    }
  });

  it('say what is wrong with a field, with numbers as people write them', () => {
    const refused = (params) => worded({ code: 'invalid', detail: 'In English.', params });
    expect(refused({ reason: 'password_length', min: 8, max: 1024 })).toBe('Use a password of 8 to 1,024 characters.');
    expect(refused({ reason: 'at_least', min: '3', unit: 'characters' })).toBe('Use at least 3 characters.');
    expect(refused({ reason: 'at_least', min: '3', unit: '' })).toBe('Use at least 3.');
    expect(refused({ reason: 'of_a_newer_api' })).toBe('In English.');
    expect(refused({ reason: 'too_long' })).toBe('In English.');
    expect(refused(undefined)).toBe('In English.');
  });

  it('name the values that came with the problem', () => {
    expect(worded({ code: 'allocation_taken', params: { container: 'Lobby', port: 25565 } })).toBe(
      'Lobby already uses port 25565. Choose another allocation.'
    );
    expect(worded({ code: 'disk_limit', params: { limit_mib: 20, trash_bytes: 3 * 1024 * 1024 } })).toContain(
      'Empty the trash, which holds 3'
    );
    expect(worded({ code: 'disk_limit', params: { limit_mib: 20, trash_bytes: 0 } })).not.toContain('trash');
  });

  it('do without values that are not known, and fall back to what the API says', () => {
    expect(worded({ code: 'allocation_taken' })).toBe('Another container uses this allocation. Choose another one.');
    expect(worded({ code: 'daemon_unreachable', detail: 'Nothing answers at 203.0.113.7.' })).toContain('Nothing answers at 203.0.113.7.');
    expect(worded({ code: 'disk_limit', detail: 'Full.' })).toBeUndefined();
    expect(worded({ code: 'of_a_newer_api', detail: 'New.' })).toBeUndefined();
  });
});
