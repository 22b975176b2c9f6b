// Statements with statements in them: bodies of routines, triggers and events, MariaDB's BEGIN NOT ATOMIC and its kin, ORACLE blocks.
// Their inner `;` end no statement of the message. Each inner statement and expression is judged as if it ran.
// Where the blocks do not close as they should, that is found; in ORACLE mode all that follows counts as part of the block.
import type { Analyst } from './analyst.ts';
import { Kind, type Lexer } from './lexer.ts';
import { MODE } from './modes.ts';
import { walk } from './relations.ts';
import { lookInto } from './resolve.ts';
import { isHead, judge } from './statements.ts';

/** A part of a body: a statement, or an expression of a control statement. */
interface Part {
  readonly type: 'statement' | 'expression';
  readonly from: number;
  readonly to: number;
}

interface Blocks {
  readonly parts: readonly Part[];
  /** The token behind the last one: the `;` that ends the statement, or the end. */
  readonly end: number;
  /** Every block is closed. */
  readonly closed: boolean;
  /** More follows the outermost block, which may be statements of their own. */
  readonly followed: boolean;
}

/** Where the statement that begins with the lexer's first token ends: index of its `;`, or the count of tokens. Reads no further. */
export function statementEnd(lexer: Lexer): number {
  const { kinds } = lexer;
  let at = 0;
  for (;;) {
    if (!lexer.has(at)) return kinds.length;
    if (kinds[at] === Kind.semicolon) return at;
    at += 1;
    if (at > HEAD_TOKENS_MAX && !lexer.words[0]) continue;
    const body = at <= HEAD_TOKENS_MAX ? bodyStart(lexer, at) : null;
    if (body !== null) return readBlocks(lexer, body, isPackage(lexer, body)).end;
  }
}

/** A definition's head says what is defined within this many tokens, options among them. */
const HEAD_TOKENS_MAX = 64;

/** Where a body begins, once the tokens up to `at` (all that were read) tell that one does; null: not yet, or there is none. */
function bodyStart(lexer: Lexer, at: number): number | null {
  const { words } = lexer;
  const first = words[0]!;
  if (at === 1) {
    if (CONTROL.has(first) || first === 'DECLARE') return lexer.rules.engine === 'mariadb' ? 0 : null;
    if (first !== 'BEGIN' || lexer.rules.engine !== 'mariadb') return null;
    // BEGIN alone begins a transaction.
    if (!lexer.has(1) || lexer.kinds[1] === Kind.semicolon || words[1] === 'WORK') return null;
    return 0;
  }
  if (first === 'SET' && words[1] === 'STATEMENT' && words[at - 1] === 'FOR') {
    return lexer.has(at) && (CONTROL.has(words[at]!) || words[at] === 'BEGIN') ? at : null;
  }
  if (first !== 'CREATE' && first !== 'ALTER') return null;
  const what = words[at - 1]!;
  if (!DEFINED.has(what) || isValue(lexer, at - 1)) return null;
  for (let i = 1; i < at - 1; i += 1) if (OBJECTS.has(words[i]!) && !isValue(lexer, i)) return null;
  return bodyOf(lexer, what, at);
}

/** Where the body of a CREATE statement begins, all of whose tokens are read; null: it has none. */
export function bodyOfDefinition(lexer: Lexer): number | null {
  for (let at = 1; at <= HEAD_TOKENS_MAX && at <= lexer.count; at += 1) {
    const body = bodyStart(lexer, at);
    if (body !== null) return body;
  }
  return null;
}

/** Of DEFINER=name or ALGORITHM=name. */
function isValue(lexer: Lexer, at: number): boolean {
  return lexer.kinds[at - 1] === Kind.operator && lexer.text[lexer.starts[at - 1]!] === '=';
}

/** What has a body. */
const DEFINED: ReadonlySet<string> = new Set(['PROCEDURE', 'FUNCTION', 'TRIGGER', 'EVENT', 'PACKAGE']);
/** What a definition can define. */
const OBJECTS: ReadonlySet<string> = new Set(
  (
    'PROCEDURE FUNCTION TRIGGER EVENT PACKAGE TABLE VIEW INDEX DATABASE SCHEMA USER ROLE SERVER TABLESPACE LOGFILE SEQUENCE RESOURCE ' +
    'LIBRARY INSTANCE SPATIAL UNDO'
  ).split(' '),
);
const CONTROL: ReadonlySet<string> = new Set(['IF', 'CASE', 'LOOP', 'WHILE', 'REPEAT', 'FOR']);

/** Token at which the body begins; at: behind the word for what is defined. Null: it has none. */
export function bodyOf(lexer: Lexer, what: string, at: number): number | null {
  const { kinds, words } = lexer;
  let depth = 0;
  let rows = false;
  for (let i = afterName(lexer, at); ; i += 1) {
    if (!lexer.has(i)) return null;
    const kind = kinds[i]!;
    if (kind === Kind.semicolon) return null;
    if (kind === Kind.operator) {
      const c = lexer.text[lexer.starts[i]!];
      if (c === '(') depth += 1;
      else if (c === ')') depth -= 1;
      continue;
    }
    const word = words[i]!;
    if (depth > 0 || word === '') continue;
    const before = words[i - 1]!;
    if (what === 'PACKAGE') return i;
    if (lexer.rules.mode & MODE.oracle && (word === 'AS' || word === 'IS')) return i + 1;
    if (what === 'EVENT') {
      if (word === 'DO') return i + 1;
    } else if (what === 'TRIGGER') {
      if (word === 'ROW' && before === 'EACH') rows = true;
      else if (rows && before !== 'FOLLOWS' && before !== 'PRECEDES' && word !== 'FOLLOWS' && word !== 'PRECEDES')
        return i - (isLabelled(lexer, i) ? 2 : 0);
    } else if (begins(word) && !(word === 'SET' && OF_A_TYPE.has(before))) return i - (isLabelled(lexer, i) ? 2 : 0);
  }
}

/** Behind the name of what is defined, which can be any word. */
function afterName(lexer: Lexer, at: number): number {
  let end = at;
  if (lexer.has(end) && lexer.words[end] === 'BODY') end += 1;
  if (lexer.has(end + 1) && lexer.words[end] === 'IF' && lexer.words[end + 1] !== '')
    end += lexer.words[end + 1] === 'NOT' ? 3 : 2;
  end += 1;
  if (lexer.has(end) && lexer.kinds[end] === Kind.operator && lexer.text[lexer.starts[end]!] === '.') end += 2;
  return end;
}

function begins(word: string): boolean {
  return isHead(word) || word === 'RETURN' || word === 'BEGIN' || CONTROL.has(word);
}
/** `CHARACTER SET`, `RETURNS SET(...)` */
const OF_A_TYPE: ReadonlySet<string> = new Set(['CHARACTER', 'CHAR', 'RETURNS', 'RETURN']);

function isLabelled(lexer: Lexer, at: number): boolean {
  return at >= 2 && lexer.kinds[at - 1] === Kind.operator && lexer.text[lexer.starts[at - 1]!] === ':';
}

/** Follows the blocks from the first token of a body on. loose: it ends with the text. */
function readBlocks(lexer: Lexer, from: number, loose: boolean): Blocks {
  return new Reader(lexer, loose || (lexer.rules.mode & MODE.oracle) !== 0).read(from);
}

function isPackage(lexer: Lexer, body: number): boolean {
  for (let at = 1; at < body; at += 1) if (lexer.words[at] === 'PACKAGE') return true;
  return false;
}

type Open = 'block' | 'if' | 'case' | 'loop';

class Reader {
  readonly #lexer: Lexer;
  readonly #parts: Part[] = [];
  readonly #open: Open[] = [];
  /** As ORACLE mode has it: declarations and routines may come before a block. */
  readonly #loose: boolean;

  constructor(lexer: Lexer, loose: boolean) {
    this.#lexer = lexer;
    this.#loose = loose;
  }

  #ended = false;
  #followed = false;

  read(from: number): Blocks {
    let at = from;
    for (;;) {
      if (!this.#has(at)) return this.#done(at, this.#loose || this.#open.length === 0);
      if (this.#lexer.kinds[at] === Kind.semicolon) {
        if (this.#open.length === 0 && !this.#loose) return this.#done(at, true);
        at += 1;
        continue;
      }
      if (this.#ended && this.#open.length === 0) this.#followed = true;
      const next = this.#piece(at);
      at = next > at ? next : at + 1;
    }
  }

  #done(end: number, closed: boolean): Blocks {
    return { parts: this.#parts, end, closed, followed: this.#followed };
  }

  #has(at: number): boolean {
    return this.#lexer.has(at);
  }

  #word(at: number): string {
    return this.#has(at) ? this.#lexer.words[at]! : '';
  }

  #isChar(at: number, char: string): boolean {
    return (
      this.#has(at) && this.#lexer.kinds[at] === Kind.operator && this.#lexer.text[this.#lexer.starts[at]!] === char
    );
  }

  /** A statement may begin here: takes it, or the control words before it. Where the next one may begin. */
  #piece(at: number): number {
    const word = this.#word(at);
    const { kinds } = this.#lexer;
    if ((kinds[at] === Kind.word || kinds[at] === Kind.quoted) && this.#isChar(at + 1, ':')) return at + 2;
    // <<label>>
    if (this.#isChar(at, '<')) return at + 5;
    switch (word) {
      case 'BEGIN':
        this.#open.push('block');
        return this.#word(at + 1) === 'NOT' && this.#word(at + 2) === 'ATOMIC' ? at + 3 : at + 1;
      case 'DECLARE':
        return this.#declare(at);
      case 'IF':
        this.#open.push('if');
        return this.#expression(at + 1, THEN);
      case 'ELSEIF':
      case 'ELSIF':
      case 'WHEN':
        return this.#expression(at + 1, THEN);
      case 'CASE':
        this.#open.push('case');
        return this.#word(at + 1) === 'WHEN' ? at + 1 : this.#expression(at + 1, WHEN) - 1;
      case 'ELSE':
      case 'EXCEPTION':
        return at + 1;
      case 'LOOP':
      case 'REPEAT':
        this.#open.push('loop');
        return at + 1;
      case 'WHILE':
      case 'FOR':
        this.#open.push('loop');
        return this.#expression(at + 1, DO);
      case 'UNTIL':
        return this.#expression(at + 1, END) - 1;
      case 'END':
        return this.#end(at);
      case 'FUNCTION':
      case 'PROCEDURE':
        return this.#loose ? this.#nested(at) : this.#simple(at);
      default:
        return this.#simple(at);
    }
  }

  #simple(at: number): number {
    let end = at;
    while (this.#has(end) && this.#lexer.kinds[end] !== Kind.semicolon) end += 1;
    this.#parts.push({ type: 'statement', from: at, to: end });
    return end;
  }

  /** A handler's statement follows its conditions; the rest of DECLARE is one piece. */
  #declare(at: number): number {
    if (this.#word(at + 2) !== 'HANDLER') {
      // In ORACLE mode it opens a list of declarations.
      if (this.#loose) return at + 1;
      const end = this.#simple(at);
      this.#parts[this.#parts.length - 1] = { type: 'expression', from: at, to: end };
      return end;
    }
    let end = at + 4;
    for (;;) {
      const word = this.#word(end);
      if (word === 'NOT') end += 2;
      else if (word === 'SQLSTATE') end += this.#word(end + 1) === 'VALUE' ? 3 : 2;
      else end += 1;
      if (!this.#isChar(end, ',')) return end;
      end += 1;
    }
  }

  /** Up to one of these words, outside of parentheses and CASE; where what follows it begins. */
  #expression(at: number, until: ReadonlySet<string>): number {
    let depth = 0;
    let end = at;
    for (; this.#has(end) && this.#lexer.kinds[end] !== Kind.semicolon; end += 1) {
      if (this.#isChar(end, '(')) depth += 1;
      else if (this.#isChar(end, ')')) depth -= 1;
      const word = this.#lexer.words[end]!;
      if (depth === 0 && until.has(word)) break;
      if (word === 'CASE') depth += 1;
      else if (word === 'END' && depth > 0) depth -= 1;
    }
    if (end > at) this.#parts.push({ type: 'expression', from: at, to: end });
    return end + 1;
  }

  #end(at: number): number {
    this.#open.pop();
    if (this.#open.length === 0) this.#ended = true;
    let end = at + 1;
    if (ENDED.has(this.#word(end))) end += 1;
    // A label.
    while (this.#has(end) && this.#lexer.kinds[end] !== Kind.semicolon) end += 1;
    return end;
  }

  /** A routine inside of a package or block. */
  #nested(at: number): number {
    let depth = 0;
    let end = at + 1;
    for (; this.#has(end) && this.#lexer.kinds[end] !== Kind.semicolon; end += 1) {
      if (this.#isChar(end, '(')) depth += 1;
      else if (this.#isChar(end, ')')) depth -= 1;
      else if (depth === 0 && (this.#word(end) === 'AS' || this.#word(end) === 'IS')) return end + 1;
      else if (depth === 0 && this.#word(end) === 'BEGIN') return end;
    }
    return end;
  }
}

const THEN: ReadonlySet<string> = new Set(['THEN']);
const WHEN: ReadonlySet<string> = new Set(['WHEN']);
const DO: ReadonlySet<string> = new Set(['DO', 'LOOP']);
const END: ReadonlySet<string> = new Set(['END']);
const ENDED: ReadonlySet<string> = new Set(['IF', 'CASE', 'LOOP', 'WHILE', 'REPEAT', 'FOR']);

/** Judges a body from its first token on; the kind that was given. */
export function judgeBody(a: Analyst, from: number, to: number, kind: string): string {
  const loose = kind === 'PACKAGE BODY' || isPackage(a.lexer, from);
  const { parts, closed, end, followed } = readBlocks(a.lexer, from, loose);
  const { in_body } = a;
  a.in_body = true;
  for (const part of parts) {
    if (part.type === 'statement' && (isHead(a.word(part.from)) || a.isChar(part.from, '(')))
      judge(a, part.from, part.to);
    else expression(a, part, loose || (a.lexer.rules.mode & MODE.oracle) !== 0);
  }
  a.in_body = in_body;
  // What runs now, and is no definition.
  if (kind !== '' && a.found.changes_session) a.forget();
  if (!closed || end < to) a.add('unknown', '', 'A body whose blocks do not close.');
  if (followed && !loose) a.add('unknown', '', 'More follows a block than its end.');
  if (a.changes.mode !== undefined) a.changes.mode = null;
  a.rows_max = null;
  if (a.found.findings.at(-1)?.statement !== a.found.statement)
    a.add('read', '', 'Runs statements that read no table.');
  return kind;
}

/** An expression, or a statement that is none outside of bodies. */
function expression(a: Analyst, { type, from, to }: Part, loose: boolean): void {
  walk(a, from, to, { start: 'expression' });
  if (type === 'expression' || FLOW.has(a.word(from))) return;
  if (!loose)
    return a.add('unknown', a.word(from).toLowerCase(), 'A statement in a body that Holdpoint does not know.');
  // ORACLE mode calls a procedure by its name alone.
  const name = a.name(from, to);
  if (!name || (name.to !== to && !a.isChar(name.to, '.') && !a.isChar(name.to, '('))) return;
  const last = a.isChar(name.to, '.') && a.isName(name.to + 1) ? a.textOf(name.to + 1) : null;
  if (!lookInto(a, name, last, 'PROCEDURE', a.place(from, to)))
    a.opaque(a.object(name), 'Runs a stored procedure.', a.place(from, to));
}

/** Statements of bodies that only steer what runs. */
const FLOW: ReadonlySet<string> = new Set(
  'RETURN LEAVE ITERATE OPEN FETCH CLOSE EXIT CONTINUE GOTO RAISE NULL DECLARE PRAGMA'.split(' '),
);
