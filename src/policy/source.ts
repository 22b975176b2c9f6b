// Where something stands in a policy file, and how an error about it looks: `file:line:col`, the line, a caret.
// Never guesses: a position that can't be mapped exactly falls back to the start of the value it is in.
import { LineCounter, type Scalar } from 'yaml';
import type { PolicyError } from './types.ts';

export class Source {
  readonly path: string;
  readonly text: string;
  readonly lines = new LineCounter();

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** start, end: offsets in UTF-16 units, half-open. */
  error(message: string, start: number, end: number = start + 1): PolicyError {
    const { line, col } = this.lines.linePos(Math.min(start, this.text.length));
    const begin = start - (col - 1);
    const newline = this.text.indexOf('\n', begin);
    const text = this.text.slice(begin, newline < 0 ? undefined : newline).trimEnd();
    // A tab stays a tab before the caret, so that both lines shift alike; a wide range is underlined to the line's end.
    const pad = text.slice(0, col - 1).replace(/[^\t]/g, ' ');
    const width = Math.max(1, Math.min(end, begin + text.length) - start);
    return { path: this.path, line, column: col, message, excerpt: `${text}\n${pad}${'^'.repeat(width)}` };
  }
}

/** One error as the command line prints it. */
export function formatPolicyError(error: PolicyError): string {
  const head = `${error.path}:${error.line}:${error.column}: ${error.message}`;
  if (error.excerpt === '') return head;
  const [text = '', caret = ''] = error.excerpt.split('\n');
  const gutter = String(error.line).padStart(5);
  return `${head}\n${gutter} | ${text}\n${' '.repeat(gutter.length)} | ${caret}`;
}

/**
 * Maps offsets in a scalar's value to offsets in the file. YAML folds only white space, so the n-th other character of
 * the value is the n-th other character of the source, escapes of quoted scalars apart.
 */
export function scalarOffset(source: Source, scalar: Scalar<string>): (offset: number) => number {
  const [from, to] = scalar.range ?? [0, 0];
  const text = source.text;
  const block = scalar.type === 'BLOCK_LITERAL' || scalar.type === 'BLOCK_FOLDED';
  const quoted = scalar.type === 'QUOTE_DOUBLE' || scalar.type === 'QUOTE_SINGLE';
  const begin = block ? text.indexOf('\n', from) + 1 : quoted ? from + 1 : from;
  return (offset) => {
    let at = begin;
    for (let i = 0; i < scalar.value.length && at < to; i++) {
      if (/\s/.test(scalar.value[i]!)) {
        if (i === offset) return at;
        continue;
      }
      while (at < to && /\s/.test(text[at]!)) at += 1;
      if (i >= offset) return at;
      if (scalar.type === 'QUOTE_DOUBLE' && text[at] === '\\') at += 1;
      if (scalar.type === 'QUOTE_SINGLE' && text[at] === "'") at += 1;
      at += 1;
    }
    return at;
  };
}

/** The nearest of the known names, for "did you mean"; undefined when none is near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const d = distance(name.toLowerCase(), candidate.toLowerCase());
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}

/** "; did you mean x?" or nothing. */
export function hint(name: string, known: Iterable<string>): string {
  const near = nearest(name, known);
  return near === undefined ? '' : `; did you mean \`${near}\`?`;
}

// Levenshtein, one row at a time.
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]!;
}
