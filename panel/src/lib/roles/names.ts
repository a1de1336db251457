// Raptor's own roles in the language of the panel. Their names can't be given to others; what they allow is what the API says.
import { m } from '$lib/messages';

const BUILTIN: Record<string, { name: string; text: string }> = {
  admin: { name: m.users_role_admin(), text: m.users_role_admin_text() },
  manager: { name: m.users_role_manager(), text: m.users_role_manager_text() },
  user: { name: m.users_role_user(), text: m.users_role_user_text() }
};

const own = (name: string) => (Object.hasOwn(BUILTIN, name) ? BUILTIN[name] : undefined);

/** Name of a role: that of a built-in one in the language of the panel. */
export const roleName = (name: string): string => own(name)?.name ?? name;

/** Description of a role: that of a built-in one in the language of the panel. */
export const roleText = ({ name, description, builtin }: { name: string; description: string; builtin: boolean }): string =>
  (builtin ? own(name)?.text : undefined) ?? description;
