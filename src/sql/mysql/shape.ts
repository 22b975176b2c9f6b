// What is left of a text for logs, lists and digests: the redacted normal form, the agent's reason, the tokens.
import { Kind, Lexer, type Rules } from './lexer.ts';

/** Longest shape, in bytes of the text. */
export const SHAPE_BYTES_MAX = 4096;

/** Redacted one-line normal form of a text (latin1), as UTF-16: comments out, every literal a `?`. */
export function shape(text: string, rules: Rules): string {
  const lexer = new Lexer(text, rules);
  let out = '';
  let behind = 0;
  let literal = false;
  for (let at = 0; out.length < SHAPE_BYTES_MAX && lexer.next() !== Kind.end; at += 1) {
    // A dotted name comes as several tokens at once.
    for (; at < lexer.count; at += 1) {
      const kind = lexer.kinds[at]!;
      const [start, end] = [lexer.starts[at]!, lexer.ends[at]!];
      const redacted = LITERALS.has(kind) || isQuotedVariable(text, kind, start);
      const gap = start > behind && out !== '' ? ' ' : '';
      behind = end;
      if (redacted && literal && kind === Kind.string) continue;
      literal = kind === Kind.string;
      out += gap + (redacted ? '?' : text.slice(start, end));
    }
    at -= 1;
  }
  const line = out.replace(/[\n\r\t\f\v\0]/g, ' ').slice(0, SHAPE_BYTES_MAX);
  return rules.reading === 'utf8' ? Buffer.from(line, 'latin1').toString('utf8') : line;
}

const LITERALS: ReadonlySet<Kind> = new Set([Kind.string, Kind.number, Kind.hex, Kind.dollar]);

/** The host of an account is a name; a variable's name is one too. Neither is shown where it is quoted as a string. */
function isQuotedVariable(text: string, kind: Kind, start: number): boolean {
  return kind === Kind.variable && (text[start + 1] === "'" || text[start + 1] === '"');
}

/** Longest reason taken from a comment, in characters. */
const REASON_CHARS_MAX = 1000;

/** The words of a `reason: ...` comment (latin1), as UTF-16; null: it is none. */
export function reasonOf(comment: string): string | null {
  const body = comment.startsWith('/*') ? comment.slice(2, -2) : comment.replace(/^(#|--)/, '');
  const said = /^\s*reason:/i.test(body) ? body.slice(body.indexOf(':') + 1).trim() : '';
  return said === '' ? null : Buffer.from(said, 'latin1').toString('utf8').slice(0, REASON_CHARS_MAX);
}
