// What was done, as a sentence.
import type { ActivityAction } from './api';
import { m } from '$lib/messages';

type Sentence = (values: { subject: string }) => string;

/** "container.power.start" → "Started <subject>Lobby</subject>". An action of a newer API is shown by its name. */
export const deed = (action: string): Sentence =>
  known(action) ? DEEDS[action] : ({ subject }) => `${action} <subject>${subject}</subject>`;
const known = (action: string): action is ActivityAction => Object.hasOwn(DEEDS, action);

const DEEDS: Record<ActivityAction, Sentence> = {
  'account.signed_in': () => m.activity_did_account_signed_in(),
  'account.ssh_key_added': m.activity_did_account_ssh_key_added,
  'account.ssh_key_deleted': m.activity_did_account_ssh_key_deleted,
  'account.updated': () => m.activity_did_account_updated(),
  'account.password_changed': () => m.activity_did_account_password_changed(),
  'account.password_reset_asked': m.activity_did_account_password_reset_asked,
  'account.password_reset': () => m.activity_did_account_password_reset(),
  'account.notices_changed': () => m.activity_did_account_notices_changed(),
  'account.session_ended': () => m.activity_did_account_session_ended(),
  'account.sessions_ended': () => m.activity_did_account_sessions_ended(),
  'keys.app_key_changed': () => m.activity_did_keys_app_key_changed(),
  'keys.jwt_secret_changed': () => m.activity_did_keys_jwt_secret_changed(),
  'allocations.created': m.activity_did_allocations_created,
  'allocation.updated': m.activity_did_allocation_updated,
  'allocation.deleted': m.activity_did_allocation_deleted,
  'container.created': m.activity_did_container_created,
  'container.updated': m.activity_did_container_updated,
  'container.deleted': m.activity_did_container_deleted,
  'container.limits_changed': m.activity_did_container_limits_changed,
  'container.startup_changed': m.activity_did_container_startup_changed,
  'container.behaviour_changed': m.activity_did_container_behaviour_changed,
  'container.template_moved': m.activity_did_container_template_moved,
  'container.template_changed': m.activity_did_container_template_changed,
  'container.secret_revealed': m.activity_did_container_secret_revealed,
  'container.install': m.activity_did_container_install,
  'container.installed': m.activity_did_container_installed,
  'container.install_failed': m.activity_did_container_install_failed,
  'container.install_cancelled': m.activity_did_container_install_cancelled,
  'container.install_skipped': m.activity_did_container_install_skipped,
  'container.start_failed': m.activity_did_container_start_failed,
  'container.ended': m.activity_did_container_ended,
  'container.ended_by_hand': m.activity_did_container_ended_by_hand,
  'container.crashed': m.activity_did_container_crashed,
  'container.quarantined': m.activity_did_container_quarantined,
  'container.recovered': m.activity_did_container_recovered,
  'container.disk_full': m.activity_did_container_disk_full,
  'container.owner_changed': m.activity_did_container_owner_changed,
  'container.suspended': m.activity_did_container_suspended,
  'container.unsuspended': m.activity_did_container_unsuspended,
  'container.power.start': m.activity_did_container_power_start,
  'container.power.stop': m.activity_did_container_power_stop,
  'container.power.restart': m.activity_did_container_power_restart,
  'container.power.kill': m.activity_did_container_power_kill,
  'container.command': m.activity_did_container_command,
  'container.sftp.signed_in': m.activity_did_container_sftp_signed_in,
  'container.sftp.changed': m.activity_did_container_sftp_changed,
  'container.allocation_added': m.activity_did_container_allocation_added,
  'container.allocation_removed': m.activity_did_container_allocation_removed,
  'container.allocation_replaced': m.activity_did_container_allocation_replaced,
  'container.primary_allocation_changed': m.activity_did_container_primary_allocation_changed,
  'container.access_granted': m.activity_did_container_access_granted,
  'container.access_changed': m.activity_did_container_access_changed,
  'container.access_revoked': m.activity_did_container_access_revoked,
  'container.adopted': m.activity_did_container_adopted,
  'daemon.created': m.activity_did_daemon_created,
  'daemon.updated': m.activity_did_daemon_updated,
  'daemon.deleted': m.activity_did_daemon_deleted,
  'daemon.encrypted': m.activity_did_daemon_encrypted,
  'daemon.key_renewed': m.activity_did_daemon_key_renewed,
  'daemon.maintenance_begun': m.activity_did_daemon_maintenance_begun,
  'daemon.maintenance_ended': m.activity_did_daemon_maintenance_ended,
  'daemon.images_cleaned': m.activity_did_daemon_images_cleaned,
  'daemon.unknown_container_stopped': m.activity_did_daemon_unknown_container_stopped,
  'daemon.unknown_container_deleted': m.activity_did_daemon_unknown_container_deleted,
  'file.folder_created': m.activity_did_file_folder_created,
  'file.moved': m.activity_did_file_moved,
  'file.mode_changed': m.activity_did_file_mode_changed,
  'file.discarded': m.activity_did_file_discarded,
  'file.restored': m.activity_did_file_restored,
  'file.trash_emptied': m.activity_did_file_trash_emptied,
  'file.downloaded': m.activity_did_file_downloaded,
  'file.written': m.activity_did_file_written,
  'file.created': m.activity_did_file_created,
  'file.uploaded': m.activity_did_file_uploaded,
  'file.copied': m.activity_did_file_copied,
  'file.deleted': m.activity_did_file_deleted,
  'file.archived': m.activity_did_file_archived,
  'file.extracted': m.activity_did_file_extracted,
  'file.pulled': m.activity_did_file_pulled,
  'role.created': m.activity_did_role_created,
  'role.updated': m.activity_did_role_updated,
  'role.deleted': m.activity_did_role_deleted,
  'registry.saved': m.activity_did_registry_saved,
  'registry.deleted': m.activity_did_registry_deleted,
  'catalogue.fetched': () => m.activity_did_catalogue_fetched(),
  'catalogue.reset': () => m.activity_did_catalogue_reset(),
  'images.changed': () => m.activity_did_images_changed(),
  'settings.mail_tested': () => m.activity_did_settings_mail_tested(),
  'template.imported': m.activity_did_template_imported,
  'template.revised': m.activity_did_template_revised,
  'template.deleted': m.activity_did_template_deleted,
  'user.created': m.activity_did_user_created,
  'user.updated': m.activity_did_user_updated,
  'user.deleted': m.activity_did_user_deleted,
  'user.password_set': m.activity_did_user_password_set,
  'user.sessions_ended': m.activity_did_user_sessions_ended
};

/** Every action that is known here, as in "Started …". */
const TITLES = (Object.keys(DEEDS) as ActivityAction[])
  .map((action) => ({ action, title: DEEDS[action]({ subject: '…' }).replace(/<\/?[a-z]+\/?>/g, '') }))
  .sort((a, b) => a.title.localeCompare(b.title));

/** Kinds of actions, by how their names begin. */
const KINDS: { kind: string; title: string }[] = [
  { kind: 'container', title: m.common_containers() },
  { kind: 'container.power', title: m.containers_power() },
  { kind: 'container.sftp', title: 'SFTP' },
  { kind: 'file', title: m.common_files() },
  { kind: 'account', title: m.activity_kind_account() },
  { kind: 'user', title: m.common_users() },
  { kind: 'role', title: m.common_roles() },
  { kind: 'template', title: m.common_templates() },
  { kind: 'daemon', title: m.common_daemons() }
];
const isOf = (kind: string, action: string) => action.startsWith(`${kind}.`);
/** The narrowest kind of an action. */
const kindOf = (action: string) =>
  KINDS.filter(({ kind }) => isOf(kind, action)).sort((a, b) => b.kind.length - a.kind.length)[0]?.kind ?? '';

/** The kinds of actions with their actions; last, without a kind, what is left. */
export const GROUPS = [...KINDS, { kind: '', title: m.activity_kind_other() }].map(({ kind, title }) => ({
  kind,
  title,
  actions: TITLES.filter(({ action }) => kindOf(action) === kind)
}));
