// Ready-made sets of permissions for one container.
import type { Level } from '$lib/api';

export const LEVELS: Record<Level, { title: string; text: string }> = {
  user: { title: 'User', text: 'Reads the console, sends commands, starts and stops it.' },
  admin: { title: 'Admin', text: 'Everything but deleting it.' },
  owner: { title: 'Co-owner', text: 'Everything that the owner may do.' },
  custom: { title: 'Custom', text: 'Exactly what is chosen below.' }
};
