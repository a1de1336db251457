// Sentences with values of the API.

export type Values = Record<string, unknown>;
/** A sentence with these values; none where one that it names is not there. */
export type Sentence = (values: Values) => string | null;

/** A sentence that is told where each of these values is there. */
export const filled =
  <Name extends string>(message: (values: Record<Name, string>) => string, ...names: Name[]): Sentence =>
  (values) =>
    names.every((name) => values[name] !== undefined && values[name] !== null)
      ? message(Object.fromEntries(names.map((name) => [name, String(values[name])])) as Record<Name, string>)
      : null;
