// What the palette offers: every place and action that this person may use, as far as it fits what was typed.
import Box from '@lucide/svelte/icons/box';
import LogOut from '@lucide/svelte/icons/log-out';
import SunMoon from '@lucide/svelte/icons/sun-moon';
import type { Component } from 'svelte';
import { goto } from '$app/navigation';
import { ACTIONS, may } from '$lib/actions';
import {
  ask,
  listContainers,
  listDaemons,
  listTemplates,
  listUsers,
  type ContainerSummary,
  type Daemon,
  type TemplateSummary,
  type User
} from '$lib/api';
import { TABS } from '$lib/container/tabs';
import { foreseen } from '$lib/foresight.svelte';
import { powersOf, use } from '$lib/power';
import { session } from '$lib/session.svelte';
import { byline } from '$lib/templates/look';
import { stateOf } from '$lib/state';
import { theme } from '$lib/theme.svelte';
import { ACCOUNT, places } from './places';
import { m } from '$lib/messages';

export interface Entry {
  key: string;
  title: string;
  hint?: string;
  icon: Component<{ size?: number }>;
  /** The template that it leads to, which has a picture of its own. */
  template?: TemplateSummary;
  run: () => unknown;
}
export interface Group {
  title: string;
  entries: Entry[];
}

/** What was found by asking the API. */
export interface Found {
  /** For this text, as a whole. */
  text: string | null;
  containers: ContainerSummary[];
  daemons: Daemon[];
  templates: TemplateSummary[];
  users: User[];
}
export const NOTHING: Found = { text: null, containers: [], daemons: [], templates: [], users: [] };

const FEW = 6;

/** Asks for everything that is called like this. */
export async function find(text: string): Promise<Found> {
  const search = text.trim();
  const query = { limit: FEW, ...(search && { search }) };
  const containers = ask(listContainers({ query }));
  if (!search) return { ...NOTHING, text, containers: (await containers).items };
  const none = Promise.resolve({ items: [] });
  const [found, daemons, templates, users] = await Promise.all([
    containers,
    session.can('daemons.read') ? ask(listDaemons()) : none,
    session.can('templates.read') ? ask(listTemplates({ query })) : none,
    session.can('users.read') ? ask(listUsers({ query })) : none
  ]);
  let { items } = found;
  const whole = items.length > 0;
  // "trains settings" is a container and one of its pages.
  const shorter = search.slice(0, search.lastIndexOf(' '));
  if (items.length === 0 && search.includes(' ')) items = (await ask(listContainers({ query: { limit: FEW, search: shorter } }))).items;
  // "stop trains" is an action and a container.
  const rest = search.slice(search.indexOf(' ') + 1);
  if (items.length === 0 && search.includes(' ')) items = (await ask(listContainers({ query: { limit: FEW, search: rest } }))).items;
  return { text: whole ? text : null, containers: items, daemons: daemons.items, templates: templates.items, users: users.items };
}

/** One container with its pages and what can be done with it now. */
function about(container: ContainerSummary, named: boolean): Entry[] {
  const { id, name, permissions } = container;
  return [
    ...powersOf(container).map((power) => ({
      key: `${id}-${power.action}`,
      title: named ? power.named(name) : power.title,
      icon: power.icon,
      run: () => use(power, [container])
    })),
    ...TABS.filter((tab) => permissions.includes(tab.permission)).map((tab) => ({
      key: `${id}/${tab.path}`,
      title: named ? `${name}: ${tab.title}` : tab.title,
      icon: tab.icon,
      run: () => goto(`/containers/${id}${tab.path}`)
    }))
  ];
}

function fixed(): Group[] {
  const go = [...places(), ACCOUNT].map(({ path, title, icon }) => ({ key: path, title, icon, run: () => goto(path) }));
  const make = Object.values(ACTIONS)
    .filter(may)
    .map(({ path, title, icon }) => ({ key: path, title, icon, run: () => goto(path) }));
  const own: Entry[] = [
    {
      key: 'theme',
      title: theme.dark ? m.shell_light() : m.shell_dark(),
      icon: SunMoon,
      run: () => theme.choose(theme.dark ? 'light' : 'dark')
    },
    { key: 'out', title: m.common_sign_out(), icon: LogOut, run: () => session.end() }
  ];
  return [
    { title: m.shell_go_to(), entries: go },
    { title: m.common_actions(), entries: [...make, ...own] }
  ];
}

/** Every word of it in any order. */
const fits = (title: string, words: string[]) => words.every((word) => title.toLowerCase().includes(word));

/** The groups for what was typed; `here` is the container whose page is open. */
export function entries(text: string, found: Found, here: ContainerSummary | null): Group[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const place = places().map(({ path }) => path);
  const open = (container: ContainerSummary): Entry => ({
    key: container.id,
    title: container.name,
    hint: stateOf(foreseen(container)).word,
    icon: Box,
    run: () => goto(`/containers/${container.id}`)
  });
  const named = (title: string, base: string, items: { id: string; name: string }[]): Group => {
    const icon = [...places()].find(({ path }) => path === base)?.icon ?? Box;
    return {
      title,
      entries: place.includes(base) ? items.map(({ id, name }) => ({ key: id, title: name, icon, run: () => goto(`${base}/${id}`) })) : []
    };
  };
  const others = found.containers.filter(({ id }) => id !== here?.id);
  const people = found.users.map(({ id, username, email }) => ({
    key: id,
    title: username,
    hint: email,
    icon: ACCOUNT.icon,
    run: () => goto(`/users?search=${encodeURIComponent(username)}`)
  }));
  const templates = named(m.common_templates(), '/templates', found.templates);
  templates.entries = templates.entries.map((entry, i) => ({
    ...entry,
    hint: found.templates[i] && byline(found.templates[i]),
    template: found.templates[i]
  }));
  const matching = (group: Group): Group => ({ ...group, entries: group.entries.filter(({ title }) => fits(title, words)) });
  const parts = matching({ title: '', entries: others.slice(0, 3).flatMap((item) => about(item, true)) }).entries;
  // Whoever types more than a name wants more than its page.
  const opened = matching({ title: '', entries: others.map(open) }).entries;
  // What the API found by an owner or an id has another name than what was typed.
  const all = found.text === text ? others.map(open) : opened;
  const containers = words.length > 1 ? [...parts, ...all] : [...all, ...parts];
  const groups: Group[] = [
    ...(here ? [matching({ title: here.name, entries: about(here, words.length > 0) })] : []),
    { title: m.common_containers(), entries: words.length > 0 ? containers : [] },
    ...fixed().map(matching),
    { title: m.common_containers(), entries: words.length > 0 ? [] : others.map(open) },
    ...[named(m.common_daemons(), '/daemons', found.daemons), templates, { title: m.common_users(), entries: people }].map(matching)
  ];
  return groups.filter((group) => group.entries.length > 0);
}
