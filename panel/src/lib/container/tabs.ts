// The pages of one container: one list for its tabs and the palette.
import Activity from '@lucide/svelte/icons/activity';
import Network from '@lucide/svelte/icons/network';
import FolderOpen from '@lucide/svelte/icons/folder-open';
import Rocket from '@lucide/svelte/icons/rocket';
import Settings from '@lucide/svelte/icons/settings';
import SquareTerminal from '@lucide/svelte/icons/square-terminal';
import Users from '@lucide/svelte/icons/users';

export interface Tab {
  /** Below the container's own address. */
  path: string;
  title: string;
  icon: typeof Activity;
  permission: string;
}

export const TABS: Tab[] = [
  { path: '', title: 'Console', icon: SquareTerminal, permission: 'console.read' },
  { path: '/files', title: 'Files', icon: FolderOpen, permission: 'file.read' },
  { path: '/startup', title: 'Startup', icon: Rocket, permission: 'startup.read' },
  { path: '/network', title: 'Network', icon: Network, permission: 'network.read' },
  { path: '/access', title: 'Access', icon: Users, permission: 'access.read' },
  { path: '/activity', title: 'Activity', icon: Activity, permission: 'activity.read' },
  { path: '/settings', title: 'Settings', icon: Settings, permission: 'settings.read' }
];
