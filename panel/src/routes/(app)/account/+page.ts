import { ask, getNotices, getSettings, listAccountActivity, listSessions, listSshKeys } from '$lib/api';
import { admitted, needed, resource } from '$lib/load';

export const load = async (event) => {
  await admitted(event);
  // Without mail there is nothing to choose about it.
  const notices = async () => {
    const { password_reset: mail } = await ask(getSettings());
    return mail ? await ask(getNotices()) : null;
  };
  const [keys, sessions, recent, chosen] = await Promise.all([
    resource(listSshKeys),
    resource(listSessions),
    needed(listAccountActivity({ query: { limit: 20 } })),
    notices().catch(() => null)
  ]);
  return { keys, sessions, recent: recent.items, notices: chosen };
};
