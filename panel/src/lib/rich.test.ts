import { expect, it } from 'vitest';
import { parts } from './rich';

it('a message is cut into its tagged parts', () => {
  const message = ({ name, count }: { name: string; count: number }) => `Delete <code>${name}</code> and its ${count} files, <again/>?`;
  expect(parts(message, { name: 'a', count: 2 })).toEqual([
    { tag: null, text: 'Delete ' },
    { tag: 'code', text: 'a' },
    { tag: null, text: ' and its 2 files, ' },
    { tag: 'again', text: '' },
    { tag: null, text: '?' }
  ]);
  expect(parts(() => '1 < 2 and <b>3 > 2', {})).toEqual([{ tag: null, text: '1 < 2 and <b>3 > 2' }]);
  expect(parts(() => '', {})).toEqual([]);
});

it('what is filled in is never taken for a tag', () => {
  const message = ({ name }: { name: string }) => `<b>${name}</b> is gone, ${name}`;
  expect(parts(message, { name: '<b>x</b></b>' })).toEqual([
    { tag: 'b', text: '<b>x</b></b>' },
    { tag: null, text: ' is gone, <b>x</b></b>' }
  ]);
});
