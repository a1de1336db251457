// What makes something new: one definition for the buttons of pages and for the palette.
import LayoutGrid from '@lucide/svelte/icons/layout-grid';
import Plus from '@lucide/svelte/icons/plus';
import Upload from '@lucide/svelte/icons/upload';
import type { SystemPermission } from './api';
import { session } from './session.svelte';
import { m } from '$lib/messages';

export interface Action {
  title: string;
  icon: typeof Plus;
  permission: SystemPermission;
  /** Where it is done. A page that is opened with a query begins with it. */
  path: string;
}

export const ACTIONS = {
  createContainer: { title: m.common_create_container(), icon: Plus, permission: 'containers.create', path: '/containers/new' },
  browseCatalogue: { title: m.shell_browse_catalogue(), icon: LayoutGrid, permission: 'templates.read', path: '/templates/catalogue' },
  addDaemon: { title: m.common_add_daemon(), icon: Plus, permission: 'daemons.create', path: '/daemons?add' },
  importEggs: { title: m.shell_import_eggs(), icon: Upload, permission: 'templates.create', path: '/templates?import' },
  createUser: { title: m.common_create_user(), icon: Plus, permission: 'users.create', path: '/users?create' },
  createRole: { title: m.common_create_role(), icon: Plus, permission: 'roles.create', path: '/roles?create' }
} satisfies Record<string, Action>;

/** Whether this person may do it. */
export const may = (action: Action): boolean => session.can(action.permission);
