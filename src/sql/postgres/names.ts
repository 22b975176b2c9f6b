// How PostgreSQL resolves names, as far as text and the generated catalog lists can tell: search_path, built-in relations, types,
// operators. A name that depends on a search_path nobody knows is never guessed.
import type { AnalysisContext } from '../findings.ts';
import { OPERATORS, RELATIONS, TYPES } from './generated/catalog.ts';

/** A search_path as far as it matters here. */
export interface SearchPath {
  /** Schemas in order without pg_catalog and pg_temp. Which of them has a table, the text can't tell. */
  readonly schemas: readonly string[];
  /** Schemas that are among them if they exist. */
  readonly perhaps: readonly string[];
  /** Temporary tables hide others of their name, as they do unless the path puts them behind another schema. */
  readonly temporary_first: boolean;
  /** Unqualified functions, operators, types and relations find pg_catalog's first. */
  readonly builtins_first: boolean;
}

/**
 * Reads the setting's text by SplitIdentifierString's rules. Null: it does not parse, or what it says hangs on the server's version
 * (a vertical tab is a space from 16 on), encoding or locale.
 */
export function parseSearchPath(
  setting: string,
  { role, user_schema = 'none' }: Pick<AnalysisContext, 'role' | 'user_schema'>,
): SearchPath | null {
  const names: string[] = [];
  let rest = setting.replace(/^[ \t\n\r\f]+/, '');
  while (rest !== '') {
    const found = /^(?:"((?:[^"]|"")*)"|([!#-+\--~]+))[ \t\n\r\f]*(,[ \t\n\r\f]*|$)/.exec(rest);
    if (!found) return null;
    const name = found[1]?.replaceAll('""', '"') ?? foldCase(found[2]!);
    if (Buffer.byteLength(name) > IDENTIFIER_BYTES_MAX) return null;
    names.push(name);
    rest = rest.slice(found[0].length);
    if (rest === '' && found[3] !== '') return null;
  }
  // Another session's, or this one's by its number.
  if (names.some((name) => /^pg_temp_\d+$/.test(name))) return null;
  const user = names.includes('$user') ? user_schema : 'none';
  const schemas = names
    .filter((name) => name !== 'pg_catalog' && name !== 'pg_temp' && (name !== '$user' || user === 'there'))
    .map((name) => (name === '$user' ? role : name));
  const explicit = names.indexOf('pg_catalog');
  const temporary = names.indexOf('pg_temp');
  const temporary_first =
    temporary < 0 || names.slice(0, temporary + 1).every((name) => name === 'pg_catalog' || name === 'pg_temp');
  const perhaps = user === 'perhaps' ? [role] : [];
  return { schemas, perhaps, temporary_first, builtins_first: explicit <= 0 };
}

/** NAMEDATALEN - 1: the server cuts longer names; where, depends on its encoding. */
export const IDENTIFIER_BYTES_MAX = 63;

/** Lower case as the server makes it: of ASCII only, whatever JavaScript calls a letter. */
export function foldCase(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

const PLAIN = /^[a-z_][a-z0-9_$]*$/;

/** An identifier as SQL needs it written: quoted only where its characters ask for it, so that `a.b` stays unambiguous. */
export function quoteIdentifier(name: string): string {
  return PLAIN.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Parts of a qualified name joined for reading. */
export function qualified(...parts: readonly string[]): string {
  return parts.map(quoteIdentifier).join('.');
}

type Majors = ReadonlyMap<string, readonly [number, number]>;

function readList(list: string): Majors {
  const names = new Map<string, readonly [number, number]>();
  for (const line of list.trim().split('\n')) {
    const [name, first, last] = line.split(' ');
    names.set(name!, [Number(first), Number(last)]);
  }
  return names;
}

const LISTS = { relation: readList(RELATIONS), type: readList(TYPES), operator: readList(OPERATORS) };

/** Is there such a thing in pg_catalog (bare name) or information_schema (qualified) of that major? */
export function isBuiltIn(what: keyof typeof LISTS, name: string, major: number): boolean {
  const majors = LISTS[what].get(name);
  return majors !== undefined && major >= majors[0] && major <= majors[1];
}
