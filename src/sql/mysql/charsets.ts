// Character sets that a text may come in. A set is refused where a byte of a character can be a quote or a backslash, or where a
// character is no single ASCII byte: what is judged would not be what the server reads.

/** How bytes from 0x80 on are read. In binary and ascii none may stand outside of quotes. */
export type Reading = 'utf8' | 'latin1' | 'binary' | 'ascii';

const READINGS: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ['utf8mb4', 'utf8'],
  ['utf8mb3', 'utf8'],
  ['utf8', 'utf8'],
  ['latin1', 'latin1'],
  ['ascii', 'ascii'],
  ['binary', 'binary'],
]);

/** Null: not one that is read here. */
export function readingOf(charset: string): Reading | null {
  return READINGS.get(charset.toLowerCase()) ?? null;
}

/** Bytes (latin1) as the server makes characters of them. Names in binary are those of the server itself, which has UTF-8. */
export function decoded(bytes: string, reading: Reading): string {
  if (reading === 'latin1') return bytes.replace(/[\x80-\x9f]/g, (byte) => CP1252[byte.charCodeAt(0) - 0x80]!);
  return reading === 'ascii' ? bytes.replace(/[\x80-\xff]/g, '?') : Buffer.from(bytes, 'latin1').toString('utf8');
}
/** What the servers' latin1 has from 0x80 to 0x9f. */
const CP1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** A literal may not be said to be in one of these: their bytes can be quotes or backslashes. */
const INTRODUCES_HIDING: ReadonlySet<string> = new Set(
  'gbk sjis cp932 big5 gb18030 ucs2 utf16 utf16le utf32'.split(' '),
);

/** Client character sets that the session refuses, too: some of their bytes below 0x80 are other characters than ASCII's, or parts of longer ones. */
const HIDING: ReadonlySet<string> = new Set([...INTRODUCES_HIDING, 'euckr', 'swe7']);

/** May no client speak in it? */
export function hidesQuotes(charset: string): boolean {
  return HIDING.has(charset.toLowerCase());
}

/** Of a word that introduces a literal in a character set whose bytes can hide the literal's end (`_gbk`), that set; '' for any other. */
export function hidingIntroducer(word: string): string {
  if (word.charCodeAt(0) !== 0x5f) return '';
  const name = word.slice(1).toLowerCase();
  return INTRODUCES_HIDING.has(name) ? name : '';
}
