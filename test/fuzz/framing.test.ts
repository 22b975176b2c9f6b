// Fuzzes the framing against a reader that is too simple to be wrong: any bytes, in any chunks, read at any time. They must say the same,
// and a length that lies must end the stream, not fill the memory.
import { expect, test } from 'vitest';
import { BAD_LENGTH, FRAME, FrameReader, HEADER_BYTES, NEED_MORE, PART } from '../../src/wire/postgres/frame.ts';
import { message } from '../unit/wire/bytes.ts';
import { figure, noise, pick, PROVE, random, type Random, SEED, spoilt } from './random.ts';

const STEPS = PROVE ? 20_000_000 : 200_000;
const BYTES_MAX = 200;
const STREAMED = 'dD';
const CHUNK_BYTES_MAX = 300;

interface Found {
  readonly what: number;
  readonly type: number;
  readonly length: number;
  readonly first: boolean;
  readonly piece: Buffer;
}

/** All unread bytes in one buffer, looked at from the start each time. */
class PlainReader {
  unread: Buffer = Buffer.alloc(0);
  #streamLeft = 0;
  #streaming = { type: 0, length: 0 };
  /** What `next` consumed last. */
  #last: Buffer = Buffer.alloc(0);

  append(chunk: Buffer): void {
    this.unread = Buffer.concat([this.unread, chunk]);
  }

  next(): Found {
    if (this.#streamLeft > 0) {
      const bytes = Math.min(this.#streamLeft, this.unread.length);
      this.#streamLeft -= bytes;
      return this.#found(bytes === 0 ? NEED_MORE : PART, this.#streaming, false, bytes);
    }
    if (this.unread.length < HEADER_BYTES) return this.#found(NEED_MORE, this.#streaming, true, 0);
    const head = { type: this.unread.readUInt8(0), length: this.unread.readInt32BE(1) };
    const streamed = STREAMED.includes(String.fromCharCode(head.type));
    if (head.length < 4 || (!streamed && head.length > BYTES_MAX)) return this.#found(BAD_LENGTH, head, true, 0);
    if (this.unread.length > head.length) return this.#found(FRAME, head, true, head.length + 1);
    if (!streamed) return this.#found(NEED_MORE, head, true, 0);
    this.#streamLeft = head.length + 1 - this.unread.length;
    this.#streaming = head;
    return this.#found(PART, head, true, this.unread.length);
  }

  #found(what: number, head: { type: number; length: number }, first: boolean, bytes: number): Found {
    const piece = this.unread.subarray(0, bytes);
    if (bytes > 0) this.#last = piece;
    this.unread = this.unread.subarray(bytes);
    return { what, ...head, first, piece };
  }

  unread_last(): void {
    this.unread = Buffer.concat([this.#last, this.unread]);
  }

  peek(): Buffer[] {
    const whole: Buffer[] = [];
    if (this.#streamLeft > 0) return whole;
    for (let rest = this.unread; rest.length >= HEADER_BYTES; ) {
      const length = rest.readInt32BE(1);
      if (length < 4 || length >= rest.length) break;
      whole.push(rest.subarray(0, length + 1));
      rest = rest.subarray(length + 1);
    }
    return whole;
  }
}

const streamOf = (below: Random): Buffer => {
  const parts: Buffer[] = [];
  for (let left = 1 + below(12); left > 0; left--) {
    const type = pick(below, ['Q', 'P', 'B', 'S', 'X', 'd', 'D', '\0', '\xff']);
    const bytes = below(4) === 0 ? below(3 * BYTES_MAX) : below(20);
    parts.push(message(type, noise(below, STREAMED.includes(type) ? bytes : bytes % (BYTES_MAX - 3))));
  }
  const sound = Buffer.concat(parts);
  const kind = below(8);
  if (kind === 0) return noise(below, below(100));
  return kind < 4 ? spoilt(below, sound) : sound;
};

/** One stream to its end; how many steps it took. */
const read = (below: Random, outcomes: Map<number, number>): number => {
  const reader = new FrameReader(STREAMED, BYTES_MAX);
  const plain = new PlainReader();
  let left = streamOf(below);
  let steps = 0;
  let lost = false;
  const same = (what: string, ours: unknown, expected: unknown): void => {
    if (ours !== expected) expect(ours, `${what} (HOLDPOINT_SEED=${SEED}, step ${steps} of its stream)`).toBe(expected);
  };
  const next = (): number => {
    const expected = plain.next();
    const what = reader.next();
    same('next', what, expected.what);
    outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
    if (what === NEED_MORE) return what;
    same('type', reader.type, expected.type);
    same('length', reader.length, expected.length);
    if (what === BAD_LENGTH) return what;
    same('first', reader.first, expected.first);
    if (!reader.buffer.subarray(reader.start, reader.end).equals(expected.piece))
      expect(reader.buffer.subarray(reader.start, reader.end)).toEqual(expected.piece);
    return what;
  };
  for (;;) {
    steps++;
    const step = below(10);
    if (step < 3 && left.length > 0) {
      const bytes = below(8) === 0 ? 0 : 1 + below(below(2) === 0 ? 8 : CHUNK_BYTES_MAX);
      const chunk = Buffer.from(left.subarray(0, bytes));
      left = left.subarray(bytes);
      reader.append(chunk);
      plain.append(chunk);
    } else if (step === 7) {
      reader.release();
    } else if (step === 8) {
      const whole = plain.peek();
      let seen = 0;
      reader.peek((_, start, end) => {
        same('peek', reader.buffer.subarray(start, end).equals(whole[seen++] ?? Buffer.alloc(0)), true);
        return true;
      });
      same('peeked', seen, whole.length);
    } else if (step === 9 && below(40) === 0) {
      same('rest', reader.takeRest().equals(plain.unread), true);
      same('unread after takeRest', reader.unread, 0);
      return steps;
    } else {
      const what = next();
      if (what === FRAME && below(10) === 0) {
        reader.unread_last();
        plain.unread_last();
      }
      if (what === BAD_LENGTH) lost = true;
      else if (lost) same('a lost stream', 'goes on', 'stays lost');
      // Nothing waits but one message that is allowed to be so long.
      if (what === NEED_MORE && reader.unread > BYTES_MAX) same('unread', reader.unread, `at most ${BYTES_MAX}`);
      if (left.length === 0 && (what === NEED_MORE || lost)) return steps;
    }
    same('unread', reader.unread, plain.unread.length);
  }
};

test(`framing says what a plain reader says (HOLDPOINT_SEED=${SEED})`, () => {
  const began = performance.now();
  const below = random();
  const outcomes = new Map<number, number>();
  let steps = 0;
  while (steps < STEPS) steps += read(below, outcomes);
  figure('framing', steps, began);
  // Streams in which nothing happens would prove nothing.
  for (const what of [NEED_MORE, FRAME, PART, BAD_LENGTH]) expect(outcomes.get(what)).toBeGreaterThan(STEPS / 100);
});
