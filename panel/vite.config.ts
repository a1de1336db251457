import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { loadEnv } from 'vite';
import { defineConfig } from 'vitest/config';
import { chunks } from './chunks.js';

export default defineConfig(({ mode }) => ({
  plugins: [tailwindcss(), sveltekit(), chunks()],
  server: {
    port: 5173,
    proxy: { '/api': { target: loadEnv(mode, '.').VITE_API_URL ?? 'http://localhost:3000', ws: true } }
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] }
}));
