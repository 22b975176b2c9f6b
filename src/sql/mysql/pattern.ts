// Which literals of a MySQL or MariaDB statement a standing approval leaves free, told from its tokens: one that its WHERE, or the ON of a join,
// compares by `=` or IN to a plain column of a table, with AND, OR and parentheses around it and nothing else. What might be read in another
// way is not free. Must never free what could decide by itself what is read: what is negated, nested or calculated stays as it is.
// The twin of postgres/pattern.ts.
import { type FormToken, type GivenParameter, hashOf, type StatementPattern } from '../pattern.ts';
import { readingOf } from './charsets.ts';
import type { MysqlContext } from './context.ts';
import { isReserved } from './functions.ts';
import { Kind, Lexer } from './lexer.ts';
import { MODE } from './modes.ts';

/** Null: there is none for a statement like this, or it is not certain how the server reads it. Text: its bytes as latin1. */
export function patternOf(
  text: string,
  { engine, version, sql_mode, charset }: MysqlContext,
  parameters: readonly GivenParameter[],
  words: readonly string[],
): StatementPattern | null {
  const reading = readingOf(charset);
  // Oracle's words for blocks and variables; and hints, which are no tokens and may set variables.
  if (sql_mode === null || reading === null || sql_mode & MODE.oracle || text.includes('/*+')) return null;
  const lexer = new Lexer(text, { engine, version, mode: sql_mode, reading });
  while (lexer.next() !== Kind.end);
  if (lexer.broken || lexer.doubts.length > 0 || lexer.versioned || !STATEMENTS.has(lexer.words[0] ?? '')) return null;
  const { kinds, starts, ends } = lexer;
  const last = kinds.length - (kinds.at(-1) === Kind.semicolon ? 1 : 0);
  for (let at = 0; at < last; at += 1) {
    // What a variable holds is no part of the text.
    if (NEVER.has(kinds[at]!) || SERVER_FILES.has(lexer.words[at]!)) return null;
  }

  const marks = kinds.flatMap((kind, at) => (kind === Kind.operator && text[starts[at]!] === '?' ? [at] : []));
  // One execution of several, or attributes beside the parameters.
  if (marks.length !== parameters.length) return null;
  const given = new Map(marks.map((at, index) => [at, classOfValue(parameters[index]!)]));
  const places = new Conditions(lexer, engine, given).free();
  const tokens: FormToken[] = kinds.map((kind, at) => {
    const classOf = places.has(at) ? CLASSES[kind] : undefined;
    return classOf === undefined ? text.slice(starts[at], ends[at]) : [classOf];
  });
  const free = [...places].filter((at) => !marks.includes(at)).map((at) => [starts[at]!, ends[at]!] as const);
  const free_parameters = marks.flatMap((at, index) => (places.has(at) ? [index + 1] : []));
  return { hash: hashOf(tokens, parameters, new Set(free_parameters), [charset, ...words]), free, free_parameters };
}

/** What a standing approval can be for. All else is decided each time. */
const STATEMENTS: ReadonlySet<string> = new Set(['SELECT', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE', 'WITH']);
const NEVER: ReadonlySet<Kind> = new Set([Kind.variable, Kind.system, Kind.assign, Kind.bad, Kind.semicolon]);
const SERVER_FILES: ReadonlySet<string> = new Set(['OUTFILE', 'DUMPFILE']);
/** A string is no number: what a column of the other kind makes of it is. */
const CLASSES: Partial<Record<Kind, string>> = { [Kind.string]: 'string', [Kind.number]: 'number' };

/** Null: it is not free. `name = 0` is true of most strings, so that zero is no number like the others. */
function classOfValue({ type, value }: GivenParameter): string | null {
  if (value === null) return null;
  const name = type.replace(/ unsigned$/, '');
  if (STRING_TYPES.has(name)) return 'string';
  return NUMBER_TYPES.has(name) && Number(value) !== 0 && Number.isFinite(Number(value)) ? 'number' : null;
}
const NUMBER_TYPES: ReadonlySet<string> = new Set('tinyint smallint int bigint float double decimal'.split(' '));
const STRING_TYPES: ReadonlySet<string> = new Set(
  'varchar char tinyblob blob mediumblob longblob date datetime timestamp'.split(' '),
);

/** Servers differ about exponents; a number without any other digit is zero. */
const PLAIN_NUMBER = /^(?=[0.]*[1-9])(\d+(\.\d*)?|\.\d+)$/;

const CONDITION_BEGINS: ReadonlySet<string> = new Set(['WHERE', 'ON', 'AND', 'OR']);
/** With these a condition is over. Every version reserves them, or they stand where no operator can. */
const CONDITION_ENDS: ReadonlySet<string> = new Set(
  (
    'JOIN INNER CROSS STRAIGHT_JOIN WHERE ON GROUP ORDER LIMIT HAVING FOR LOCK WINDOW RETURNING INTO PROCEDURE SET FROM ' +
    'VALUES SELECT USING QUALIFY OFFSET FETCH'
  ).split(' '),
);
/** XOR turns round what stands beside it; the others bring queries of their own. */
const NOTHING_FREE: ReadonlySet<string> = new Set(
  'WITH UNION EXCEPT INTERSECT MINUS XOR JSON_TABLE LATERAL TABLE'.split(' '),
);
/** The ON of an outer join takes no rows away: it says which of them have no match. */
const OUTER: ReadonlySet<string> = new Set(['LEFT', 'RIGHT', 'FULL', 'OUTER', 'NATURAL']);
const BEGINS_QUERY: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE']);

/** Of the statement itself (the first), of a parenthesis, or of CASE. */
interface Level {
  /** A condition that decides which rows are meant. */
  condition: boolean;
  /** BETWEENs whose AND has not come: that one joins no conditions. */
  between: number;
  readonly is_case: boolean;
  readonly found: number[];
}

/** One walk over the tokens of a statement. */
class Conditions {
  readonly #lexer: Lexer;
  readonly #engine: MysqlContext['engine'];
  readonly #levels: Level[] = [{ condition: false, between: 0, is_case: false, found: [] }];
  /** Tokens behind which a comparison of its own may begin. */
  readonly #begins = new Set<number>();
  /** Classes of the parameters by their tokens; null: not free. */
  readonly #given: ReadonlyMap<number, string | null>;
  #outer = false;

  constructor(lexer: Lexer, engine: MysqlContext['engine'], given: ReadonlyMap<number, string | null>) {
    this.#lexer = lexer;
    this.#engine = engine;
    this.#given = given;
  }

  /** Indexes of free tokens. */
  free(): ReadonlySet<number> {
    const { words, kinds } = this.#lexer;
    if (words.some((word) => NOTHING_FREE.has(word))) return NONE;
    this.#outer = words.some((word) => OUTER.has(word));
    for (let at = 0; at < kinds.length; at += 1) {
      const level = this.#levels.at(-1)!;
      if (this.#isMark(at, '(')) {
        if (BEGINS_QUERY.has(words[at + 1] ?? '') && !this.#levels[0]!.condition) return NONE;
        this.#open(at, level);
      } else if (this.#isMark(at, ')')) {
        if (level.is_case || this.#levels.length < 2) return NONE;
        this.#close(at);
      } else if (this.#isMark(at, ',')) level.condition = false;
      else if (this.#isMark(at, '=')) this.#compared(at, level);
      else if (words[at] !== '' && !this.#word(at, level)) break;
    }
    return this.#levels.length === 1 ? new Set(this.#levels[0]!.found.toSorted((a, b) => a - b)) : NONE;
  }

  /** False: what follows has no condition of this kind. */
  #word(at: number, level: Level): boolean {
    const { words } = this.#lexer;
    const word = words[at]!;
    if (word === 'CASE') this.#levels.push({ condition: false, between: 0, is_case: true, found: [] });
    else if (word === 'END' && level.is_case) this.#levels.pop();
    else if (word === 'BETWEEN') level.between += 1;
    else if (word === 'AND' && level.between > 0) level.between -= 1;
    else if (word === 'IN') this.#listed(at, level);
    else {
      // Behind it values are set.
      if (word === 'ON' && words[at + 1] === 'DUPLICATE') return false;
      if (this.#levels.length === 1 && CONDITION_ENDS.has(word)) {
        level.condition = word === 'WHERE' || (word === 'ON' && !this.#outer);
        level.between = 0;
      }
      if (level.condition && level.between === 0 && CONDITION_BEGINS.has(word)) this.#begins.add(at);
    }
    return true;
  }

  #open(at: number, level: Level): void {
    const groups = level.condition && this.#begins.has(at - 1) && !BEGINS_QUERY.has(this.#lexer.words[at + 1] ?? '');
    if (groups) this.#begins.add(at);
    this.#levels.push({ condition: groups, between: 0, is_case: false, found: [] });
  }

  #close(at: number): void {
    const { found, condition } = this.#levels.pop()!;
    const around = this.#levels.at(-1)!;
    // `(id = 7) = 0`, or a row: all of it counts for something else.
    if (condition && around.condition && this.#ends(at + 1, around)) around.found.push(...found);
  }

  #compared(at: number, level: Level): void {
    if (!level.condition || level.between > 0 || !this.#columnBefore(at)) return;
    if (this.#classOf(at + 1) !== null && this.#ends(at + 2, level)) level.found.push(at + 1);
  }

  /** A list of strings and numbers is compared as numbers, among which most strings are zero. How long it is stays as it is. */
  #listed(at: number, level: Level): void {
    if (!level.condition || level.between > 0 || !this.#columnBefore(at) || !this.#isMark(at + 1, '(')) return;
    const items: number[] = [];
    const classes = new Set<string>();
    let next = at + 2;
    for (; ; next += 2) {
      const its = this.#classOf(next);
      if (its === null) return;
      items.push(next);
      classes.add(its);
      if (!this.#isMark(next + 1, ',')) break;
    }
    if (classes.size === 1 && this.#isMark(next + 1, ')') && this.#ends(next + 2, level)) level.found.push(...items);
  }

  /** The class of the literal or parameter here; null: it is none that can be free. */
  #classOf(at: number): string | null {
    const { kinds, text, starts, ends } = this.#lexer;
    const token = text.slice(starts[at], ends[at]);
    switch (kinds[at]) {
      case Kind.string:
        return /^["']/.test(token) ? 'string' : null;
      case Kind.number:
        return PLAIN_NUMBER.test(token) ? 'number' : null;
      case Kind.operator:
        return this.#given.get(at) ?? null;
      default:
        return null;
    }
  }

  /** Does a plain column stand before this token, and before that what a comparison of its own can begin behind? */
  #columnBefore(at: number): boolean {
    let first = at - 1;
    if (!this.#isName(first)) return false;
    while (this.#isMark(first - 1, '.') && this.#isName(first - 2)) first -= 2;
    // CURRENT_USER, TRUE: no columns.
    return this.#begins.has(first - 1) && !isReserved(this.#lexer.words[first]!, this.#engine);
  }

  /** Is a comparison over before this token? */
  #ends(at: number, level: Level): boolean {
    const { kinds, words } = this.#lexer;
    const word = words[at] ?? '';
    if (at >= kinds.length || kinds[at] === Kind.semicolon || this.#isMark(at, ')')) return true;
    return word === 'AND' || word === 'OR' || (this.#levels[0] === level && CONDITION_ENDS.has(word));
  }

  #isName(at: number): boolean {
    const kind = this.#lexer.kinds[at];
    return kind === Kind.word || kind === Kind.quoted;
  }

  #isMark(at: number, mark: string): boolean {
    const { kinds, text, starts } = this.#lexer;
    return kinds[at] === Kind.operator && text[starts[at]!] === mark;
  }
}

const NONE: ReadonlySet<number> = new Set();
