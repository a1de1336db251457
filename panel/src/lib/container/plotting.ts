// The library that draws the graphs. While it is loaded it reads the browser's language, and fails where that is no language, such
// as "C".
export async function plotting() {
  try {
    new Intl.NumberFormat(navigator.language);
  } catch {
    Object.defineProperty(navigator, 'language', { value: 'en', configurable: true });
  }
  return (await import('uplot')).default;
}
