// Which character set a collation id stands for, and which of them a client may speak in. A text is lexed by its bytes: a set in which a
// byte of a quote, a backslash or a comment can be part of another character, or stands for another one, would hide what is executed.
// Source: information_schema.collations of MySQL 9.7, MariaDB 10.11 and 11.8, which the tests compare.

/** Ids up to 255, the same at both servers; what a server lacks of it is never the default of another set. */
const BY_ID: readonly (readonly [string, ...(number | readonly [number, number])[]])[] = [
  ['armscii8', 32, 64],
  ['ascii', 11, 65],
  ['big5', 1, 84],
  ['binary', 63],
  ['cp1250', 26, 34, 44, 66, 99],
  ['cp1251', 14, 23, [50, 52]],
  ['cp1256', 57, 67],
  ['cp1257', 29, 58, 59],
  ['cp850', 4, 80],
  ['cp852', 40, 81],
  ['cp866', 36, 68],
  ['cp932', 95, 96],
  ['dec8', 3, 69],
  ['eucjpms', 97, 98],
  ['euckr', 19, 85],
  ['gb18030', [248, 250]],
  ['gb2312', 24, 86],
  ['gbk', 28, 87],
  ['geostd8', 92, 93],
  ['greek', 25, 70],
  ['hebrew', 16, 71],
  ['hp8', 6, 72],
  ['keybcs2', 37, 73],
  ['koi8r', 7, 74],
  ['koi8u', 22, 75],
  ['latin1', 5, 8, 15, 31, [47, 49], 94],
  ['latin2', 2, 9, 21, 27, 77],
  ['latin5', 30, 78],
  ['latin7', 20, [41, 42], 79],
  ['macce', 38, 43],
  ['macroman', 39, 53],
  ['sjis', 13, 88],
  ['swe7', 10, 82],
  ['tis620', 18, 89],
  ['ucs2', 35, 90, [128, 151], 159],
  ['ujis', 12, 91],
  ['utf16', 54, 55, [101, 124]],
  ['utf16le', 56, 62],
  ['utf32', 60, 61, [160, 183]],
  ['utf8mb3', 33, 76, 83, [192, 215], 223],
  ['utf8mb4', 45, 46, [224, 247], 255],
];
const COLLATIONS: ReadonlyMap<number, string> = new Map(
  BY_ID.flatMap(([charset, ...ids]) =>
    ids.flatMap((id) => {
      const [from, to] = typeof id === 'number' ? [id, id] : id;
      return Array.from({ length: to - from + 1 }, (_, i) => [from + i, charset] as const);
    }),
  ),
);

/** Ids over 255, which only COM_CHANGE_USER can carry; from the first to the last. */
const MYSQL_WIDE: readonly (readonly [number, number, string])[] = [[256, 323, 'utf8mb4']];
const MARIADB_WIDE: readonly (readonly [number, number, string])[] = [
  [576, 578, 'utf8mb3'],
  [608, 610, 'utf8mb4'],
  [640, 642, 'ucs2'],
  [672, 674, 'utf16'],
  [736, 738, 'utf32'],
  [2048, 2303, 'utf8mb3'],
  [2304, 2559, 'utf8mb4'],
  [2560, 2815, 'ucs2'],
  [2816, 3071, 'utf16'],
  [3072, 3327, 'utf32'],
];
/** MariaDB: without padding, the id of the collation with it and this. */
const NOPAD = 1024;

/** Undefined: no such collation. The server takes its own default then, at the handshake as in COM_CHANGE_USER. */
export const charsetOf = (collation: number, engine: 'mysql' | 'mariadb'): string | undefined => {
  if (collation <= 255) return COLLATIONS.get(collation);
  if (engine === 'mariadb' && collation >= NOPAD && collation < 2 * NOPAD) return COLLATIONS.get(collation - NOPAD);
  const wide = engine === 'mariadb' ? MARIADB_WIDE : MYSQL_WIDE;
  return wide.find(([from, to]) => collation >= from && collation <= to)?.[2];
};

/** Of the sets with ids over 255 that a client may speak in: the default of their ids up to 255. */
const NARROW: Readonly<Record<string, number>> = { utf8mb3: 33, utf8mb4: 45 };

/** The id for a handshake, which has one byte for it: where that is too little, another collation of the same set. */
export const narrowCollation = (collation: number, engine: 'mysql' | 'mariadb'): number => {
  if (collation <= 255) return collation;
  const charset = charsetOf(collation, engine);
  return charset === undefined ? NO_COLLATION : (NARROW[charset] ?? collation - NOPAD);
};
/** No server has it. */
const NO_COLLATION = 0;

/** Sets a client may speak in: each byte below 0x80 is that of ASCII and never part of a longer character. By the servers' names. */
const READABLE: ReadonlySet<string> = new Set(
  [
    'utf8mb4 utf8mb3 utf8 ascii binary latin1 latin2 latin5 latin7 cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 dec8 hp8 keybcs2',
    'koi8r koi8u macce macroman armscii8 geostd8 greek hebrew tis620 ujis eucjpms gb2312',
  ].flatMap((names) => names.split(' ')),
);

/** False: refused at login, in SET NAMES and as an introducer. `charset`: in lower case. */
export const isReadable = (charset: string): boolean => READABLE.has(charset);
