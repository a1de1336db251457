// Passwords made at random.

/** Without what is easily mistaken for something else. */
const LETTERS = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
/** This many of them hold more than 100 bits. */
const LENGTH = 20;

export function generated(): string {
  let made = '';
  while (made.length < LENGTH) {
    const [byte = 255] = crypto.getRandomValues(new Uint8Array(1));
    // What is left over at the end would make the first letters likelier.
    if (byte < 256 - (256 % LETTERS.length)) made += LETTERS[byte % LETTERS.length];
  }
  return made;
}
