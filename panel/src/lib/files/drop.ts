// What is dropped on the page: files and folders, by paths from where they were dropped.

export interface Dropped {
  files: { file: File; path: string }[];
  /** Folders with nothing in them, which no file's path tells of. */
  empty: string[];
}

export async function dropped(transfer: DataTransfer): Promise<Dropped> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found: Dropped = { files: [], empty: [] };
  const look = async (entry: FileSystemEntry): Promise<void> => {
    const path = entry.fullPath.replace(/^\//, '');
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      found.files.push({ file, path });
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (let count = 0; ;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      count += some.length;
      if (some.length === 0) {
        if (count === 0) found.empty.push(path);
        return;
      }
      for (const one of some) await look(one);
    }
  };
  for (const entry of entries) await look(entry);
  return found;
}

/** Each folder of a path, the outermost first: `a/b` → `a`, `a/b`. */
export function ladder(path: string): string[] {
  const names = path.split('/').filter(Boolean);
  return names.map((_, at) => names.slice(0, at + 1).join('/'));
}
