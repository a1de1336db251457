import { describe, expect, it } from 'vitest';
import { upload } from './upload';

const entry = { upload: { variable: 'JAR_FILE', unless: 'JAR_URL' } };
const variables = [
  { env: 'JAR_FILE', default_value: 'app.jar' },
  { env: 'JAR_URL', default_value: '' }
];

describe('a program that needs a file', () => {
  it('names it by what is set, or else by the default', () => {
    expect(upload(entry, variables, {})).toBe('app.jar');
    expect(upload(entry, variables, { JAR_FILE: 'bot.jar' })).toBe('bot.jar');
  });
  it('needs no upload where it is fetched, or where nothing is asked for', () => {
    expect(upload(entry, variables, { JAR_URL: 'https://example.com/app.jar' })).toBe(null);
    expect(upload(entry, variables, { JAR_URL: ' ' })).toBe('app.jar');
    expect(upload({ upload: null }, variables, {})).toBe(null);
  });
});
