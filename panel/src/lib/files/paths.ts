// Paths below a container's folder: `/` is the folder itself.

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';

export const join = (folder: string, name: string): string => (folder === '/' ? `/${name}` : `${folder}/${name}`);

/** Each folder on the way, with its path. */
export function trail(path: string): { name: string; path: string }[] {
  const names = path.split('/').filter(Boolean);
  return names.map((name, at) => ({ name, path: `/${names.slice(0, at + 1).join('/')}` }));
}

/** `world.zip` → `world (2).zip`, for the first number that is not taken. */
export function free(name: string, taken: (name: string) => boolean): string {
  const dot = name.lastIndexOf('.');
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let number = 2; ; number += 1) {
    const other = `${stem} (${number})${end}`;
    if (!taken(other)) return other;
  }
}

const PACKED = /\.(zip|7z|jar|mcpack|mcworld|mrpack|tar|tgz|tar\.(gz|xz|bz2|zst)|txz|tbz2?|tzst)$/i;
const ZIP = /\.(zip|jar|mcpack|mcworld|mrpack|tar|tgz|tar\.(gz|xz|bz2|zst)|txz|tbz2?|tzst)$/i;
const PICTURE = /\.(png|jpe?g|gif|webp|bmp|ico|svg|avif)$/i;
const LOG = /(?<!\.tar)\.(gz|xz|bz2|zst)$/i;

/** Whether names in it may be written in something else than UTF-8. */
export const isZip = (name: string): boolean => ZIP.test(name);
/** One compressed file that is no archive. */
export const isSingle = (name: string): boolean => LOG.test(name) && !isArchive(name);
export const isArchive = (name: string): boolean => PACKED.test(name);
export const isPicture = (name: string): boolean => PICTURE.test(name);
export const isPackedLog = (name: string): boolean => LOG.test(name) && !isArchive(name);
export const isSvg = (name: string): boolean => /\.svg$/i.test(name);

/** `420` → `644`. */
export const octal = (mode: number): string => mode.toString(8).padStart(3, '0');
