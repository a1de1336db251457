// Sentences in which a part is more than text: tags in the message, such as "Type <code>{name}</code> to confirm" or "Sent <time/>".

export interface Part {
  /** The tag that it stands in, or is. Tags hold no other tags. */
  tag: string | null;
  text: string;
}

/** A character that nobody types, around the place of a value. */
const MARK = '\uE000';

/** The parts of a message. What is filled in stays text, whatever it looks like: "<b>" in a name is no tag. */
export function parts<Values extends object>(message: (values: Values) => string, values: Values): Part[] {
  const names = Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? MARK + name + MARK : value]);
  const filled = (text: string) =>
    text.replace(new RegExp(`${MARK}(\\w+)${MARK}`, 'g'), (_, name: string) => String(values[name as keyof Values]));
  const text = message(Object.fromEntries(names) as Values);
  const found: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(/<([a-z]+)>(.*?)<\/\1>|<([a-z]+)\/>/gs)) {
    if (match.index > end) found.push({ tag: null, text: filled(text.slice(end, match.index)) });
    found.push({ tag: match[1] ?? match[3] ?? null, text: filled(match[2] ?? '') });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ tag: null, text: filled(text.slice(end)) });
  return found;
}
