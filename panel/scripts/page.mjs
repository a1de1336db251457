// Finishes the built page, build/index.html: it loads the files of the visitor's language, and its content security policy is
// written into files for the servers of the panel: policy.txt for raptor-api, policy.conf for nginx. svelte.config.js is the policy's
// only source. SvelteKit puts it into the page, where browsers ignore what concerns frames, so it is sent as a header as well.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { LOCALES, localized } from '../locales.js';

const build = new URL('../build/', import.meta.url);
const file = new URL('index.html', build);
const hash = (script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
const scripts = (page) => [...page.matchAll(/<script>(.*?)<\/script>/gs)].map(([, script]) => script);

let page = readFileSync(file, 'utf8');
const before = scripts(page);

/** Whether there is one of each language. `path` begins with a slash. */
const speaks = (path) => LOCALES.every((locale) => existsSync(new URL(localized(path.slice(1), locale), build)));
const early = [];
page = page.replace(/[\t ]*<link href="([^"]+)" rel="modulepreload">\n/g, (link, path) => {
  if (!speaks(path)) return link;
  early.push(path);
  return '';
});
if (early.length === 0) throw new Error('build/index.html preloads nothing that differs by language: see locales.js.');
page = page.replace(/import\("([^"]+)"\)/g, (whole, path) => (speaks(path) ? `import(localized("${path}"))` : whole));
page = page.replace('</head>', `<script>preload(${JSON.stringify(early)})</script>\n  </head>`);

const [, policy] = /<meta http-equiv="content-security-policy" content="([^"]*)"/i.exec(page) ?? [];
if (!policy) throw new Error('build/index.html has no content security policy: svelte.config.js sets it.');
const rest = before.reduce((text, script) => text.replace(` ${hash(script)}`, ''), policy.replaceAll('&#39;', "'"));
const final = rest.replace("script-src 'self'", ["script-src 'self'", ...scripts(page).map(hash)].join(' '));
if (/sha256/.test(rest) || final === rest) throw new Error(`The policy allows scripts that the page does not have: ${policy}`);
writeFileSync(file, page.replace(policy, final));

const header = `${final}; frame-ancestors 'none'`;
writeFileSync(new URL('policy.txt', build), header);
writeFileSync(new URL('policy.conf', build), `add_header Content-Security-Policy "${header}";\n`);
