// Character sets that a text may come in. A set is refused where a byte of a character can be a quote or a backslash, or where a
// character is no single ASCII byte: what is judged would not be what the server reads.

/** How bytes from 0x80 on are read outside of quotes. */
export type Reading = 'utf8' | 'latin1' | 'opaque';

const READINGS: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ['utf8mb4', 'utf8'],
  ['utf8mb3', 'utf8'],
  ['utf8', 'utf8'],
  ['latin1', 'latin1'],
  ['ascii', 'opaque'],
  ['binary', 'opaque'],
]);

/** Null: not one that is read here. */
export function readingOf(charset: string): Reading | null {
  return READINGS.get(charset.toLowerCase()) ?? null;
}

/** Charsets that a literal may be said to be in: their bytes cannot hide the literal's end. */
const INTRODUCED: ReadonlySet<string> = new Set(
  (
    'utf8mb4 utf8mb3 utf8 latin1 ascii binary latin2 latin5 latin7 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 hp8 koi8r ' +
    'koi8u greek hebrew tis620 armscii8 geostd8 keybcs2 macce macroman swe7 euckr gb2312 ujis eucjpms ucs2 utf16 utf16le utf32'
  ).split(' '),
);
const REFUSED: ReadonlySet<string> = new Set('gbk sjis cp932 big5 gb18030'.split(' '));

/** Client character sets that the session refuses, too: some of their bytes below 0x80 are other characters than ASCII's, or parts of longer ones. */
const HIDING: ReadonlySet<string> = new Set([...REFUSED, ...'euckr swe7 ucs2 utf16 utf16le utf32'.split(' ')]);

/** May no client speak in it? */
export function hidesQuotes(charset: string): boolean {
  return HIDING.has(charset.toLowerCase());
}

/** Is a word with its underscore (`_gbk`) the introducer of a literal? 'refused': its bytes can hide the end of the literal. */
export function introducer(word: string): 'known' | 'refused' | null {
  if (word.charCodeAt(0) !== 0x5f) return null;
  const name = word.slice(1).toLowerCase();
  if (INTRODUCED.has(name)) return 'known';
  return REFUSED.has(name) ? 'refused' : null;
}
