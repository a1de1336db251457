// What is wrong with a host, in the language of the panel. The API's own sentence is in English and more specific.
import type { Daemon } from '$lib/api';
import { bytes } from '$lib/format';
import { locale } from '$lib/locale';
import { m } from '$lib/messages';

type Seen = Pick<Daemon, 'connection' | 'system'>;

/** Difference of the clocks in seconds from which the API warns (`MAX_CLOCK_SKEW_S`). */
const APART = 30;

function clock(skew: number | null | undefined): string | null {
  if (skew == null || Math.abs(skew) <= APART) return null;
  return skew > 0 ? m.daemons_clock_ahead({ seconds: skew }) : m.daemons_clock_behind({ seconds: -skew });
}

/** The API warns when less than a tenth of a disk is free; of large disks, later. */
function disk(system: Daemon['system']): string | null {
  if (!system) return null;
  const { disk_total_bytes: total, disk_used_bytes: used } = system;
  return total - used < total / 10 ? m.daemons_disk_low({ free: bytes(total - used), total: bytes(total) }) : null;
}

/** The panel's own sentence; null where only the API knows what is wrong. */
function own({ connection, system }: Seen): string | null {
  switch (connection.state) {
    case 'unreachable':
      return m.daemons_problem_unreachable({ message: connection.message ?? '' });
    case 'wrong_key':
      return m.daemons_problem_key();
    case 'protocol_mismatch':
      return m.daemons_problem_version({ message: connection.message ?? '' });
    case 'not_running':
      return m.daemons_problem_not_running();
    case 'online':
      return [disk(system), clock(connection.clock_skew_seconds)].filter(Boolean).join(' ') || null;
    default:
      return null;
  }
}

/** What is wrong with the connection to a host. */
export function connectionProblem(daemon: Seen, language = locale): string | null {
  const { message } = daemon.connection;
  if (!message) return null;
  return language === 'en' ? message : (own(daemon) ?? message).trim();
}

/** What is wrong with the Docker of a host. */
export function dockerProblem({ system }: Pick<Daemon, 'system'>, language = locale): string | null {
  const said = system?.docker_problem;
  if (!said) return null;
  return language === 'en' ? said : m.daemons_problem_docker({ message: said });
}

/** What is wrong with the folder of a host's containers. */
export function folderProblem({ system }: Pick<Daemon, 'system'>, language = locale): string | null {
  const said = system?.folder_problem;
  if (!said) return null;
  return language === 'en' ? said : m.daemons_problem_folder({ message: said });
}
