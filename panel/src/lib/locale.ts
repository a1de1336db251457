// The language of the panel, and how its dates and numbers are written.

/** The languages by what they call themselves. */
export const LOCALES = { en: 'English', de: 'Deutsch' } as const;
export type Locale = keyof typeof LOCALES;

const known = (name?: string) => (Object.keys(LOCALES) as Locale[]).find((locale) => locale === name);

/** The language of this page: app.html takes what was chosen in this browser, else the first of the browser's that the panel has. */
export const locale: Locale = known(globalThis.document?.documentElement.lang) ?? 'en';

/** For `Intl`: the browser's own variant of the language, such as "de-AT", else the language alone. */
export const region: string =
  (globalThis.document ? navigator.languages : ['en-US']).find((name) => name.split('-')[0] === locale) ?? locale;

/** Chooses a language for this browser, and loads the page in it. */
export function chooseLocale(choice: Locale) {
  localStorage.setItem('locale', choice);
  location.reload();
}
