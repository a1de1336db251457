// One build for all languages, of which each visitor loads one: every file that says something, or leads to one that does, exists
// once per language. They differ in a table of sentences at their top, and in the names of the files that they load.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { minifySync, parseAst } from 'vite';

const PROJECT = JSON.parse(readFileSync(new URL('project.inlang/settings.json', import.meta.url), 'utf8'));
export const LOCALES = PROJECT.locales;
const COMPILED = new URL('src/lib/paraglide/', import.meta.url);

/** Where the sentences are imported from. Nothing else may be, or all languages come with it. */
const IMPORT = /import\s*\{\s*m\s*\}\s*from\s*["']\$lib\/messages["'];?/;
/** The table at the top of a file. The bundler takes it for the browser's, so that it keeps the name. */
const TABLE = 'RAPTOR_MESSAGES';

/** The name of a file in a language: the base language has the plain one. */
export const localized = (file, locale) => (locale === PROJECT.baseLocale ? file : file.replace(/\.js$/, `.${locale}.js`));

/** What the compiler made of a language: the source of each sentence's function by its key. */
function compiled(locale) {
  const source = readFileSync(new URL(`messages/${locale}.js`, COMPILED), 'utf8');
  const functions = new Map();
  for (const { type, declaration } of parseAst(source).body) {
    if (type !== 'ExportNamedDeclaration' || !declaration) continue;
    for (const { id, init } of declaration.declarations) functions.set(id.name, source.slice(init.start, init.end));
  }
  return functions;
}

/** The functions that plural forms, numbers and dates in sentences need, as one object. */
function registry() {
  const source = readFileSync(new URL('registry.js', COMPILED), 'utf8');
  return `(() => { ${source.replaceAll('export function', 'function')}; return { plural, number, datetime, relativetime } })()`;
}

/** @returns {import('vite').Plugin} */
export function locales() {
  /** The keys that each module uses. @type {Map<string, string[]>} */
  const used = new Map();
  /** The functions by language and key. @type {Map<string, Map<string, string>>} */
  let sentences;

  const keys = ({ moduleIds }) => [...new Set(moduleIds.flatMap((id) => used.get(id) ?? []))].sort();

  /** The table of a file in a language, or nothing where it says nothing. */
  function table(chunk, locale) {
    const entries = keys(chunk).map((key) => `${key}: ${sentences.get(locale).get(key)}`);
    if (entries.length === 0) return '';
    const helper = entries.some((entry) => entry.includes('registry.')) ? `const registry = ${registry()};` : '';
    const source = `globalThis.table = (() => { ${helper} return { ${entries.join(',')} } })()`;
    return `const ${TABLE}=${minifySync('table.js', source)
      .code.replace(/^globalThis\.table=/, '')
      .replace(/;?\s*$/, '')};\n`;
  }

  return {
    name: 'locales',
    apply: 'build',
    enforce: 'post',
    applyToEnvironment: ({ name }) => name === 'client',
    buildStart() {
      used.clear();
      sentences = new Map(PROJECT.locales.map((locale) => [locale, compiled(locale)]));
    },
    transform: {
      filter: { code: IMPORT },
      handler(code, id) {
        const known = sentences.get(PROJECT.baseLocale);
        used.set(
          id,
          [...code.matchAll(/\bm\.(\w+)/g)].map(([, key]) => key).filter((key) => known.has(key))
        );
        return { code: code.replace(IMPORT, `const m = ${TABLE};`), map: null };
      }
    },
    // The names of files are part of what browsers keep for a year.
    augmentChunkHash(chunk) {
      const all = PROJECT.locales.map((locale) => table(chunk, locale)).join('');
      return all && createHash('sha256').update(all).digest('hex');
    },
    generateBundle: {
      // After the lists of what each dynamic import needs are in.
      order: 'post',
      handler(_, bundle) {
        const chunks = Object.values(bundle).filter(({ type }) => type === 'chunk');
        const speaking = new Set(chunks.filter((chunk) => keys(chunk).length > 0).map(({ fileName }) => fileName));
        for (let size = -1; size !== speaking.size;) {
          size = speaking.size;
          for (const { fileName, imports, dynamicImports } of chunks) {
            if ([...imports, ...dynamicImports].some((file) => speaking.has(file))) speaking.add(fileName);
          }
        }
        const names = [...speaking].map((file) => basename(file));
        for (const chunk of chunks) {
          if (!speaking.has(chunk.fileName)) continue;
          const { code } = chunk;
          for (const locale of PROJECT.locales) {
            const source = table(chunk, locale) + names.reduce((text, name) => text.replaceAll(name, localized(name, locale)), code);
            if (locale === PROJECT.baseLocale) chunk.code = source;
            else this.emitFile({ type: 'asset', fileName: localized(chunk.fileName, locale), source });
          }
        }
      }
    }
  };
}
