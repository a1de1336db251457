// Sentences of which parts are more than text.

/** A part of a sentence: text, or what stands in a tag. */
export interface Piece {
  tag: string | null;
  text: string;
}

/** "Set <code>APP_URL</code>." → "Set ", code "APP_URL", ".". A tag is a lower-case word: `<name>…</name>`, or `<name/>`. */
export function pieces(sentence: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of sentence.matchAll(/<([a-z]+)>(.*?)<\/\1>|<([a-z]+)\/>/g)) {
    if (match.index > end) found.push({ tag: null, text: sentence.slice(end, match.index) });
    found.push({ tag: match[1] ?? match[3] ?? null, text: match[2] ?? '' });
    end = match.index + match[0].length;
  }
  if (end < sentence.length) found.push({ tag: null, text: sentence.slice(end) });
  return found;
}
