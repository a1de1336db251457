// The pages of one container: one list for its tabs and the palette.
import Activity from '@lucide/svelte/icons/activity';
import Network from '@lucide/svelte/icons/network';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import Rocket from '@lucide/svelte/icons/rocket';
import Settings from '@lucide/svelte/icons/settings';
import SquareTerminal from '@lucide/svelte/icons/square-terminal';
import Users from '@lucide/svelte/icons/users';
import type { ContainerPermission } from '$lib/api';
import { m } from '$lib/messages';

export interface Tab {
  /** Below the container's own address. */
  path: string;
  title: string;
  icon: typeof Activity;
  permission: ContainerPermission;
}

export const TABS: Tab[] = [
  { path: '', title: m.common_console(), icon: SquareTerminal, permission: 'console.read' },
  { path: '/files', title: m.common_files(), icon: FolderOpen, permission: 'file.read' },
  { path: '/startup', title: m.common_startup(), icon: Rocket, permission: 'startup.read' },
  { path: '/network', title: m.common_network(), icon: Network, permission: 'network.read' },
  { path: '/access', title: m.common_access(), icon: Users, permission: 'access.read' },
  { path: '/activity', title: m.common_activity(), icon: Activity, permission: 'activity.read' },
  { path: '/settings', title: m.common_settings(), icon: Settings, permission: 'settings.read' }
];
