// Fuzzes the packets of MySQL and the replies in them: any bytes, in any chunks. They must be found as a reader finds them that is too simple to be
// wrong; a length or a count that lies must end the stream, not fill the memory; and what is followed is followed alike however it is cut.
import { expect, test } from 'vitest';
import {
  BAD_SEQUENCE,
  NEED_MORE,
  PACKET,
  PacketReader,
  packets,
  PART,
  ROWS,
  TOO_LONG,
  WHOLE,
} from '../../src/wire/mysql/frame.ts';
import { queryText } from '../../src/wire/mysql/commands.ts';
import { decodeBulk, decodeExecution, NO_TYPES, readBulk, readExecution } from '../../src/wire/mysql/parameters.ts';
import { BROKEN, readChanges, ReplyReader, RESULT_REPLY } from '../../src/wire/mysql/replies.ts';
import { bytes } from '../unit/wire/bytes.ts';
import { figure, noise, pick, PROVE, random, type Random, SEED, spoilt } from './random.ts';

const STEPS = PROVE ? 1_000_000 : 5_000;
const BYTES_MAX = 200;

const OK = bytes('00 00 00 0240 0000 00 0d 00 0b 08 "sql_mode" 01 "X"');
const SOUND: readonly (readonly Buffer[])[] = [
  [OK],
  [
    bytes('01'),
    bytes('03 "def" 00 00 00 01 "1" 00 0c 3f00'),
    bytes('01 "1"'),
    bytes('fb'),
    bytes('fe 00 00 0200 0000'),
  ],
  [
    bytes('00 00 00 0a00 0000'),
    bytes('02'),
    bytes('03'),
    bytes('03'),
    bytes('01 "1" 01 "2"'),
    bytes('ff 1604 "#3D000no"'),
  ],
  [
    bytes('01'),
    bytes('03 "def"'),
    Buffer.concat([bytes('fd e80300'), Buffer.alloc(1000, 7)]),
    bytes('fe 00 00 0200 0000'),
  ],
];

/** A reply, sound or not, as the bytes of its packets. */
const reply = (below: Random): Buffer => {
  const payloads = pick(below, SOUND).map((payload) => (below(3) === 0 ? spoilt(below, payload) : payload));
  const stream = Buffer.concat(payloads.map((payload, index) => packets(1 + index, payload)));
  return below(3) === 0 ? spoilt(below, stream) : stream;
};

/** What is seen of a stream: what each packet is, to the first that is broken. */
const follow = (chunks: readonly Buffer[]): string[] => {
  const reader = new PacketReader(BYTES_MAX);
  const following = new ReplyReader({
    deprecateEof: true,
    sessionTrack: true,
    optionalMetadata: false,
    optionalPrepared: false,
    progress: false,
  });
  const seen: string[] = [];
  reader.expect(1);
  following.begin(RESULT_REPLY);
  for (const chunk of chunks) {
    reader.append(Buffer.from(chunk));
    for (;;) {
      reader.parts = following.inRows ? ROWS : WHOLE;
      const found = reader.next();
      if (found === NEED_MORE) break;
      if (found === TOO_LONG || found === BAD_SEQUENCE) return [...seen, `stream ${found}`];
      if ((found !== PACKET && found !== PART) || reader.unread > 100_000) throw new Error(`found ${found}`);
      if (!reader.first || reader.continues) continue;
      const what = following.read(reader.body, reader.from, reader.to, reader.length);
      seen.push(`${what}`);
      if (what === BROKEN) return seen;
      if (following.changesTo > 0) {
        if (following.changesTo > reader.to) throw new Error('changes behind the packet');
        seen.push(`${readChanges(reader.body, following.changesFrom, following.changesTo, () => {})}`);
        following.changesTo = 0;
      }
    }
  }
  return seen;
};

test(`replies are followed alike however they are cut (HOLDPOINT_SEED=${SEED})`, () => {
  const below = random();
  const since = performance.now();
  let broken = 0;
  for (let step = 0; step < STEPS; step++) {
    const stream = reply(below);
    const chunks: Buffer[] = [];
    for (let at = 0; at < stream.length; ) {
      const length = 1 + below(40);
      chunks.push(stream.subarray(at, at + length));
      at += length;
    }
    const whole = follow([stream]);
    expect(follow(chunks)).toEqual(whole);
    if (whole.at(-1) === `${BROKEN}` || whole.at(-1)?.startsWith('stream')) broken++;
  }
  expect(broken).toBeGreaterThan(STEPS / 20);
  expect(broken).toBeLessThan(STEPS);
  figure('MySQL replies', STEPS, since);
}, 600_000);

const EXECUTIONS = [
  bytes('17 01000000 00 01000000 00 01 0800 fd00 0500000000000000 02 "ab"'),
  bytes('17 01000000 08 01000000 02 00 01 0800 00 0c00 01 "k" 0500000000000000 07 e907 0b 17 01 02 03'),
  bytes('fa 01000000 8000 0300 fd00 00 01000000 00 01 "x" 00 02000000 01'),
  bytes('03 01 01 00 01 fd00 01 "a" 02 "ab" "select 1"'),
];

test(`values of any bytes are told within their bounds, or not at all (HOLDPOINT_SEED=${SEED})`, () => {
  const below = random();
  const since = performance.now();
  let told = 0;
  for (let step = 0; step < STEPS; step++) {
    const body = below(4) === 0 ? noise(below, 11 + below(40)) : spoilt(below, pick(below, EXECUTIONS));
    const attributes = below(2) === 0;
    const text = queryText(body, 0, body.length, attributes);
    expect(text).toBeLessThanOrEqual(Math.max(body.length, 1));
    const execution = readExecution(body, 0, body.length, below(3), attributes, NO_TYPES);
    if (execution) {
      expect(execution.values).toBeLessThanOrEqual(body.length);
      if (decodeExecution(body, body.length, execution, () => undefined) !== null) told++;
    }
    const bulk = readBulk(body, 0, body.length, below(3), NO_TYPES);
    if (bulk && decodeBulk(body, body.length, bulk) !== null) told++;
  }
  expect(told).toBeGreaterThan(STEPS / 100);
  figure('MySQL values', STEPS, since);
}, 600_000);
