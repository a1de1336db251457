// Permissions on a container in words and groups. One that this version of the panel does not know is shown as the API describes it.
import type { ContainerPermission, ContainerPermissionInfo } from '$lib/api';
import { m } from '$lib/messages';

const GROUPS: Record<string, string> = {
  console: m.common_console(),
  stats: m.common_console(),
  power: m.containers_group_power(),
  file: m.common_files(),
  startup: m.common_startup(),
  network: m.common_network(),
  access: m.common_access(),
  activity: m.common_activity(),
  settings: m.common_settings(),
  container: m.common_settings()
};
const TEXTS: Record<ContainerPermission, string> = {
  'console.read': m.containers_may_console_read(),
  'console.command': m.containers_may_console_command(),
  'stats.read': m.containers_may_stats_read(),
  'power.start': m.containers_may_power_start(),
  'power.stop': m.containers_may_power_stop(),
  'power.restart': m.containers_may_power_restart(),
  'power.kill': m.containers_may_power_kill(),
  'startup.read': m.containers_may_startup_read(),
  'startup.update': m.containers_may_startup_update(),
  'startup.secrets': m.containers_may_startup_secrets(),
  'startup.install': m.containers_may_startup_install(),
  'network.read': m.containers_may_network_read(),
  'network.update': m.containers_may_network_update(),
  'access.read': m.containers_may_access_read(),
  'access.create': m.containers_may_access_create(),
  'access.update': m.containers_may_access_update(),
  'access.delete': m.containers_may_access_delete(),
  'settings.read': m.containers_may_settings_read(),
  'settings.update': m.containers_may_settings_update(),
  'activity.read': m.containers_may_activity_read(),
  'container.delete': m.containers_may_delete(),
  'file.read': m.containers_may_file_read(),
  'file.read-content': m.containers_may_file_read_content(),
  'file.create': m.containers_may_file_create(),
  'file.update': m.containers_may_file_update(),
  'file.delete': m.containers_may_file_delete(),
  'file.archive': m.containers_may_file_archive()
};

/** "Send commands". */
export const permissionText = ({ name, description }: ContainerPermissionInfo): string => TEXTS[name] ?? description;

/** Permissions under the names of the pages that they are about, in the order of those pages. */
export function grouped(permissions: ContainerPermissionInfo[]): { title: string; permissions: ContainerPermissionInfo[] }[] {
  const title = ({ group }: ContainerPermissionInfo) => GROUPS[group] ?? group;
  const titles = new Set([...Object.values(GROUPS), ...permissions.map(title)]);
  return [...titles]
    .map((of) => ({ title: of, permissions: permissions.filter((permission) => title(permission) === of) }))
    .filter((group) => group.permissions.length > 0);
}
