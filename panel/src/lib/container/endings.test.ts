import { describe, expect, it } from 'vitest';
import type { Crashes } from '$lib/api';
import { crashed, missingFile } from './endings';

const crashes = (lines: string[], count = 1, quarantined = false) => ({ count, quarantined, lines }) as Crashes;

describe('a program whose file is not there', () => {
  it('is recognised by what Java, Node.js and Python write', () => {
    expect(missingFile(['Error: Unable to access jarfile app.jar'])).toBe('app.jar');
    expect(missingFile(['x', "Error: Cannot find module '/home/container/index.js'", '    at Module._resolve'])).toBe('index.js');
    expect(
      missingFile(["\u001b[31mpython: can't open file '/home/container/src/main.py': [Errno 2] No such file or directory\u001b[0m"])
    ).toBe('src/main.py');
  });
  it('is not taken for one that lacks a package or crashes otherwise', () => {
    expect(
      missingFile(["Error: Cannot find module 'express'", 'Error: Invalid or corrupt jarfile app.jar', "can't open file '/x': [Errno 13]"])
    ).toBe(null);
  });
  it('is told with the file instead of a number', () => {
    expect(crashed(crashes(['Error: Unable to access jarfile app.jar'], 5, true), { code: 1 } as never, null)).toBe(
      'Crashed 5 times in a row and stays offline: app.jar is missing.'
    );
    expect(crashed(crashes(['boom']), { code: 1 } as never, null)).toBe('Crashed: exit code 1.');
  });
});
