// What is left of a text for logs and lists: the redacted normal form, and the agent's reason.
import { SHAPE_HIDDEN } from '../findings.ts';
import { Kind, type Lexer } from './lexer.ts';

/** Longest shape, in bytes of the text. */
export const SHAPE_BYTES_MAX = 4096;

/** Redacted one-line normal form of a message: comments out, every literal a `?`. */
export class Shape {
  #out = '';
  /** Where the last token ended. */
  #behind = 0;
  #literal = false;
  #utf8 = false;
  #hidden = false;

  /** Nothing of what comes is shown. */
  hide(): void {
    if (!this.#hidden) this.#out += this.#out === '' ? SHAPE_HIDDEN : ` ${SHAPE_HIDDEN}`;
    this.#hidden = true;
  }

  /** Adds the tokens of a statement and the one that ends it. to: index of that. */
  add(lexer: Lexer, to: number): void {
    if (this.#hidden) return;
    const { kinds, starts, ends, text } = lexer;
    this.#utf8 = lexer.rules.reading === 'utf8';
    let out = this.#out;
    for (let at = 0; at <= to && at < kinds.length && out.length < SHAPE_BYTES_MAX; at += 1) {
      const kind = kinds[at]!;
      const start = starts[at]!;
      const redacted = LITERALS[kind]! > 0 || (kind === Kind.variable && isQuoted(text, start));
      // 'it's: what follows was meant to be in quotes. 'a'AS b is right, and rare.
      if (kind === Kind.word && this.#literal && start === this.#behind) {
        this.#out = out;
        return this.hide();
      }
      const joined = redacted && this.#literal && kind === Kind.string;
      if (!joined) {
        if (start > this.#behind && out !== '') out += ' ';
        out += redacted ? '?' : text.slice(start, ends[at]);
      }
      this.#behind = ends[at]!;
      this.#literal = kind === Kind.string;
    }
    this.#out = out;
  }

  /** UTF-16. */
  get text(): string {
    const line = BREAKS.test(this.#out) ? this.#out.replace(BREAKS_ALL, ' ') : this.#out;
    const cut = line.length > SHAPE_BYTES_MAX ? line.slice(0, SHAPE_BYTES_MAX) : line;
    return this.#utf8 && NOT_ASCII.test(cut) ? Buffer.from(cut, 'latin1').toString('utf8') : cut;
  }
}

const LITERALS = new Uint8Array(16);
for (const kind of [Kind.string, Kind.number, Kind.hex, Kind.dollar]) LITERALS[kind] = 1;
// oxlint-disable-next-line no-control-regex
const BREAKS = /[\n\r\t\f\v\0]/;
// oxlint-disable-next-line no-control-regex
const BREAKS_ALL = /[\n\r\t\f\v\0]/g;
// oxlint-disable-next-line no-control-regex
const NOT_ASCII = /[^\x00-\x7f]/;

/** The host of an account, or the name of a variable, written as a string. */
function isQuoted(text: string, start: number): boolean {
  const quote = text.charCodeAt(start + 1);
  return quote === 0x27 || quote === 0x22;
}

/** Longest reason taken from a comment, in characters. */
const REASON_CHARS_MAX = 1000;

/** The words of a `reason: ...` comment (latin1), as UTF-16; null: it is none. */
export function reasonOf(comment: string): string | null {
  const body = comment.startsWith('/*') ? comment.slice(2, -2) : comment.replace(/^(#|--)/, '');
  const said = /^\s*reason:/i.test(body) ? body.slice(body.indexOf(':') + 1).trim() : '';
  return said === '' ? null : Buffer.from(said, 'latin1').toString('utf8').slice(0, REASON_CHARS_MAX);
}
