// What keeps a container from running, in the language of the panel. The host's own sentence is in English and more specific.
import type { Fault } from '$lib/api';
import { bytes, MIB } from '$lib/format';
import { locale } from '$lib/locale';
import { m } from '$lib/messages';

const SENTENCES: { [Type in Fault['type']]: (fault: Extract<Fault, { type: Type }>) => string } = {
  port_in_use: ({ port }) => m.containers_fault_port({ port }),
  no_such_address: ({ ip }) => m.containers_fault_address({ ip }),
  files_missing: () => m.containers_fault_files(),
  image_not_found: ({ image }) => m.containers_fault_image({ image }),
  image_refused: ({ image }) => m.containers_fault_image_refused({ image }),
  registry_unreachable: ({ image, registry }) => m.containers_fault_registry({ image, registry }),
  login_required: ({ image, registry }) => m.containers_fault_login({ image, registry }),
  too_many_downloads: ({ image, registry }) => m.containers_fault_downloads({ image, registry }),
  out_of_memory: ({ limit_mib: limit }) =>
    limit == null ? m.containers_fault_host_memory() : m.containers_fault_memory({ limit: bytes(limit * MIB) }),
  disk_full: ({ used_bytes: used, limit_bytes: limit }) => m.containers_fault_disk({ used: bytes(used), limit: bytes(limit) }),
  host_disk_full: () => m.containers_fault_host_disk(),
  script_failed: ({ exit_code: code }) => m.containers_fault_script({ code }),
  engine_refused: () => m.containers_fault_engine()
};

/** In English, and for a fault of a newer version, what the host `said`; else the panel's sentence for the fault. */
export function faultText(fault: Fault | null, said: string, language = locale): string {
  if (language === 'en' || !fault || !Object.hasOwn(SENTENCES, fault.type)) return said;
  return (SENTENCES[fault.type] as (fault: Fault) => string)(fault);
}
