import { getMailState, listMails } from '$lib/api';
import { admitted, pages, resource } from '$lib/load';

const mails = ({ unsent }: { unsent: boolean }, cursor?: string) => listMails({ query: { limit: 20, unsent, cursor } });

export const load = async (event) => {
  await admitted(event);
  const [state, list] = await Promise.all([resource(getMailState), pages(mails, { unsent: false })]);
  return { state, list };
};
