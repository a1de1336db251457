import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

export default ts.config(
  { ignores: ['build', '.svelte-kit', 'src/lib/api/generated', 'src/lib/paraglide', 'project.inlang/cache'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    linterOptions: { reportUnusedDisableDirectives: 'error' }
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } }
  },
  {
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // The panel is always served from the root of its origin.
      'svelte/no-navigation-without-resolve': 'off',
      // {' '} keeps a space where the formatter breaks a line.
      'svelte/no-useless-mustaches': 'off',
      // Sets and maps that are filled and then assigned as a whole need no reactivity of their own.
      'svelte/prefer-svelte-reactivity': 'off'
    }
  },
  // TypeScript reports names that don't exist, and knows more of them.
  { files: ['**/*.ts', '**/*.svelte'], rules: { 'no-undef': 'off' } }
);
