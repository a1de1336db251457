// The power actions: one definition for buttons, menus and the palette.
import Play from '@lucide/svelte/icons/play';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import Square from '@lucide/svelte/icons/square';
import Zap from '@lucide/svelte/icons/zap';
import { ask, powerContainer, type ContainerSummary, type PowerAction } from './api';
import { toasts } from './toasts.svelte';

export interface Power {
  action: PowerAction;
  title: string;
  icon: typeof Play;
  permission: string;
  /** Whether it makes sense now. */
  fits: (container: ContainerSummary) => boolean;
}

const phase = (container: ContainerSummary) => container.live.phase;
/** Whether it starts again by itself in a moment. */
const waits = (container: ContainerSummary) => phase(container) === 'offline' && !!container.live.crashes?.again_at;
const up = (container: ContainerSummary) => phase(container) !== 'offline';

export const POWERS: Power[] = [
  {
    action: 'start',
    title: 'Start',
    icon: Play,
    permission: 'power.start',
    fits: (container) => phase(container) === 'offline' && !container.suspended && !container.deleting && !container.live.hold
  },
  {
    action: 'stop',
    title: 'Stop',
    icon: Square,
    permission: 'power.stop',
    fits: (container) => phase(container) === 'running' || phase(container) === 'starting' || waits(container)
  },
  {
    action: 'restart',
    title: 'Restart',
    icon: RotateCw,
    permission: 'power.restart',
    fits: (container) => phase(container) === 'running' && !container.suspended
  },
  { action: 'kill', title: 'Kill', icon: Zap, permission: 'power.kill', fits: up }
];

/** What this person may do with this container now. */
export const powersOf = (container: ContainerSummary): Power[] =>
  POWERS.filter((power) => container.permissions.includes(power.permission) && power.fits(container));

/** Does it; what follows is seen in the state. */
export async function use(power: Power, container: ContainerSummary) {
  try {
    await ask(powerContainer({ path: { id: container.id }, body: { action: power.action } }));
  } catch (error) {
    toasts.failed(error);
  }
}
