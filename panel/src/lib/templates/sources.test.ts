import { describe, expect, it } from 'vitest';
import { addresses, fromFile, isTemplate } from './sources';

describe('sources of templates', () => {
  it('are files that may hold one', () => {
    expect(['egg.json', 'A.YAML', 'b.yml', 'README.md', 'json', 'x.json.bak'].filter(isTemplate)).toEqual(['egg.json', 'A.YAML', 'b.yml']);
  });
  it('are addresses, each once', () => {
    expect(addresses(' https://a.b/c.json\n\nhttps://d.e/f\r\nhttps://a.b/c.json ')).toEqual(['https://a.b/c.json', 'https://d.e/f']);
    expect(addresses(' \n')).toEqual([]);
  });
  it('are called by their path in a folder', () => {
    const file = new File(['{}'], 'egg.json');
    expect(fromFile(file).name).toBe('egg.json');
    Object.defineProperty(file, 'webkitRelativePath', { value: 'eggs/rust/egg.json' });
    expect(fromFile(file).name).toBe('eggs/rust/egg.json');
  });
});
