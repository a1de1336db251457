import { describe, expect, it } from 'vitest';
import { commands } from './commands';

describe('the line for a new host', () => {
  it('is one line that keeps the key out of every program’s arguments', () => {
    for (const line of Object.values(commands({ port: 8081, transport: 'pinned' }, 'rd_key'))) {
      expect(line).not.toContain('\n');
      expect(line).toMatch(
        /^printf '%s\\n' 'DAEMON_API_KEY=rd_key' 'DAEMON_ADDR=0\.0\.0\.0:8081' 'DAEMON_TLS=derived' \| \/usr\/local\/bin\/raptor-daemon setup/
      );
      expect(line.match(/rd_key/g)).toHaveLength(1);
      // An empty Debian has none.
      expect(line).not.toContain('sudo');
    }
  });
  it('has the daemon behind a proxy listen on the host’s own address', () => {
    expect(commands({ port: 443, transport: 'certificate' }, 'rd_key').systemd).toContain("'DAEMON_ADDR=127.0.0.1:8080'");
  });
  it('switches HTTPS off where a proxy speaks it, or nobody is to, and on again everywhere else', () => {
    const line = (transport: 'pinned' | 'certificate' | 'plain' | 'upgrading') => commands({ port: 8080, transport }, 'rd_key').plain;
    expect(line('certificate')).toContain("'DAEMON_TLS=off'");
    expect(line('plain')).toContain("'DAEMON_ADDR=0.0.0.0:8080' 'DAEMON_TLS=off'");
    expect(line('pinned')).toContain("'DAEMON_TLS=derived'");
    expect(line('upgrading')).toContain("'DAEMON_TLS=derived'");
  });
});
