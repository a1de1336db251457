import { describe, expect, it } from 'vitest';
import { plainText } from './clipboard';

describe('text of a terminal', () => {
  it('loses colours, titles and cursor movements, and nothing else', () => {
    expect(plainText('\u001b[1;31mred\u001b[0m [x] \u001b[2K\u001b[?25lhidden')).toBe('red [x] hidden');
    expect(plainText('\u001b]0;title\u0007after \u001b]8;;https://a.b\u001b\\link')).toBe('after link');
    expect(plainText('a\u001bMb\u001b\\c-_\\ [0m')).toBe('abc-_\\ [0m');
  });
});
