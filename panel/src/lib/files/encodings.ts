import { m } from '$lib/messages';
/** Encodings that a text can have, by their names in the WHATWG's Encoding Standard. */
export const ENCODINGS: { name: string; title: string }[] = [
  { name: 'UTF-8', title: m.files_encoding_unicode({ form: 'UTF-8' }) },
  { name: 'UTF-16LE', title: m.files_encoding_unicode({ form: 'UTF-16 LE' }) },
  { name: 'UTF-16BE', title: m.files_encoding_unicode({ form: 'UTF-16 BE' }) },
  { name: 'windows-1252', title: m.files_encoding_western({ form: 'Latin-1' }) },
  { name: 'ISO-8859-15', title: m.files_encoding_western({ form: 'ISO-8859-15' }) },
  { name: 'windows-1250', title: m.files_encoding_central({ form: 'Windows' }) },
  { name: 'ISO-8859-2', title: m.files_encoding_central({ form: 'ISO-8859-2' }) },
  { name: 'windows-1251', title: m.files_encoding_cyrillic({ form: 'Windows' }) },
  { name: 'KOI8-R', title: m.files_encoding_cyrillic({ form: 'KOI8-R' }) },
  { name: 'KOI8-U', title: m.files_encoding_cyrillic({ form: 'KOI8-U' }) },
  { name: 'ISO-8859-5', title: m.files_encoding_cyrillic({ form: 'ISO-8859-5' }) },
  { name: 'IBM866', title: m.files_encoding_cyrillic({ form: 'DOS' }) },
  { name: 'GBK', title: m.files_encoding_chinese_simplified({ form: 'GBK' }) },
  { name: 'gb18030', title: m.files_encoding_chinese({ form: 'GB18030' }) },
  { name: 'Big5', title: m.files_encoding_chinese_traditional({ form: 'Big5' }) },
  { name: 'Shift_JIS', title: m.files_encoding_japanese({ form: 'Shift JIS' }) },
  { name: 'EUC-JP', title: m.files_encoding_japanese({ form: 'EUC' }) },
  { name: 'EUC-KR', title: m.files_encoding_korean({ form: 'EUC' }) },
  { name: 'windows-1253', title: m.files_encoding_greek({ form: 'Windows' }) },
  { name: 'ISO-8859-7', title: m.files_encoding_greek({ form: 'ISO-8859-7' }) },
  { name: 'windows-1254', title: m.files_encoding_turkish({ form: 'Windows' }) },
  { name: 'windows-1255', title: m.files_encoding_hebrew({ form: 'Windows' }) },
  { name: 'ISO-8859-8', title: m.files_encoding_hebrew({ form: 'ISO-8859-8' }) },
  { name: 'windows-1256', title: m.files_encoding_arabic({ form: 'Windows' }) },
  { name: 'ISO-8859-6', title: m.files_encoding_arabic({ form: 'ISO-8859-6' }) },
  { name: 'windows-1257', title: m.files_encoding_baltic({ form: 'Windows' }) },
  { name: 'ISO-8859-4', title: m.files_encoding_baltic({ form: 'ISO-8859-4' }) },
  { name: 'ISO-8859-13', title: m.files_encoding_baltic({ form: 'ISO-8859-13' }) },
  { name: 'windows-1258', title: m.files_encoding_vietnamese({ form: 'Windows' }) },
  { name: 'windows-874', title: m.files_encoding_thai({ form: 'Windows' }) },
  { name: 'macintosh', title: m.files_encoding_western({ form: 'Mac' }) }
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
