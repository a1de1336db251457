// Names for new containers.
import { ask, listContainers } from '$lib/api';

/** `wanted`, or with the first number behind it that nothing has: "OpenTTD", "OpenTTD 2", "OpenTTD 3". */
export function unused(wanted: string, taken: string[]): string {
  const names = new Set(taken.map((name) => name.trim().toLowerCase()));
  if (!names.has(wanted.toLowerCase())) return wanted;
  let number = 2;
  while (names.has(`${wanted} ${number}`.toLowerCase())) number++;
  return `${wanted} ${number}`;
}

/** A name for a container of this template that no container has which this person sees. */
export async function suggestion(template: string): Promise<string> {
  const found = await ask(listContainers({ query: { search: template, limit: 100 } })).catch(() => null);
  return unused(template, found?.items.map(({ name }) => name) ?? []);
}
