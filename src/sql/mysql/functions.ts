// What a call means by its name: a built-in function of the flavour and version, or a function that users made.
// A name that no table has is a user's: it must never be taken for a built-in one.
import type { MysqlContext } from './context.ts';
import { MARIADB_WORDS, MYSQL_WORDS, type Words } from './generated/words.ts';

export type FunctionClass =
  /** Computes from its arguments and the session. */
  | 'plain'
  /** Keeps its inputs: many rows in one value. */
  | 'folds'
  /** Reads a file of the server. */
  | 'file'
  /** Changes a sequence. */
  | 'sequence'
  /** Changes the server. */
  | 'admin';

/** Built-in functions that do more than compute. */
const CLASSES: ReadonlyMap<string, FunctionClass> = new Map<string, FunctionClass>([
  ['LOAD_FILE', 'file'],
  ['GROUP_CONCAT', 'folds'],
  ['JSON_ARRAYAGG', 'folds'],
  ['JSON_OBJECTAGG', 'folds'],
  ['ST_COLLECT', 'folds'],
  ['NEXTVAL', 'sequence'],
  ['SETVAL', 'sequence'],
  ['INNODB_REDO_LOG_SHARP_CHECKPOINT', 'admin'],
  ['INNODB_SET_OPEN_FILES_LIMIT', 'admin'],
  ['ASYNCHRONOUS_CONNECTION_FAILOVER_RESET', 'admin'],
]);

/** Built-in from, and up to but not with, a version; of names in the generated lists or besides them. */
const VERSIONS: Readonly<Record<MysqlContext['engine'], ReadonlyMap<string, readonly [number, number]>>> = {
  mysql: versions(`
ETAG 90000 0
FROM_VECTOR 90000 0
TO_VECTOR 90000 0
STRING_TO_VECTOR 90000 0
VECTOR_TO_STRING 90000 0
VECTOR_DIM 90000 0
VERSION_WITH_UPDATE 90000 0
GET_JDV_PROPERTY_KEY_VALUE 90000 0
MD5 0 90600
SHA 0 90600
SHA1 0 90600
`),
  mariadb: versions(`
SFORMAT 100700 0
NATURAL_SORT_KEY 100700 0
JSON_EQUALS 100700 0
JSON_NORMALIZE 100700 0
CRC32C 100800 0
JSON_OVERLAPS 100900 0
RANDOM_BYTES 101000 0
FORMAT_PICO_TIME 110002 0
JSON_SCHEMA_VALID 110100 0
JSON_KEY_VALUE 110200 0
JSON_ARRAY_INTERSECT 110200 0
JSON_OBJECT_TO_ARRAY 110200 0
JSON_OBJECT_FILTER_KEYS 110200 0
KDF 110300 0
ST_LATFROMGEOHASH 110700 0
ST_LONGFROMGEOHASH 110700 0
ST_GEOHASH 110700 0
ST_ISVALID 110700 0
ST_SIMPLIFY 110700 0
ST_VALIDATE 110700 0
ST_COLLECT 110700 0
UUID_V4 110700 0
UUID_V7 110700 0
VEC_DISTANCE 110700 0
VEC_DISTANCE_EUCLIDEAN 110700 0
VEC_DISTANCE_COSINE 110700 0
VEC_FROMTEXT 110700 0
VEC_TOTEXT 110700 0
`),
};

function versions(lines: string): ReadonlyMap<string, readonly [number, number]> {
  return new Map(
    lines
      .trim()
      .split('\n')
      .map((line) => {
        const [name, from, to] = line.split(' ');
        return [name!, [Number(from), Number(to)]] as const;
      }),
  );
}

interface Names {
  readonly native: ReadonlySet<string>;
  readonly keywords: ReadonlySet<string>;
  readonly gap: ReadonlySet<string>;
  readonly reserved: ReadonlySet<string>;
}

function names(words: Words): Names {
  const set = (list: string): ReadonlySet<string> => new Set(list.trim().toUpperCase().split(/\s+/));
  return {
    native: set(words.native),
    keywords: set(words.keywords),
    gap: set(words.gap),
    reserved: set(words.reserved),
  };
}
const NAMES: Readonly<Record<MysqlContext['engine'], Names>> = {
  mysql: names(MYSQL_WORDS),
  mariadb: names(MARIADB_WORDS),
};

/** Can this word, unquoted, be no alias and no name? In capitals. */
export function isReserved(word: string, engine: MysqlContext['engine']): boolean {
  return NAMES[engine].reserved.has(word);
}

/**
 * What `name(` calls. name: in capitals; quoted: its name was; apart: white space or a comment comes before the parenthesis, so that the
 * server takes some names for a user's. Null: a function that users made. 'word': no function at all, but a keyword.
 */
export function classOf(
  name: string,
  quoted: boolean,
  apart: boolean,
  { engine, version }: Pick<MysqlContext, 'engine' | 'version'>,
): FunctionClass | 'word' | null {
  const { native, keywords, gap } = NAMES[engine];
  const span = VERSIONS[engine].get(name);
  if (span) {
    const there = version >= span[0] && (span[1] === 0 || version < span[1]);
    return there ? (CLASSES.get(name) ?? 'plain') : null;
  }
  if (native.has(name)) return CLASSES.get(name) ?? 'plain';
  if (quoted || !keywords.has(name) || (apart && gap.has(name))) return null;
  return CLASSES.get(name) ?? (gap.has(name) ? 'plain' : 'word');
}
