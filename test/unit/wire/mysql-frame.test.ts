// PacketReader: however a stream is cut, the same packets come out, in step with their sequence ids, and nothing is copied that need not be.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ANY,
  BAD_SEQUENCE,
  HEADER_BYTES,
  NEED_MORE,
  PACKET,
  PacketReader,
  packets,
  PART,
  PAYLOAD_BYTES_MAX,
  ROWS,
  TOO_LONG,
  WHOLE,
} from '../../../src/wire/mysql/frame.ts';
import { bytes } from './bytes.ts';

const BYTES_MAX = 400;

const payloads = fc.array(
  fc.uint8Array({ maxLength: BYTES_MAX }).map((body) => Buffer.from(body)),
  { maxLength: 12 },
);
/** Lengths of chunks, used round and round. */
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 500 })), { minLength: 1 });

function* chunksOf(stream: Buffer, lengths: readonly number[]): Generator<Buffer> {
  for (let at = 0, index = 0; at < stream.length; index++) {
    const end = at + (lengths[index % lengths.length] as number);
    yield stream.subarray(at, end);
    at = end;
  }
}

const streamOf = (list: readonly Buffer[], first = 0): Buffer =>
  Buffer.concat(list.map((payload, index) => packets(first + index, payload)));

describe('any split of a stream', () => {
  test.each([WHOLE, ROWS, ANY])('gives the same packets (parts: %i)', (parts) => {
    fc.assert(
      fc.property(payloads, cuts, fc.integer({ min: 0, max: 255 }), (sent, lengths, sequence) => {
        const reader = new PacketReader(BYTES_MAX);
        reader.parts = parts;
        reader.expect(sequence);
        const got: Buffer[] = [];
        for (const chunk of chunksOf(streamOf(sent, sequence), lengths)) {
          reader.append(chunk);
          for (let found = reader.next(); found !== NEED_MORE; found = reader.next()) {
            const piece = Buffer.from(reader.buffer.subarray(reader.start, reader.end));
            expect(found === PACKET || (found === PART && parts !== WHOLE)).toBe(true);
            if (reader.first) {
              got.push(piece);
              expect(reader.sequence).toBe((sequence + got.length - 1) & 0xff);
            } else got.push(Buffer.concat([got.pop() as Buffer, piece]));
          }
          reader.pack();
          reader.release();
        }
        expect(got.map((packet) => packet.subarray(HEADER_BYTES))).toEqual(sent);
        expect(reader.unread).toBe(0);
      }),
    );
  });

  test('gives the same messages, and each again when it is put back', () => {
    fc.assert(
      fc.property(payloads, cuts, (sent, lengths) => {
        const reader = new PacketReader(BYTES_MAX);
        const got: Buffer[] = [];
        for (const chunk of chunksOf(streamOf(sent), lengths)) {
          reader.append(chunk);
          for (let found = reader.message(); found !== NEED_MORE; found = reader.message()) {
            expect(found).toBe(PACKET);
            reader.unread_last();
            const { unread } = reader;
            reader.pack();
            expect(reader.unread).toBe(unread);
            expect(reader.message()).toBe(PACKET);
            got.push(Buffer.from(reader.body.subarray(reader.from, reader.to)));
          }
          reader.pack();
        }
        expect(got).toEqual(sent);
      }),
    );
  });
});

test('a message that is put back, packed and visited is found again with what came behind it, and can be taken away', () => {
  const held = packets(0, Buffer.from('\x03SELECT \xe9', 'latin1'));
  const behind = packets(0, Buffer.from([1]));
  const reader = new PacketReader(BYTES_MAX);
  const putBack = (): void => {
    reader.expect(0);
    expect(reader.message()).toBe(PACKET);
    reader.unread_last();
    reader.pack();
    expect([reader.buffer, reader.body].map(({ length }) => length)).toEqual([0, 0]);
  };
  reader.append(held);
  putBack();
  putBack();
  reader.append(behind);
  reader.pack();
  const visited: number[] = [];
  reader.peek((start, end) => visited.push(end - start) > 0);
  expect(visited).toEqual([held.length, behind.length]);
  reader.pack();
  expect(reader.takeRest()).toEqual(Buffer.concat([held, behind]));
  expect(reader.unread).toBe(0);
});

test('a message that lies whole in a chunk is not copied', () => {
  const chunk = bytes(`
    02 00 00 00 -- length, sequence id
    0e 41       -- payload`);
  const reader = new PacketReader(BYTES_MAX);
  reader.append(chunk);
  expect(reader.message()).toBe(PACKET);
  expect(reader.body).toBe(chunk);
  expect([reader.from, reader.to, reader.start, reader.end]).toEqual([4, 6, 0, 6]);
});

describe('more than a packet holds', () => {
  const long = Buffer.alloc(PAYLOAD_BYTES_MAX + 5, 0x61);
  const exact = Buffer.alloc(PAYLOAD_BYTES_MAX, 0x62);

  test.each([long, exact])('is one message, whose last packet may be empty', (payload) => {
    const framed = packets(0, payload);
    expect(framed.length).toBe(payload.length + 2 * HEADER_BYTES);
    const reader = new PacketReader(2 ** 25);
    reader.append(framed.subarray(0, 1000));
    expect(reader.message()).toBe(NEED_MORE);
    reader.append(framed.subarray(1000));
    expect(reader.message()).toBe(PACKET);
    expect(payload.equals(reader.body.subarray(reader.from, reader.to))).toBe(true);
    expect([reader.sequence, reader.expected]).toEqual([1, 2]);
    expect(new PacketReader(PAYLOAD_BYTES_MAX - 1).message()).toBe(NEED_MORE);
  });

  test('goes by as packets in parts, of which the second carries on whatever it begins with', () => {
    const payload = Buffer.concat([exact, Buffer.from([0xff, 1, 2])]);
    const framed = packets(9, payload);
    const reader = new PacketReader(BYTES_MAX);
    reader.parts = ROWS;
    reader.expect(9);
    reader.append(framed.subarray(0, 100));
    expect([reader.next(), reader.first, reader.continues, reader.last]).toEqual([PART, true, false, false]);
    reader.append(framed.subarray(100, -2));
    expect([reader.next(), reader.first]).toEqual([PART, false]);
    expect([reader.next(), reader.first, reader.continues, reader.last]).toEqual([PART, true, true, true]);
    reader.append(framed.subarray(-2));
    expect([reader.next(), reader.first]).toEqual([PART, false]);
    expect(reader.unread).toBe(0);
  });

  test('is too long where it is over the limit, before it is there', () => {
    const reader = new PacketReader(PAYLOAD_BYTES_MAX);
    reader.append(packets(0, long).subarray(0, PAYLOAD_BYTES_MAX + 2 * HEADER_BYTES));
    expect(reader.message()).toBe(TOO_LONG);
  });
});

test('errors and ends are waited for where rows pass in parts; over the limit they are too long', () => {
  for (const [head, found] of [
    [0xff, NEED_MORE],
    [0xfe, NEED_MORE],
    [0xfd, PART],
    [0x00, PART],
  ] as const) {
    const reader = new PacketReader(BYTES_MAX);
    reader.parts = ROWS;
    reader.append(Buffer.from([20, 0, 0, 0, head, 1, 2]));
    expect(reader.next()).toBe(found);
  }
  const reader = new PacketReader(BYTES_MAX);
  reader.parts = ROWS;
  reader.append(Buffer.from([0, 2, 0, 0, 0xff, 1, 2]));
  expect(reader.next()).toBe(TOO_LONG);
});

test('a sequence id out of step ends the stream', () => {
  const framed = streamOf([Buffer.from('a'), Buffer.from('b')]);
  framed[5 + 3] = 5;
  for (const read of ['next', 'message'] as const) {
    const reader = new PacketReader(BYTES_MAX);
    reader.append(Buffer.from(framed));
    expect(reader[read]()).toBe(PACKET);
    expect(reader[read]()).toBe(BAD_SEQUENCE);
  }
});

test('a run of rows stops at what is none, and at the limits', () => {
  const rows = ['a', 'b', 'c', 'd', 'e', 'f'].map((text) => Buffer.from(`\x01${text}`));
  const stream = streamOf([...rows, Buffer.from([0xfe, 0, 0, 2, 0])], 3);
  const reader = new PacketReader(BYTES_MAX);
  reader.expect(3);
  reader.append(stream);
  expect(reader.next()).toBe(PACKET);
  expect(reader.run(1)).toBe(1);
  expect(reader.run(Infinity, 13)).toBe(2);
  expect(reader.run()).toBe(2);
  expect(reader.expected).toBe(3 + 6);
  expect([reader.next(), reader.length]).toEqual([PACKET, 5]);
});
