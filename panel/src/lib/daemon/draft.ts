import type { DaemonDraft } from '$lib/api';

/** A daemon that is to be added, as its form begins. */
export const newDaemon = (): DaemonDraft => ({
  name: '',
  host: '',
  port: 8080,
  transport: 'pinned',
  memory_limit_mib: null,
  disk_limit_mib: null,
  sftp_read_only: false,
  sftp_offline_hours: 0,
  self_service_ports: null
});
