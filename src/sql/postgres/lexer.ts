// PostgreSQL's lexical rules (scan.l, standard_conforming_strings on), on the UTF-8 bytes of a text held as a latin1 string.
// What is judged and what is forwarded is the text this file has blanked the comments of: libpg_query's lexer differs from
// the server's in comments only, so a text without comments means the same to both.
// It must never change a byte outside of a comment, and never change the length.

export const TokenKind = {
  end: 0,
  space: 1,
  line_comment: 2,
  block_comment: 3,
  identifier: 4,
  quoted_identifier: 5,
  /** '...', E'...', U&'...', B'...', X'...': one token for each pair of quotes, also where a newline joins them. */
  string: 6,
  dollar_string: 7,
  number: 8,
  parameter: 9,
  operator: 10,
  /** Any other single character. */
  other: 11,
} as const;
export type TokenKind = (typeof TokenKind)[keyof typeof TokenKind];

/** Character classes by byte. */
const OTHER = 0;
const SPACE = 1;
const IDENTIFIER = 2;
const DIGIT = 3;
const OPERATOR = 4;
const CLASS = new Uint8Array(256).fill(OTHER);
for (const c of ' \t\n\r\f\v') CLASS[c.charCodeAt(0)] = SPACE;
for (let c = 0x80; c < 256; c += 1) CLASS[c] = IDENTIFIER;
for (let c = 0x41; c <= 0x5a; c += 1) CLASS[c] = CLASS[c + 32] = IDENTIFIER;
CLASS[0x5f] = IDENTIFIER;
for (let c = 0x30; c <= 0x39; c += 1) CLASS[c] = DIGIT;
for (const c of '~!@#^&|`?+-*/%<>=') CLASS[c.charCodeAt(0)] = OPERATOR;

const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DOLLAR = 0x24;
const DOT = 0x2e;
const UNDERSCORE = 0x5f;
const PLUS = 0x2b;
const MINUS = 0x2d;
const SLASH = 0x2f;
const STAR = 0x2a;
const AMPERSAND = 0x26;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Reads one token after the other; `kind`, `start`, `end` (half-open) tell the last one. */
export class Lexer {
  kind: TokenKind = TokenKind.end;
  start = 0;
  end = 0;
  /** The last token ran into the end of the text: an unclosed quote or comment. */
  unterminated = false;
  /** A string follows another with nothing but white space and a block comment between: blanked, a newline would join them. */
  block_comment_between_strings = false;
  readonly #text: string;
  /** What stands between the last '...' token and here, for string continuation. */
  #after_string = false;
  #escapes = false;
  #gap_newline = false;
  #gap_block = false;

  constructor(text: string) {
    this.#text = text;
  }

  /** Moves to the next token; false at the end of the text. */
  next(): boolean {
    const text = this.#text;
    const at = this.end;
    this.start = at;
    if (at >= text.length) {
      this.kind = TokenKind.end;
      return false;
    }
    const c = text.charCodeAt(at);
    switch (CLASS[c]) {
      case SPACE:
        return this.#space(at);
      case IDENTIFIER:
        return this.#identifier(at, c);
      case DIGIT:
        return this.#finish(TokenKind.number, numberEnd(text, at));
      case OPERATOR:
        return this.#operator(at, c);
      default:
        return this.#punctuation(at, c);
    }
  }

  #finish(kind: TokenKind, end: number): boolean {
    this.kind = kind;
    this.end = end;
    this.#after_string = false;
    return true;
  }

  #space(at: number): boolean {
    const text = this.#text;
    let end = at;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      if (CLASS[c] !== SPACE) break;
      if (c === NEWLINE || c === RETURN) this.#gap_newline = true;
      end += 1;
    }
    this.kind = TokenKind.space;
    this.end = end;
    return true;
  }

  #identifier(at: number, c: number): boolean {
    const text = this.#text;
    const next = text.charCodeAt(at + 1);
    if (next === QUOTE) {
      if (c === 0x45 || c === 0x65) return this.#string(at + 1, true);
      if (c === 0x42 || c === 0x62 || c === 0x58 || c === 0x78) return this.#string(at + 1, false);
    }
    if (next === AMPERSAND && (c === 0x55 || c === 0x75)) {
      const third = text.charCodeAt(at + 2);
      if (third === QUOTE) return this.#string(at + 2, false);
      if (third === DOUBLE_QUOTE) return this.#quotedIdentifier(at + 2);
    }
    return this.#finish(TokenKind.identifier, identifierEnd(text, at));
  }

  #operator(at: number, c: number): boolean {
    const text = this.#text;
    if (startsComment(text, at, c)) return c === MINUS ? this.#lineComment(at) : this.#blockComment(at);
    let end = at + 1;
    while (end < text.length) {
      const n = text.charCodeAt(end);
      if (CLASS[n] !== OPERATOR || startsComment(text, end, n)) break;
      end += 1;
    }
    return this.#finish(TokenKind.operator, end);
  }

  #lineComment(at: number): boolean {
    const text = this.#text;
    let end = at + 2;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      if (c === NEWLINE || c === RETURN) break;
      end += 1;
    }
    this.kind = TokenKind.line_comment;
    this.end = end;
    return true;
  }

  #blockComment(at: number): boolean {
    const text = this.#text;
    let depth = 1;
    let end = at + 2;
    while (end < text.length && depth > 0) {
      const c = text.charCodeAt(end);
      if (c === STAR && text.charCodeAt(end + 1) === SLASH) {
        depth -= 1;
        end += 2;
      } else if (c === SLASH && text.charCodeAt(end + 1) === STAR) {
        depth += 1;
        end += 2;
      } else end += 1;
    }
    this.unterminated = depth > 0;
    this.#gap_block = true;
    this.kind = TokenKind.block_comment;
    this.end = end;
    return true;
  }

  #punctuation(at: number, c: number): boolean {
    const text = this.#text;
    if (c === QUOTE) {
      if (!this.#after_string) return this.#string(at, false);
      if (this.#gap_block) this.block_comment_between_strings = true;
      return this.#string(at, this.#gap_newline && !this.#gap_block && this.#escapes);
    }
    if (c === DOUBLE_QUOTE) return this.#quotedIdentifier(at);
    if (c === DOT) {
      const next = text.charCodeAt(at + 1);
      if (CLASS[next] === DIGIT) return this.#finish(TokenKind.number, numberEnd(text, at));
      return this.#finish(TokenKind.other, next === DOT ? at + 2 : at + 1);
    }
    if (c !== DOLLAR) return this.#finish(TokenKind.other, at + 1);
    let end = at + 1;
    while (CLASS[text.charCodeAt(end)] === DIGIT) end += 1;
    if (end > at + 1) return this.#finish(TokenKind.parameter, end);
    return this.#dollarString(at);
  }

  #string(quote: number, escapes: boolean): boolean {
    const text = this.#text;
    let end = quote + 1;
    this.unterminated = true;
    while (end < text.length) {
      const c = text.charCodeAt(end);
      if (c === BACKSLASH && escapes) end += 2;
      else if (c !== QUOTE) end += 1;
      else if (text.charCodeAt(end + 1) === QUOTE) end += 2;
      else {
        end += 1;
        this.unterminated = false;
        break;
      }
    }
    this.kind = TokenKind.string;
    this.end = Math.min(end, text.length);
    this.#after_string = true;
    this.#escapes = escapes;
    this.#gap_newline = false;
    this.#gap_block = false;
    return true;
  }

  #quotedIdentifier(quote: number): boolean {
    const text = this.#text;
    let end = quote + 1;
    this.unterminated = true;
    while (end < text.length) {
      if (text.charCodeAt(end) !== DOUBLE_QUOTE) end += 1;
      else if (text.charCodeAt(end + 1) === DOUBLE_QUOTE) end += 2;
      else {
        end += 1;
        this.unterminated = false;
        break;
      }
    }
    return this.#finish(TokenKind.quoted_identifier, end);
  }

  #dollarString(at: number): boolean {
    const text = this.#text;
    let tag_end = at + 1;
    if (CLASS[text.charCodeAt(tag_end)] === IDENTIFIER) {
      do tag_end += 1;
      while (CLASS[text.charCodeAt(tag_end)] === IDENTIFIER || CLASS[text.charCodeAt(tag_end)] === DIGIT);
    }
    if (text.charCodeAt(tag_end) !== DOLLAR) return this.#finish(TokenKind.other, at + 1);
    const tag = text.slice(at, tag_end + 1);
    const close = text.indexOf(tag, tag_end + 1);
    this.unterminated = close < 0;
    return this.#finish(TokenKind.dollar_string, close < 0 ? text.length : close + tag.length);
  }
}

function startsComment(text: string, at: number, c: number): boolean {
  return (c === MINUS && text.charCodeAt(at + 1) === MINUS) || (c === SLASH && text.charCodeAt(at + 1) === STAR);
}

function identifierEnd(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length) {
    const c = text.charCodeAt(end);
    const kind = CLASS[c];
    if (kind !== IDENTIFIER && kind !== DIGIT && c !== DOLLAR) break;
    end += 1;
  }
  return end;
}

/**
 * With the letters that follow, which are a part of it (`0x1F`) or junk that every server since 15 refuses. Neither `1.` nor `1` of `1..2`
 * is more than the server takes: what comes after may be a string with its prefix, or a name with a `$`.
 */
function numberEnd(text: string, at: number): number {
  let end = digitsEnd(text, at);
  if (text.charCodeAt(end) === DOT && text.charCodeAt(end + 1) !== DOT) end = digitsEnd(text, end + 1);
  const c = text.charCodeAt(end);
  if (c === 0x65 || c === 0x45) {
    const sign = text.charCodeAt(end + 1);
    const digits = sign === PLUS || sign === MINUS ? end + 2 : end + 1;
    if (CLASS[text.charCodeAt(digits)] === DIGIT) end = digitsEnd(text, digits);
  }
  return CLASS[text.charCodeAt(end)] === IDENTIFIER ? identifierEnd(text, end) : end;
}

/** Digits with single underscores between them, if any. */
function digitsEnd(text: string, at: number): number {
  if (CLASS[text.charCodeAt(at)] !== DIGIT) return at;
  let end = at + 1;
  for (;;) {
    if (text.charCodeAt(end) === UNDERSCORE) end += 1;
    if (CLASS[text.charCodeAt(end)] !== DIGIT) break;
    end += 1;
  }
  return text.charCodeAt(end - 1) === UNDERSCORE ? end - 1 : end;
}

export interface Blanked {
  /** The text with every comment character but newlines a space; same length. The very same string when there was none. */
  readonly text: string;
  /** See Analysis.position_shift. */
  readonly position_shift: readonly (readonly [number, number])[];
  /** Words of the last `reason: ...` comment; null: none. UTF-16, at most `REASON_CHARS_MAX` characters. */
  readonly reason: string | null;
  /** Tokens other than white space and comments, an operator character counting as one: a proxy for the parser's cost. */
  readonly tokens: number;
  /** The server would see two literals where the blanked text has one: refuse. */
  readonly joins_strings: boolean;
}

/** Longest reason taken from a comment, in characters. */
export const REASON_CHARS_MAX = 1000;
const REASON = /^\s*reason:/i;

/** Blanks the comments of a text (UTF-8 bytes as latin1). */
export function blank(text: string): Blanked {
  const lexer = new Lexer(text);
  const pieces: string[] = [];
  const position_shift: (readonly [number, number])[] = [];
  let reason: string | null = null;
  let copied = 0;
  let count = 0;
  let counted = 0;
  let characters = 0;
  let characters_off = 0;
  while (lexer.next()) {
    const kind = lexer.kind;
    if (kind === TokenKind.space) continue;
    if (kind !== TokenKind.line_comment && kind !== TokenKind.block_comment) {
      count += kind === TokenKind.operator ? lexer.end - lexer.start : 1;
      continue;
    }
    // Left to the parser, which refuses it.
    if (lexer.unterminated) break;
    const comment = text.slice(lexer.start, lexer.end);
    const body = kind === TokenKind.line_comment ? comment.slice(2) : comment.slice(2, -2);
    const said = REASON.test(body) ? body.slice(body.indexOf(':') + 1).trim() : '';
    if (said) reason = Buffer.from(said, 'latin1').toString('utf8').slice(0, REASON_CHARS_MAX);
    pieces.push(text.slice(copied, lexer.start), comment.replace(/[^\n\r]/g, ' '));
    copied = lexer.end;
    const continuation = countContinuationBytes(comment);
    if (continuation > 0) {
      characters += characterLength(text, counted, lexer.end);
      counted = lexer.end;
      characters_off += continuation;
      position_shift.push([characters + characters_off + 1, characters_off]);
    }
  }
  const blanked = copied === 0 ? text : pieces.join('') + text.slice(copied);
  return { text: blanked, position_shift, reason, tokens: count, joins_strings: lexer.block_comment_between_strings };
}

function countContinuationBytes(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i += 1) if ((text.charCodeAt(i) & 0xc0) === 0x80) count += 1;
  return count;
}

/** Characters that begin in these bytes. */
function characterLength(text: string, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i += 1) if ((text.charCodeAt(i) & 0xc0) !== 0x80) count += 1;
  return count;
}

/** A character position (1-based) in the blanked text, as the server reports it, turned into one of the text as received. */
export function shiftPosition(position: number, shift: Blanked['position_shift']): number {
  let off = 0;
  for (const [from, characters] of shift) if (position >= from) off = characters;
  return position - off;
}

/**
 * The token sequences of texts (latin1), one after the other, without comments and white space, and further words (UTF-16) behind them:
 * what makes two statements the same one.
 * Their count, then each token's length in bytes and its bytes; numbers are 32 bits, big-endian.
 */
export function encodeTokens(texts: readonly string[], words: readonly string[] = []): Uint8Array<ArrayBuffer> {
  const last = words.map((word) => Buffer.from(word));
  let count = last.length;
  let size = last.reduce((sum, { length }) => sum + 4 + length, 4);
  for (const text of texts) {
    for (const lexer = new Lexer(text); lexer.next(); ) {
      if (lexer.kind === TokenKind.space || isComment(lexer.kind)) continue;
      count += 1;
      size += 4 + lexer.end - lexer.start;
    }
  }
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, count);
  let at = 4;
  for (const text of texts) {
    for (const lexer = new Lexer(text); lexer.next(); ) {
      if (lexer.kind === TokenKind.space || isComment(lexer.kind)) continue;
      view.setUint32(at, lexer.end - lexer.start);
      at += 4;
      for (let i = lexer.start; i < lexer.end; i += 1) bytes[at++] = text.charCodeAt(i);
    }
  }
  for (const word of last) {
    view.setUint32(at, word.length);
    bytes.set(word, at + 4);
    at += 4 + word.length;
  }
  return bytes;
}

/** Longest shape, in bytes of UTF-8. */
export const SHAPE_BYTES_MAX = 4096;

/** Redacted one-line normal form of a text (latin1 of UTF-8), as UTF-16: comments out, every literal a `?`. */
export function shape(text: string): string {
  const lexer = new Lexer(text);
  let out = '';
  let gap = false;
  let literal = false;
  while (out.length < SHAPE_BYTES_MAX && lexer.next()) {
    const kind = lexer.kind;
    if (kind === TokenKind.space || isComment(kind)) {
      gap = true;
      continue;
    }
    const is_string = kind === TokenKind.string;
    if (is_string && literal) {
      gap = false;
      continue;
    }
    if (gap && out !== '') out += ' ';
    gap = false;
    literal = is_string;
    const redacted = is_string || kind === TokenKind.dollar_string || kind === TokenKind.number;
    out += redacted ? '?' : text.slice(lexer.start, lexer.end);
  }
  return cutToCharacters(out.replace(/[\n\r\t\f\v]/g, ' '), SHAPE_BYTES_MAX);
}

function isComment(kind: TokenKind): boolean {
  return kind === TokenKind.line_comment || kind === TokenKind.block_comment;
}

/** Decodes at most `bytes_max` bytes of latin1-held UTF-8, never half a character. */
function cutToCharacters(text: string, bytes_max: number): string {
  let end = Math.min(text.length, bytes_max);
  while (end < text.length && end > 0 && (text.charCodeAt(end) & 0xc0) === 0x80) end -= 1;
  return ASCII_ONLY.test(text) ? text.slice(0, end) : Buffer.from(text.slice(0, end), 'latin1').toString('utf8');
}
// oxlint-disable-next-line no-control-regex
const ASCII_ONLY = /^[\x00-\x7f]*$/;

/** End of a possibly qualified name (`a . "b"`) that starts at `start`; at least one token. */
export function nameEnd(text: string, start: number): number {
  const lexer = new Lexer(text);
  lexer.end = start;
  if (!lexer.next()) return start;
  let end = lexer.end;
  let dot = false;
  while (lexer.next()) {
    if (lexer.kind === TokenKind.space) continue;
    const is_dot = lexer.kind === TokenKind.other && text.charCodeAt(lexer.start) === 0x2e;
    const is_name = lexer.kind === TokenKind.identifier || lexer.kind === TokenKind.quoted_identifier;
    if (dot ? !is_name : !is_dot) break;
    dot = is_dot;
    if (!dot) end = lexer.end;
  }
  return end;
}

/**
 * Numbers that only later servers read as one: `0x1F`, `0o17`, `0b1`, `1_000` (16 on). An older one refuses them, so a text with
 * one is not what the grammar of 18 says it is.
 */
export function hasNewerNumbers(text: string): boolean {
  if (!MAYBE_NEWER_NUMBER.test(text)) return false;
  const lexer = new Lexer(text);
  while (lexer.next()) {
    if (lexer.kind === TokenKind.number && NEWER_NUMBER.test(text.slice(lexer.start, lexer.end))) return true;
    // $1_000 is a parameter and a name before 16.
    if (lexer.kind === TokenKind.parameter && text.charCodeAt(lexer.end) === 0x5f) return true;
  }
  return false;
}
const MAYBE_NEWER_NUMBER = /\d_|0[xob]/i;
const NEWER_NUMBER = /\d_\d|^0[xob]/i;
