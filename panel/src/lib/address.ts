// Where people reach a container.
import type { Allocation, ContainerSummary } from './api';

/** On all addresses of its host, so that the host's name is what people use. */
const ANY = ['0.0.0.0', '::'];

/**
 * The alias if there is one, else the address; brackets around IPv6. `host` is the daemon's; for a daemon in the API's
 * own process it is the host that this page came from.
 */
export function address(allocation: Pick<Allocation, 'alias' | 'ip' | 'port'>, host?: string | null): string {
  const ip = ANY.includes(allocation.ip) && host !== undefined ? (host ?? location.hostname) : allocation.ip;
  const place = allocation.alias || ip;
  return place.includes(':') && !place.startsWith('[') ? `[${place}]:${allocation.port}` : `${place}:${allocation.port}`;
}

/** Of the primary allocation. */
export function addressOf({ allocations, daemon }: Pick<ContainerSummary, 'allocations' | 'daemon'>): string | null {
  const primary = allocations.find((allocation) => allocation.primary) ?? allocations[0];
  return primary ? address(primary, daemon.host ?? null) : null;
}
