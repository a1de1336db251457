import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LOCALES } from '../src/lib/locale';
import { files, sentences } from './sentences.mjs';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const project = JSON.parse(read('project.inlang/settings.json'));
const areas = project['plugin.inlang.messageFormat'].pathPattern.map((path) => path.split('/')[2]);
const messages = (area, locale) => JSON.parse(read(`messages/${area}/${locale}.json`));

/** What is filled in, and by which rule forms are chosen. */
function shape(message) {
  const forms = typeof message === 'string' ? [message] : (message ?? []).flatMap(({ match }) => Object.values(match));
  const filled = forms.flatMap((form) => [...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
  const declared = Array.isArray(message) ? message.flatMap(({ declarations }) => declarations) : [];
  return { filled: [...new Set(filled)].sort(), declared: declared.sort() };
}

test('the languages are the same everywhere', () => {
  expect(Object.keys(LOCALES)).toEqual(project.locales);
  expect(read('src/app.html')).toContain(`const has = [${project.locales.map((locale) => `'${locale}'`).join(', ')}];`);
});

test.each(areas)('%s: each message is there in every language, with the same parameters', (area) => {
  const base = messages(area, project.baseLocale);
  for (const key of Object.keys(base)) expect(key, 'the area is its first word').toMatch(new RegExp(`^${area}_[a-z0-9_]+$`));
  for (const locale of project.locales) {
    const other = messages(area, locale);
    expect(Object.keys(other)).toEqual(Object.keys(base).sort());
    for (const [key, message] of Object.entries(other)) {
      expect(shape(message), `${locale}: ${key}`).toEqual(shape(base[key]));
      const forms = typeof message === 'string' ? [message] : message.flatMap(({ match }) => Object.values(match));
      for (const form of forms) expect(form.trim(), `${locale}: ${key}`).not.toBe('');
      // What plural forms do these languages have? Each needs its own sentence.
      for (const { match, declarations } of typeof message === 'string' ? [] : message) {
        for (const [, name] of declarations.map((text) => /^local (\w+) = \w+: plural$/.exec(text) ?? [])) {
          if (!name) continue;
          const rules = new Intl.PluralRules(locale).resolvedOptions().pluralCategories;
          for (const rule of rules)
            expect(
              Object.keys(match).some((key) => key.includes(`${name}=${rule}`) || key.includes(`${name}=*`)),
              `${locale}: ${key}: ${rule}`
            ).toBe(true);
        }
      }
    }
  }
});

test('each message is used, and messages are called by their names', () => {
  const program = files().map((path) => [path, read(path)]);
  const used = new Set(program.flatMap(([, code]) => [...code.matchAll(/\bm\.(\w+)/g)].map(([, key]) => key)));
  const all = areas.flatMap((area) => Object.keys(messages(area, project.baseLocale)));
  expect(all.filter((key) => !used.has(key))).toEqual([]);
  for (const [path, code] of program) {
    if (path === 'src/lib/messages.ts') continue;
    // locales.js finds by name what each file needs.
    expect(code, path).not.toMatch(/\bm\[|\{ *\.\.\.m\b/);
    expect(code, path).not.toMatch(/paraglide/);
    if (/\bm\.\w+\(/.test(code)) expect(code, path).toMatch(/^\s*import \{ m \} from '\$lib\/messages';$/m);
  }
});

test('no sentence stands in the program itself', { timeout: 60_000 }, () => {
  for (const path of files()) {
    const found = sentences(path, read(path)).map(({ line, text }) => `${path}:${line}: ${text}`);
    expect(found).toEqual([]);
  }
});

test('sentences are found in markup, attributes and code', () => {
  const found = (path, code) => sentences(path, code).map(({ text }) => text);
  const page = `<script lang="ts">let a = 'Saved.'; if (key === 'Escape') go('/containers');</script>
    <p class="flex gap-2" title="Close it">{n} files <b>{a ? 'On' : \`\${n} ago\`}</b></p><Section text="What is sent." id="x" />`;
  expect(found('a.svelte', page)).toEqual(['Saved.', 'Close it', 'files', 'On', 'ago', 'What is sent.']);
  expect(found('a.ts', `export const path = '/a/b', tone = 'text-bad bg-tint', say = () => toast(\`Deleted \${n} files\`);`)).toEqual([
    'Deleted',
    'files'
  ]);
});
