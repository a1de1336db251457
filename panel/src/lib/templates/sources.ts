// Where templates are imported from.
import { ask, importTemplate, importTemplateFromUrl, type ImportedTemplate } from '$lib/api';

/** One template to be imported. */
export interface Source {
  /** What people call it by. */
  name: string;
  take: () => Promise<ImportedTemplate>;
}

/** Whether a file in a folder may hold a template. */
export const isTemplate = (name: string): boolean => /\.(json|ya?ml)$/i.test(name);

export const fromFile = (file: File): Source => ({
  // A file of a folder is called by its path: many are named alike.
  name: file.webkitRelativePath || file.name,
  take: () => ask(importTemplate({ body: file }))
});

export const fromText = (text: string): Source => ({ name: 'What was pasted', take: () => ask(importTemplate({ body: new Blob([text]) })) });

export const fromAddress = (url: string): Source => ({ name: url, take: () => ask(importTemplateFromUrl({ body: { url } })) });

/** The addresses in a text, one on each line. */
export const addresses = (text: string): string[] => [...new Set(text.split(/\s+/).filter((part) => part !== ''))];

/** The templates in a file or folder that was dropped. */
export async function dropped(entry: FileSystemEntry): Promise<Source[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
    return [{ ...fromFile(file), name: entry.fullPath.replace(/^\//, '') }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (some.length === 0) break;
    found.push(...some.filter((inner) => inner.isDirectory || isTemplate(inner.name)));
  }
  return (await Promise.all(found.map(dropped))).flat();
}
