// The details of an activity as text.
import type { Activity } from './api';
import { bytes } from './format';
import { m } from '$lib/messages';

/** Ids say nothing to people. */
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}$/;
type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
/** What a field is called; one that a newer API records, by its name. */
const called = (key: string): string => FIELDS[key] ?? key.replaceAll('_', ' ');
/** Whether there is nothing to say about it. */
const empty = (value: unknown): boolean =>
  value === null ||
  value === undefined ||
  value === '' ||
  value === false ||
  (Array.isArray(value) ? value.every(empty) : isFields(value) && Object.values(value).every(empty));
/** Whether the sentence, or what is shown below it, says it already. */
const told = (action: string, key: string): boolean =>
  key === 'lines' || (action === 'container.command' && key === 'command') || (action === 'container.sftp.changed' && key === 'changes');

/** A value by itself: "/secret → /x", "a, b", "2". */
function plain(value: unknown): string {
  if (empty(value)) return m.activity_value_none();
  if (Array.isArray(value))
    return value
      .filter((one) => !empty(one))
      .map(plain)
      .join(', ');
  if (!isFields(value)) return value === true ? m.activity_value_yes() : String(value);
  if (isMove(value)) return `${plain(value['from'])} → ${plain(value['to'])}`;
  return Object.entries(value)
    .filter(([, one]) => !empty(one))
    .map(([key, one]) => named(key, one))
    .join(', ');
}

const isMove = (value: Fields): boolean => Object.keys(value).length === 2 && 'from' in value && 'to' in value;

function named(key: string, value: unknown): string {
  if (typeof value === 'number' && key.endsWith('_bytes')) return `${called(key.slice(0, -6))}: ${bytes(value)}`;
  if (value === true) return called(key);
  return `${called(key)}: ${plain(value)}`;
}

/** What is another than before. */
function changed(from: Fields, to: Fields): string[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .filter((key) => JSON.stringify(from[key]) !== JSON.stringify(to[key]))
    .map((key) => `${called(key)}: ${plain(from[key])} → ${plain(to[key])}`);
}

/** What was recorded beside what the sentence says already. */
export function detailOf({ action, detail }: Pick<Activity, 'action' | 'detail'>): string {
  const { from, to, ...others } = detail as Fields;
  const parts: string[] = [];
  if (isFields(from) && isFields(to)) parts.push(...changed(from, to));
  else if (!empty(from) && !empty(to)) parts.push(`${plain(from)} → ${plain(to)}`);
  else Object.assign(others, { from, to });
  const listed = Object.entries(others).find(([key, value]) => Array.isArray(value) && !told(action, key))?.[1] as unknown[] | undefined;
  for (const [key, value] of Object.entries(others)) {
    // A number that is 0 says nothing either, but for how a process ended.
    if (empty(value) || (value === 0 && key !== 'exit_code') || told(action, key) || (typeof value === 'string' && ID.test(value)))
      continue;
    // How many there are is seen, unless they are too many to be listed.
    if (key === 'count' && listed?.length && typeof value === 'number') {
      if (value > listed.length) parts.push(m.activity_more({ count: value - listed.length }));
    } else if (key === 'copies' || key === 'moves') parts.push(plain(value));
    else parts.push(named(key, value));
  }
  return parts.join(' · ');
}

const FIELDS: Record<string, string> = {
  access: m.activity_field_access(),
  allocation_limit: m.activity_field_allocation_limit(),
  change_required: m.activity_field_change_required(),
  clean_exit_is_crash: m.activity_field_clean_exit_is_crash(),
  command: m.activity_field_command(),
  console_encoding: m.activity_field_console_encoding(),
  converted: m.activity_field_converted(),
  count: m.activity_field_count(),
  cpu_percent: m.activity_field_cpu_percent(),
  cpuset: m.activity_field_cpuset(),
  created: m.activity_field_created(),
  daemon: m.activity_field_daemon(),
  denied_files: m.activity_field_denied_files(),
  description: m.activity_field_description(),
  detect_crashes: m.activity_field_detect_crashes(),
  disk_mib: m.activity_field_disk_mib(),
  email: m.activity_field_email(),
  exit_code: m.activity_field_exit_code(),
  extra_allocations: m.activity_field_extra_allocations(),
  fingerprint: m.activity_field_fingerprint(),
  for_owners: m.activity_field_for_owners(),
  force: m.activity_field_force(),
  format: m.activity_field_format(),
  freed: m.activity_field_freed(),
  from: m.activity_field_from(),
  host: m.activity_field_host(),
  image: m.activity_field_image(),
  images: m.activity_field_images(),
  into: m.activity_field_into(),
  io_weight: m.activity_field_io_weight(),
  ip: m.activity_field_ip(),
  key: m.activity_field_key(),
  labels: m.activity_field_labels(),
  level: m.activity_field_level(),
  limit: m.activity_field_limit(),
  max_crashes: m.activity_field_max_crashes(),
  memory_mib: m.activity_field_memory_mib(),
  mode: m.activity_field_mode(),
  mounts: m.activity_field_mounts(),
  name: m.activity_field_name(),
  network: m.activity_field_network(),
  number: m.activity_field_number(),
  out_of_memory: m.activity_field_out_of_memory(),
  outgoing_ip: m.activity_field_outgoing_ip(),
  owner: m.activity_field_owner(),
  password: m.activity_field_password(),
  path: m.activity_field_path(),
  paths: m.activity_field_paths(),
  patterns: m.activity_field_patterns(),
  permissions: m.activity_field_permissions(),
  pids: m.activity_field_pids(),
  port: m.activity_field_port(),
  ports: m.activity_field_ports(),
  reason: m.activity_field_reason(),
  restart: m.activity_field_restart(),
  role: m.activity_field_role(),
  sent: m.activity_field_sent(),
  sessions_ended: m.activity_field_sessions_ended(),
  size: m.activity_field_size(),
  start: m.activity_field_start(),
  startup_command: m.activity_field_startup_command(),
  stop_timeout_ms: m.activity_field_stop_timeout_ms(),
  suspended: m.activity_field_suspended(),
  swap_mib: m.activity_field_swap_mib(),
  template: m.activity_field_template(),
  timezone: m.activity_field_timezone(),
  to: m.activity_field_to(),
  url: m.activity_field_url(),
  used: m.activity_field_used(),
  user: m.activity_field_user(),
  username: m.activity_field_username(),
  variables: m.activity_field_variables(),
  version: m.activity_field_version(),
  warnings: m.activity_field_warnings(),
  why: m.activity_field_why(),
  wipe: m.activity_field_wipe(),
  written: m.activity_field_written()
};
