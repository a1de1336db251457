// The lines that make a daemon out of a host.
import type { Daemon } from '$lib/api';

export type Way = 'systemd' | 'plain';

const PROGRAM = '/usr/local/bin/raptor-daemon';
const FOLDER = '/etc/raptor/daemon';

/** One line for each way, to be pasted into root's shell on the host: not every host has sudo. The key is in no program's arguments, where others could read it. */
export function commands(daemon: Pick<Daemon, 'port' | 'transport'>, key: string): Record<Way, string> {
  // Behind a proxy with a certificate, the port in the panel is the proxy's.
  const address = daemon.transport === 'certificate' ? '127.0.0.1:8080' : `0.0.0.0:${daemon.port}`;
  const plain = daemon.transport === 'certificate' || daemon.transport === 'plain';
  const lines = [
    `DAEMON_API_KEY=${key}`,
    `DAEMON_ADDR=${address}`,
    // Always said: the host may have been set up otherwise before.
    `DAEMON_TLS=${plain ? 'off' : 'derived'}`
  ];
  const settings = `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')}`;
  return {
    systemd: `${settings} | ${PROGRAM} setup --systemd && systemctl enable raptor-daemon && systemctl restart raptor-daemon`,
    plain: `${settings} | ${PROGRAM} setup && (cd ${FOLDER} && exec ${PROGRAM})`
  };
}
