/** `name`, or the first of `name 2`, `name 3`… that none of `taken` is, whatever their case. */
export function freeName(name: string, taken: string[]): string {
  const used = new Set(taken.map((other) => other.trim().toLowerCase()));
  for (let number = 1; ; number += 1) {
    const suffix = number === 1 ? '' : ` ${number}`;
    const candidate = `${name.slice(0, 100 - suffix.length).trim()}${suffix}`;
    if (!used.has(candidate.toLowerCase())) return candidate;
  }
}
