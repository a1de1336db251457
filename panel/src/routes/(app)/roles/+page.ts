import { listPermissions, listRoles } from '$lib/api';
import { admitted, needed, resource } from '$lib/load';

export const load = async (event) => {
  await admitted(event);
  const [roles, permissions] = await Promise.all([resource(listRoles), needed(listPermissions())]);
  return { roles, permissions: permissions.system };
};
