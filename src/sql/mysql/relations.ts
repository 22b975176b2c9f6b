// The tree of a statement, as far as it is needed: parentheses, sub-queries, clauses, table references, names of CTEs and aliases, calls.
// One pass with an explicit stack over the tokens; no operator precedence. Beside it runs the mention set: a name that qualifies a
// column and is no alias in reach counts as a table that is read, so that a reference that was overlooked still counts.
import type { Analyst, Name } from './analyst.ts';
import { isReserved } from './functions.ts';
import { Kind } from './lexer.ts';
import { isAscii, lowered } from './names.ts';

/** Names of CTEs in reach, innermost first, as the server compares them. */
export interface Ctes {
  readonly name: string;
  readonly outer: Ctes | null;
}

/** A table reference, or a derived table (name null) with its alias. */
export interface Reference {
  readonly name: Name | null;
  /** In small letters; null: none. */
  readonly alias: string | null;
  /** A CTE or something else that is no table. */
  readonly local: boolean;
}

type Clause = 'start' | 'with' | 'select' | 'into' | 'from' | 'join-condition' | 'other';

interface Frame {
  readonly type: 'query' | 'tables' | 'expression' | 'columns';
  readonly outer: Frame | null;
  /** The query whose FROM clause this is a part of, or that an expression belongs to. */
  readonly query: Frame | null;
  clause: Clause;
  /** SELECT has been said. */
  selects: boolean;
  /** And its FROM. */
  from: boolean;
  /** A table reference comes next. */
  expects: boolean;
  ctes: Ctes | null;
  /** WITH: the name whose query comes; `recursive` once said. */
  pending: string | null;
  recursive: boolean;
  /** What a column can be qualified with: aliases, and names of tables that have none, in small letters. */
  called: Set<string> | null;
  /** Queries around it. */
  readonly depth: number;
  /** Of JSON_TABLE: its arguments. */
  readonly json_table: boolean;
}

export interface Walk {
  /** What stands at `from`. 'tables': a list of table references. 'expression': neither. */
  readonly start: 'query' | 'tables' | 'expression';
  /** References that are in reach without being named in the range. */
  readonly known?: readonly Reference[];
  /** CTEs in reach. */
  readonly ctes?: Ctes | null;
  /** Tables of the outermost FROM clause are what the statement is about: the caller says what becomes of them. */
  readonly targets?: Reference[];
}

/** Walks a range of tokens: what it reads and calls is added to what was found. The CTEs in reach of what follows it. */
export function walk(a: Analyst, from: number, to: number, { start, known, targets, ctes }: Walk): Ctes | null {
  return new Walker(a, to, targets ?? null, known ?? NONE, ctes ?? null).run(from, start);
}

/** Words before which the list of tables is over. Every version reserves them: no column can be called so. */
const ENDS_FROM: ReadonlySet<string> = new Set(
  'WHERE GROUP HAVING ORDER LIMIT PROCEDURE SET VALUES FETCH LOCK'.split(' '),
);
const SET_OPERATIONS: ReadonlySet<string> = new Set(['UNION', 'EXCEPT', 'INTERSECT', 'MINUS']);
/** Words that can begin a query after a parenthesis. */
const BEGINS_QUERY: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'TABLE', 'VALUES']);
/** Not reserved, and yet no alias: another clause begins. */
const NO_ALIAS: ReadonlySet<string> = new Set(
  'PARTITION OFFSET FETCH WINDOW QUALIFY MINUS RETURNING LOCK TABLESAMPLE INTERSECT EXCEPT VALUES VALUE FULL'.split(
    ' ',
  ),
);

class Walker {
  readonly #a: Analyst;
  readonly #to: number;
  readonly #targets: Reference[] | null;
  #frame: Frame;
  /** Qualifiers of columns, and the query that they were met in. */
  readonly #qualifiers: (readonly [name: Name, query: Frame])[] = [];
  readonly #top: Frame;

  constructor(a: Analyst, to: number, targets: Reference[] | null, known: readonly Reference[], ctes: Ctes | null) {
    this.#a = a;
    this.#to = to;
    this.#targets = targets;
    this.#top = this.#frame = {
      type: 'query',
      outer: null,
      query: null,
      clause: 'start',
      selects: false,
      from: false,
      expects: false,
      ctes,
      pending: null,
      recursive: false,
      called: known.length === 0 ? null : new Set(known.map(callName)),
      depth: 0,
      json_table: false,
    };
  }

  run(from: number, start: Walk['start']): Ctes | null {
    const top = this.#top;
    if (start === 'tables') {
      top.clause = 'from';
      top.expects = true;
    } else if (start === 'expression') top.clause = 'other';
    for (let at = from; at < this.#to; ) at = this.#token(at);
    this.#mention();
    return top.ctes;
  }

  /** Takes the token here, perhaps more; where the next one is. */
  #token(at: number): number {
    const a = this.#a;
    const frame = this.#frame;
    const kind = a.kind(at);
    if (kind === Kind.operator) {
      const c = a.text.charCodeAt(a.lexer.starts[at]!);
      if (c === 0x28) return this.#open(at);
      if (c === 0x29) return this.#close(at);
      if (c === 0x2c) return this.#comma(at);
      if (c === 0x2e && frame.expects) return this.#factor(at);
      return at + 1;
    }
    if (kind !== Kind.word && kind !== Kind.quoted) return at + 1;
    if (frame.type === 'columns' && a.word(at) !== 'SELECT') return at + 1;
    const word = a.word(at);
    if (frame.clause === 'with') return this.#with(at, word);
    if (frame.expects) return this.#factor(at);
    if (word !== '') {
      const after = this.#keyword(at, word);
      if (after > at) return after;
    }
    return this.#name(at, kind === Kind.quoted);
  }

  // Parentheses.

  #push(type: Frame['type'], clause: Clause, expects: boolean, json_table = false): void {
    const outer = this.#frame;
    const query = outer.type === 'query' ? outer : outer.query;
    const { ctes } = outer;
    const depth = type === 'query' ? outer.depth + 1 : outer.depth;
    if (depth > QUERIES_MAX) this.#a.add('unknown', '', 'Queries in queries, more of them than a server takes.');
    this.#frame = {
      type,
      outer,
      query,
      clause,
      selects: false,
      from: false,
      expects,
      ctes,
      pending: null,
      recursive: false,
      called: null,
      depth,
      json_table,
    };
  }

  #open(at: number): number {
    const a = this.#a;
    const frame = this.#frame;
    const next = a.word(at + 1);
    const begins = BEGINS_QUERY.has(next) && (next !== 'VALUES' || a.isChar(at + 2, '(') || a.is(at + 2, 'ROW'));
    if (frame.type === 'columns') this.#push('columns', 'other', false);
    else if (frame.clause === 'with') {
      // The columns of a CTE, or its query.
      if (a.is(at - 1, 'AS')) this.#push('query', 'start', false);
      else this.#push('columns', 'other', false);
    } else if (begins) this.#push('query', 'start', false);
    else if (frame.expects) this.#push('tables', 'from', true);
    else if (frame.type === 'query' && frame.clause === 'start') this.#push('query', 'start', false);
    else if (frame.json_table && a.is(at - 1, 'COLUMNS')) this.#push('columns', 'other', false);
    else this.#push('expression', 'other', false, a.is(at - 1, 'JSON_TABLE'));
    return at + 1;
  }

  #close(at: number): number {
    const closed = this.#frame;
    const outer = closed.outer;
    if (outer === null) return at + 1;
    this.#frame = outer;
    if (outer.clause === 'with' && closed.type === 'query' && outer.pending !== null) {
      if (!outer.recursive) outer.ctes = { name: outer.pending, outer: outer.ctes };
      outer.pending = null;
      return at + 1;
    }
    if (!outer.expects) return at + 1;
    // A derived table, or tables in parentheses.
    outer.expects = false;
    return closed.type === 'query' ? this.#alias(at + 1, null, true) : at + 1;
  }

  #comma(at: number): number {
    const frame = this.#frame;
    if (frame.clause === 'from' || (frame.clause === 'join-condition' && frame.type !== 'expression')) {
      frame.clause = 'from';
      frame.expects = true;
    }
    return at + 1;
  }

  // WITH.

  #with(at: number, word: string): number {
    const a = this.#a;
    const frame = this.#frame;
    if (frame.pending === null) {
      if (word === 'RECURSIVE' && !a.isChar(at + 1, '(') && !a.is(at + 1, 'AS')) {
        frame.recursive = true;
        return at + 1;
      }
      if (word === 'CYCLE' || word === 'RESTRICT') return at + 1;
      const follows = word !== '' && (BEGINS_QUERY.has(word) || CTE_STATEMENTS.has(word));
      if (follows) {
        frame.clause = 'start';
        return at;
      }
      const after = at + 1;
      if (!a.isChar(after, '(') && !a.is(after, 'AS')) return after;
      frame.pending = this.#asCte(a.textOf(at));
      if (frame.recursive) frame.ctes = { name: frame.pending, outer: frame.ctes };
    }
    return at + 1;
  }

  /** Names of CTEs are told apart by case on MySQL, as those of tables are. A name that is taken for one by mistake would not be read. */
  #asCte(name: string): string {
    return this.#a.context.engine === 'mysql' || !isAscii(name) ? name : name.toLowerCase();
  }

  // Keywords. The very same place: it is a name here.

  #keyword(at: number, word: string): number {
    const a = this.#a;
    const frame = this.#frame;
    switch (word) {
      case 'SELECT':
        return this.#begin(at, 'select');
      case 'WITH':
        if (frame.type !== 'query' || frame.clause !== 'start') return at + 1;
        frame.clause = 'with';
        frame.pending = null;
        return at + 1;
      case 'TABLE':
        if (frame.clause !== 'start') return at + 1;
        frame.clause = 'from';
        frame.expects = true;
        return at + 1;
      case 'VALUES':
        if (frame.clause === 'start') frame.clause = 'other';
        return at + 1;
      case 'FROM':
        return this.#from(at);
      case 'JOIN':
      case 'STRAIGHT_JOIN':
        // STRAIGHT_JOIN right after SELECT is an option.
        if (frame.type === 'expression' || frame.clause === 'select' || frame.clause === 'start') return at + 1;
        frame.clause = 'from';
        frame.expects = true;
        return at + 1;
      case 'ON':
        if (a.is(at, 'ON', 'DUPLICATE', 'KEY', 'UPDATE')) {
          frame.clause = 'other';
          return at + 4;
        }
        if (frame.clause === 'from') frame.clause = 'join-condition';
        return at + 1;
      case 'USING':
        if (frame.clause === 'from') frame.clause = 'join-condition';
        if (!a.isChar(at + 1, '(') || frame.type === 'expression') return at + 1;
        this.#push('columns', 'other', false);
        return at + 2;
      case 'INTO':
        return this.#into(at);
      case 'FOR':
        return this.#for(at);
      case 'NEXT':
      case 'PREVIOUS':
        return this.#sequence(at);
      default:
    }
    if (SET_OPERATIONS.has(word) && frame.type !== 'expression' && this.#continues(at)) {
      frame.clause = 'start';
      frame.from = false;
      return at + 1;
    }
    if (
      frame.type === 'query' &&
      (word === 'RETURNING' ? isReserved(word, a.context.engine) : this.#isWindow(at, word))
    ) {
      frame.clause = 'other';
      return at + 1;
    }
    if (ENDS_FROM.has(word) && frame.type !== 'expression' && frame.clause !== 'with') {
      if (word === 'LIMIT' && frame === this.#top) this.#limit(at);
      frame.clause = 'other';
      return at + 1;
    }
    return at;
  }

  /** Does a query follow UNION and the like? Some of these words can be columns. */
  #continues(at: number): boolean {
    const a = this.#a;
    const next = a.is(at + 1, 'ALL') || a.is(at + 1, 'DISTINCT') ? at + 2 : at + 1;
    return a.isChar(next, '(') || BEGINS_QUERY.has(a.word(next)) || a.is(at, 'UNION');
  }

  /** WINDOW name AS (...) */
  #isWindow(at: number, word: string): boolean {
    return word === 'WINDOW' && this.#a.isName(at + 1) && this.#a.is(at + 2, 'AS');
  }

  #begin(at: number, clause: Clause): number {
    const frame = this.#frame;
    frame.from = false;
    frame.clause = clause;
    frame.selects = clause === 'select';
    frame.expects = false;
    if (frame === this.#top) this.#a.rows_max = null;
    return at + 1;
  }

  #from(at: number): number {
    const frame = this.#frame;
    // a IS DISTINCT FROM b
    if (this.#a.is(at - 1, 'DISTINCT') && (this.#a.is(at - 2, 'IS') || this.#a.is(at - 2, 'NOT'))) return at + 1;
    // One for each query, and none in its expressions.
    if (frame.type !== 'query' || frame.from || frame.clause === 'start' || !frame.selects) return at + 1;
    frame.from = true;
    frame.clause = 'from';
    frame.expects = true;
    return at + 1;
  }

  #into(at: number): number {
    const a = this.#a;
    const frame = this.#frame;
    if (a.is(at + 1, 'OUTFILE') || a.is(at + 1, 'DUMPFILE')) {
      exports(a, at + 1);
      if (frame.clause !== 'start') frame.clause = 'into';
      return at + 3;
    }
    if (frame.type === 'query' && frame.clause !== 'start') {
      frame.clause = 'into';
      a.rows_max = 0;
    }
    return at + 1;
  }

  /** FOR SYSTEM_TIME, FOR PORTION OF, FOR UPDATE OF: what follows names no tables that are not named elsewhere. */
  #for(at: number): number {
    const a = this.#a;
    const frame = this.#frame;
    if (frame.type === 'expression') return at + 1;
    if (a.is(at + 1, 'UPDATE') || a.is(at + 1, 'SHARE')) {
      frame.clause = 'other';
      let end = at + 2;
      if (a.is(end, 'OF')) {
        end += 1;
        while (end < this.#to && (a.isName(end) || a.isChar(end, ',') || a.isChar(end, '.'))) {
          if (a.is(end, 'NOWAIT') || a.is(end, 'SKIP') || a.is(end, 'WAIT')) break;
          end += 1;
        }
      }
      return end;
    }
    if (a.is(at + 1, 'SYSTEM_TIME') || a.is(at + 1, 'PORTION')) {
      const clause = frame.clause;
      // Its expressions are part of the list of tables: a comma brings the next one.
      frame.clause = clause === 'from' ? 'join-condition' : clause;
      let end = at + 2;
      if (a.is(end, 'ALL')) end += 1;
      else if (a.is(end, 'AS', 'OF')) end += a.is(end + 2, 'TRANSACTION') || a.is(end + 2, 'TIMESTAMP') ? 3 : 2;
      else if (a.is(end, 'FROM')) end += 1;
      return end;
    }
    return at + 1;
  }

  /** NEXT VALUE FOR s, PREVIOUS VALUE FOR s */
  #sequence(at: number): number {
    const a = this.#a;
    if (!a.is(at + 1, 'VALUE', 'FOR')) return at;
    const name = a.name(at + 3, this.#to);
    if (!name) return at;
    const place = a.place(name.from, name.to);
    if (a.is(at, 'NEXT')) a.writes(name, 'Takes a value of a sequence.', place, NO_ROWS);
    else a.reads(name, place);
    return name.to;
  }

  #limit(at: number): void {
    const a = this.#a;
    const count = (token: number): number | null =>
      a.kind(token) === Kind.number && /^\d{1,15}$/.test(a.raw(token)) ? Number(a.raw(token)) : null;
    const second = a.isChar(at + 2, ',') ? count(at + 3) : undefined;
    const rows = second === undefined ? count(at + 1) : second;
    if (rows !== null && a.rows_max !== 0) a.rows_max = rows;
  }

  // Names.

  /** A name in an expression: a column, perhaps qualified, or a call. */
  #name(at: number, quoted: boolean): number {
    const a = this.#a;
    let end = at + 1;
    let count = 1;
    while (end + 1 < this.#to && a.isChar(end, '.') && (a.isName(end + 1) || a.isChar(end + 1, '*'))) {
      end += 2;
      count += 1;
    }
    if (a.isChar(end, '(') && end < this.#to) this.#call(at, end, count, quoted);
    else if (count > 1) this.#qualifier(at, count);
    return end;
  }

  #call(at: number, open: number, count: number, quoted: boolean): void {
    const a = this.#a;
    // Names of columns after an alias: VALUES (...) AS new(a, b). AGAINST after the columns of MATCH.
    if (count === 1 && a.is(at - 1, 'AS')) return;
    const word = a.word(at);
    if (
      word === 'AGAINST' &&
      (a.isChar(at - 1, ')') || (a.isName(at - 1) && !isReserved(a.word(at - 1), a.context.engine)))
    )
      return;
    // A cursor's parameters; the columns of LOAD DATA behind CHARACTER SET.
    if (a.is(at - 1, 'OPEN') && a.in_body) return;
    if (a.is(at - 2, 'CHARACTER', 'SET')) return;
    if (word === 'ANALYSE' && a.is(at - 1, 'PROCEDURE')) return;
    if ((word === 'COLUMNS' || word === 'JSON_TABLE') && this.#inJsonTable(word)) return;
    const [database, name] = count === 1 ? [null, a.textOf(at)] : [a.textOf(open - 3), a.textOf(open - 1)];
    const apart = a.lexer.ends[open - 1] !== a.lexer.starts[open];
    a.call({ database, name, from: at, to: open }, quoted, apart && this.#counts(open));
    if (CHANGES_SEQUENCE.has(word)) this.#sequenceArgument(open);
  }

  #inJsonTable(word: string): boolean {
    return word === 'JSON_TABLE' || this.#frame.json_table;
  }

  /** Does what stands before the parenthesis set a name apart from it? White space does not under IGNORE_SPACE. */
  #counts(open: number): boolean {
    const a = this.#a;
    if (!(a.lexer.rules.mode & 4)) return true;
    return a.text.slice(a.lexer.ends[open - 1], a.lexer.starts[open]).trim() !== '';
  }

  #sequenceArgument(open: number): void {
    const a = this.#a;
    const name = a.name(open + 1, this.#to);
    if (name) a.writes(name, 'Takes a value of a sequence.', a.place(name.from, name.to), NO_ROWS);
  }

  /** a.b: a table or an alias; a.b.c: a database and a table. */
  #qualifier(at: number, count: number): void {
    const a = this.#a;
    const query = this.#frame.type === 'query' ? this.#frame : this.#frame.query;
    if (a.in_body || query === null) return;
    const from = a.isChar(at - 1, '.') ? at - 1 : at;
    if (a.kind(at - 1) === Kind.system || a.kind(from - 1) === Kind.system) return;
    const last = a.isChar(at + 2 * count - 2, '*') ? a.textOf(at + 2 * count - 4) : a.textOf(at + 2 * count - 2);
    // Sequences in ORACLE mode.
    if (a.lexer.rules.mode & 8 && /^(nextval|currval)$/i.test(last)) {
      const name =
        count === 2 ? { database: null, name: a.textOf(at) } : { database: a.textOf(at), name: a.textOf(at + 2) };
      a.writes(name, 'Takes a value of a sequence.', a.place(at, at + 2 * count - 1), NO_ROWS);
      return;
    }
    const qualifier =
      count === 2
        ? { database: null, name: a.textOf(at), from: at, to: at + 1 }
        : { database: a.textOf(at), name: a.textOf(at + 2), from: at, to: at + 3 };
    this.#qualifiers.push([qualifier, query]);
  }

  // Table references.

  #factor(at: number): number {
    const a = this.#a;
    const frame = this.#frame;
    const word = a.word(at);
    if (word === 'LATERAL') return at + 1;
    if (word === 'SELECT' || word === 'WITH' || word === 'VALUES') {
      frame.expects = false;
      if (word === 'WITH') {
        frame.clause = 'with';
        return at + 1;
      }
      return this.#begin(at, word === 'SELECT' ? 'select' : 'other');
    }
    if (word === 'OJ' && a.isChar(at - 1, '{')) return at + 1;
    if (word === 'JSON_TABLE' && a.isChar(at + 1, '(')) {
      frame.expects = false;
      const close = a.closing(at + 1, this.#to);
      this.#push('expression', 'other', false, true);
      // Its alias comes behind it.
      this.#alias(close + 1, null, true);
      return at + 2;
    }
    if (word === 'DUAL') {
      frame.expects = false;
      return at + 1;
    }
    const name = a.name(at, this.#to);
    if (!name || (word !== '' && isReserved(word, a.context.engine))) {
      a.add('unknown', '', 'A table was to be named here.', a.place(at, at + 1));
      frame.expects = false;
      return at + 1;
    }
    frame.expects = false;
    let end = name.to;
    // `t.*` of a DELETE.
    if (a.isChar(end, '.') && a.isChar(end + 1, '*')) end += 2;
    if (a.is(end, 'PARTITION') && a.isChar(end + 1, '(')) end = a.closing(end + 1, this.#to) + 1;
    if (a.isChar(end, '(') && end < this.#to && !a.is(end - 1, 'PARTITION')) {
      // A table function that no table here knows.
      a.add('unknown', '', 'A call where a table was to be named.', a.place(at, end));
    }
    return this.#alias(end, name, false);
  }

  /** Takes the alias of what was named, and keeps the reference. */
  #alias(at: number, name: Name | null, derived: boolean): number {
    const a = this.#a;
    const { engine } = a.context;
    let end = at;
    let alias: string | null = null;
    const said = a.is(end, 'AS') && !a.is(end, 'AS', 'OF');
    if (said) end += 1;
    const word = a.word(end);
    const kind = a.kind(end);
    const names = kind === Kind.quoted || kind === Kind.string || kind === Kind.word;
    if (end < this.#to && names && (kind !== Kind.string || said)) {
      const taken = kind !== Kind.word || word === '' || (!isReserved(word, engine) && (said || !NO_ALIAS.has(word)));
      if (taken) {
        alias = lowered(a.textOf(end));
        end += 1;
        // Its columns.
        if (derived && a.isChar(end, '(') && end < this.#to) end = a.closing(end, this.#to) + 1;
      }
    }
    end = this.#indexHints(end);
    this.#reference(name, alias);
    return end;
  }

  #indexHints(at: number): number {
    const a = this.#a;
    let end = at;
    while (
      (a.is(end, 'USE') || a.is(end, 'FORCE') || a.is(end, 'IGNORE')) &&
      (a.is(end + 1, 'INDEX') || a.is(end + 1, 'KEY'))
    ) {
      let open = end + 2;
      while (open < end + 6 && !a.isChar(open, '(')) open += 1;
      if (!a.isChar(open, '(')) break;
      end = a.closing(open, this.#to) + 1;
      if (a.isChar(end, ',') && (a.is(end + 1, 'USE') || a.is(end + 1, 'FORCE') || a.is(end + 1, 'IGNORE'))) end += 1;
    }
    return end;
  }

  #reference(name: Name | null, alias: string | null): void {
    const a = this.#a;
    const frame = this.#frame;
    const query = frame.type === 'query' ? frame : (frame.query ?? this.#top);
    const local = name === null || (name.database === null && inReach(frame.ctes, this.#asCte(name.name)));
    const reference = { name, alias, local };
    if (query.depth <= QUERIES_MAX) (query.called ??= new Set()).add(callName(reference));
    const is_target = this.#targets !== null && query === this.#top && this.#top.clause === 'from';
    if (is_target) this.#targets?.push(reference);
    if (is_target || local || name === null) return;
    a.reads(name, a.place(name.from, name.to));
  }

  // The mention set.

  #mention(): void {
    const a = this.#a;
    for (const [name, from] of this.#qualifiers) {
      const bare = lowered(name.name);
      let found = this.#top.called?.has(bare) === true;
      for (let frame: Frame | null = from; frame && !found && from.depth <= QUERIES_MAX; frame = frame.query)
        found = frame.called?.has(bare) === true;
      // DEFAULT(t.c), VALUES(t.c) and the like name a target that is known; anything else is a table that was not seen.
      if (!found) a.reads(name, a.place(name.from, name.to));
    }
  }
}

/** Queries in each other: both servers refuse more than 63. */
const QUERIES_MAX = 128;
/** Statements that a WITH clause may stand before, besides queries. */
const CTE_STATEMENTS: ReadonlySet<string> = new Set(['UPDATE', 'DELETE', 'INSERT', 'REPLACE']);
const CHANGES_SEQUENCE: ReadonlySet<string> = new Set(['NEXTVAL', 'SETVAL']);

function inReach(ctes: Ctes | null, name: string): boolean {
  for (let one = ctes; one; one = one.outer) if (one.name === name) return true;
  return false;
}

const NONE: readonly Reference[] = [];
/** Of `Analyst.writes`. */
const NO_ROWS = [] as const;

function callName({ alias, name }: Reference): string {
  return alias ?? (name === null ? '' : lowered(name.name));
}

/** Is this what a qualifier, in small letters, stands for? */
export function isCalled({ alias, name }: Reference, qualifier: string): boolean {
  return alias !== null ? alias === qualifier : name !== null && lowered(name.name) === qualifier;
}

/** INTO OUTFILE or DUMPFILE; at: that word. */
export function exports(a: Analyst, at: number): void {
  const place = a.place(at - 1, at + 2);
  a.add('export', 'file', 'Writes rows into a file of the server.', place);
  a.add('admin', 'file', 'Writes a file of the server.', place);
  a.rows_max = 0;
}
