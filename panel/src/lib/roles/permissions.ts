// Permissions of roles in words. One that this version of the panel does not know is shown as the API names it.
import type { SystemPermission, SystemPermissionInfo } from '$lib/api';
import { m } from '$lib/messages';

const GROUPS: Record<string, string> = {
  users: m.common_users(),
  roles: m.common_roles(),
  daemons: m.common_daemons(),
  allocations: m.common_allocations(),
  templates: m.common_templates(),
  containers: m.common_containers(),
  activity: m.common_activity(),
  settings: m.common_settings(),
  images: m.common_images()
};
const VERBS: Record<string, string> = {
  read: m.users_verb_read(),
  create: m.common_create(),
  update: m.users_verb_update(),
  delete: m.common_delete(),
  control: m.users_verb_control(),
  access: m.users_verb_access()
};
const TEXTS: Record<SystemPermission, string> = {
  'users.read': m.users_may_users_read(),
  'users.create': m.users_may_users_create(),
  'users.update': m.users_may_users_update(),
  'users.delete': m.users_may_users_delete(),
  'roles.read': m.users_may_roles_read(),
  'roles.create': m.users_may_roles_create(),
  'roles.update': m.users_may_roles_update(),
  'roles.delete': m.users_may_roles_delete(),
  'daemons.read': m.users_may_daemons_read(),
  'daemons.create': m.users_may_daemons_create(),
  'daemons.update': m.users_may_daemons_update(),
  'daemons.delete': m.users_may_daemons_delete(),
  'allocations.read': m.users_may_allocations_read(),
  'allocations.create': m.users_may_allocations_create(),
  'allocations.update': m.users_may_allocations_update(),
  'allocations.delete': m.users_may_allocations_delete(),
  'templates.read': m.users_may_templates_read(),
  'templates.create': m.users_may_templates_create(),
  'templates.update': m.users_may_templates_update(),
  'templates.delete': m.users_may_templates_delete(),
  'containers.read': m.users_may_containers_read(),
  'containers.create': m.users_may_containers_create(),
  'containers.update': m.users_may_containers_update(),
  'containers.delete': m.users_may_containers_delete(),
  'containers.control': m.users_may_containers_control(),
  'containers.access': m.users_may_containers_access(),
  'activity.read': m.users_may_activity_read(),
  'settings.read': m.users_may_settings_read(),
  'settings.update': m.users_may_settings_update(),
  'images.update': m.users_may_images_update()
};

const named = (name: string) => `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('_', ' ')}`;

export const groupTitle = (group: string): string => GROUPS[group] ?? named(group);

/** "View", under the heading of its group. */
export function permissionTitle({ name, group }: SystemPermissionInfo): string {
  const verb = name.slice(group.length + 1);
  return VERBS[verb] ?? named(verb);
}

/** "View all users". */
export const permissionText = ({ name, description }: SystemPermissionInfo): string => TEXTS[name] ?? description;
