// sql_mode: the bits that change how a text is read, and what a SET makes of them. Both flavours' names are known; a value that the
// server would refuse changes nothing there, and ends the packet.
// It must not call a value constant that the server could read as another one.

/** Modes that change tokens or what a call means. The other modes change nothing that is judged here. */
export const MODE = { ansi_quotes: 1, no_backslash_escapes: 2, ignore_space: 4, oracle: 8 } as const;

/** Every combination that a server of the flavour can be in. */
export function everyMode(engine: 'mysql' | 'mariadb'): readonly number[] {
  return engine === 'mysql' ? MYSQL_EVERY : MARIADB_EVERY;
}
const MYSQL_EVERY = Array.from({ length: 8 }, (_, bits) => bits);
const MARIADB_EVERY = Array.from({ length: 16 }, (_, bits) => bits);

/** Names that are one bit of ours, and those that stand for several. */
const NAMED: Readonly<Record<string, number>> = {
  ANSI_QUOTES: MODE.ansi_quotes,
  NO_BACKSLASH_ESCAPES: MODE.no_backslash_escapes,
  IGNORE_SPACE: MODE.ignore_space,
  ANSI: MODE.ansi_quotes | MODE.ignore_space,
  ORACLE: MODE.ansi_quotes | MODE.ignore_space | MODE.oracle,
  DB2: MODE.ansi_quotes | MODE.ignore_space,
  MAXDB: MODE.ansi_quotes | MODE.ignore_space,
  MSSQL: MODE.ansi_quotes | MODE.ignore_space,
  POSTGRESQL: MODE.ansi_quotes | MODE.ignore_space,
};

/** Modes of the flavours that change nothing here. */
const HARMLESS: ReadonlySet<string> = new Set(
  (
    'REAL_AS_FLOAT PIPES_AS_CONCAT NOT_USED IGNORE_BAD_TABLE_OPTIONS ONLY_FULL_GROUP_BY NO_UNSIGNED_SUBTRACTION NO_DIR_IN_CREATE ' +
    'NO_KEY_OPTIONS NO_TABLE_OPTIONS NO_FIELD_OPTIONS MYSQL323 MYSQL40 NO_AUTO_VALUE_ON_ZERO STRICT_TRANS_TABLES STRICT_ALL_TABLES ' +
    'NO_ZERO_IN_DATE NO_ZERO_DATE ALLOW_INVALID_DATES INVALID_DATES ERROR_FOR_DIVISION_BY_ZERO TRADITIONAL NO_AUTO_CREATE_USER ' +
    'HIGH_NOT_PRECEDENCE NO_ENGINE_SUBSTITUTION PAD_CHAR_TO_FULL_LENGTH EMPTY_STRING_IS_NULL SIMULTANEOUS_ASSIGNMENT ' +
    'TIME_ROUND_FRACTIONAL TIME_TRUNCATE_FRACTIONAL'
  ).split(' '),
);

/** Bits of a list of mode names, as the servers read it: any case, empty names and spaces at the end ignored. Null: not all are known. */
export function modeOf(list: string): number | null {
  let bits = 0;
  for (const written of list.replace(/ +$/, '').split(',')) {
    const name = written.toUpperCase();
    if (name === '' || HARMLESS.has(name)) continue;
    const named = NAMED[name];
    if (named === undefined) return null;
    bits |= named;
  }
  return bits;
}

/** The list of names that has these bits. */
export function modeText(bits: number): string {
  return Object.entries(MODE)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name.toUpperCase())
    .join(',');
}

/** Bits of sql_mode given as a number. Null: bits that are not known. */
export function modeOfNumber(written: string): number | null {
  const value = /^\d{1,12}$/.test(written) ? BigInt(written) : null;
  if (value === null) return null;
  let bits = 0;
  if (value & 4n) bits |= MODE.ansi_quotes;
  if (value & 8n) bits |= MODE.ignore_space;
  if (value & (1n << 20n)) bits |= MODE.no_backslash_escapes;
  // POSTGRESQL, ORACLE, MSSQL, DB2, MAXDB and ANSI bring others with them.
  if (value & (0x1fn << 8n) || value & (1n << 18n)) return null;
  return bits;
}
