import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { loadEnv } from 'vite';
import { defineConfig } from 'vitest/config';
import { chunks } from './chunks.js';
import { locales } from './locales.js';

export default defineConfig(({ mode }) => ({
  plugins: [
    paraglideVitePlugin({
      project: './project.inlang',
      outdir: './src/lib/paraglide',
      outputStructure: 'locale-modules',
      strategy: ['baseLocale'],
      emitReadme: false,
      emitPrettierIgnore: false
    }),
    tailwindcss(),
    sveltekit(),
    chunks(),
    locales()
  ],
  server: {
    port: 5173,
    proxy: { '/api': { target: loadEnv(mode, '.').VITE_API_URL ?? 'http://localhost:3000', ws: true } }
  },
  test: { environment: 'node', include: ['src/**/*.test.ts', 'scripts/**/*.test.js'] }
}));
