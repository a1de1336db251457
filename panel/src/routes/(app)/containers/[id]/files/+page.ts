import { ask, listFileOperations, listTrash, type Operation, type TrashItem } from '$lib/api';
import { readFolder, type FolderSource } from '$lib/files/folder.svelte';
import { needed, permitted } from '$lib/load';

interface Found {
  path: string;
  /** None while the trash is shown. */
  folder: FolderSource | null;
  trash: TrashItem[] | null;
  operations: Operation[];
}

export const load = async ({ params: { id }, parent, url }): Promise<Found> => {
  await permitted(parent, 'file.read');
  const path = url.searchParams.get('path') ?? '/';
  // The files are shown without them, too.
  const operations = ask(listFileOperations({ path: { id } })).then(
    ({ items }) => items,
    () => []
  );
  // A file that is opened is read by its view, so that the folder is there at once when it is closed.
  const trash = url.searchParams.has('trash') ? (await needed(listTrash({ path: { id } }))).items : null;
  return { path, folder: trash ? null : await readFolder(id, path), trash, operations: await operations };
};
