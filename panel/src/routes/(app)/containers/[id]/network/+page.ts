import { ask, getContainerSftp, words, type ContainerSftp } from '$lib/api';
import { permitted } from '$lib/load';

interface Sftp {
  /** None for those who may read no files, and where it could not be read. */
  found: ContainerSftp | null;
  problem: string | null;
}

export const load = async ({ params: { id }, parent }): Promise<{ sftp: Sftp }> => {
  await permitted(parent, 'network.read');
  const { container } = await parent();
  if (!container.value.permissions.includes('file.read')) return { sftp: { found: null, problem: null } };
  // The ports are shown without it, too.
  const sftp = ask(getContainerSftp({ path: { id } })).then(
    (found) => ({ found, problem: null }),
    (reason) => ({ found: null, problem: words(reason) })
  );
  return { sftp: await sftp };
};
