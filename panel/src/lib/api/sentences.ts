// Sentences into which values of the API are filled.

export type Values = Record<string, unknown>;
/** Fills values into a sentence; null where one that it needs is missing. */
export type Sentence = (values: Values) => string | null;

/** A sentence that needs these values. */
export const filled =
  <Name extends string>(message: (values: Record<Name, string>) => string, ...names: Name[]): Sentence =>
  (values) =>
    names.every((name) => values[name] !== undefined && values[name] !== null)
      ? message(Object.fromEntries(names.map((name) => [name, String(values[name])])) as Record<Name, string>)
      : null;
