// ReplyReader: replies as real servers sent them are followed to their end, packet by packet, and what fits none is broken.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NEED_MORE, PACKET, PacketReader, packets, PART, ROWS, WHOLE } from '../../../src/wire/mysql/frame.ts';
import {
  BROKEN,
  CURSOR_REPLY,
  END,
  EVENTS_REPLY,
  FIELDS_REPLY,
  FILE_REQUEST,
  PASSES,
  PREPARE_REPLY,
  readChanges,
  type ReplyFormat,
  ReplyReader,
  RESULT_END,
  RESULT_REPLY,
  ROW,
  ROWS_REPLY,
  STATUS_REPLY,
  TEXT_REPLY,
} from '../../../src/wire/mysql/replies.ts';
import { bytes } from './bytes.ts';

const OLD: ReplyFormat = {
  deprecateEof: false,
  sessionTrack: false,
  optionalMetadata: false,
  optionalPrepared: false,
  progress: false,
};
const NEW: ReplyFormat = { ...OLD, deprecateEof: true, sessionTrack: true };
const OPTIONAL: ReplyFormat = { ...OLD, optionalMetadata: true, optionalPrepared: true };
const OPTIONAL_NEW: ReplyFormat = { ...NEW, optionalMetadata: true, optionalPrepared: true };

const hex = (text: string): Buffer => bytes(text);
const OK = hex('00 00 00 0200 0000');
const OK_MORE = hex('00 00 00 0a00 0000');
const EOF = hex('fe 0000 0200');
const EOF_MORE = hex('fe 0000 0a00');
const EOF_CURSOR = hex('fe 0000 6200');
const OK_EOF = hex('fe 00 00 0200 0000');
const OK_EOF_CURSOR = hex('fe 00 00 6200 0000');
const ERR = hex('ff 1604 "#3D000No database selected"');
const COLUMN = hex('03 "def" 00 00 00 01 "1" 00 0c 3f00 02000000 08 8100 00 0000');
const ROW_1 = hex('01 "1"');
const NULL_ROW = hex('fb');
const BINARY_ROW = hex('00 00 0100000000000000');
const ONE = hex('01');

/** What each payload is, and whether that was all. */
const follow = (format: ReplyFormat, kind: number, payloads: readonly Buffer[]): [number[], ReplyReader] => {
  const reader = new ReplyReader(format);
  reader.begin(kind);
  const what = payloads.map((payload) => {
    const before = Buffer.concat([Buffer.from([9, 9, 9]), payload, Buffer.from([7])]);
    return reader.read(before, 3, 3 + payload.length, payload.length);
  });
  return [what, reader];
};

const PROGRESS = hex('ff ffff 01 01 02 010000 04 "copy"');

describe('replies of real servers', () => {
  test.each<[string, ReplyFormat, number, Buffer[], number[]]>([
    ['OK', OLD, RESULT_REPLY, [OK], [END]],
    ['ERR', OLD, RESULT_REPLY, [ERR], [END]],
    ['a result', OLD, RESULT_REPLY, [ONE, COLUMN, EOF, ROW_1, NULL_ROW, EOF], [PASSES, PASSES, PASSES, ROW, ROW, END]],
    ['a result without EOF', NEW, RESULT_REPLY, [ONE, COLUMN, ROW_1, OK_EOF], [PASSES, PASSES, ROW, END]],
    ['no definitions', OPTIONAL, RESULT_REPLY, [hex('01 00'), EOF, ROW_1, EOF], [PASSES, PASSES, ROW, END]],
    ['no definitions, no EOF', OPTIONAL_NEW, RESULT_REPLY, [hex('01 00'), ROW_1, OK_EOF], [PASSES, ROW, END]],
    ['definitions told of', OPTIONAL, RESULT_REPLY, [hex('01 01'), COLUMN, EOF, EOF], [PASSES, PASSES, PASSES, END]],
    [
      'several results',
      OLD,
      RESULT_REPLY,
      [ONE, COLUMN, EOF, EOF_MORE, OK_MORE, OK],
      [0, 0, 0, RESULT_END, RESULT_END, END],
    ],
    ['an error behind a result', OLD, RESULT_REPLY, [OK_MORE, ERR], [RESULT_END, END]],
    ['an error among rows', NEW, RESULT_REPLY, [ONE, COLUMN, ROW_1, ERR], [PASSES, PASSES, ROW, END]],
    ['a cursor', OLD, CURSOR_REPLY, [ONE, COLUMN, EOF_CURSOR], [PASSES, PASSES, END]],
    ['a cursor without EOF', NEW, CURSOR_REPLY, [ONE, COLUMN, OK_EOF_CURSOR], [PASSES, PASSES, END]],
    ['no cursor where one was asked for', OLD, CURSOR_REPLY, [ONE, COLUMN, EOF, BINARY_ROW, EOF], [0, 0, 0, ROW, END]],
    [
      'results of a CALL with a cursor',
      OLD,
      CURSOR_REPLY,
      [ONE, COLUMN, EOF, EOF_MORE, OK],
      [0, 0, 0, RESULT_END, END],
    ],
    [
      'rows of a procedure that has a cursor open',
      OLD,
      RESULT_REPLY,
      [ONE, COLUMN, EOF_CURSOR, ROW_1, hex('fe 0000 4a00'), OK],
      [PASSES, PASSES, PASSES, ROW, RESULT_END, END],
    ],
    ['rows of a cursor', NEW, ROWS_REPLY, [BINARY_ROW, OK_EOF], [ROW, END]],
    ['events', OLD, EVENTS_REPLY, [BINARY_ROW, BINARY_ROW, EOF], [ROW, ROW, END]],
    ['events of MySQL, whose end is an EOF all the same', NEW, EVENTS_REPLY, [BINARY_ROW, EOF], [ROW, END]],
    ['events without EOF', NEW, EVENTS_REPLY, [BINARY_ROW, OK_EOF], [ROW, END]],
    ['no events', OLD, EVENTS_REPLY, [ERR], [END]],
    ['rows that end as events', NEW, ROWS_REPLY, [BINARY_ROW, EOF], [ROW, BROKEN]],
    ['a cursor that is none', OLD, ROWS_REPLY, [ERR], [END]],
    ['a prepare of nothing', OLD, PREPARE_REPLY, [hex('00 01000000 0000 0000 00 0000')], [END]],
    [
      'a prepare',
      OLD,
      PREPARE_REPLY,
      [hex('00 07000000 0200 0100 00 0000'), COLUMN, EOF, COLUMN, COLUMN, EOF],
      [PASSES, PASSES, PASSES, PASSES, PASSES, END],
    ],
    ['a prepare without EOF', NEW, PREPARE_REPLY, [hex('00 07000000 0100 0100 00 0000'), COLUMN, COLUMN], [0, 0, END]],
    ['a prepare of columns', NEW, PREPARE_REPLY, [hex('00 07000000 0100 0000 00 0000'), COLUMN], [PASSES, END]],
    [
      'a prepare without definitions',
      OPTIONAL,
      PREPARE_REPLY,
      [hex('00 01000000 0200 0100 00 0000 00'), EOF, EOF],
      [0, 0, END],
    ],
    ['the same without EOF', OPTIONAL_NEW, PREPARE_REPLY, [hex('00 01000000 0200 0100 00 0000 00')], [END]],
    ['a prepare that failed', OLD, PREPARE_REPLY, [ERR], [END]],
    ['fields', OLD, FIELDS_REPLY, [COLUMN, COLUMN, EOF], [PASSES, PASSES, END]],
    ['fields without EOF', NEW, FIELDS_REPLY, [COLUMN, OK_EOF], [PASSES, END]],
    ['COM_STATISTICS', NEW, TEXT_REPLY, [hex('"Uptime: 9  Threads: 2"')], [END]],
    ['COM_SET_OPTION', OLD, STATUS_REPLY, [EOF], [END]],
    ['COM_SET_OPTION without EOF', NEW, STATUS_REPLY, [OK_EOF], [END]],
    ['a request for a file', OLD, RESULT_REPLY, [hex('fb "numbers"')], [FILE_REQUEST]],
    [
      'reports of progress',
      { ...OLD, progress: true },
      RESULT_REPLY,
      [PROGRESS, ONE, COLUMN, PROGRESS, EOF, ROW_1, PROGRESS, EOF],
      [PASSES, PASSES, PASSES, PASSES, PASSES, ROW, PASSES, END],
    ],
    ['the greatest number of rows', OLD, RESULT_REPLY, [hex('00 feffffffffffffffff 00 0200 0000')], [END]],
  ])('%s', (_, format, kind, payloads, expected) => {
    const [what, reader] = follow(format, kind, payloads);
    expect(what).toEqual(expected);
    expect(reader.done).toBe(expected.at(-1) === END);
  });

  test('what OK, EOF, ERR and a prepare say', () => {
    expect(follow(OLD, RESULT_REPLY, [hex('00 02 00 0302 0000 "Records: 2"')])[1]).toMatchObject({
      affected: 2,
      status: 0x203,
      failed: false,
      results: 1,
    });
    expect(follow(OLD, RESULT_REPLY, [ONE, COLUMN, EOF, hex('fe 0100 2300')])[1]).toMatchObject({
      status: 0x23,
      hadRows: true,
    });
    expect(follow(OLD, RESULT_REPLY, [OK_MORE, ERR])[1]).toMatchObject({
      errno: 1046,
      sqlstateAt: 7,
      failed: true,
      results: 1,
    });
    expect(follow(OLD, PREPARE_REPLY, [hex('00 07000000 0200 0100 00 0000')])[1]).toMatchObject({
      statement: 7,
      parameters: 1,
    });
  });

  test('what has changed of the session', () => {
    const ok = hex(`
      00 00 00        -- OK
      0240 0000 00    -- status, warnings, info
      21              -- bytes of all
      00 11 08 "sql_mode" 07 "ANSI,OK"
      01 02 01 "d"    -- schema
      02 02 01 "1"    -- state change
      05 02 01 "T"`);
    const [what, reader] = follow(NEW, RESULT_REPLY, [
      Buffer.concat([ok.subarray(0, 8), Buffer.of(ok.length - 9), ok.subarray(9)]),
    ]);
    expect(what).toEqual([END]);
    const seen: unknown[] = [];
    const body = Buffer.concat([Buffer.from([9, 9, 9]), ok]);
    expect(readChanges(body, reader.changesFrom, reader.changesTo, (...change) => seen.push(change))).toBe(true);
    expect(seen).toEqual([
      [0, 'sql_mode', 'ANSI,OK'],
      [1, '', 'd'],
      [2, '', '1'],
      [5, '', 'T'],
    ]);
    expect(follow({ ...NEW, sessionTrack: false }, RESULT_REPLY, [ok])[1].changesTo).toBe(0);
  });

  test.each([
    ['ucs2', hex('00 00 00 0040 0000 00 00 05 01 03 02 "d3"')],
    ['utf32', hex('00 00 00 0040 0000 00 000000 05 01 03 02 "d3"')],
  ])('what has changed in a database of %s', (_, ok) => {
    const [what, reader] = follow(NEW, RESULT_REPLY, [ok]);
    expect(what).toEqual([END]);
    const seen: unknown[] = [];
    readChanges(Buffer.concat([Buffer.from([9, 9, 9]), ok]), reader.changesFrom, reader.changesTo, (...change) =>
      seen.push(change),
    );
    expect(seen).toEqual([[1, '', 'd3']]);
  });
});

describe('a hostile server', () => {
  test.each<[string, ReplyFormat, number, Buffer[]]>([
    ['nothing', OLD, RESULT_REPLY, [Buffer.alloc(0)]],
    ['an absurd count of columns', OLD, RESULT_REPLY, [hex('fe ffffffffffffffff')]],
    ['too many columns', OLD, RESULT_REPLY, [hex('fd 000001')]],
    ['more behind the count', OLD, RESULT_REPLY, [hex('01 01')]],
    ['a count that is cut off', OLD, RESULT_REPLY, [hex('fc 01')]],
    ['an EOF in the place of definitions', OLD, RESULT_REPLY, [ONE, EOF]],
    ['a row in the place of an EOF', OLD, RESULT_REPLY, [ONE, COLUMN, ROW_1]],
    ['an EOF of a length that is none', OLD, RESULT_REPLY, [ONE, COLUMN, EOF, OK_EOF]],
    ['an OK that is cut off', NEW, RESULT_REPLY, [hex('00 00 00 0200')]],
    ['changes that lie', NEW, RESULT_REPLY, [hex('00 00 00 0240 0000 00 ff 00')]],
    [
      'changes behind more than a character',
      NEW,
      RESULT_REPLY,
      [hex('00 00 00 0240 0000 00 00000000 05 01 03 02 "d3"')],
    ],
    ['a file where none can be', OLD, PREPARE_REPLY, [hex('fb 61')]],
    ['a progress report that nobody wanted', OLD, RESULT_REPLY, [hex('ff ffff 01 01 01 000000 00')]],
    ['an OK of a prepare that is cut off', OLD, PREPARE_REPLY, [OK]],
    ['a packet behind the end', OLD, RESULT_REPLY, [OK, OK]],
    ['a packet before the file', OLD, RESULT_REPLY, [hex('fb 61'), OK]],
  ])('%s', (_, format, kind, payloads) => {
    expect(follow(format, kind, payloads)[0].at(-1)).toBe(BROKEN);
  });

  test('a row that begins as an EOF does is one by its length alone', () => {
    const reader = new ReplyReader(OLD);
    reader.begin(ROWS_REPLY);
    const head = hex('fe 0000000001000000');
    expect(reader.read(head, 0, head.length, 0xff_ffff)).toBe(ROW);
    expect(reader.read(head, 0, head.length, head.length)).toBe(BROKEN);
  });
});

test('any split of a stream is followed alike', () => {
  const long = Buffer.concat([hex('fd e80300'), Buffer.alloc(1000, 0xff)]);
  const payloads = [ONE, COLUMN, EOF, ROW_1, long, NULL_ROW, EOF_MORE, OK_MORE, ONE, COLUMN, EOF, long, EOF];
  const stream = Buffer.concat(payloads.map((payload, index) => packets(1 + index, payload)));
  const whole = read([stream]);
  expect(whole.at(-1)).toBe(END);
  for (let at = 1; at < stream.length; at++) expect(read([stream.subarray(0, at), stream.subarray(at)])).toEqual(whole);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (lengths) => {
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; ) {
        const length = lengths[chunks.length % lengths.length] as number;
        chunks.push(stream.subarray(at, at + length));
        at += length;
      }
      expect(read(chunks)).toEqual(whole);
    }),
  );
});

/** As a session reads: what each message is. */
const read = (chunks: readonly Buffer[]): number[] => {
  const framing = new PacketReader(500);
  const reply = new ReplyReader(OLD);
  framing.expect(1);
  reply.begin(RESULT_REPLY);
  const seen: number[] = [];
  for (const chunk of chunks) {
    framing.append(Buffer.from(chunk));
    for (;;) {
      framing.parts = reply.inRows ? ROWS : WHOLE;
      const found = framing.next();
      if (found === NEED_MORE) break;
      expect([PACKET, PART]).toContain(found);
      if (framing.first && !framing.continues)
        seen.push(reply.read(framing.body, framing.from, framing.to, framing.length));
    }
  }
  return seen;
};
