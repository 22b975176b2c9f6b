// Other ways to read a statement than as it was sent: laid out by its clauses, or with the parameters' values beside their places. Every character of it
// but white space stands in either, in its order, with its marks; where that can not be said for certain there is none. Must never be taken for what
// is decided on: that is the statement as it was sent.
import type { RequestView } from '../../review/client.ts';
import { marksOf } from '../../review/words.ts';
import { Kind, Lexer as MysqlLexer } from '../../sql/mysql/lexer.ts';
import { modeOf } from '../../sql/mysql/modes.ts';
import { Lexer as PostgresLexer, TokenKind } from '../../sql/postgres/lexer.ts';

export type Reading = 'sent' | 'formatted' | 'values';

/** Longer statements are read as they were sent. UTF-16. */
const READ_CHARS_MAX = 64 * 1024;
/** A longer value is cut in its place, and says so: it stands whole below the statement. UTF-16. */
const VALUE_CHARS_MAX = 60;
const INDENT = '  ';

/** Read so: `inserted` are ranges of its text that are not the requester's statement. */
export interface Read {
  readonly request: RequestView;
  readonly inserted: readonly (readonly [from: number, to: number])[];
}

const known = new WeakMap<object, Map<Reading, Read | string>>();

/** A string says why it can't be read so. */
export function readAs(request: RequestView, reading: Reading): Read | string {
  if (reading === 'sent') return { request, inserted: [] };
  const made = known.get(request.statement) ?? new Map<Reading, Read | string>();
  known.set(request.statement, made);
  const read = made.get(reading) ?? (reading === 'formatted' ? formatted(request) : withValues(request));
  made.set(reading, read);
  return read;
}

/** Half-open ranges of UTF-16 indexes. Between two tokens lies white space or nothing. */
interface Token {
  readonly from: number;
  readonly to: number;
  readonly kind: 'word' | 'string' | 'parameter' | 'comment' | 'other';
}

/** All of them; a string says why they are not known for certain. */
function tokensOf({ statement, where, search_path }: RequestView): Token[] | string {
  const { text, hex } = statement;
  if (text.length > READ_CHARS_MAX) return 'It is too long for that. It is shown as it was sent.';
  if (hex !== null) return 'It is no valid UTF-8. It is shown as it was sent.';
  const bytes = Buffer.from(text).toString('latin1');
  const found = where.engine === 'postgres' ? ofPostgres(bytes) : ofMysql(bytes, where.engine, search_path);
  if (found === null) return 'Where its words end is not certain. It is shown as it was sent.';
  const at = indexesOf(text, bytes.length);
  return found.map(({ from, to, kind }) => ({ from: at[from] as number, to: at[to] as number, kind }));
}

function ofPostgres(text: string): Token[] | null {
  const lexer = new PostgresLexer(text);
  const tokens: Token[] = [];
  while (lexer.next()) {
    const { kind, start: from, end: to } = lexer;
    if (kind === TokenKind.space) continue;
    const is_comment = kind === TokenKind.line_comment || kind === TokenKind.block_comment;
    const is_string = kind === TokenKind.string || kind === TokenKind.dollar_string;
    const is_word = kind === TokenKind.identifier;
    const other = kind === TokenKind.parameter ? 'parameter' : 'other';
    tokens.push({ from, to, kind: is_comment ? 'comment' : is_string ? 'string' : is_word ? 'word' : other });
  }
  return lexer.unterminated ? null : tokens;
}

/** Newer than any server: which versioned comments count changes nothing of what is shown. */
const VERSIONS: Readonly<Record<string, number>> = { mysql: 99_999, mariadb: 999_999 };

function ofMysql(text: string, engine: string, search_path: string): Token[] | null {
  const mode = modeOf(/; sql_mode ([^;]*)/.exec(search_path)?.[1] ?? '');
  if (mode === null || (engine !== 'mysql' && engine !== 'mariadb')) return null;
  const lexer = new MysqlLexer(text, { engine, version: VERSIONS[engine] as number, mode, reading: 'utf8' });
  const tokens: Token[] = [];
  let behind = 0;
  /** What the lexer passes over that is no white space is a comment, whole. */
  const gap = (to: number): void => {
    const between = text.slice(behind, to).replace(/[ \t\n\r\f\v]+$/, '');
    const from = behind + between.search(/[^ \t\n\r\f\v]|$/);
    if (between !== '' && from < to) tokens.push({ from, to: behind + between.length, kind: 'comment' });
  };
  for (let i = 0; lexer.has(i); i++) {
    const [from, to, kind] = [lexer.starts[i] as number, lexer.ends[i] as number, lexer.kinds[i]];
    gap(from);
    const is_string = kind === Kind.string || kind === Kind.dollar;
    const is_parameter = kind === Kind.operator && text.slice(from, to) === '?';
    tokens.push({
      from,
      to,
      kind: is_string ? 'string' : is_parameter ? 'parameter' : kind === Kind.word ? 'word' : 'other',
    });
    behind = to;
  }
  gap(text.length);
  return lexer.broken !== null || lexer.doubts.length > 0 ? null : tokens;
}

/** The UTF-16 index for each index of its UTF-8. */
function indexesOf(text: string, bytes: number): Uint32Array {
  const at = new Uint32Array(bytes + 1);
  let byte = 0;
  for (let i = 0; i < text.length; ) {
    const point = text.codePointAt(i) as number;
    const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    at.fill(i, byte, byte + size);
    byte += size;
    i += point > 0xffff ? 2 : 1;
  }
  at.fill(text.length, byte);
  return at;
}

// ---- formatted

/** A clause begins its line. */
const CLAUSES = new Set(
  'SELECT FROM WHERE GROUP ORDER HAVING LIMIT OFFSET UNION EXCEPT INTERSECT VALUES SET RETURNING WINDOW INNER LEFT RIGHT FULL CROSS NATURAL JOIN'.split(
    ' ',
  ),
);
/** After these a clause's word goes on with what was begun: LEFT JOIN, INSERT ... SELECT is none of them. */
const GOES_ON = new Set('INNER LEFT RIGHT FULL CROSS NATURAL OUTER DELETE FOR DISTINCT'.split(' '));
/** Functions have these names, too. */
const FUNCTIONS = new Set(['LEFT', 'RIGHT']);
/** These stand under their clause. */
const CONDITIONS = new Set(['AND', 'OR']);

function formatted(request: RequestView): Read | string {
  const tokens = tokensOf(request);
  if (typeof tokens === 'string') return tokens;
  const { text } = request.statement;
  const made = new Copy(request);
  /** For each open parenthesis: is there a statement of its own in it? */
  const open: boolean[] = [];
  let before = '';
  let between = false;
  for (const [i, token] of tokens.entries()) {
    const last = tokens[i - 1];
    const written = text.slice(token.from, token.to);
    const word = token.kind === 'word' ? written.toUpperCase() : written;
    const closes = written === ')' && open.pop() === true;
    const depth = open.filter(Boolean).length;
    const flat = open.at(-1) === false;
    const space = last === undefined ? '' : text.slice(last.to, token.from);
    const line = (level: number) => `\n${INDENT.repeat(level)}`;
    if (last === undefined) made.blank('');
    // A new line between two strings makes one of them.
    else if (last.kind === 'string' && token.kind === 'string') made.blank(space);
    else if (last.kind === 'comment' && (/^(--|#)/.test(text.slice(last.from)) || space.includes('\n')))
      made.blank(line(depth));
    else if (before === ';') made.blank('\n');
    else if (token.kind === 'comment') made.blank(space === '' ? '' : ' ');
    else if (closes) made.blank(line(depth));
    else if (!flat && before === ',') made.blank(line(depth + 1));
    else if (!flat && word === 'AND' && between) made.blank(' ');
    else if (!flat && CONDITIONS.has(word)) made.blank(line(depth + 1));
    else if (!flat && begins(word, before, text[token.to]) && (space !== '' || before === ')')) made.blank(line(depth));
    else if (!flat && before === '(' && open.at(-1) === true) made.blank(line(depth));
    else made.blank(space === '' ? '' : ' ');
    if (token.kind === 'word') between = word === 'BETWEEN' || (between && word !== 'AND');
    made.copy(token);
    if (written === '(') {
      const next = tokens[i + 1];
      open.push(next?.kind === 'word' && /^(select|with)$/i.test(text.slice(next.from, next.to)));
    }
    if (token.kind !== 'comment') before = word;
  }
  const read = made.read();
  const solid = (some: string) => some.replaceAll(/[ \t\n\r\f\v]/g, '');
  return solid(read.request.statement.text) === solid(text)
    ? read
    : 'It can not be laid out. It is shown as it was sent.';
}

function begins(word: string, before: string, next: string | undefined): boolean {
  return CLAUSES.has(word) && !GOES_ON.has(before) && !(FUNCTIONS.has(word) && next === '(');
}

// ---- values

function withValues(request: RequestView): Read | string {
  const { parameters, where, statement } = request;
  if (parameters.length === 0) return 'It has no parameters.';
  const tokens = tokensOf(request);
  if (typeof tokens === 'string') return tokens;
  const places = tokens.filter(({ kind }) => kind === 'parameter');
  const made = new Copy(request);
  let seen = 0;
  let end = 0;
  for (const place of places) {
    made.copy({ from: end, to: place.to });
    end = place.to;
    seen++;
    const n = where.engine === 'postgres' ? Number(statement.text.slice(place.from + 1, place.to)) : seen;
    const parameter = parameters[n - 1];
    if (parameter === undefined) return NO_PLACES;
    made.insert(`{${valueOf(parameter)}}`);
  }
  made.copy({ from: end, to: statement.text.length });
  const all = where.engine === 'postgres' ? places.length > 0 : seen === parameters.length;
  return all ? made.read() : NO_PLACES;
}
const NO_PLACES = 'Which value stands where is not certain. They are below the statement.';

/** On one line, and it can not end earlier than it does: a text is in quotes, with those in it doubled. */
function valueOf({ value, bytes }: RequestView['parameters'][number]): string {
  if (value === null) return 'NULL';
  const { text } = value;
  if (/^-?\d[\d.]*$/.test(text) && text.length <= VALUE_CHARS_MAX) return text;
  const chars = Array.from(text);
  const cut = chars.length > VALUE_CHARS_MAX ? `... ${bytes} bytes, whole below` : '';
  const shown = chars.slice(0, VALUE_CHARS_MAX).join('').replaceAll("'", "''");
  const line = shown.replaceAll(
    /[\t\n\r]/g,
    (char) => `<U+00${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  return `'${line}'${cut}`;
}

// ---- a copy of the statement with other white space, or more text

class Copy {
  readonly #request: RequestView;
  #text = '';
  /** Where each copied piece came from, and where it is now; in order. */
  readonly #pieces: { readonly from: number; readonly to: number; readonly at: number }[] = [];
  readonly #inserted: (readonly [number, number])[] = [];

  constructor(request: RequestView) {
    this.#request = request;
  }

  blank(space: string): void {
    this.#text += this.#text.endsWith('\n') && space.startsWith('\n') ? space.slice(1) : space;
  }

  copy({ from, to }: { readonly from: number; readonly to: number }): void {
    this.#pieces.push({ from, to, at: this.#text.length });
    this.#text += this.#request.statement.text.slice(from, to);
  }

  insert(text: string): void {
    this.#inserted.push([this.#text.length, this.#text.length + text.length]);
    this.#text += text;
  }

  read(): Read {
    const { statement, findings } = this.#request;
    const text = this.#text;
    const own = statement.marks.map((mark) => ({ ...mark, from: this.#now(mark.from), to: this.#end(mark.to) }));
    const theirs = this.#inserted.flatMap(([from, to]) =>
      marksOf(text.slice(from, to)).map((mark) => ({ ...mark, from: mark.from + from, to: mark.to + from })),
    );
    const moved = findings.map((finding) => {
      const from = this.#now(finding.from);
      return { ...finding, from, to: this.#end(finding.to), line: text.slice(0, from).split('\n').length };
    });
    const marks = [...own, ...theirs].toSorted((a, b) => a.from - b.from);
    const request = {
      ...this.#request,
      findings: moved,
      statement: { ...statement, text, marks, lines: text.split('\n').length },
    };
    return { request, inserted: this.#inserted };
  }

  /** Where what ends before an index of the statement ends in the copy: before the white space that was put behind it. */
  #end(index: number): number {
    return this.#now(index, index - 1);
  }

  /** Where an index of the statement is in the copy, by the piece that `of` is in. */
  #now(index: number, of = index): number {
    let low = 0;
    let high = this.#pieces.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#pieces[middle] as { from: number }).from <= of) low = middle;
      else high = middle - 1;
    }
    const piece = this.#pieces[low];
    return piece ? Math.max(0, piece.at + Math.min(index, piece.to) - piece.from) : 0;
  }
}
