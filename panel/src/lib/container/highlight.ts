// A line that was found, cut into what matches and what does not.
import type { ConsoleHit } from '$lib/api';

export interface Piece {
  text: string;
  match: boolean;
}

/** The API counts characters, JavaScript halves of some of them. */
export function pieces({ text, parts }: Pick<ConsoleHit, 'text' | 'parts'>): Piece[] {
  const characters = [...text];
  const found: Piece[] = [];
  let at = 0;
  const add = (from: number, to: number, match: boolean) => {
    if (to > from) found.push({ text: characters.slice(from, to).join(''), match });
  };
  for (const { start, end } of parts) {
    add(at, start, false);
    add(start, end, true);
    at = end;
  }
  add(at, characters.length, false);
  return found;
}
