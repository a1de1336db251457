import { describe, expect, it } from 'vitest';
import type { Fault } from '$lib/api';
import { remedies, type Trouble } from './remedies';

const everything: Omit<Trouble, 'fault'> = {
  missing: false,
  installing: false,
  suspended: false,
  limited: true,
  can: () => true,
  manages: () => true,
  has: () => true
};
const nothing: Omit<Trouble, 'fault'> = { ...everything, can: () => false, manages: () => false };
const titles = (trouble: Trouble) => remedies(trouble).map(({ title }) => title);

const port: Fault = { type: 'port_in_use', ip: '0.0.0.0', port: 25565, details: 'x' };
const away: Fault = { type: 'registry_unreachable', image: 'a', registry: 'b', details: 'x' };
const full: Fault = { type: 'disk_full', used_bytes: 2 ** 30, limit_bytes: 2 ** 30, trash_bytes: 8 * 2 ** 20 };
const memory: Fault = { type: 'out_of_memory', limit_mib: 64, details: null };

describe('the ways out', () => {
  it('fit what is wrong, the likeliest first', () => {
    expect(titles({ ...everything, fault: port })).toEqual(['Use another port', 'Try again']);
    expect(titles({ ...everything, fault: away })).toEqual(['Choose another image', 'Try again']);
    expect(titles({ ...everything, fault: { ...away, type: 'login_required' } })).toEqual([
      'Add registry login',
      'Choose another image',
      'Try again'
    ]);
    expect(titles({ ...everything, fault: full })).toEqual(['Empty trash (8.0 MiB)', 'Raise limit', 'Open files', 'Try again']);
    expect(titles({ ...everything, fault: memory })).toEqual(['Raise limit', 'Try again']);
    expect(titles({ ...everything, fault: { type: 'files_missing' } })).toEqual(['Upload files', 'Reinstall', 'Delete…']);
    expect(titles({ ...everything, fault: null })).toEqual(['Try again']);
    expect(titles({ ...everything, fault: null, missing: true })).toEqual(['Upload files', 'Try again']);
    expect(remedies({ ...everything, fault: port }).map(({ main }) => main)).toEqual([true, false]);
  });
  it('are those that somebody may take', () => {
    for (const fault of [port, away, full, memory, null]) expect(titles({ ...nothing, fault })).toEqual([]);
    expect(titles({ ...everything, fault: memory, manages: () => false })).toEqual(['Try again']);
    expect(titles({ ...everything, fault: port, suspended: true })).toEqual(['Use another port']);
  });
  it('leave out what can’t help', () => {
    expect(titles({ ...everything, fault: { type: 'image_refused', image: 'a' } })).toEqual(['Choose another image']);
    expect(titles({ ...everything, fault: port, has: () => false })).toEqual(['Try again']);
    expect(titles({ ...everything, fault: { ...full, trash_bytes: 0 } })[0]).toBe('Raise limit');
    expect(titles({ ...everything, fault: memory, limited: false })).toEqual(['Try again']);
    expect(titles({ ...everything, fault: away, installing: true }), 'an installer’s image is its template’s').toEqual([
      'Open template',
      'Try again'
    ]);
    expect(titles({ ...everything, fault: away, installing: true, manages: () => false })).toEqual(['Try again']);
  });
});
