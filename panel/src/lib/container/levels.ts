// The names of the levels of access. What each may do comes from the API.
import type { Level } from '$lib/api';
import { m } from '$lib/messages';

export const LEVELS: Record<Level, { title: string; text: string }> = {
  user: { title: m.common_user(), text: 'Console and power.' },
  admin: { title: 'Admin', text: 'Everything but deleting it.' },
  owner: { title: m.common_owner(), text: 'Everything.' },
  custom: { title: 'Custom', text: 'Exactly what you choose.' }
};
