// Where templates are imported from.
import {
  ask,
  importTemplate,
  importTemplateFromUrl,
  previewTemplate,
  previewTemplateFromUrl,
  type ImportedTemplate,
  type OnExisting,
  type TemplatePreview
} from '$lib/api';
import { m } from '$lib/messages';

/** One template to be imported. */
export interface Source {
  /** Name of the file, or the address that it was fetched from. */
  name: string;
  /** Imports it; what happens where another version of it is here is for the person to say. */
  take: (onExisting?: OnExisting, sha256?: string) => Promise<ImportedTemplate>;
  /** What it would be, and what would be different. */
  look: () => Promise<TemplatePreview>;
}

/** Whether a file in a folder may hold a template. */
export const isTemplate = (name: string): boolean => /\.(json|ya?ml)$/i.test(name);

export function fromFile(file: File, path?: string): Source {
  // A file of a folder is called by its path: many are named alike.
  const name = path ?? (file.webkitRelativePath || file.name);
  return {
    name,
    take: (on_existing = 'ask') => ask(importTemplate({ body: file, query: { on_existing, file_name: name } })),
    look: () => ask(previewTemplate({ body: file }))
  };
}

export const fromText = (text: string): Source => ({
  name: m.templates_pasted_name(),
  take: (on_existing = 'ask') => ask(importTemplate({ body: new Blob([text]), query: { on_existing, kind: 'pasted' } })),
  look: () => ask(previewTemplate({ body: new Blob([text]) }))
});

export const fromAddress = (url: string): Source => ({
  name: url,
  take: (on_existing = 'ask', sha256) => ask(importTemplateFromUrl({ body: { url, on_existing, sha256 } })),
  look: () => ask(previewTemplateFromUrl({ body: { url } }))
});

/** The addresses in a text, one on each line. */
export const addresses = (text: string): string[] => [...new Set(text.split(/\s+/).filter((part) => part !== ''))];

/** The templates in a file or folder that was dropped. */
export async function dropped(entry: FileSystemEntry): Promise<Source[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
    return [fromFile(file, entry.fullPath.replace(/^\//, ''))];
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
