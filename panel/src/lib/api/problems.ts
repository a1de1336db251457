// Problems of the API in the language of the panel, with the values that came with them.
import type { Problem, ProblemCode } from './generated';
import { bytes } from '$lib/format';
import { m } from '$lib/messages';
import { reasoned } from './reasons';
import { filled, type Sentence, type Values } from './sentences';

/** Each code, its most telling sentence first. */
const SENTENCES: Record<ProblemCode, Sentence[]> = {
  allocation_held: [filled(m.api_problem_allocation_held_by, 'container', 'port'), () => m.api_problem_allocation_held()],
  allocation_reserved: [() => m.api_problem_allocation_reserved()],
  allocation_taken: [filled(m.api_problem_allocation_taken_by, 'container', 'port'), () => m.api_problem_allocation_taken()],
  allocations: [filled(m.api_problem_allocations_limit, 'limit'), () => m.api_problem_allocations()],
  allocations_held: [filled(m.api_problem_allocations_held_by, 'container'), () => m.api_problem_allocations_held()],
  already_running: [() => m.api_problem_already_running()],
  api_running: [() => m.api_problem_api_running()],
  app_key_changed: [() => m.api_problem_app_key_changed()],
  broken: [() => m.api_problem_broken()],
  builtin: [() => m.api_problem_builtin()],
  cancelled: [() => m.api_problem_cancelled()],
  changed_meanwhile: [() => m.api_problem_changed_meanwhile()],
  container_changed: [() => m.api_problem_container_changed()],
  csrf: [() => m.api_problem_csrf()],
  daemon_protocol: [filled(m.api_problem_daemon_protocol, 'detail')],
  daemon_unreachable: [filled(m.api_problem_daemon_unreachable, 'detail')],
  daemon_wrong_key: [() => m.api_problem_daemon_wrong_key()],
  damaged: [filled(m.api_problem_damaged, 'detail')],
  database_outdated: [() => m.api_problem_database_outdated()],
  database_unavailable: [() => m.api_problem_database_unavailable()],
  deleting: [() => m.api_problem_deleting()],
  disk_full: [filled(m.api_problem_disk_full_trash, 'trash'), () => m.api_problem_disk_full()],
  disk_limit: [filled(m.api_problem_disk_limit_trash, 'limit', 'trash'), filled(m.api_problem_disk_limit, 'limit')],
  docker_unavailable: [() => m.api_problem_docker_unavailable()],
  file_changed: [() => m.api_problem_file_changed()],
  file_denied: [() => m.api_problem_file_denied()],
  file_exists: [() => m.api_problem_file_exists()],
  file_invalid: [filled(m.api_problem_file_invalid, 'detail')],
  file_not_found: [() => m.api_problem_file_not_found()],
  files_busy: [() => m.api_problem_files_busy()],
  folder_not_empty: [() => m.api_problem_folder_not_empty()],
  forbidden: [filled(m.api_problem_forbidden_permission, 'permission'), filled(m.api_problem_forbidden, 'detail')],
  has_containers: [() => m.api_problem_has_containers()],
  host_failed: [filled(m.api_problem_host_failed, 'detail')],
  image_not_allowed: [filled(m.api_problem_image_not_allowed_named, 'image'), () => m.api_problem_image_not_allowed()],
  in_use: [filled(m.api_problem_in_use_by, 'container', 'port'), () => m.api_problem_in_use()],
  install_failed: [() => m.api_problem_install_failed()],
  installing: [() => m.api_problem_installing()],
  internal: [() => m.api_problem_internal()],
  invalid: [reasoned, filled(m.api_problem_invalid, 'detail')],
  io: [filled(m.api_problem_io, 'detail')],
  is_a_folder: [() => m.api_problem_is_a_folder()],
  jwt_secret_changed: [() => m.api_problem_jwt_secret_changed()],
  key_exists: [() => m.api_problem_key_exists()],
  last_admin: [() => m.api_problem_last_admin()],
  link_loop: [() => m.api_problem_link_loop()],
  local: [() => m.api_problem_local()],
  mail_busy: [() => m.api_problem_mail_busy()],
  mail_failed: [filled(m.api_problem_mail_failed, 'detail')],
  maintenance: [filled(m.api_problem_maintenance_reason, 'reason'), () => m.api_problem_maintenance()],
  method_not_allowed: [() => m.api_problem_method_not_allowed()],
  name_taken: [filled(m.api_problem_name_taken_named, 'name'), () => m.api_problem_name_taken()],
  no_address: [() => m.api_problem_no_address()],
  no_mail: [() => m.api_problem_no_mail()],
  no_room: [filled(m.api_problem_no_room, 'detail')],
  no_sftp: [() => m.api_problem_no_sftp()],
  no_source: [() => m.api_problem_no_source()],
  none_free: [() => m.api_problem_none_free()],
  not_a_folder: [() => m.api_problem_not_a_folder()],
  not_declared: [() => m.api_problem_not_declared()],
  not_found: [() => m.api_problem_not_found()],
  not_in_encoding: [filled(m.api_problem_not_in_encoding, 'detail')],
  not_installing: [() => m.api_problem_not_installing()],
  not_offline: [() => m.api_problem_not_offline()],
  not_on_host: [() => m.api_problem_not_on_host()],
  not_text: [() => m.api_problem_not_text()],
  nothing_to_install: [() => m.api_problem_nothing_to_install()],
  offline: [() => m.api_problem_offline()],
  outside: [() => m.api_problem_outside()],
  own_account: [() => m.api_problem_own_account()],
  password_change_required: [() => m.api_problem_password_change_required()],
  port_held: [
    filled(m.api_problem_port_held_by, 'container', 'ip', 'port'),
    filled(m.api_problem_port_held_at, 'ip', 'port'),
    () => m.api_problem_port_held()
  ],
  primary: [() => m.api_problem_primary()],
  range: [() => m.api_problem_range()],
  same_template: [() => m.api_problem_same_template()],
  secrets_lost: [filled(m.api_problem_secrets_lost, 'detail')],
  several_templates: [filled(m.api_problem_several_templates_named, 'count', 'name'), () => m.api_problem_several_templates()],
  source_changed: [filled(m.api_problem_source_changed_named, 'name'), () => m.api_problem_source_changed()],
  source_gone: [filled(m.api_problem_source_gone_named, 'name'), () => m.api_problem_source_gone()],
  source_unreachable: [filled(m.api_problem_source_unreachable, 'detail')],
  special_file: [() => m.api_problem_special_file()],
  ssh_keys: [filled(m.api_problem_ssh_keys_limit, 'limit'), () => m.api_problem_ssh_keys()],
  still_stopping: [() => m.api_problem_still_stopping()],
  storage_failed: [() => m.api_problem_storage_failed()],
  storage_full: [() => m.api_problem_storage_full()],
  storage_read_only: [() => m.api_problem_storage_read_only()],
  suspended: [() => m.api_problem_suspended()],
  template_changed: [() => m.api_problem_template_changed()],
  template_exists: [filled(m.api_problem_template_exists_named, 'name', 'number'), () => m.api_problem_template_exists()],
  throttled: [filled(m.api_problem_throttled_seconds, 'seconds'), () => m.api_problem_throttled()],
  too_late: [() => m.api_problem_too_late()],
  too_many: [filled(m.api_problem_too_many_limit, 'count', 'limit'), filled(m.api_problem_too_many, 'detail')],
  too_many_streams: [filled(m.api_problem_too_many_streams_limit, 'limit'), () => m.api_problem_too_many_streams()],
  too_much: [filled(m.api_problem_too_much, 'detail')],
  unauthenticated: [() => m.api_problem_unauthenticated()],
  unknown_mail: [() => m.api_problem_unknown_mail()],
  unsupported_media_type: [() => m.api_problem_unsupported_media_type()],
  upgrade_required: [() => m.api_problem_upgrade_required()]
};

/** The values as people read them: sizes in their units, and nothing of a trash that is empty. */
function readable({ code, params, detail }: Partial<Problem>): Values {
  const { trash_bytes: trash, limit_mib: size, ...others } = (params ?? {}) as Values;
  return {
    ...others,
    detail,
    ...(typeof trash === 'number' && trash > 0 && { trash: bytes(trash) }),
    ...(code === 'disk_limit' && typeof size === 'number' && { limit: bytes(size * 1024 * 1024) })
  };
}

const known = (code: string | undefined): code is ProblemCode => code !== undefined && Object.hasOwn(SENTENCES, code);

/** The panel's sentence for a problem, unless only a newer one has the code. */
export function worded(problem: Partial<Problem>): string | undefined {
  if (!known(problem.code)) return undefined;
  const values = readable(problem);
  for (const sentence of SENTENCES[problem.code]) {
    const text = sentence(values);
    if (text) return text;
  }
  return undefined;
}
