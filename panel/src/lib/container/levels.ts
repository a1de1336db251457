// The names of the levels of access. What each may do comes from the API.
import type { Level } from '$lib/api';

export const LEVELS: Record<Level, { title: string; text: string }> = {
  user: { title: 'User', text: 'Console and power.' },
  admin: { title: 'Admin', text: 'Everything but deleting it.' },
  owner: { title: 'Owner', text: 'Everything.' },
  custom: { title: 'Custom', text: 'Exactly what you choose.' }
};
