// A container's state as people read it: one word, icon and tone wherever it is shown.
import Ban from '@lucide/svelte/icons/ban';
import Circle from '@lucide/svelte/icons/circle';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleDashed from '@lucide/svelte/icons/circle-dashed';
import LoaderCircle from '@lucide/svelte/icons/loader-circle';
import Trash2 from '@lucide/svelte/icons/trash-2';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import type { ContainerSummary, Phase } from '$lib/api';
import { m } from '$lib/messages';

export interface State {
  name: StateName;
  word: string;
  icon: typeof Circle;
  /** The class of its colour. */
  tone: string;
  /** Whether it is under way. */
  busy?: boolean;
}

/** Every state that people tell apart. */
export type StateName =
  | Phase
  | 'installing'
  | 'install_failed'
  | 'restarting'
  | 'crashed'
  | 'start_failed'
  | 'out_of_memory'
  | 'disk_full'
  | 'files_missing'
  | 'suspended'
  | 'damaged'
  | 'deleting';

const WORDS: Record<StateName, string> = {
  running: m.containers_state_running(),
  starting: m.containers_state_starting(),
  stopping: m.containers_state_stopping(),
  offline: m.containers_state_offline(),
  installing: m.containers_state_installing(),
  install_failed: m.containers_state_install_failed(),
  restarting: m.containers_state_restarting(),
  crashed: m.containers_state_crashed(),
  start_failed: m.containers_state_start_failed(),
  out_of_memory: m.containers_state_out_of_memory(),
  disk_full: m.containers_state_disk_full(),
  files_missing: m.containers_state_files_missing(),
  suspended: m.common_suspended(),
  damaged: m.common_damaged(),
  deleting: m.containers_state_deleting()
};
export const STATES = Object.entries(WORDS) as [StateName, string][];

const bad = (name: StateName): State => ({ name, word: WORDS[name], icon: TriangleAlert, tone: 'text-bad' });
const busy = (name: StateName): State => ({ name, word: WORDS[name], icon: LoaderCircle, tone: 'text-warn', busy: true });

export const PHASES: Record<Phase, State> = {
  running: { name: 'running', word: WORDS.running, icon: CircleCheck, tone: 'text-good' },
  starting: busy('starting'),
  stopping: busy('stopping'),
  offline: { name: 'offline', word: WORDS.offline, icon: Circle, tone: 'text-soft' }
};

/** Why it is offline, where that is not as somebody wanted it. */
function trouble({ crashes, fault, problem, last_exit }: ContainerSummary['live']): State | null {
  if (crashes?.quarantined) return bad('crashed');
  if (crashes?.again_at) return busy('restarting');
  if (fault?.type === 'files_missing') return bad('files_missing');
  if (problem) return bad(fault?.type === 'disk_full' ? 'disk_full' : 'start_failed');
  if (fault?.type === 'out_of_memory') return bad('out_of_memory');
  return last_exit?.crash ? bad('crashed') : null;
}

export function stateOf({
  live,
  suspended,
  deleting,
  damaged
}: Pick<ContainerSummary, 'live' | 'suspended' | 'deleting' | 'damaged'>): State {
  if (deleting) return { name: 'deleting', word: WORDS.deleting, icon: Trash2, tone: 'text-bad' };
  if (damaged.length) return bad('damaged');
  if (suspended) return { name: 'suspended', word: WORDS.suspended, icon: Ban, tone: 'text-warn' };
  if (live.hold === 'installing') return busy('installing');
  if (live.hold === 'install_failed') return bad('install_failed');
  const why = live.phase === 'offline' ? trouble(live) : null;
  if (why) return why;
  return live.known ? PHASES[live.phase] : { ...PHASES[live.phase], busy: false, icon: CircleDashed, tone: 'text-soft' };
}

/** Whether it is there because something went wrong. */
export const isTrouble = (state: State): boolean => state.tone === 'text-bad' && state.name !== 'deleting';
