// The lexical rules of MySQL and MariaDB, as both servers were seen to apply them, on the bytes of a text held as a latin1 string.
// One pass, no backtracking: what ends a token is found once. Which rules hold depends on flavour, version, sql_mode and charset.
// It must never take bytes for a comment or a literal that the server executes.
import { hidingIntroducer, type Reading } from './charsets.ts';
import type { MysqlContext } from './context.ts';
import { MODE } from './modes.ts';
import { isAscii } from './names.ts';

export const Kind = {
  end: 0,
  /** Unquoted: a keyword or a name. */
  word: 1,
  /** `...`, or "..." under ANSI_QUOTES. */
  quoted: 2,
  /** '...', "...", N'...' */
  string: 3,
  number: 4,
  /** x'..', b'..', 0x.., 0b.. */
  hex: 5,
  /** @name, @'name', @`name`; also the host of an account. */
  variable: 6,
  /** @@, before the words of a system variable's name. */
  system: 7,
  semicolon: 8,
  /** := */
  assign: 9,
  /** Any other single character. */
  operator: 10,
  /** MySQL's $tag$...$tag$ */
  dollar: 11,
  /** A byte that no text has outside of quotes: NUL, bytes that are no text of the charset. */
  bad: 12,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** A set of lexical rules. */
export interface Rules {
  readonly engine: MysqlContext['engine'];
  readonly version: number;
  readonly mode: number;
  readonly reading: Reading;
}

const OTHER = 0;
const SPACE = 1;
const NAME = 2;
const DIGIT = 3;

const ASCII_CLASS = new Uint8Array(256).fill(OTHER);
for (const c of ' \t\n\r\f\v') ASCII_CLASS[c.charCodeAt(0)] = SPACE;
for (let c = 0x41; c <= 0x5a; c += 1) ASCII_CLASS[c] = ASCII_CLASS[c + 32] = NAME;
ASCII_CLASS[0x5f] = ASCII_CLASS[0x24] = NAME;
for (let c = 0x30; c <= 0x39; c += 1) ASCII_CLASS[c] = DIGIT;
const UTF8_CLASS = ASCII_CLASS.slice();
for (let c = 0xc2; c <= 0xf4; c += 1) UTF8_CLASS[c] = NAME;
const LATIN1_CLASS = ASCII_CLASS.slice();
// Letters of cp1252, as the server's own table has them.
for (const c of [0x83, 0x8a, 0x8c, 0x8e, 0x9a, 0x9c, 0x9e, 0x9f]) LATIN1_CLASS[c] = NAME;
for (let c = 0xc0; c <= 0xff; c += 1) if (c !== 0xd7 && c !== 0xf7) LATIN1_CLASS[c] = NAME;
LATIN1_CLASS[0xa0] = SPACE;
const CLASSES: Readonly<Record<Reading, Uint8Array>> = {
  utf8: UTF8_CLASS,
  latin1: LATIN1_CLASS,
  binary: ASCII_CLASS,
  ascii: ASCII_CLASS,
};

const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const BACKTICK = 0x60;
const BACKSLASH = 0x5c;
const DOLLAR = 0x24;
const DOT = 0x2e;
const SLASH = 0x2f;
const STAR = 0x2a;
const BANG = 0x21;
const AT = 0x40;
const HASH = 0x23;
const MINUS = 0x2d;
const PLUS = 0x2b;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** Where the bytes of a quoted name must be UTF-8. */
const UTF8_NAMES: ReadonlySet<Reading> = new Set(['utf8', 'binary']);

/** Words that an optimizer hint may follow. */
const HINTED: ReadonlySet<string> = new Set(['SELECT', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE']);

/** Reads tokens one after the other into arrays: kind, start, end (half-open); of words the capitals. Index 0 is the first. */
export class Lexer {
  readonly text: string;
  readonly rules: Rules;
  readonly kinds: Kind[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  /** In capitals for a word, '' else. */
  readonly words: string[] = [];
  /** Plain comments: half-open ranges. */
  readonly comments: (readonly [number, number])[] = [];
  /** Optimizer hints, which the server reads: half-open ranges, and how many tokens stand before each. */
  readonly hints: { readonly start: number; readonly end: number; readonly tokens: number }[] = [];
  /** What can't be read for certain, and where. */
  readonly doubts: (readonly [string, number])[] = [];
  /** Why the server can't read the text to its end, and where; null: it can. */
  broken: readonly [string, number] | null = null;
  /** A quoted literal of more than ASCII is said to be in this character set, whose bytes can hide where it ends; '' for none. */
  introduces = '';
  readonly #classes: Uint8Array;
  #at: number;
  /** Inside of a versioned comment that counts. */
  #versioned = false;
  #versioned_at = 0;

  constructor(text: string, rules: Rules, from = 0) {
    this.text = text;
    this.rules = rules;
    this.#at = from;
    this.#classes = CLASSES[rules.reading];
  }

  get count(): number {
    return this.kinds.length;
  }

  /** Is there a token of this index? Reads as far as needed. */
  has(index: number): boolean {
    while (index >= this.kinds.length) if (this.next() === Kind.end) return false;
    return true;
  }

  /** Is the last token inside of a versioned comment? */
  get versioned(): boolean {
    return this.#versioned;
  }

  /** Reads one more token; its kind. Kind.end once there is none, or the rest can't be read. */
  next(): Kind {
    const { text } = this;
    const classes = this.#classes;
    for (;;) {
      const at = this.#at;
      if (at >= text.length || this.broken) {
        if (this.#versioned && !this.broken) this.broken = ['A versioned comment is not closed.', this.#versioned_at];
        return Kind.end;
      }
      const c = text.charCodeAt(at);
      switch (classes[c]) {
        case SPACE:
          this.#at = at + 1;
          continue;
        case NAME:
          return this.#name(at, c);
        case DIGIT:
          return this.#number(at, c);
        default:
      }
      switch (c) {
        case QUOTE:
          return this.#string(at, at, QUOTE);
        case DOUBLE_QUOTE:
          if (this.rules.mode & MODE.ansi_quotes) return this.#quoted(at, at, DOUBLE_QUOTE, Kind.quoted);
          return this.#string(at, at, DOUBLE_QUOTE);
        case BACKTICK:
          return this.#quoted(at, at, BACKTICK, Kind.quoted);
        case HASH:
          this.#lineComment(at);
          continue;
        case MINUS:
          if (text.charCodeAt(at + 1) === MINUS && this.#endsDashes(at + 2)) {
            this.#lineComment(at);
            continue;
          }
          return this.#push(Kind.operator, at, at + 1);
        case SLASH:
          if (text.charCodeAt(at + 1) !== STAR) return this.#push(Kind.operator, at, at + 1);
          this.#comment(at);
          continue;
        case STAR:
          if (this.#versioned && text.charCodeAt(at + 1) === SLASH) {
            this.#versioned = false;
            this.#at = at + 2;
            continue;
          }
          return this.#push(Kind.operator, at, at + 1);
        case AT:
          return this.#variable(at);
        case DOT:
          return this.#dot(at);
        case COLON:
          if (text.charCodeAt(at + 1) === EQUALS) return this.#push(Kind.assign, at, at + 2);
          return this.#push(Kind.operator, at, at + 1);
        case SEMICOLON:
          return this.#push(Kind.semicolon, at, at + 1);
        default:
          if (c < 0x20 || c >= 0x7f) {
            this.#doubt(c === 0 ? 'A NUL byte outside of quotes.' : 'A byte that is no text of the connection.', at);
            return this.#push(Kind.bad, at, at + 1);
          }
          return this.#push(Kind.operator, at, at + 1);
      }
    }
  }

  #push(kind: Kind, start: number, end: number, word = ''): Kind {
    this.kinds.push(kind);
    this.starts.push(start);
    this.ends.push(end);
    this.words.push(word);
    this.#at = end;
    return kind;
  }

  #doubt(why: string, at: number): void {
    this.doubts.push([why, at]);
  }

  #break(why: string, at: number): Kind {
    this.broken ??= [why, at];
    this.#at = this.text.length;
    return Kind.end;
  }

  /** After `--`: white space or a control character make it a comment, and so does the end. */
  #endsDashes(at: number): boolean {
    if (at >= this.text.length) return true;
    const c = this.text.charCodeAt(at);
    return c < 0x20 || c === 0x7f || this.#classes[c] === SPACE;
  }

  /** To the newline; a NUL ends it too. */
  #lineComment(at: number): void {
    const { text } = this;
    let end = at + 1;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      if (c === NEWLINE || c === 0) break;
      end += 1;
    }
    this.comments.push([at, end]);
    this.#at = end;
  }

  #comment(at: number): void {
    const { text } = this;
    const next = text.charCodeAt(at + 2);
    const maria = this.rules.engine === 'mariadb' && next === 0x4d && text.charCodeAt(at + 3) === BANG;
    if (next === BANG || maria) return this.#versionedComment(at, maria ? at + 4 : at + 3, maria);
    const end = text.indexOf('*/', at + 2);
    if (end < 0) {
      this.#break('A comment is not closed.', at);
      return;
    }
    this.#at = end + 2;
    // A hint is read by the server: it stays.
    const last = this.count - 1;
    if (next === PLUS && last >= 0 && HINTED.has(this.words[last]!) && this.#onlySpace(this.ends[last]!, at)) {
      if (this.rules.engine === 'mysql') {
        this.hints.push({ start: at, end: end + 2, tokens: this.count });
        return;
      }
    }
    this.comments.push([at, end + 2]);
  }

  #onlySpace(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) if (this.#classes[this.text.charCodeAt(at)] !== SPACE) return false;
    return true;
  }

  #versionedComment(at: number, body: number, maria: boolean): void {
    const counts = this.#counts(body, maria);
    if (counts !== null) {
      this.#versioned = true;
      this.#versioned_at = at;
      this.#at = counts;
      return;
    }
    // Skipped as a comment that may have comments in it, one level deep.
    const { text } = this;
    let end = body;
    for (;;) {
      const close = text.indexOf('*/', end);
      if (close < 0) {
        this.#break('A versioned comment is not closed.', at);
        return;
      }
      const open = text.indexOf('/*', end);
      if (open < 0 || open > close) {
        end = close + 2;
        break;
      }
      const inner = text.indexOf('*/', open + 2);
      if (inner < 0) {
        this.#break('A comment is not closed.', open);
        return;
      }
      end = inner + 2;
    }
    this.#at = end;
  }

  /** Where the text of a versioned comment begins, if this server runs it; null: it does not. */
  #counts(body: number, maria: boolean): number | null {
    const { text, rules } = this;
    let digits = 0;
    while (digits < 6 && isDigit(text.charCodeAt(body + digits))) digits += 1;
    if (digits < 5) return body;
    if (rules.engine === 'mysql' && digits === 6) {
      // Six digits where white space follows, else five: seen on 9.7. Older servers may read six either way.
      const after = text.charCodeAt(body + 6);
      const spaced = body + 6 >= text.length ? false : this.#classes[after] === SPACE;
      if (!spaced) {
        digits = 5;
        this.#doubt('A versioned comment whose version can be read in two ways.', body);
      }
    }
    const version = Number(text.slice(body, body + digits));
    const known = version <= rules.version;
    const counts = rules.engine === 'mysql' ? known : known && (maria || version < 50700 || version > 99999);
    return counts ? body + digits : null;
  }

  #name(at: number, c: number): Kind {
    const { text } = this;
    const next = text.charCodeAt(at + 1);
    if (next === QUOTE) {
      const lower = c | 0x20;
      if (lower === 0x6e) return this.#string(at, at + 1, QUOTE);
      if (lower === 0x78 || lower === 0x62) return this.#quotedHex(at, lower);
    }
    if (c === DOLLAR && this.rules.engine === 'mysql') {
      const kind = this.#dollarQuoted(at);
      if (kind !== null) return kind;
    }
    const end = this.#nameEnd(at);
    if (end === at) {
      this.#doubt('Bytes that are no text of the connection.', at);
      return this.#push(Kind.bad, at, at + 1);
    }
    return this.#word(at, end);
  }

  /** Words joined by dots without a space are names, whatever they are and begin with. */
  #word(at: number, end: number): Kind {
    const { text } = this;
    let joined = this.#joined(end);
    const word = joined === end ? text.slice(at, end).toUpperCase() : '';
    // ß, which is in no word of the servers, has two capitals.
    this.#push(Kind.word, at, end, word.length === end - at ? word : '');
    for (let dot = end; joined > dot; joined = this.#joined(dot)) {
      this.#push(Kind.operator, dot, dot + 1);
      this.#push(Kind.word, dot + 1, joined);
      dot = joined;
    }
    return Kind.word;
  }

  /** End of the name that a dot right here joins; the very same place where none does. */
  #joined(dot: number): number {
    if (this.text.charCodeAt(dot) !== DOT || !this.#isNameByte(dot + 1)) return dot;
    const end = this.#nameEnd(dot + 1);
    return end === dot + 1 ? dot : end;
  }

  #dot(at: number): Kind {
    const { text } = this;
    if (isDigit(text.charCodeAt(at + 1))) {
      // `x`.1e5: after a quoted name too it is a name.
      const last = this.count - 1;
      if (last < 0 || this.kinds[last] !== Kind.quoted || this.ends[last] !== at)
        return this.#push(Kind.number, at, this.#exponent(this.#digitsEnd(at + 1)));
      this.#doubt('A number or a name, right after a name and a dot.', at);
    }
    this.#push(Kind.operator, at, at + 1);
    const end = this.#joined(at);
    if (end > at) {
      this.#word(at + 1, end);
      // After a dot no word is a keyword.
      this.words[this.count - 1] = '';
    }
    return Kind.operator;
  }

  /** End of the name characters from here on; bytes that are no character of the charset end it. */
  #nameEnd(at: number): number {
    const { text } = this;
    const classes = this.#classes;
    let end = at;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      const of = classes[c];
      if (of !== NAME && of !== DIGIT) break;
      if (c < 0x80 || this.rules.reading !== 'utf8') end += 1;
      else {
        const length = utf8Length(text, end);
        if (length === 0) break;
        end += length;
      }
    }
    return end;
  }

  #number(at: number, c: number): Kind {
    const { text } = this;
    if (c === 0x30) {
      const second = text.charCodeAt(at + 1);
      if (second === 0x78 || second === 0x62) {
        let end = at + 2;
        while (second === 0x78 ? isHexDigit(text.charCodeAt(end)) : (text.charCodeAt(end) & 0xfe) === 0x30) end += 1;
        if (end > at + 2 && !this.#isNameByte(end)) return this.#push(Kind.hex, at, end);
        return this.#word(at, this.#nameEnd(at));
      }
    }
    const end = this.#digitsEnd(at);
    if (!this.#isNameByte(end)) {
      if (text.charCodeAt(end) !== DOT) return this.#push(Kind.number, at, end);
      return this.#push(Kind.number, at, this.#exponent(this.#digitsEnd(end + 1)));
    }
    const exponent = this.#exponent(end);
    if (exponent > end) return this.#push(Kind.number, at, exponent);
    return this.#word(at, this.#nameEnd(at));
  }

  #isNameByte(at: number): boolean {
    const of = at < this.text.length ? this.#classes[this.text.charCodeAt(at)] : OTHER;
    return of === NAME || of === DIGIT;
  }

  #digitsEnd(at: number): number {
    let end = at;
    while (isDigit(this.text.charCodeAt(end))) end += 1;
    return end;
  }

  /** After the exponent that follows digits; the very same place where there is none. */
  #exponent(at: number): number {
    const { text } = this;
    if ((text.charCodeAt(at) | 0x20) !== 0x65) return at;
    const sign = text.charCodeAt(at + 1);
    const digits = sign === PLUS || sign === MINUS ? at + 2 : at + 1;
    return isDigit(text.charCodeAt(digits)) ? this.#digitsEnd(digits) : at;
  }

  /** From the quote on; the token begins at `start`. */
  #string(start: number, quote: number, mark: number): Kind {
    const { text } = this;
    const escapes = !(this.rules.mode & MODE.no_backslash_escapes);
    let end = quote + 1;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      if (c === BACKSLASH && escapes) end += 2;
      else if (c !== mark) end += 1;
      else if (text.charCodeAt(end + 1) === mark) end += 2;
      else {
        this.#introduced(start, end);
        return this.#push(Kind.string, start, end + 1);
      }
    }
    return this.#break('A string is not closed.', start);
  }

  /** A literal's bytes may be others in the character set that it is said to be in; those of ASCII are the same to everybody. */
  #introduced(start: number, end: number): void {
    const word = this.words[this.count - 1] ?? '';
    const charset = word.charCodeAt(0) === 0x5f ? hidingIntroducer(word) : '';
    if (charset === '' || isAscii(this.text.slice(start, end))) return;
    this.introduces ||= charset;
    this.#doubt('A literal in a character set whose bytes can hide where it ends.', start);
  }

  /** A quoted name; NUL is not allowed in it. */
  #quoted(start: number, quote: number, mark: number, kind: Kind): Kind {
    const { text } = this;
    let end = quote + 1;
    let high = false;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      if (c === 0) return this.#break('A quoted name has a NUL byte.', start);
      if (c >= 0x80) high = true;
      if (c !== mark) end += 1;
      else if (text.charCodeAt(end + 1) === mark) end += 2;
      else {
        if (high && UTF8_NAMES.has(this.rules.reading) && !isUtf8(text, quote + 1, end))
          this.#doubt('A name of bytes that are no text of the connection.', start);
        return this.#push(kind, start, end + 1);
      }
    }
    return this.#break('A quoted name is not closed.', start);
  }

  #quotedHex(at: number, prefix: number): Kind {
    const { text } = this;
    let end = at + 2;
    while (prefix === 0x78 ? isHexDigit(text.charCodeAt(end)) : (text.charCodeAt(end) & 0xfe) === 0x30) end += 1;
    if (text.charCodeAt(end) !== QUOTE) return this.#break('A hexadecimal or bit literal is not closed.', at);
    return this.#push(Kind.hex, at, end + 1);
  }

  #variable(at: number): Kind {
    const { text } = this;
    const next = text.charCodeAt(at + 1);
    if (next === AT) return this.#push(Kind.system, at, at + 2);
    if (next === QUOTE || (next === DOUBLE_QUOTE && !(this.rules.mode & MODE.ansi_quotes))) {
      const before = this.count;
      const kind = this.#string(at, at + 1, next);
      if (this.count > before) this.kinds[before] = Kind.variable;
      return kind === Kind.end ? kind : Kind.variable;
    }
    if (next === BACKTICK || next === DOUBLE_QUOTE) return this.#quoted(at, at + 1, next, Kind.variable);
    let end = this.#nameEnd(at + 1);
    while (text.charCodeAt(end) === DOT) end = this.#nameEnd(end + 1);
    return this.#push(Kind.variable, at, end);
  }

  /** MySQL's dollar-quoted text, which 9 reads and 8 took for a name. Null: no dollar quote begins here. */
  #dollarQuoted(at: number): Kind | null {
    const { text } = this;
    let end = at + 1;
    while (this.#isNameByte(end) && text.charCodeAt(end) !== DOLLAR) end += 1;
    if (text.charCodeAt(end) !== DOLLAR) return null;
    if (this.rules.version < 90000) {
      this.#doubt('A name that later servers read as a quote.', at);
      return null;
    }
    const tag = text.slice(at, end + 1);
    const close = text.indexOf(tag, end + 1);
    if (close < 0) return this.#break('A dollar-quoted text is not closed.', at);
    return this.#push(Kind.dollar, at, close + tag.length);
  }
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

function isHexDigit(c: number): boolean {
  return isDigit(c) || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66);
}

/** Bytes of the UTF-8 character that begins here; 0: none does. */
function utf8Length(text: string, at: number): number {
  const c = text.charCodeAt(at);
  const length = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
  for (let i = 1; i < length; i += 1) if ((text.charCodeAt(at + i) & 0xc0) !== 0x80) return 0;
  return length;
}

function isUtf8(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const length = utf8Length(text, at);
    if (length === 0 || at + length > end) return false;
    at += length;
  }
  return true;
}

/** The bytes that a literal or a quoted name stands for, latin1. */
export function unquote(text: string, start: number, end: number, escapes: boolean): string {
  let at = start;
  let mark = text.charCodeAt(at);
  if (mark !== QUOTE && mark !== DOUBLE_QUOTE && mark !== BACKTICK) mark = text.charCodeAt((at += 1));
  const body = text.slice(at + 1, end - 1);
  const plain = mark === BACKTICK || !escapes;
  if (!body.includes('\\') || plain) {
    const one = String.fromCharCode(mark);
    return body.replaceAll(one + one, one);
  }
  let out = '';
  for (let i = 0; i < body.length; i += 1) {
    const c = body[i]!;
    if (c === '\\') {
      const escaped = body[(i += 1)] ?? '';
      out += ESCAPES[escaped] ?? escaped;
    } else {
      out += c;
      if (c.charCodeAt(0) === mark) i += 1;
    }
  }
  return out;
}
const ESCAPES: Readonly<Record<string, string>> = {
  '0': '\0',
  b: '\b',
  n: '\n',
  r: '\r',
  t: '\t',
  Z: '\x1a',
  '%': '\\%',
  _: '\\_',
};
