// Files that a program can't start without.
import type { CatalogueEntry, TemplateVariable } from '$lib/api';

/** The path of the file that has to be uploaded first; null where none has to, or where it comes from elsewhere. */
export function upload(
  entry: Pick<CatalogueEntry, 'upload'>,
  variables: Pick<TemplateVariable, 'env' | 'default_value'>[],
  values: Record<string, string>
): string | null {
  const of = (env: string) => (values[env] ?? variables.find((variable) => variable.env === env)?.default_value ?? '').trim();
  if (!entry.upload) return null;
  const { variable, unless } = entry.upload;
  return unless && of(unless) ? null : of(variable) || null;
}
