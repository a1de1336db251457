// How a process ended, in a sentence.
import type { Crashes, Exit, Fault } from '$lib/api';
import { plainText } from '$lib/clipboard';
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

const HOME = '/home/container/';
/** What programs write when the file that they are to run is not there. */
const ABSENT = [
  /Unable to access jarfile (.+?)\s*$/,
  /Cannot find module '(\/home\/container\/[^']+)'/,
  /can't open file '([^']+)': \[Errno 2\]/
];

/** The file that a program was to run and did not find, by its last lines. */
export function missingFile(lines: string[]): string | null {
  for (const line of lines) {
    for (const pattern of ABSENT) {
      const path = pattern.exec(plainText(line))?.[1];
      if (path) return path.startsWith(HOME) ? path.slice(HOME.length) : path;
    }
  }
  return null;
}

/** Of crashes in a row. */
export function crashed(crashes: Crashes, exit: Exit | null, fault: Fault | null): string {
  const times = crashes.count > 1 ? ` ${crashes.count} times in a row` : '';
  const missing = missingFile(crashes.lines);
  const how = reason(fault) ?? (missing ? `${missing} is not among its files` : null) ?? (exit ? (exit.out_of_memory ? 'it ran out of memory' : `exit code ${exit.code}`) : null);
  return `It crashed${times}${crashes.quarantined ? ' and stays offline' : ''}${how ? `: ${how}` : ''}.`;
}
