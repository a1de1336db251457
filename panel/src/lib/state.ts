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
  word: string;
  icon: typeof Circle;
  /** The class of its colour. */
  tone: string;
  /** Whether it is under way. */
  busy?: boolean;
}

const bad = (word: string): State => ({ word, icon: TriangleAlert, tone: 'text-bad' });
const busy = (word: string): State => ({ word, icon: LoaderCircle, tone: 'text-warn', busy: true });

export const PHASES: Record<Phase, State> = {
  running: { word: m.containers_state_running(), icon: CircleCheck, tone: 'text-good' },
  starting: busy(m.containers_state_starting()),
  stopping: busy(m.containers_state_stopping()),
  offline: { word: m.containers_state_offline(), icon: Circle, tone: 'text-soft' }
};

/** Why it is offline, where that is not as somebody wanted it. */
function trouble({ crashes, fault, problem, last_exit }: ContainerSummary['live']): State | null {
  if (crashes?.quarantined) return bad(m.containers_state_crashed());
  if (crashes?.again_at) return busy(m.containers_state_restarting());
  if (fault?.type === 'files_missing') return bad(m.containers_state_files_missing());
  if (problem) return bad(fault?.type === 'disk_full' ? m.containers_state_disk_full() : m.containers_state_start_failed());
  if (fault?.type === 'out_of_memory') return bad(m.containers_state_out_of_memory());
  return last_exit?.crash ? bad(m.containers_state_crashed()) : null;
}

export function stateOf({
  live,
  suspended,
  deleting,
  damaged
}: Pick<ContainerSummary, 'live' | 'suspended' | 'deleting' | 'damaged'>): State {
  if (deleting) return { word: m.containers_state_deleting(), icon: Trash2, tone: 'text-bad' };
  if (damaged.length) return bad(m.common_damaged());
  if (suspended) return { word: m.common_suspended(), icon: Ban, tone: 'text-warn' };
  if (live.hold === 'installing') return busy(m.containers_state_installing());
  if (live.hold === 'install_failed') return bad(m.containers_state_install_failed());
  const why = live.phase === 'offline' ? trouble(live) : null;
  if (why) return why;
  return live.known ? PHASES[live.phase] : { word: PHASES[live.phase].word, icon: CircleDashed, tone: 'text-soft' };
}
