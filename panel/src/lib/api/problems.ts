// Problems of the API that need no more than their code to be worded. The others are told in the API's own words, which name what
// is in the way.
import type { ProblemCode } from './generated';
import { m } from '$lib/messages';

const SENTENCES: Partial<Record<ProblemCode, string>> = {
  already_running: m.api_problem_already_running(),
  allocation_taken: m.api_problem_allocation_taken(),
  allocation_reserved: m.api_problem_allocation_reserved(),
  builtin: m.api_problem_builtin(),
  cancelled: m.api_problem_cancelled(),
  changed_meanwhile: m.api_problem_changed_meanwhile(),
  container_changed: m.api_problem_container_changed(),
  database_unavailable: m.api_problem_database_unavailable(),
  deleting: m.api_problem_deleting(),
  files_busy: m.api_problem_files_busy(),
  folder_not_empty: m.api_problem_folder_not_empty(),
  internal: m.api_problem_internal(),
  key_exists: m.api_problem_key_exists(),
  last_admin: m.api_problem_last_admin(),
  mail_busy: m.api_problem_mail_busy(),
  no_mail: m.api_problem_no_mail(),
  none_free: m.api_problem_none_free(),
  not_installing: m.api_problem_not_installing(),
  not_offline: m.api_problem_not_offline(),
  nothing_to_install: m.api_problem_nothing_to_install(),
  own_account: m.api_problem_own_account(),
  same_template: m.api_problem_same_template(),
  still_stopping: m.api_problem_still_stopping(),
  suspended: m.api_problem_suspended(),
  template_changed: m.api_problem_template_changed(),
  too_late: m.api_problem_too_late()
};

/** The panel's sentence for a problem with this code, if it has one. */
export const worded = (code: string | undefined): string | undefined =>
  code !== undefined && Object.hasOwn(SENTENCES, code) ? SENTENCES[code as ProblemCode] : undefined;
