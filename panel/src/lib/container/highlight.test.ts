import { expect, test } from 'vitest';
import { pieces } from './highlight';

test('what matches is marked, also after characters that JavaScript counts twice', () => {
  expect(pieces({ text: '🎮 Steve joined', parts: [{ start: 2, end: 7 }] })).toEqual([
    { text: '🎮 ', match: false },
    { text: 'Steve', match: true },
    { text: ' joined', match: false }
  ]);
});

test('a line without matches is one piece', () => {
  expect(pieces({ text: 'quiet', parts: [] })).toEqual([{ text: 'quiet', match: false }]);
  expect(pieces({ text: '', parts: [] })).toEqual([]);
});
