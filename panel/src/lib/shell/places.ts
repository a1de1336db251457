// Every place of the panel: one list for the rail and the palette.
import Activity from '@lucide/svelte/icons/activity';
import Box from '@lucide/svelte/icons/box';
import FileStack from '@lucide/svelte/icons/file-stack';
import Server from '@lucide/svelte/icons/server';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import UserRound from '@lucide/svelte/icons/user-round';
import Users from '@lucide/svelte/icons/users';
import { session } from '$lib/session.svelte';

export interface Place {
  path: string;
  title: string;
  icon: typeof Box;
  /** Needed to see it; none for what everybody has. */
  permission?: string;
}

/** What everybody has. */
const OWN: Place[] = [{ path: '/containers', title: 'Containers', icon: Box }];
/** What belongs to the whole installation. */
const SYSTEM: Place[] = [
  { path: '/daemons', title: 'Daemons', icon: Server, permission: 'daemons.read' },
  { path: '/templates', title: 'Templates', icon: FileStack, permission: 'templates.read' },
  { path: '/users', title: 'Users', icon: Users, permission: 'users.read' },
  { path: '/roles', title: 'Roles', icon: ShieldCheck, permission: 'roles.read' },
  { path: '/activity', title: 'Activity', icon: Activity, permission: 'activity.read' }
];
export const ACCOUNT: Place = { path: '/account', title: 'Your account', icon: UserRound };

const open = (places: Place[]) => places.filter((place) => !place.permission || session.can(place.permission));

/** Those that this person may open, as the rail groups them. */
export const groups = (): { title: string | null; places: Place[] }[] =>
  [
    { title: null, places: open(OWN) },
    { title: 'Administration', places: open(SYSTEM) }
  ].filter(({ places }) => places.length > 0);

/** Those that this person may open. */
export const places = (): Place[] => groups().flatMap((group) => group.places);
