// Writes src/fonts/*.woff2 from the fonts of @fontsource-variable, for what nearly everything here is written in: Latin letters in
// the weights that the panel uses, without the ligatures and alternates that it does not. Both fonts are under the SIL Open Font
// License without a reserved name. Run it when a font is updated:
//   npm install --no-save subset-font@2.9.0 && node scripts/fonts.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import subset from 'subset-font';

const FONTS = [
  { name: 'inter', weights: { min: 400, max: 600 }, features: ['tnum', 'cv11', 'ss03'] },
  { name: 'jetbrains-mono', weights: { min: 400, max: 700 }, features: [] }
];
/** What Latin letters need to be set at all. */
const ALWAYS = ['kern', 'mark', 'mkmk', 'ccmp', 'locl'];

for (const { name, weights, features } of FONTS) {
  const folder = new URL(`../node_modules/@fontsource-variable/${name}/`, import.meta.url);
  const file = `${name}-latin-wght-normal.woff2`;
  const css = readFileSync(new URL('index.css', folder), 'utf8');
  const [, ranges] = new RegExp(`${file}\\)[^}]*unicode-range: ([^;]+);`).exec(css);
  const text = ranges.split(',').flatMap((range) => {
    const [from, to = from] = range.replace('U+', '').split('-');
    const [first, last] = [parseInt(from, 16), parseInt(to, 16)];
    return Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i));
  });
  const font = await subset(readFileSync(new URL(`files/${file}`, folder)), text.join(''), {
    targetFormat: 'woff2',
    variationAxes: { wght: weights },
    keepFeatures: [...ALWAYS, ...features]
  });
  writeFileSync(new URL(`../src/fonts/${name}-latin.woff2`, import.meta.url), font);
  console.log(`${name}: ${font.length} bytes`);
}
