// Writes the values that fields have unless given, as openapi.json names them, beside the generated client: forms begin with them.
import { readFileSync, writeFileSync } from 'node:fs';

const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'));
const schemas = Object.entries(document.components.schemas).flatMap(([name, { properties = {} }]) => {
  const fields = Object.entries(properties).filter(([, field]) => 'default' in field && field.default !== null);
  return fields.length ? [[name, Object.fromEntries(fields.map(([key, field]) => [key, field.default]))]] : [];
});
const text = JSON.stringify(Object.fromEntries(schemas), null, 2);
writeFileSync(
  new URL('../src/lib/api/generated/defaults.gen.ts', import.meta.url),
  `// This file is written by scripts/defaults.mjs from openapi.json.\n\n/** The values that fields have unless given, by schema. */\nexport const defaults = ${text};\n`
);
