// The statements of a message one after the other, each read under what the one before has set: sql_mode, character set, database.
// Where that can't be told, what follows is read under every mode, and all that is found counts. The first reading is the one whose
// statements are listed. It must never leave out a reading that the server could make.
import type { Effect, OwnStatement, StatementFacts, Analysis } from '../findings.ts';
import { Analyst } from './analyst.ts';
import { readingOf } from './charsets.ts';
import { statementEnd } from './compound.ts';
import type { MysqlContext } from './context.ts';
import type { Found } from './found.ts';
import { Kind, Lexer } from './lexer.ts';
import { everyMode } from './modes.ts';
import { folded } from './names.ts';
import { judgeSetting } from './settings.ts';
import { Shape } from './shape.ts';
import { judge } from './statements.ts';

/** What holds where a statement begins. */
interface State {
  readonly at: number;
  readonly mode: number;
  readonly charset: string;
  readonly database: string | null | undefined;
  /** Another reading than the first. */
  readonly other: boolean;
}

export interface Message {
  readonly effects: readonly Effect[];
  readonly own: readonly OwnStatement[];
  /** Plain comments of the first reading. */
  readonly comments: readonly (readonly [number, number])[];
  /** Byte ranges of statements that Holdpoint answers. */
  readonly answered: readonly (readonly [number, number])[];
  /** It can be read in more than one way. */
  readonly ambiguous: boolean;
  /** Why the server can't read it to its end, and where; null: it can, or may be able to. */
  readonly broken: readonly [string, number] | null;
  /** A character set that it sets and in which no client may speak; '' for none. */
  readonly hiding_charset: string;
  /** One that a literal is said to be in and that can hide the literal's end; '' for none. */
  readonly introduces: string;
  /** Redacted normal form of the first reading. */
  readonly shape: string;
}

/** Own statements that the server never sees; SET of a variable it does. */
/** What sql_mode and character sets have to do with where a literal ends: backslashes, double quotes, bytes of longer characters. */
const MODAL = /["\\]/;
const WIDE = /[\x80-\xff]/;
const ANSWERED = /^(show-|call$)/;

/** Readings of one message: each has its place and mode, and none is made twice. */
const READINGS_MAX = 20_000;

/** Adds what the statements of a text do. depth: how many literals it is in. */
export function judgeStatements(text: string, context: MysqlContext, found: Found, depth: number): Message {
  return new Reader(text, context, found, depth).read();
}

class Reader {
  readonly #text: string;
  readonly #context: MysqlContext;
  readonly #found: Found;
  readonly #depth: number;
  readonly #effects: Effect[] = [];
  readonly #own: OwnStatement[] = [];
  readonly #prepared = new Map<string, Analysis | null | undefined>();
  readonly #answered: (readonly [number, number])[] = [];
  #comments: (readonly [number, number])[] = [];
  #broken: readonly [string, number] | null = null;
  #hiding = '';
  #introduces = '';
  #ambiguous = false;
  /** Readings still to be made, those that are not the first. */
  readonly #others: State[] = [];
  readonly #seen = new Set<string>();
  readonly #shape = new Shape();

  constructor(text: string, context: MysqlContext, found: Found, depth: number) {
    this.#text = text;
    this.#context = context;
    this.#found = found;
    this.#depth = depth;
  }

  read(): Message {
    const { sql_mode, charset, database } = this.#context;
    let next: State | null = { at: 0, mode: sql_mode ?? 0, charset, database, other: false };
    if (sql_mode === null) this.#everyMode(next);
    while (next) next = this.#statement(next);
    for (let state = this.#others.pop(); state; state = this.#others.pop()) {
      let one = this.#statement(state);
      while (one) one = this.#isNew(one) ? this.#statement(one) : null;
    }
    return {
      effects: this.#effects,
      own: this.#own,
      comments: this.#comments,
      answered: this.#answered,
      ambiguous: this.#ambiguous,
      broken: this.#broken,
      hiding_charset: this.#hiding,
      introduces: this.#introduces,
      shape: this.#shape.text,
    };
  }

  #isNew({ at, mode, charset, database }: State): boolean {
    const key = `${at} ${mode} ${charset} ${database === undefined ? '?' : JSON.stringify(database)}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size <= READINGS_MAX) return true;
    this.#found.add('unknown', '', 'A message that can be read in too many ways.', null);
    return false;
  }

  /** What comes from here on may be read under any mode. */
  #everyMode(state: State): void {
    this.#ambiguous = true;
    for (const mode of everyMode(this.#context.engine))
      if (mode !== state.mode || state.other) {
        const other = { ...state, mode, other: true };
        if (this.#isNew(other)) this.#others.push(other);
      }
  }

  /** Judges the statement that begins here. What holds behind it; null: the text ends. */
  #statement(state: State): State | null {
    const { engine, version } = this.#context;
    const reading = readingOf(state.charset) ?? 'binary';
    const lexer = new Lexer(this.#text, { engine, version, mode: state.mode, reading }, state.at);
    const to = statementEnd(lexer);
    if (!state.other) {
      for (const comment of lexer.comments) this.#comments.push(comment);
      // Of a quote too many, or too few, everything may be the other side: the server refuses it, and nobody can tell what was meant.
      if (lexer.broken || this.#splitsOtherwise(state, lexer.starts[0] ?? state.at)) this.#shape.hide();
      this.#shape.add(lexer, to);
    }
    if (lexer.broken) {
      // The server refuses it, and has run what came before.
      if (!state.other) this.#broken = lexer.broken;
      return null;
    }
    const ended = lexer.kinds[to] === Kind.semicolon;
    const at = ended ? lexer.ends[to]! : this.#text.length;
    if (to === 0) return ended ? { ...state, at } : null;
    const behind = this.#judge(state, lexer, to, at);
    return ended || behind.at < this.#text.length ? behind : null;
  }

  /** May the server end literals elsewhere than this reading does? Then what stands outside of them here may stand in one there. */
  #splitsOtherwise({ charset }: State, from: number): boolean {
    const rest = this.#text.slice(from);
    return (this.#ambiguous && MODAL.test(rest)) || (readingOf(charset) === null && WIDE.test(rest));
  }

  #judge(state: State, lexer: Lexer, to: number, at: number): State {
    const found = this.#found;
    const [start, end] = [lexer.starts[0]!, lexer.ends[to - 1]!];
    if (state.other) found.statement = this.#indexOf(start);
    found.begin(start, lexer.ends[0]!);
    const effects = state.other ? [] : this.#effects;
    const a = new Analyst(this.#context, found, lexer, {
      effects,
      own: state.other ? [] : this.#own,
      prepared: this.#prepared,
      database: state.database,
      depth: this.#depth,
    });
    if (readingOf(state.charset) === null)
      a.add('unknown', '', 'A text in a character set in which Holdpoint can not read texts.');
    if (lexer.versioned) a.add('unknown', '', 'A statement ends inside of a versioned comment.');
    for (const [why, where] of lexer.doubts) if (where < end) a.add('unknown', '', why, [where, where + 1]);
    for (const hint of lexer.hints) if (hint.start < end) judgeHint(a, hint.start, hint.end);
    const own = this.#own.length;
    const kind = judge(a, 0, to);
    if (!state.other) {
      this.#hiding ||= a.hiding_charset;
      this.#introduces ||= lexer.introduces;
    }
    const answered = this.#own.length > own && ANSWERED.test(this.#own.at(-1)?.op ?? '');
    if (answered) this.#answered.push([start, at]);
    if (effects !== this.#effects && effects.length > 0)
      this.#effects.push({ type: 'unknown', statement: found.statement });
    this.#facts(a, state, kind, start, end);
    if (!state.other) found.statement += 1;
    return this.#behind(a, state, at);
  }

  #facts(a: Analyst, state: State, kind: string, start: number, end: number): void {
    const found = this.#found;
    const folds_rows = found.folds_rows || (found.folds && found.reads_user_relation);
    const { writes_all_rows, local_infile } = found;
    if (state.other) {
      const known = found.statements[found.statement];
      if (known?.start !== start || known.end !== end || known.kind !== kind)
        a.add('unknown', '', 'A text that the server may read in more than one way.', [start, end]);
      if (!known) return;
      found.statements[found.statement] = {
        ...known,
        writes_all_rows: known.writes_all_rows || writes_all_rows,
        folds_rows: known.folds_rows || folds_rows,
        rows_max: known.rows_max === a.rows_max ? a.rows_max : null,
        copy_in: known.copy_in || local_infile,
        ...(known.commits || a.commits ? { commits: true as const } : {}),
      };
      return;
    }
    const facts: StatementFacts = {
      kind,
      start,
      end,
      writes_all_rows,
      folds_rows,
      hidden_writes: found.hidden_writes,
      rows_max: a.rows_max,
      cursor: null,
      returns_written: RETURNS_WRITTEN.has(kind) && a.rows_max !== 0,
      copy_in: local_infile,
      transaction_control: a.controls,
      parse_is_harmless: true,
      ...(a.commits ? { commits: true as const } : {}),
    };
    found.statements.push(facts);
  }

  /** Of the first reading's statements, the one that this place is in. */
  #indexOf(start: number): number {
    const { statements } = this.#found;
    let low = 0;
    let high = statements.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (statements[middle]!.start <= start) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  #behind(a: Analyst, state: State, at: number): State {
    const { mode, charset, database, sets_database } = a.changes;
    const next: State = {
      at,
      mode: mode ?? state.mode,
      charset: charset === null ? (a.refuses_charset ? REFUSED : UNKNOWN_CHARSET) : (charset ?? state.charset),
      database: sets_database ? database : state.database,
      other: state.other,
    };
    if (mode === null && at < this.#text.length) this.#everyMode(next);
    return next;
  }
}

/** Names of no charset: texts in it are read, and held. */
const REFUSED = 'refused';
const UNKNOWN_CHARSET = 'unknown';

/** Those that return rows return what they have changed: RETURNING. */
const RETURNS_WRITTEN: ReadonlySet<string> = new Set(['INSERT', 'REPLACE', 'UPDATE', 'DELETE']);

/** SET_VAR is SET for one statement (MySQL's manual, "Variable-Setting Hint Syntax"); what other hints do, the result does not show. */
function judgeHint(a: Analyst, start: number, end: number): void {
  for (const [, quoted, plain] of a.text.slice(start, end).matchAll(SET_VAR)) {
    const name = folded(quoted ?? plain ?? '');
    a.add(judgeSetting(name, 'session').action, name, 'Sets a variable for this statement, by a hint.', [start, end]);
  }
}
const SET_VAR = /\bSET_VAR\s*\(\s*(?:`([^`]*)`|([^\s=()]+))\s*=/gi;
