// Writes the addresses that the panel's pages have into files for the servers of the panel: routes.txt for raptor-api, routes.conf for
// nginx. Everything else is answered with 404. src/routes is the only source.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const build = new URL('../build/', import.meta.url);

/** The addresses of the pages below `folder`, such as `/containers/[id]`. */
export function pages(folder, address = '') {
  const here = existsSync(`${folder}/+page.svelte`) ? [address || '/'] : [];
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return here.concat(
    below.flatMap(({ name }) => {
      // Folders in parentheses only group pages.
      if (/^\(.*\)$/.test(name)) return pages(`${folder}/${name}`, address);
      if (!/^([a-z0-9-]+|\[[a-z_]+\])$/.test(name)) {
        throw new Error(
          `${folder}/${name}: the servers of the panel don't know this kind of route. Teach scripts/routes.mjs, panel.rs and nginx.conf.`
        );
      }
      return pages(`${folder}/${name}`, `${address}/${name}`);
    })
  );
}

/** What nginx takes for the address of one of the pages. */
export function pattern(page) {
  return `~^${page === '/' ? '' : page.replaceAll(/\[[a-z_]+\]/g, '[^/]+')}/?$`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = pages(fileURLToPath(new URL('../src/routes', import.meta.url))).sort();
  writeFileSync(new URL('routes.txt', build), `${found.join('\n')}\n`);
  const known = found.map((page) => `    "${pattern(page)}" /index.html;\n`).join('');
  writeFileSync(new URL('routes.conf', build), `map $uri $page {\n    default /no.page;\n${known}}\n`);
}
