// The dialog that raises a limit, opened by what says that it is too low, and outliving that.
import { getContext, setContext } from 'svelte';

export interface Raising {
  limit: 'memory_mib' | 'disk_mib';
  /** What was not enough, in MiB. */
  reached: number;
  /** Whether an installation failed for it. */
  installing: boolean;
}

const KEY = Symbol('raising');
export const setRaise = (run: (what: Raising) => void) => setContext(KEY, run);
export const getRaise = () => getContext<(what: Raising) => void>(KEY);
