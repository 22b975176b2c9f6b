// Reads a stream line by line with bounded memory. Lines end at a line feed alone: node:readline would also end them at U+2028,
// which JSON allows inside a text.
import { Failure } from './failure.ts';

/** A statement of 16 MiB as hex is 32 MiB; beyond this a line is not read. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its line feed. */
  readonly text: string;
}

/** Every line that is not blank. Throws Failure at a line over 64 MiB. */
export async function* readLines(stream: AsyncIterable<Buffer | string>): AsyncGenerator<Line> {
  let number = 0;
  let parts: Buffer[] = [];
  let held = 0;
  const end = (rest: Buffer): Line | null => {
    number += 1;
    const text = (parts.length === 0 ? rest : Buffer.concat([...parts, rest])).toString('utf8').trim();
    parts = [];
    held = 0;
    return text === '' ? null : { number, text };
  };
  for await (const some of stream) {
    const chunk = typeof some === 'string' ? Buffer.from(some) : some;
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const line = end(chunk.subarray(from, at));
      from = at + 1;
      if (line) yield line;
    }
    if (from < chunk.length) {
      parts.push(chunk.subarray(from));
      held += chunk.length - from;
    }
    if (held > LINE_BYTES_MAX) throw new Failure(`line ${number + 1} is longer than ${LINE_BYTES_MAX} bytes`);
  }
  const last = parts.length === 0 ? null : end(Buffer.alloc(0));
  if (last) yield last;
}
