/** Encodings that a text can have, by their names in the WHATWG's Encoding Standard. */
export const ENCODINGS: { name: string; title: string }[] = [
  { name: 'UTF-8', title: 'Unicode (UTF-8)' },
  { name: 'UTF-16LE', title: 'Unicode (UTF-16, little endian)' },
  { name: 'UTF-16BE', title: 'Unicode (UTF-16, big endian)' },
  { name: 'windows-1252', title: 'Western European (Latin-1)' },
  { name: 'ISO-8859-15', title: 'Western European (ISO-8859-15)' },
  { name: 'windows-1250', title: 'Central European (Windows)' },
  { name: 'ISO-8859-2', title: 'Central European (ISO-8859-2)' },
  { name: 'windows-1251', title: 'Cyrillic (Windows)' },
  { name: 'KOI8-R', title: 'Cyrillic (KOI8-R)' },
  { name: 'KOI8-U', title: 'Cyrillic (KOI8-U)' },
  { name: 'ISO-8859-5', title: 'Cyrillic (ISO-8859-5)' },
  { name: 'IBM866', title: 'Cyrillic (DOS)' },
  { name: 'GBK', title: 'Chinese, simplified (GBK)' },
  { name: 'gb18030', title: 'Chinese (GB18030)' },
  { name: 'Big5', title: 'Chinese, traditional (Big5)' },
  { name: 'Shift_JIS', title: 'Japanese (Shift JIS)' },
  { name: 'EUC-JP', title: 'Japanese (EUC)' },
  { name: 'EUC-KR', title: 'Korean (EUC)' },
  { name: 'windows-1253', title: 'Greek (Windows)' },
  { name: 'ISO-8859-7', title: 'Greek (ISO-8859-7)' },
  { name: 'windows-1254', title: 'Turkish (Windows)' },
  { name: 'windows-1255', title: 'Hebrew (Windows)' },
  { name: 'ISO-8859-8', title: 'Hebrew (ISO-8859-8)' },
  { name: 'windows-1256', title: 'Arabic (Windows)' },
  { name: 'ISO-8859-6', title: 'Arabic (ISO-8859-6)' },
  { name: 'windows-1257', title: 'Baltic (Windows)' },
  { name: 'ISO-8859-4', title: 'Baltic (ISO-8859-4)' },
  { name: 'ISO-8859-13', title: 'Baltic (ISO-8859-13)' },
  { name: 'windows-1258', title: 'Vietnamese (Windows)' },
  { name: 'windows-874', title: 'Thai (Windows)' },
  { name: 'macintosh', title: 'Western European (Mac)' }
];

/** Those of them in which a line end is one byte, as a console needs it. */
export const CONSOLE_ENCODINGS = ENCODINGS.filter(({ name }) => !name.startsWith('UTF-16'));

/** The list, with `name` in it whatever it is. */
export const withName = (list: { name: string; title: string }[], name: string) =>
  list.some((one) => one.name === name) ? list : [...list, { name, title: name }];

/** What an encoding is called in a list: its title, and its name where the title does not say it. */
export const fullTitle = ({ name, title }: { name: string; title: string }) => (title.includes(name) ? title : `${title}: ${name}`);

/** The characters beyond ASCII in a text, in order. */
export const beyondAscii = (text: string): string => text.replace(/[ -~\t\r\n]+/g, '');
