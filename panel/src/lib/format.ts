// How numbers, sizes and times are written, everywhere: as the language of the panel does.
import { region } from './locale';
import { m } from '$lib/messages';

/** Bytes in one. */
export const MIB = 1024 * 1024;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A number with so many decimals. */
const decimal = (value: number, digits: number): string =>
  value.toLocaleString(region, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });

/** 12345 → "12,345". */
export const number = (value: number): string => value.toLocaleString(region);

/** 1536 → "1.5 KiB". */
export function bytes(value: number): string {
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${decimal(value, digits)} ${UNITS[unit]}`;
}

/** MiB; 0 is no limit. */
export const mib = (value: number): string => (value === 0 ? m.common_no_limit() : bytes(value * MIB));

/** 12.34 → "12 %". */
export const percent = (value: number): string => `${decimal(value, value >= 10 ? 0 : 1)} %`;

/** Milliseconds → "2 d 3 h". */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's']
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** From how many milliseconds on a date says more than "… ago". */
const LONG_AGO = 30 * 86_400_000;

/** "3 min ago"; a date for what is older than 30 days or, as files may be, still to come. */
export function ago(time: string, now = Date.now()): string {
  const at = new Date(time);
  const ms = now - at.getTime();
  if (ms > LONG_AGO || ms < -60_000) return at.toLocaleDateString(region, { dateStyle: 'medium' });
  if (ms < 60_000) return m.common_just_now();
  const first = duration(ms).split(' ').slice(0, 2).join(' ');
  return m.common_ago({ duration: first });
}

/** A day such as "2026-11-29", as people write it. */
export const day = (date: string): string => new Date(`${date}T00:00:00`).toLocaleDateString(region, { dateStyle: 'medium' });

/** The time of day of a Unix time in seconds. */
export const clockTime = (seconds: number): string => new Date(seconds * 1000).toLocaleTimeString(region);

/** The exact time, for whoever hovers. */
export const exact = (time: string): string => new Date(time).toLocaleString(region);

/** "container.power.start" → "Started the container". */
export function deed(action: string): string {
  const words = action.replaceAll('.', ' ').replaceAll('_', ' ');
  return DEEDS[action] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

const DEEDS: Record<string, string> = {
  'account.signed_in': 'Signed in',
  'account.ssh_key_added': 'Added the SSH key',
  'account.ssh_key_deleted': 'Deleted the SSH key',
  'account.updated': 'Changed their account',
  'account.password_changed': 'Changed their password',
  'account.password_reset_asked': 'Link for a new password sent to',
  'account.password_reset': 'Chose a new password by a link',
  'account.notices_changed': 'Changed which mails they get',
  'account.session_ended': 'Ended a session',
  'account.sessions_ended': 'Ended their other sessions',
  'keys.app_key_changed': 'Changed APP_KEY',
  'keys.jwt_secret_changed': 'Changed JWT_SECRET',
  'allocations.created': 'Added allocations to',
  'allocation.updated': 'Changed allocation',
  'allocation.deleted': 'Deleted allocation',
  'container.created': 'Created container',
  'container.updated': 'Renamed or described',
  'container.deleted': 'Deleted container',
  'container.limits_changed': 'Changed the limits of',
  'container.startup_changed': 'Changed the startup of',
  'container.behaviour_changed': 'Changed the behaviour of',
  'container.template_moved': 'Moved to another version of its template:',
  'container.template_changed': 'Changed the template of',
  'container.secret_revealed': 'Looked up a secret of',
  'container.installed': 'Installed',
  'container.install_failed': 'Could not install',
  'container.install_cancelled': 'Cancelled the installation of',
  'container.install_skipped': 'Skipped the installation of',
  'container.start_failed': 'Could not start',
  'container.ended': 'Saw the end of',
  'container.ended_by_hand': 'Saw Docker’s own command end',
  'container.crashed': 'Saw the crash of',
  'container.quarantined': 'Gave up restarting',
  'container.recovered': 'Took back into its care',
  'container.disk_full': 'Stopped, as its disk was full:',
  'container.owner_changed': 'Changed the owner of',
  'container.suspended': 'Suspended',
  'container.unsuspended': 'Lifted the suspension of',
  'container.power.start': 'Started',
  'container.power.stop': 'Stopped',
  'container.power.restart': 'Restarted',
  'container.power.kill': 'Killed',
  'container.command': 'Sent a command to',
  'container.sftp.signed_in': 'Signed in by SFTP to',
  'container.sftp.changed': 'Changed files by SFTP in',
  'container.allocation_added': 'Added an allocation to',
  'container.allocation_removed': 'Removed an allocation from',
  'container.primary_allocation_changed': 'Changed the primary allocation of',
  'container.access_granted': 'Gave access to',
  'container.access_changed': 'Changed access to',
  'container.access_revoked': 'Took access to',
  'daemon.created': 'Added daemon',
  'daemon.updated': 'Changed daemon',
  'daemon.deleted': 'Removed daemon',
  'daemon.key_renewed': 'Renewed the key of daemon',
  'daemon.maintenance_begun': 'Began maintenance of daemon',
  'daemon.maintenance_ended': 'Ended maintenance of daemon',
  'daemon.images_cleaned': 'Removed unused images of daemon',
  'daemon.unknown_container_stopped': 'Stopped an unknown container of daemon',
  'daemon.unknown_container_deleted': 'Deleted an unknown container of daemon',
  'container.adopted': 'Adopted container',
  'file.folder_created': 'Made a folder in',
  'file.moved': 'Moved or renamed files of',
  'file.mode_changed': 'Changed permissions of files of',
  'file.discarded': 'Put files in the trash of',
  'file.restored': 'Took files out of the trash of',
  'file.trash_emptied': 'Emptied the trash of',
  'file.downloaded': 'Downloaded files of',
  'file.written': 'Changed a file of',
  'file.created': 'Made a file in',
  'file.uploaded': 'Uploaded a file to',
  'file.copied': 'Copied files of',
  'file.deleted': 'Deleted files of',
  'file.archived': 'Made an archive in',
  'file.extracted': 'Unpacked an archive in',
  'file.pulled': 'Fetched a file for',
  'role.created': 'Created role',
  'role.updated': 'Changed role',
  'role.deleted': 'Deleted role',
  'registry.saved': 'Saved the login for registry',
  'registry.deleted': 'Deleted the login for registry',
  'catalogue.fetched': 'Fetched a newer catalogue',
  'catalogue.reset': 'Went back to the catalogue that comes with Raptor',
  'images.changed': 'Changed the list of allowed images',
  'settings.mail_tested': 'Tried the mail server',
  'template.imported': 'Imported template',
  'template.revised': 'Changed template',
  'template.deleted': 'Deleted template',
  'user.created': 'Created user',
  'user.updated': 'Changed user',
  'user.deleted': 'Deleted user',
  'user.password_set': 'Set the password of',
  'user.sessions_ended': 'Ended the sessions of'
};
