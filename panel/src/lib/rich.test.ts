import { expect, test } from 'vitest';
import { pieces } from './rich';

test('a sentence is split at its tags, and what is no tag stays text', () => {
  expect(pieces('Set <code>APP_URL</code>, then <again/>.')).toEqual([
    { tag: null, text: 'Set ' },
    { tag: 'code', text: 'APP_URL' },
    { tag: null, text: ', then ' },
    { tag: 'again', text: '' },
    { tag: null, text: '.' }
  ]);
  expect(pieces('1 < 2 and <b>3 > 2')).toEqual([{ tag: null, text: '1 < 2 and <b>3 > 2' }]);
  expect(pieces('')).toEqual([]);
});
