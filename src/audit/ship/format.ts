// What becomes of a record when it is shipped. Must never unseal anything: a destination gets what may be read without a key.
import { Known } from '../export/known.ts';
import { toOcsf } from '../export/ocsf.ts';
import { entriesOf, type Line as Parsed } from '../record.ts';
import { NOTHING } from './cursor.ts';
import type { LineReader } from './lines.ts';
import type { End, Line } from './types.ts';

export interface Format {
  /** Its messages, in their order; a block of allowed statements may have many. */
  of(line: Line): readonly Buffer[];
  /** Reads what it must know of the records before. */
  prepare?(reader: LineReader, end: End): Promise<void>;
}

/** The bytes of the log. */
export const JSONL: Format = { of: ({ bytes }) => [bytes] };

/** Records that say whose others are. */
const OPENING = /"type":"(session\.opened|request\.opened|request\.changed|permit\.granted)"/;
const HEAD_BYTES = 512;
const AT_ONCE = { records: 1000, bytes: 1024 * 1024 };

/** Open Cybersecurity Schema Framework. */
export class Ocsf implements Format {
  readonly #known = new Known();
  readonly #version: string;

  constructor(version: string) {
    this.#version = version;
  }

  of(line: Line): readonly Buffer[] {
    const { seq, time, node, type, clear, block } = JSON.parse(line.bytes.toString()) as Parsed;
    const record = { seq, time, node, type, clear, entries: block === undefined ? [] : entriesOf(block) };
    this.#known.see(record);
    return toOcsf(record, this.#known, { version: this.#version }).map((event) => Buffer.from(JSON.stringify(event)));
  }

  async prepare(reader: LineReader, end: End): Promise<void> {
    let { position } = await reader.find(NOTHING, end);
    for (;;) {
      const taken = await reader.take(position, end, AT_ONCE);
      if (taken.lines.length === 0) return;
      for (const { bytes } of taken.lines)
        if (OPENING.test(bytes.toString('latin1', 0, HEAD_BYTES)))
          this.#known.see(JSON.parse(bytes.toString()) as Parsed);
      ({ position } = taken);
    }
  }
}
