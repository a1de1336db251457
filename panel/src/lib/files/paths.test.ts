import { describe, expect, it } from 'vitest';
import { ladder } from './drop';
import { free, isArchive, isPackedLog, isSingle, isZip, join, nameOf, octal, parentOf, trail } from './paths';

describe('paths', () => {
  it('come apart and together', () => {
    expect([nameOf('/a/b.txt'), parentOf('/a/b.txt'), parentOf('/a'), join('/', 'a'), join('/a', 'b')]).toEqual([
      'b.txt',
      '/a',
      '/',
      '/a',
      '/a/b'
    ]);
    expect(trail('/a/b')).toEqual([
      { name: 'a', path: '/a' },
      { name: 'b', path: '/a/b' }
    ]);
  });
  it('find a free name', () => {
    const taken = new Set(['a.txt', 'a (2).txt']);
    expect(free('a.txt', (name) => taken.has(name))).toBe('a (3).txt');
    expect(free('.env', () => false)).toBe('.env (2)');
  });
  it('tell archives from packed logs', () => {
    expect([isArchive('w.tar.gz'), isPackedLog('w.tar.gz'), isPackedLog('2024.log.gz'), isArchive('2024.log.gz')]).toEqual([
      true,
      false,
      true,
      false
    ]);
    expect([isArchive('mods.7z'), isArchive('mods.7Z'), isArchive('mods.rar'), isArchive('mods.7z.txt')]).toEqual([
      true,
      true,
      false,
      false
    ]);
    expect([isSingle('2024.log.gz'), isSingle('w.tar.gz'), isZip('w.zip'), isZip('w.tar.gz'), isZip('mods.7z')]).toEqual([
      true,
      false,
      true,
      true,
      false
    ]);
    expect(octal(0o644)).toBe('644');
  });
  it('name the folders on the way', () => {
    expect(ladder('a/b/c')).toEqual(['a', 'a/b', 'a/b/c']);
  });
});
