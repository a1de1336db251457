// Writes the built panel's content security policy into files for the servers of the panel: policy.txt for raptor-api, policy.conf for nginx.
// svelte.config.js is its only source. SvelteKit puts it into the page, where browsers ignore what concerns frames, so it is
// sent as a header as well.
import { readFileSync, writeFileSync } from 'node:fs';

const build = new URL('../build/', import.meta.url);
const page = readFileSync(new URL('index.html', build), 'utf8');
const [, inPage] = /<meta http-equiv="content-security-policy" content="([^"]*)"/i.exec(page) ?? [];
if (!inPage) throw new Error('build/index.html has no content security policy: svelte.config.js sets it.');
const policy = `${inPage.replaceAll('&#39;', "'")}; frame-ancestors 'none'`;
writeFileSync(new URL('policy.txt', build), policy);
writeFileSync(new URL('policy.conf', build), `add_header Content-Security-Policy "${policy}";\n`);
