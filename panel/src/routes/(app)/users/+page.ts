import { ask, listRoles, listUsers } from '$lib/api';
import { admitted, pages } from '$lib/load';
import { session } from '$lib/session.svelte';

export interface Filter {
  search: string;
  role: string;
}

const users = ({ search, role }: Filter, cursor?: string) =>
  listUsers({
    query: { limit: 50, with_total: true, cursor, ...(search.trim() && { search: search.trim() }), ...(role && { role_id: role }) }
  });

export const load = async (event) => {
  await admitted(event);
  // The page itself takes the search out of the address.
  const search = event.untrack(() => event.url.searchParams.get('search') ?? '');
  const list = pages(users, { search, role: '' });
  // The list is shown to those who may see no roles, too.
  const roles = session.can('roles.read') ? ask(listRoles()).catch(() => null) : null;
  return { list: await list, roles: (await roles)?.items ?? [] };
};
