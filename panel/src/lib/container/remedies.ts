// Which buttons mend what keeps a container from running, for somebody with these permissions.
import type { ContainerPermission, Fault, SystemPermission } from '$lib/api';
import { bytes } from '$lib/format';
import { m } from '$lib/messages';

export interface Remedy {
  kind: 'again' | 'port' | 'image' | 'logins' | 'raise' | 'trash' | 'files' | 'upload' | 'host' | 'install' | 'remove' | 'template';
  title: string;
  /** Whether it is the one that is most likely wanted. */
  main?: boolean;
}

export interface Trouble {
  fault: Fault | null;
  /** Whether it is an installation that failed. */
  installing: boolean;
  suspended: boolean;
  /** Whether the file that it was to run is not there. */
  missing: boolean;
  /** Whether the container has a memory limit of its own. */
  limited: boolean;
  /** Whether somebody has this permission for the container. */
  can: (permission: ContainerPermission) => boolean;
  /** Whether somebody has this permission for the whole system. */
  manages: (permission: SystemPermission) => boolean;
  /** Whether the container still has this allocation. */
  has: (ip: string, port: number) => boolean;
}

/** In the order in which they are shown; the first one is the main one. */
export function remedies(trouble: Trouble): Remedy[] {
  const all = trouble.fault ? specific(trouble, trouble.fault) : [];
  if (trouble.missing && trouble.can('file.create')) all.unshift({ kind: 'upload', title: m.containers_remedy_upload() });
  if (trouble.fault?.type !== 'files_missing' && !hopeless(trouble.fault)) all.push(...again(trouble));
  return all.map((remedy, place) => ({ ...remedy, main: place === 0 && trouble.fault?.type !== 'files_missing' }));
}

/** Whether trying again without a change would fail again for sure. */
function hopeless(fault: Fault | null): boolean {
  return fault?.type === 'image_refused' || fault?.type === 'no_such_address';
}

function again({ installing, suspended, can }: Trouble): Remedy[] {
  const may = installing ? can('startup.install') : can('power.start') && !suspended;
  return may ? [{ kind: 'again', title: m.common_try_again() }] : [];
}

function specific({ installing, limited, can, manages, has }: Trouble, fault: Fault): Remedy[] {
  const found: Remedy[] = [];
  const offer = (may: boolean, kind: Remedy['kind'], title: string) => may && found.push({ kind, title });
  // An installer's image is its template's.
  const image = () => {
    offer(!installing && can('startup.read') && can('startup.update'), 'image', m.containers_remedy_image());
    offer(installing && manages('templates.update'), 'template', m.containers_remedy_template());
  };
  const logins = () => offer(manages('daemons.update'), 'logins', m.containers_remedy_logins());
  switch (fault.type) {
    case 'port_in_use':
    case 'no_such_address':
      offer(can('network.update') && has(fault.ip, fault.port), 'port', m.containers_remedy_port());
      break;
    case 'image_not_found':
    case 'image_refused':
    case 'registry_unreachable':
      image();
      break;
    case 'login_required':
    case 'too_many_downloads':
      logins();
      image();
      break;
    case 'out_of_memory':
      offer(limited && fault.limit_mib != null && manages('containers.update'), 'raise', m.containers_remedy_raise());
      break;
    case 'disk_full':
      offer(fault.trash_bytes > 0 && can('file.delete'), 'trash', m.containers_remedy_trash({ size: bytes(fault.trash_bytes) }));
      offer(manages('containers.update'), 'raise', m.containers_remedy_raise());
      offer(can('file.read'), 'files', m.containers_remedy_files());
      break;
    case 'host_disk_full':
      offer(manages('daemons.read'), 'host', m.containers_remedy_host());
      break;
    case 'files_missing':
      offer(can('file.create'), 'upload', m.containers_remedy_upload());
      offer(can('startup.install'), 'install', m.containers_reinstall());
      offer(can('container.delete'), 'remove', m.common_delete_more());
      break;
    case 'script_failed':
    case 'engine_refused':
      break;
  }
  return found;
}
