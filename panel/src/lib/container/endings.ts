// How a process ended, in a sentence.
import type { Crashes, Exit, Fault } from '$lib/api';
import { mib } from '$lib/format';

/** Why a process ended, where that can be mended; none for a fault of another kind. */
function reason(fault: Fault | null): string | null {
  if (fault?.type === 'out_of_memory') {
    return fault.limit_mib == null ? 'the host ran out of memory' : `it needed more memory than its limit of ${mib(fault.limit_mib)}`;
  }
  return fault?.type === 'disk_full' ? 'its disk is full' : null;
}

/** Of a process that ended once, by itself. */
export function ended(exit: Exit, fault: Fault | null): string {
  const why = reason(fault);
  if (fault?.type === 'out_of_memory') return `It was killed: ${why}.`;
  if (why) return `It ended with exit code ${exit.code}: ${why}.`;
  if (exit.out_of_memory) return 'It was killed for want of memory.';
  return `It crashed: the process ended by itself with exit code ${exit.code}. The console shows its last lines.`;
}

/** Of crashes in a row. */
export function crashed(crashes: Crashes, exit: Exit | null, fault: Fault | null): string {
  const times = crashes.count > 1 ? ` ${crashes.count} times in a row` : '';
  const how = reason(fault) ?? (exit ? (exit.out_of_memory ? 'it ran out of memory' : `exit code ${exit.code}`) : null);
  return `It crashed${times}${crashes.quarantined ? ' and stays offline' : ''}${how ? `: ${how}` : ''}.`;
}
