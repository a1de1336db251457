// Finds sentences in the program that belong into messages/.   node scripts/sentences.mjs [file…]
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'svelte/compiler';
import { parseSync } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Generated, or what names the languages themselves. */
const SKIPPED = /^src\/lib\/(api\/generated|paraglide)\/|^src\/lib\/locale\.ts$|\.test\.ts$|\.d\.ts$/;
/** Names, units and formats that are the same in every language. */
const NAMES =
  /\b(Edge|Opera|Firefox|Chrome|Safari|Android|Windows|Linux|macOS|iOS|Shift JIS|SHA-256|TLS|Raptor|[KMGT]iB|CPU|JSON|YAML|SFTP|SSH|URL|IP|UTF-8|BOM|Docker|Pterodactyl|Pelican|TCP|UDP|Esc|CPUs?|ms|px)\b/g;
/** Attributes that nobody reads. */
const TECHNICAL =
  /^(class|style|id|for|type|href|src|rel|target|name|value|role|lang|autocomplete|inputmode|pattern|d|viewBox|points|transform|fill|stroke.*|data-.*|slot|method|generics|accept|key|aria-(live|current|haspopup|controls|labelledby|describedby|hidden|sort|orientation))$/;
/** What browsers call keys and headers, and what the engine calls things. */
const CODE =
  /^(Escape|Enter|Tab|Home|End|Delete|Backspace|Space|Arrow(Up|Down|Left|Right)|Page(Up|Down)|Control|Shift|Alt|Meta|Mac.*|Content-Type|Files|Bearer|[A-Z]\w*Error|X-[\w-]+|[A-Z]{2,}|[A-Z]\w*-\w*)$/;

/** Examples to follow, such as addresses and patterns, and code of other languages. */
const EXAMPLE = /^(https?:\/\/\S+|[\w-]+([./:*]\S+|-?\d+)|\*\S+|\S*[/=@]\S*)$|\b(var|color-mix)\(|monospace|\d+px |&&|%s/;

const letters = (text) => /\p{L}{2,}/u.test(text.replace(NAMES, '')) && !EXAMPLE.test(text.trim());
const classes = (text) => !/[.,!?…’“]|\p{Lu}/u.test(text) && /(^|\s)\S*[-:[\]]\S*/.test(text);

/** Whether a string in code reads like something for people. */
export function sentence(text) {
  const rest = text.replace(NAMES, '').trim();
  if (
    !letters(rest) ||
    EXAMPLE.test(text.trim()) ||
    CODE.test(text) ||
    classes(text) ||
    (/^[\w./?&=${}#:*-]*$/.test(text.replace(/^\p{Lu}\p{Ll}+$/u, '')) && !/^\p{Lu}\p{Ll}+[.:]?$/u.test(text))
  )
    return false;
  return /^\P{L}*\p{Lu}\p{Ll}+([ ,.:;!?…’]|$)/u.test(rest) || /\p{L}+ \p{L}+/u.test(rest);
}

/** Whether a part of a template string does: also a single word beside what is put in. */
const fragment = (text) =>
  !EXAMPLE.test(text.trim()) &&
  (sentence(text) || (!/[/=<>]|[-:]\w/.test(text) && /(^|\s)\p{L}{2,}([\s.,:…]|$)/u.test(text.replace(NAMES, '')) && /\s/.test(text)));

function isTechnical(node, parent, key) {
  if (key === 'source' || /^TS.*(Type|Literal)/.test(node.type) || node.type?.startsWith('Import')) return true;
  if (parent?.type === 'Property' && key === 'key') return true;
  if (parent?.type === 'BinaryExpression' || (parent?.type === 'SwitchCase' && key === 'test'))
    return node.type === 'Literal' && !/ /.test(node.value);
  const callee = parent?.type === 'CallExpression' && parent.callee;
  return callee?.name === 'Symbol' || (callee?.type === 'MemberExpression' && callee.object.name === 'console');
}

/** The sentences of a file, each with its line and place. `path` is relative to panel/. */
export function sentences(path, code) {
  const found = [];
  const note = (node, text) =>
    found.push({
      line: code.slice(0, node.start).split('\n').length,
      start: node.start,
      end: node.end,
      type: node.type,
      text: text.trim().replace(/\s+/g, ' ')
    });

  function walk(node, parent, key) {
    if (!node || typeof node !== 'object') return;
    if (Array.isArray(node)) return node.forEach((child) => walk(child, parent, key));
    if (typeof node.type === 'string') {
      if (isTechnical(node, parent, key)) return;
      if (node.type === 'Attribute') {
        if (TECHNICAL.test(node.name)) return;
        const parts = [node.value].flat().filter((part) => part?.type === 'Text');
        for (const part of parts)
          if (
            letters(part.data) &&
            ((/^(title|text|label|placeholder|alt|aria-label)$/.test(node.name) && !EXAMPLE.test(part.data)) || sentence(part.data))
          )
            note(part, part.data);
        return walk(
          [node.value].flat().filter((part) => part?.type === 'ExpressionTag'),
          node,
          'value'
        );
      }
      if (node.type === 'ClassDirective' || node.type === 'StyleDirective' || node.type === 'StyleSheet' || node.type === 'Comment') return;
      if (node.type === 'Text' && letters(node.data)) note(node, node.data);
      if (node.type === 'Literal' && typeof node.value === 'string' && sentence(node.value)) note(node, node.value);
      if (node.type === 'TemplateElement' && fragment(node.value.cooked ?? '')) note(node, node.value.cooked);
    }
    for (const [name, child] of Object.entries(node))
      if (!/^(css|comments|loc|name_loc|leadingComments|trailingComments|typeAnnotation|typeArguments)$/.test(name))
        walk(child, node, name);
  }

  walk(path.endsWith('.svelte') ? parse(code, { modern: true }) : parseSync(path, code).program, null, '');
  return found.sort((a, b) => a.start - b.start);
}

/** All files of the program, relative to panel/. */
export function files(folder = 'src') {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(svelte|ts)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => !SKIPPED.test(path))
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = process.argv.slice(2);
  for (const path of wanted.length > 0 ? wanted : files()) {
    for (const { line, text } of sentences(path, readFileSync(join(ROOT, path), 'utf8'))) console.log(`${path}:${line}: ${text}`);
  }
}
