// CodeMirror, loaded when the first file is opened.
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { java } from '@codemirror/lang-java';
import { javascript } from '@codemirror/lang-javascript';
import { json } from '@codemirror/lang-json';
import { xml } from '@codemirror/lang-xml';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, HighlightStyle, indentOnInput, StreamLanguage, syntaxHighlighting } from '@codemirror/language';
import { lua } from '@codemirror/legacy-modes/mode/lua';
import { properties } from '@codemirror/legacy-modes/mode/properties';
import { shell } from '@codemirror/legacy-modes/mode/shell';
import { toml } from '@codemirror/legacy-modes/mode/toml';
import { MergeView } from '@codemirror/merge';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { m } from '$lib/messages';

const theme = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--surface)', color: 'var(--ink)', fontSize: '13px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--font-mono, "JetBrains Mono Variable", monospace)', lineHeight: '1.5' },
  '.cm-content': { caretColor: 'var(--accent)' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--soft)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in oklch, var(--raised) 60%, transparent)' },
  '.cm-cursor': { borderLeftColor: 'var(--accent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--tint)' },
  '.cm-selectionMatch, .cm-searchMatch': { backgroundColor: 'color-mix(in oklch, var(--warn) 30%, transparent)' },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--ink)', borderColor: 'var(--line)' },
  '.cm-textfield': { backgroundColor: 'var(--surface)', border: '1px solid var(--line)', borderRadius: '4px' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--surface)', border: '1px solid var(--line)', borderRadius: '4px' },
  '.cm-panel.cm-search label': { fontSize: '12px' }
});

const colours = HighlightStyle.define([
  { tag: [tags.comment, tags.meta], color: 'var(--soft)', fontStyle: 'italic' },
  { tag: [tags.keyword, tags.heading, tags.definitionKeyword, tags.modifier], color: 'var(--accent)' },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--warn)' },
  { tag: [tags.propertyName, tags.definition(tags.propertyName), tags.attributeName, tags.tagName, tags.typeName], color: 'var(--accent)' },
  { tag: tags.invalid, color: 'var(--bad)' }
]);

/** The editor's own words, by the English ones. */
const PHRASES = {
  Find: m.files_find(),
  Replace: m.files_find_replacement(),
  next: m.files_find_next(),
  previous: m.files_find_previous(),
  all: m.files_find_all(),
  'match case': m.files_find_case(),
  regexp: m.files_find_regexp(),
  'by word': m.files_find_word(),
  replace: m.files_find_replace(),
  'replace all': m.files_find_replace_all(),
  close: m.common_close(),
  'current match': m.files_find_current(),
  'on line': m.files_find_line(),
  'replaced $ matches': m.files_find_replaced_all(),
  'replaced match on line $': m.files_find_replaced(),
  '$ unchanged lines': m.files_unchanged_lines()
};

function language(name: string): Extension {
  const end = name.toLowerCase().split('.').pop() ?? '';
  if (['json', 'json5', 'mcmeta', 'webmanifest'].includes(end)) return json();
  if (['yml', 'yaml'].includes(end)) return yaml();
  if (['xml', 'html', 'svg', 'xaml'].includes(end)) return xml();
  if (['js', 'mjs', 'cjs', 'ts'].includes(end)) return javascript({ typescript: end === 'ts' });
  if (['java', 'kt', 'groovy', 'gradle', 'cs'].includes(end)) return java();
  if (end === 'toml') return StreamLanguage.define(toml);
  if (end === 'lua') return StreamLanguage.define(lua);
  if (['sh', 'bash', 'env'].includes(end)) return StreamLanguage.define(shell);
  if (['properties', 'ini', 'cfg', 'conf', 'config'].includes(end)) return StreamLanguage.define(properties);
  return [];
}

const shared = (name: string, readonly: boolean, label = m.files_content_of({ name })): Extension => [
  lineNumbers(),
  highlightActiveLineGutter(),
  highlightActiveLine(),
  drawSelection(),
  history(),
  bracketMatching(),
  indentOnInput(),
  highlightSelectionMatches(),
  search({ top: true }),
  EditorState.phrases.of(PHRASES),
  EditorState.readOnly.of(readonly),
  EditorView.contentAttributes.of({ 'aria-label': label }),
  keymap.of([...searchKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab]),
  language(name),
  syntaxHighlighting(colours),
  theme
];

export function edit(
  parent: HTMLElement,
  name: string,
  text: string,
  readonly: boolean,
  changed: () => void,
  save: () => void
): EditorView {
  const extensions = [
    keymap.of([{ key: 'Mod-s', run: () => (save(), true), preventDefault: true }]),
    shared(name, readonly),
    EditorView.updateListener.of((update) => update.docChanged && changed())
  ];
  const view = new EditorView({ parent, state: EditorState.create({ doc: text, extensions }) });
  view.focus();
  return view;
}

/** Shows the end of what is open. */
export function toEnd(view: EditorView | undefined) {
  view?.dispatch({ selection: { anchor: view.state.doc.length }, effects: EditorView.scrollIntoView(view.state.doc.length, { y: 'end' }) });
}

/** Shows their text on the left and ours on the right, in place of what `parent` held. */
export function compare(parent: HTMLElement, name: string, theirs: string, ours: string): MergeView {
  parent.replaceChildren();
  return new MergeView({
    parent,
    a: { doc: theirs, extensions: shared(name, true, m.files_version_other()) },
    b: { doc: ours, extensions: shared(name, true, m.files_version_editor()) },
    collapseUnchanged: { margin: 3, minSize: 6 }
  });
}
