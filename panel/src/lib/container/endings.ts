// How a process ended, in a sentence.
import type { Crashes, Exit, Fault } from '$lib/api';
import { plainText } from '$lib/clipboard';
import { mib } from '$lib/format';
import { m } from '$lib/messages';

/** A sentence about a process that ended without being stopped: its cause or exit code. */
export function ended({ code, out_of_memory }: Exit, fault: Fault | null): string {
  if (fault?.type === 'out_of_memory')
    return fault.limit_mib == null ? m.containers_ended_host_memory() : m.containers_ended_memory({ limit: mib(fault.limit_mib) });
  if (fault?.type === 'disk_full') return m.containers_ended_disk({ code });
  return out_of_memory ? m.containers_ended_no_memory() : m.containers_ended_code({ code });
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

/** Why it crashed, if that is known. */
function reason(lines: string[], exit: Exit | null, fault: Fault | null): string | null {
  if (fault?.type === 'out_of_memory')
    return fault.limit_mib == null ? m.containers_why_host_memory() : m.containers_why_memory({ limit: mib(fault.limit_mib) });
  if (fault?.type === 'disk_full') return m.containers_why_disk();
  const file = missingFile(lines);
  if (file) return m.containers_why_file({ file });
  if (exit?.out_of_memory) return m.containers_why_no_memory();
  return exit && m.containers_why_code({ code: exit.code });
}

/** A sentence about consecutive crashes: how many, why, and whether restarts have stopped. */
export function crashed({ count, quarantined, lines }: Crashes, exit: Exit | null, fault: Fault | null): string {
  const what = quarantined ? m.containers_crashed_for_good({ count }) : m.containers_crashed({ count });
  const why = reason(lines, exit, fault);
  return why ? m.containers_crashed_why({ what, why }) : m.containers_crashed_only({ what });
}
