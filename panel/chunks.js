// Which modules travel together. Each file costs a round trip of the visitor's line, and the bundler alone makes one of everything
// that two pages share, down to single icons: 69 files for a sign-in form.

/**
 * The pages that people come to first, in the order in which they come: what each needs beyond those before it is one file. What
 * is imported dynamically, such as the terminal, the plots and the sentences of problems, stays by itself. How numbers are written is
 * in the first, as those sentences need it and nothing else.
 */
const STAGES = [
  [
    'door',
    /\/(runtime\/client\/entry\.js|generated\/client-optimized\/app\.js|vite\/preload-helper\.js|src\/routes\/(\+layout|\+error|sign-in\/\+page)\.(svelte|ts)|src\/hooks\.client\.ts|src\/lib\/format\.ts)$/
  ],
  ['shell', /\/src\/routes\/\(app\)\/(\+layout|\+error|containers\/\+page)\.(svelte|ts)$/],
  // What opens over a page, loaded when the first page is there, and the page of a container need nothing of each other.
  ['overlays', /\/src\/lib\/(components\/(MenuList|Dialog|Danger)|shell\/(Palette|AccountList))\.svelte$/],
  ['container', /\/src\/routes\/\(app\)\/containers\/\[id\]\/(\+layout|\+error|\+page)\.(svelte|ts)$/]
];

/** @returns {import('vite').Plugin} */
export function chunks() {
  /** The stage of each module. @type {Map<string, string>} */
  const stages = new Map();

  /** Everything that is imported statically from a stage's modules, but for what an earlier stage has. */
  function reach(begins, ids, info) {
    const found = new Set();
    const left = ids.filter((id) => begins.test(id));
    for (let id = left.pop(); id; id = left.pop()) {
      if (stages.has(id) || found.has(id)) continue;
      found.add(id);
      left.push(...(info(id)?.importedIds ?? []));
    }
    return found;
  }

  function follow(ids, info) {
    const [door, shell, overlays, container] = STAGES;
    for (const [stage, begins] of [door, shell]) for (const id of reach(begins, ids, info)) stages.set(id, stage);
    const [over, inside] = [overlays, container].map(([, begins]) => reach(begins, ids, info));
    for (const id of over) stages.set(id, inside.has(id) ? shell[0] : overlays[0]);
    for (const id of inside) if (!stages.has(id)) stages.set(id, container[0]);
  }

  return {
    name: 'chunks',
    applyToEnvironment: ({ name }) => name === 'client',
    buildEnd() {
      stages.clear();
      follow([...this.getModuleIds()], (id) => this.getModuleInfo(id));
    },
    outputOptions(options) {
      const groups = [
        // What an earlier stage has is taken from the later ones.
        ...STAGES.map(([name], i) => ({ name, test: (id) => stages.get(id) === name, priority: 9 - i })),
        // What other pages share, but for what is large.
        { name: 'shared', minShareCount: 2, maxModuleSize: 40_000, entriesAware: true, entriesAwareMergeThreshold: 20_000, priority: 1 }
      ];
      return { ...options, codeSplitting: { groups } };
    }
  };
}
