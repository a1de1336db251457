// The power actions: one definition for buttons, menus and the palette. Which of them are possible now is said by the API.
import Play from '@lucide/svelte/icons/play';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import Square from '@lucide/svelte/icons/square';
import Zap from '@lucide/svelte/icons/zap';
import pLimit from 'p-limit';
import { again, ask, powerContainer, type ContainerPermission, type ContainerSummary, type Phase, type PowerAction } from './api';
import { confirm } from './confirm.svelte';
import { expect, foreseen, forget } from './foresight.svelte';
import { toasts } from './toasts.svelte';
import { m } from '$lib/messages';

export interface Power {
  action: PowerAction;
  title: string;
  /** The same of a container by its name, or of several. */
  named: (name: string) => string;
  icon: typeof Play;
  permission: ContainerPermission;
  /** The phase that follows at once. */
  leads?: Phase;
  /** What is lost by it, where that is asked about first. */
  lost?: string;
}

export const POWERS: Power[] = [
  {
    action: 'start',
    title: m.containers_start(),
    named: (name) => m.containers_start_named({ name }),
    icon: Play,
    permission: 'power.start',
    leads: 'starting'
  },
  {
    action: 'stop',
    title: m.containers_stop(),
    named: (name) => m.containers_stop_named({ name }),
    icon: Square,
    permission: 'power.stop',
    leads: 'stopping'
  },
  {
    action: 'restart',
    title: m.containers_restart(),
    named: (name) => m.containers_restart_named({ name }),
    icon: RotateCw,
    permission: 'power.restart',
    leads: 'stopping'
  },
  {
    action: 'kill',
    title: m.containers_kill(),
    named: (name) => m.containers_kill_named({ name }),
    icon: Zap,
    permission: 'power.kill',
    lost: m.containers_kill_text()
  }
];

/** Whether it is under way already, or another button does the same: a restart of what is offline, a kill where nothing runs. */
function needless({ action, leads }: Power, { actions, live }: ContainerSummary): boolean {
  if (action === 'restart' && actions.includes('start')) return true;
  if (action === 'kill' && live.phase === 'offline') return true;
  return leads === live.phase;
}

/** What this person can do with this container now. */
export const powersOf = (container: ContainerSummary): Power[] => {
  const soon = foreseen(container);
  return POWERS.filter((power) => soon.actions.includes(power.action) && !needless(power, soon));
};

/** So many requests at a time: what waits for a connection is dropped when a container's network is made on the browser's machine. */
const turns = pLimit(4);

async function one(power: Power, container: ContainerSummary) {
  // A restart of what is offline is a start.
  const leads = power.action === 'restart' && container.live.phase === 'offline' ? 'starting' : power.leads;
  if (leads) expect(container, leads);
  try {
    await turns(() => ask(powerContainer({ path: { id: container.id }, body: { action: power.action }, fetch: again })));
  } catch (error) {
    forget(container.id);
    throw error;
  }
}

type Failed = (error: unknown, container: ContainerSummary) => void;
const toast: Failed = (error, { name }) => toasts.failed(error, name);

/** Does it with these; what follows is seen in their state. Asks first where something is lost. */
export async function use(power: Power, containers: ContainerSummary[], failed: Failed = toast): Promise<void> {
  const [first] = containers;
  if (!first) return;
  const all = () => Promise.all(containers.map((container) => one(power, container).catch((error) => failed(error, container))));
  if (!power.lost) return void (await all());
  const title = power.named(containers.length === 1 ? first.name : m.containers_count({ count: containers.length }));
  const names = containers.length === 1 ? '' : ` (${containers.map(({ name }) => name).join(', ')})`;
  confirm.ask({ title, lost: power.lost + names, verb: power.title, run: all });
}
