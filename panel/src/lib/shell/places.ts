// Every place of the panel: one list for the rail and the palette.
import Activity from '@lucide/svelte/icons/activity';
import Box from '@lucide/svelte/icons/box';
import FileStack from '@lucide/svelte/icons/file-stack';
import MailIcon from '@lucide/svelte/icons/mail';
import Server from '@lucide/svelte/icons/server';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import UserRound from '@lucide/svelte/icons/user-round';
import Users from '@lucide/svelte/icons/users';
import { ACTIONS } from '$lib/actions';
import type { SystemPermission } from '$lib/api';
import { session } from '$lib/session.svelte';
import { m } from '$lib/messages';

export interface Place {
  path: string;
  title: string;
  icon: typeof Box;
  /** Needed to see it; none for what everybody has. */
  permission?: SystemPermission;
}

/** Pages that need no permission. */
const OWN: Place[] = [{ path: '/containers', title: m.common_containers(), icon: Box }];
/** Pages of the whole installation, each with its permission. */
const SYSTEM: Place[] = [
  { path: '/daemons', title: m.common_daemons(), icon: Server, permission: 'daemons.read' },
  { path: '/templates', title: m.common_templates(), icon: FileStack, permission: 'templates.read' },
  { path: '/users', title: m.common_users(), icon: Users, permission: 'users.read' },
  { path: '/roles', title: m.common_roles(), icon: ShieldCheck, permission: 'roles.read' },
  { path: '/activity', title: m.common_activity(), icon: Activity, permission: 'activity.read' },
  { path: '/mail', title: m.shell_mail(), icon: MailIcon, permission: 'settings.read' }
];
export const ACCOUNT: Place = { path: '/account', title: m.common_account(), icon: UserRound };

const open = (places: Place[]) => places.filter((place) => !place.permission || session.can(place.permission));

/** Those that this person may open, as the rail groups them. */
export const groups = (): { title: string | null; places: Place[] }[] =>
  [
    { title: null, places: open(OWN) },
    { title: m.shell_administration(), places: open(SYSTEM) }
  ].filter(({ places }) => places.length > 0);

/** Pages that are no place of the rail, and what opens them. */
const PAGES: Pick<Place, 'path' | 'permission'>[] = [
  { path: ACTIONS.createContainer.path, permission: ACTIONS.createContainer.permission }
];

/** Whether this person may open what is at this path. What belongs to one container is that container's own matter. */
export const admits = (path: string): boolean => {
  const page = [...PAGES, ...SYSTEM].find((page) => path === page.path || path.startsWith(`${page.path}/`));
  return !page?.permission || session.can(page.permission);
};

/** Those that this person may open. */
export const places = (): Place[] => groups().flatMap((group) => group.places);
