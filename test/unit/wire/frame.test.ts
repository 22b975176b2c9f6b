// FrameReader: however a stream is cut, the same messages come out, and nothing is copied that need not be.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BAD_LENGTH, FRAME, FrameReader, NEED_MORE, PART } from '../../../src/wire/postgres/frame.ts';
import { bytes, message } from './bytes.ts';

const BYTES_MAX = 400;
const STREAMED = 'dD';
const code = (letter: string): number => letter.charCodeAt(0);

const whole = fc.record({ type: fc.constantFrom('Q', 'X', 'P'), body: fc.uint8Array({ maxLength: BYTES_MAX - 4 }) });
const streamed = fc.record({ type: fc.constantFrom('d', 'D'), body: fc.uint8Array({ maxLength: 3 * BYTES_MAX }) });
const messages = fc
  .array(fc.oneof(whole, streamed), { maxLength: 12 })
  .map((list) => list.map(({ type, body }) => message(type, body)));
/** Lengths of chunks, used round and round. */
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 500 })), { minLength: 1 });

function* chunksOf(stream: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, index = 0; at < stream.length; index++) {
    const end = at + (lengths[index % lengths.length] as number);
    yield stream.subarray(at, end);
    at = end;
  }
}

/** Everything `next` has to say now; parts are joined to the message they belong to. */
function drain(reader: FrameReader, into: { found: Buffer[]; left: number }): void {
  for (;;) {
    const found = reader.next();
    if (found === NEED_MORE) return;
    const piece = Buffer.from(reader.buffer.subarray(reader.start, reader.end));
    if (found === FRAME) {
      expect(into.left).toBe(0);
      expect(reader.first).toBe(true);
      expect([reader.type, reader.length + 1]).toEqual([piece[0], piece.length]);
      into.found.push(piece);
    } else {
      expect(found).toBe(PART);
      expect(STREAMED).toContain(String.fromCharCode(reader.type));
      expect(reader.first).toBe(into.left === 0);
      if (reader.first) {
        into.found.push(piece);
        into.left = reader.length + 1 - piece.length;
      } else {
        into.found.push(Buffer.concat([into.found.pop() as Buffer, piece]));
        into.left -= piece.length;
      }
    }
  }
}

describe('any split of a stream', () => {
  test.each([
    ['', () => {}],
    [', also when what was read to its end is let go in between', (reader: FrameReader) => reader.release()],
    [', also when what is unread is packed in between', (reader: FrameReader) => reader.pack()],
  ] as const)('gives the same messages%s', (_, between) => {
    fc.assert(
      fc.property(messages, cuts, (sent, lengths) => {
        const reader = new FrameReader(STREAMED, BYTES_MAX);
        const got = { found: [] as Buffer[], left: 0 };
        for (const chunk of chunksOf(Buffer.concat(sent), lengths)) {
          reader.append(chunk);
          drain(reader, got);
          between(reader);
        }
        expect(got).toEqual({ found: sent, left: 0 });
        expect(reader.unread).toBe(0);
      }),
    );
  });

  test('gives the same messages when they are read late', () => {
    fc.assert(
      fc.property(messages, cuts, fc.array(fc.boolean(), { minLength: 1 }), (sent, lengths, reads) => {
        const reader = new FrameReader(STREAMED, BYTES_MAX);
        const got = { found: [] as Buffer[], left: 0 };
        let index = 0;
        for (const chunk of chunksOf(Buffer.concat(sent), lengths)) {
          reader.append(chunk);
          if (reads[index++ % reads.length]) drain(reader, got);
          else {
            const { unread } = reader;
            reader.pack();
            expect(reader.unread).toBe(unread);
          }
        }
        drain(reader, got);
        expect(got.found).toEqual(sent);
      }),
    );
  });

  test('counts what is unread', () => {
    fc.assert(
      fc.property(messages, cuts, (sent, lengths) => {
        const reader = new FrameReader(STREAMED, BYTES_MAX);
        let received = 0;
        let consumed = 0;
        for (const chunk of chunksOf(Buffer.concat(sent), lengths)) {
          reader.append(chunk);
          received += chunk.length;
          while (reader.next() !== NEED_MORE) consumed += reader.end - reader.start;
          expect(reader.unread).toBe(received - consumed);
        }
      }),
    );
  });
});

test('a message that is put back, packed and visited is found again with what came behind it, and can be taken away', () => {
  const held = message('Q', Buffer.from('SELECT \xe9\0', 'latin1'));
  const behind = message('X', Buffer.alloc(0));
  const reader = new FrameReader('', BYTES_MAX);
  const putBack = (): void => {
    expect(reader.next()).toBe(FRAME);
    reader.unread_last();
    reader.pack();
    expect(reader.buffer).toHaveLength(0);
  };
  reader.append(Buffer.concat([message('H', Buffer.alloc(0)), held]));
  expect(reader.next()).toBe(FRAME);
  putBack();
  putBack();
  reader.append(behind);
  reader.pack();
  reader.release();
  const visited: number[] = [];
  reader.peek((type) => visited.push(type) > 0);
  expect(visited).toEqual([code('Q'), code('X')]);
  reader.pack();
  expect(reader.takeRest()).toEqual(Buffer.concat([held, behind]));
  expect([reader.next(), reader.unread]).toEqual([NEED_MORE, 0]);
  reader.append(held);
  expect(reader.next()).toBe(FRAME);
  expect(reader.buffer.subarray(reader.start, reader.end)).toEqual(held);
});

test('a message that lies whole in a chunk is not copied', () => {
  const chunk = Buffer.concat([message('Q', Buffer.from('a\0')), message('X', Buffer.alloc(0))]);
  const reader = new FrameReader('', BYTES_MAX);
  reader.append(chunk);
  expect([reader.next(), reader.next()]).toEqual([FRAME, FRAME]);
  expect(reader.buffer).toBe(chunk);
});

test('a long message is copied once, when it is whole', () => {
  const sent = message('Q', Buffer.alloc(300, 0x61));
  const reader = new FrameReader('', BYTES_MAX);
  const head = sent.subarray(0, 10);
  reader.append(head);
  expect(reader.next()).toBe(NEED_MORE);
  for (let at = 10; at < 300; at += 10) {
    reader.append(sent.subarray(at, at + 10));
    expect(reader.next()).toBe(NEED_MORE);
    expect(reader.buffer).toBe(head);
    expect(reader.unread).toBe(at + 10);
  }
  reader.append(sent.subarray(300));
  expect(reader.next()).toBe(FRAME);
  expect(reader.buffer.subarray(reader.start, reader.end)).toEqual(sent);
});

describe('lengths', () => {
  test.each([
    ['0', '51 00000000', 0],
    ['less than its own four bytes', '51 00000003', 3],
    ['negative', '51 ffffffff', -1],
    ['the lowest', '51 80000000', -0x80000000],
    ['one over the limit', '51 00000191', BYTES_MAX + 1],
    ['the highest', '51 7fffffff', 0x7fffffff],
    ['of a streamed type, less than four', '64 00000003', 3],
    ['of a streamed type, negative', '64 80000000', -0x80000000],
  ])('%s: the stream is lost', (_, header, length) => {
    const reader = new FrameReader(STREAMED, BYTES_MAX);
    reader.append(Buffer.concat([message('X', Buffer.alloc(0)), bytes(header), Buffer.alloc(1000)]));
    expect(reader.next()).toBe(FRAME);
    expect(reader.next()).toBe(BAD_LENGTH);
    expect([reader.type, reader.length]).toEqual([bytes(header)[0], length]);
    expect(reader.next(), 'and stays lost').toBe(BAD_LENGTH);
  });

  test('at the limit, and a streamed type over it, pass', () => {
    const reader = new FrameReader(STREAMED, BYTES_MAX);
    reader.append(message('Q', Buffer.alloc(BYTES_MAX - 4)));
    expect(reader.next()).toBe(FRAME);
    reader.append(bytes('64 7fffffff 01 02'));
    expect(reader.next()).toBe(PART);
    expect([reader.first, reader.length, reader.end - reader.start]).toEqual([true, 0x7fffffff, 7]);
    expect(reader.next()).toBe(NEED_MORE);
  });

  test('four is the shortest', () => {
    const reader = new FrameReader('', 4);
    reader.append(bytes('53 00000004 48 00000004'));
    expect([reader.next(), reader.type, reader.next(), reader.type]).toEqual([FRAME, code('S'), FRAME, code('H')]);
  });
});

test('unread_last: found again, also after more has come', () => {
  const reader = new FrameReader('', BYTES_MAX);
  const first = message('P', Buffer.from('one'));
  const second = message('Q', Buffer.from('two'));
  reader.append(Buffer.concat([first, second.subarray(0, 6)]));
  expect(reader.next()).toBe(FRAME);
  reader.unread_last();
  expect(reader.unread).toBe(first.length + 6);
  reader.append(second.subarray(6));
  for (const sent of [first, second]) {
    expect(reader.next()).toBe(FRAME);
    expect(reader.buffer.subarray(reader.start, reader.end)).toEqual(sent);
  }
});

test('unread_last: the first part of a message, too', () => {
  const reader = new FrameReader('d', BYTES_MAX);
  const sent = message('d', Buffer.from('one and two'));
  reader.append(sent.subarray(0, 7));
  expect(reader.next()).toBe(PART);
  reader.unread_last();
  expect(reader.unread).toBe(7);
  expect([reader.next(), reader.first, reader.end - reader.start]).toEqual([PART, true, 7]);
  reader.unread_last();
  reader.append(sent.subarray(7));
  expect(reader.next()).toBe(FRAME);
  expect(reader.buffer.subarray(reader.start, reader.end)).toEqual(sent);
  expect(reader.next()).toBe(NEED_MORE);
});

test('release lets go of a buffer that was read to its end, and of no other', () => {
  const second = message('Q', Buffer.from('two'));
  const reader = new FrameReader('', BYTES_MAX);
  reader.append(Buffer.concat([message('P', Buffer.from('one')), second.subarray(0, 4)]));
  expect(reader.next()).toBe(FRAME);
  reader.release();
  expect(reader.unread).toBe(4);
  reader.append(second.subarray(4));
  expect(reader.next()).toBe(FRAME);
  expect(reader.buffer.subarray(reader.start, reader.end)).toEqual(second);
  reader.release();
  expect([reader.unread, reader.buffer.length]).toEqual([0, 0]);
});

test('takeRest hands over what was not read, a long message that still waits for its end too', () => {
  const long = message('P', Buffer.alloc(50, 'a'));
  const reader = new FrameReader('', BYTES_MAX);
  reader.append(Buffer.concat([message('Q', Buffer.from('one')), long.subarray(0, 7)]));
  expect(reader.next()).toBe(FRAME);
  expect(reader.next()).toBe(NEED_MORE);
  reader.append(long.subarray(7, 20));
  expect(reader.takeRest()).toEqual(long.subarray(0, 20));
  expect(reader.unread).toBe(0);
  reader.append(message('S', Buffer.alloc(0)));
  expect(reader.next()).toBe(FRAME);
});

describe('looking ahead', () => {
  test('peek visits the whole messages that are unread, in order, and consumes none', () => {
    fc.assert(
      fc.property(fc.array(whole, { minLength: 1, maxLength: 6 }), fc.nat(), fc.nat(), (list, consume, cut) => {
        const sent = list.map(({ type, body }) => message(type, body));
        const stream = Buffer.concat(sent);
        const reader = new FrameReader('', BYTES_MAX);
        reader.append(stream.subarray(0, stream.length - (cut % ((sent.at(-1) as Buffer).length + 1))));
        const complete = cut % ((sent.at(-1) as Buffer).length + 1) === 0 ? sent : sent.slice(0, -1);
        const skipped = consume % (complete.length + 1);
        for (let index = 0; index < skipped; index++) expect(reader.next()).toBe(FRAME);
        const before = reader.unread;
        const seen: Buffer[] = [];
        reader.peek((type, start, end) => {
          expect(type).toBe(reader.buffer[start]);
          seen.push(reader.buffer.subarray(start, end));
          return true;
        });
        expect(seen).toEqual(complete.slice(skipped));
        expect(reader.unread).toBe(before);
      }),
    );
  });

  test('peek stops when the visitor has seen enough', () => {
    const reader = new FrameReader('', BYTES_MAX);
    reader.append(bytes('53 00000004 48 00000004 58 00000004'));
    const seen: string[] = [];
    reader.peek((type) => seen.push(String.fromCharCode(type)) < 2);
    expect(seen).toEqual(['S', 'H']);
  });

  test('a bad length ends it', () => {
    const reader = new FrameReader('', BYTES_MAX);
    reader.append(bytes('53 00000004 51 00000003 58 00000004'));
    const seen: string[] = [];
    reader.peek((type) => seen.push(String.fromCharCode(type)) > 0);
    expect(seen).toEqual(['S']);
  });
});

test('run goes over whole messages of the same type, and stops before a part or a length that cannot be', () => {
  const row = message('D', Buffer.from('row'));
  const reader = new FrameReader('D', BYTES_MAX);
  reader.append(Buffer.concat([row, row, row, message('C', Buffer.from('x')), row, row.subarray(0, 6)]));
  expect([reader.next(), reader.run()]).toEqual([FRAME, 2]);
  expect([reader.start, reader.end]).toEqual([0, 3 * row.length]);
  expect([reader.next(), reader.run()]).toEqual([FRAME, 0]);
  expect([reader.next(), reader.run(), reader.unread]).toEqual([FRAME, 0, 6]);
  expect(reader.next()).toBe(PART);
  const bad = new FrameReader('D', BYTES_MAX);
  bad.append(Buffer.concat([row, Buffer.from('4400000003', 'hex')]));
  expect([bad.next(), bad.run(), bad.next()]).toEqual([FRAME, 0, BAD_LENGTH]);
});
