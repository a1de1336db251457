// The names of the levels of access. What each may do comes from the API.
import type { Level } from '$lib/api';
import { m } from '$lib/messages';

export const LEVELS: Record<Level, { title: string; text: string }> = {
  user: { title: m.common_user(), text: m.containers_level_user() },
  admin: { title: m.containers_level_admin_title(), text: m.containers_level_admin() },
  owner: { title: m.common_owner(), text: m.containers_level_owner() },
  custom: { title: m.containers_level_custom_title(), text: m.containers_level_custom() }
};
