import { ask, listDaemons, listTemplates, type TemplateSummary } from '$lib/api';
import { admitted, needed } from '$lib/load';
import { session } from '$lib/session.svelte';

async function templates(): Promise<TemplateSummary[]> {
  const all: TemplateSummary[] = [];
  let cursor: string | undefined;
  do {
    const page = await needed(listTemplates({ query: { limit: 100, cursor } }));
    all.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor);
  return all;
}

export const load = async (event) => {
  await admitted(event);
  const all = templates();
  const hosts = session.can('daemons.read') ? ask(listDaemons()).catch(() => null) : null;
  // None where this person may not list them.
  return { templates: await all, daemons: (await hosts)?.items ?? null };
};
