// How SFTP clients are told where to go.
import type { ContainerSftp } from '$lib/api';

export type Place = Pick<ContainerSftp, 'host' | 'port' | 'username'>;

/** The host's name; for a daemon in the API's own process that is the host that this page came from. */
export const hostOf = ({ host }: Pick<Place, 'host'>): string => host ?? location.hostname;

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host);

/** The command that connects with OpenSSH: `sftp -P 2022 user.1@host`. */
export const command = (place: Place): string => `sftp -P ${place.port} ${place.username}@${bracketed(hostOf(place))}`;

/** For FileZilla's quick connect, WinSCP's host name field, and links. */
export const url = (place: Place): string => `sftp://${encodeURIComponent(place.username)}@${bracketed(hostOf(place))}:${place.port}/`;
