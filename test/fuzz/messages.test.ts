// Fuzzes every reader of the wire with messages that were valid and are not any more, and with bytes that never were: it never throws, it
// says the same whatever lies behind the message's end, and what it accepts is exactly what the bytes say.
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import * as wire from '../../src/wire/postgres/messages.ts';
import { decodeParameters } from '../../src/wire/postgres/parameters.ts';
import { MECHANISM, ScramClient, ScramServer } from '../../src/wire/postgres/scram.ts';
import { readOptions, readStartupPacket } from '../../src/wire/postgres/startup.ts';
import { makeScramVerifier, parseScramVerifier } from '../../src/identity/scram.ts';
import { message } from '../unit/wire/bytes.ts';
import { figure, noise, pick, PROVE, random, type Random, SEED, spoilt } from './random.ts';

const STEPS = PROVE ? 20_000_000 : 200_000;
const EXCHANGES = PROVE ? 200_000 : 2000;
const STARTUP_BYTES_MAX = 10_000;
/** No reader may take so long for a message of some hundred bytes; a garbage collection may. */
const CALL_MS_MAX = 2000;
const OIDS = [
  0, 16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 700, 701, 705, 1042, 1043, 1082, 1114, 1184, 2950, 3802, 99_999,
];

const int16 = (value: number): Buffer => Buffer.from([(value >>> 8) & 255, value & 255]);
const int32 = (value: number): Buffer => {
  const four = Buffer.alloc(4);
  four.writeInt32BE(value | 0);
  return four;
};
const words = (below: Random, bytes: number): Buffer => Buffer.from(noise(below, bytes).map((byte) => byte || 1));
const text = (below: Random): Buffer => Buffer.concat([words(below, below(4) === 0 ? below(200) : below(8)), int0]);
const int0 = Buffer.from([0]);
const many = <T>(below: Random, most: number, make: () => T): T[] => Array.from({ length: below(most + 1) }, make);

const MESSAGES: Readonly<Record<string, (below: Random) => Buffer>> = {
  Bind: (below) => {
    const values = many(below, 5, () => (below(4) === 0 ? null : noise(below, pick(below, [0, 1, 2, 4, 8, 16, 20]))));
    const formats = many(below, 1, () => int16(below(2)));
    return message(
      'B',
      Buffer.concat([
        text(below),
        text(below),
        int16(formats.length),
        ...formats,
        int16(values.length),
        ...values.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value])),
        int16(0),
      ]),
    );
  },
  Parse: (below) => {
    const types = many(below, 4, () => int32(pick(below, OIDS)));
    return message('P', Buffer.concat([text(below), text(below), int16(types.length), ...types]));
  },
  ParameterDescription: (below) => {
    const types = many(below, 6, () => int32(pick(below, OIDS)));
    return message('t', Buffer.concat([int16(types.length), ...types]));
  },
  ErrorResponse: (below) => {
    const fields = many(below, 6, () =>
      Buffer.concat([
        Buffer.from(pick(below, ['S', 'V', 'C', 'M', 'D', 'H', 'P', 'P', 'q'])),
        below(3) === 0 ? Buffer.from(`${below(99)}\0`) : text(below),
      ]),
    );
    return message('E', Buffer.concat([...fields, int0]));
  },
  anything: (below) => message(String.fromCharCode(below(256)), noise(below, below(40))),
};

const STARTUPS: Readonly<Record<string, (below: Random) => Buffer>> = {
  startup: (below) =>
    wire.startupMessage(many(below, 4, () => [pick(below, ['user', 'database', '_pq_.x', 'options']), `v${below(9)}`])),
  ssl: () => wire.sslRequest(),
  cancel: (below) => wire.cancelRequest(below(2 ** 31), noise(below, pick(below, [4, 32, 256]))),
  anything: (below) => noise(below, below(40)),
};

/** The same bytes, with others around them: a reader that looks beyond its bounds sees them. */
const TAILS = [Buffer.alloc(0), Buffer.alloc(300, 0x00), Buffer.alloc(300, 0x41), Buffer.alloc(300, 0xff)];
const BEFORE = Buffer.from('xyz');

test(`the readers of messages take only what is there (HOLDPOINT_SEED=${SEED})`, () => {
  const began = performance.now();
  const below = random();
  const taken = new Map<string, number>();
  let steps = 0;
  let slowest_ms = 0;
  const take = (name: string): void => void taken.set(name, (taken.get(name) ?? 0) + 1);
  const wrong = (what: string, bytes: Buffer): never =>
    expect.fail(`${what}: ${bytes.toString('hex')} (HOLDPOINT_SEED=${SEED}, step ${steps})`);
  const call = <T>(bytes: Buffer, read: () => T): T => {
    steps++;
    const start = performance.now();
    try {
      return read();
    } catch (error) {
      return wrong(`threw ${String(error)}`, bytes);
    } finally {
      slowest_ms = Math.max(slowest_ms, performance.now() - start);
    }
  };

  const READERS: Readonly<Record<string, (buffer: Buffer, start: number, end: number) => unknown>> = {
    readBind: wire.readBind,
    readParse: wire.readParse,
    readParameterTypes: wire.readParameterTypes,
    readFields: wire.readFields,
    movePosition: (buffer, start, end) =>
      Buffer.from(wire.movePosition(buffer, start, end, (position) => position + 1)),
    cstring: (buffer, start, end) => wire.cstring(buffer, start + 5, end),
    shortLatin1: (buffer, start, end) => wire.shortLatin1(buffer, start, end),
  };

  const oneMessage = (): void => {
    const sound = pick(below, Object.values(MESSAGES))(below);
    const bytes = below(5) === 0 ? sound : spoilt(below, sound);
    // Readers get whole messages: framing has seen the header.
    if (bytes.length < 5) return;
    const end = BEFORE.length + bytes.length;
    const buffers = [TAILS[0] as Buffer, pick(below, TAILS.slice(1))].map((tail) =>
      Buffer.concat([BEFORE, bytes, tail]),
    );
    for (const [name, read] of Object.entries(READERS)) {
      const [alone, followed] = buffers.map((buffer) => call(bytes, () => read(buffer, BEFORE.length, end)));
      if (!isDeepStrictEqual(alone, followed)) wrong(`${name} looked beyond the end`, bytes);
      if (alone !== null) take(name);
    }
    const buffer = buffers[0] as Buffer;
    const parse = wire.readParse(buffer, BEFORE.length, end);
    if (parse !== null) {
      const { name, text: sql, types } = parse;
      const again = [Buffer.from(`${name}\0${sql}\0`, 'latin1'), int16(types.length), ...types.map(int32)];
      if (!Buffer.concat(again).equals(bytes.subarray(5))) wrong('readParse read something else', bytes);
    }
    const bind = wire.readBind(buffer, BEFORE.length, end);
    if (bind !== null) {
      const values = bind.values.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value]));
      const names = Buffer.from(`${bind.portal}\0${bind.statement}\0`, 'latin1');
      const middle = Buffer.concat([int16(bind.values.length), ...values, int16(bind.resultFormats.length)]);
      const body = bytes.subarray(5);
      const given = body.length - names.length - 2 - middle.length - 2 * bind.resultFormats.length;
      const sound_start = body.subarray(0, names.length).equals(names) && body.readInt16BE(names.length) * 2 === given;
      if (
        !sound_start ||
        !body
          .subarray(names.length + 2 + given)
          .subarray(0, middle.length)
          .equals(middle)
      )
        wrong('readBind read something else', bytes);
      const shown = call(bytes, () =>
        decodeParameters(
          bind,
          many(below, 6, () => pick(below, OIDS)),
        ),
      );
      if (shown.length !== bind.values.length) wrong('decodeParameters lost one', bytes);
    }
    if (wire.shortLatin1(buffer, BEFORE.length, end) !== bytes.toString('latin1')) wrong('shortLatin1', bytes);
  };

  const oneStartup = (): void => {
    const sound = pick(below, Object.values(STARTUPS))(below);
    const bytes = below(5) === 0 ? sound : spoilt(below, sound);
    const read = call(bytes, () => readStartupPacket(bytes, STARTUP_BYTES_MAX));
    if (read === null) {
      if (bytes.length >= 4 && (bytes.readInt32BE(0) <= bytes.length || bytes.readInt32BE(0) > STARTUP_BYTES_MAX))
        wrong('a startup packet is waited for that is here or may not be', bytes);
      return;
    }
    take(`startup ${read.packet.type}`);
    if (read.end > bytes.length) wrong('a startup packet ends beyond its bytes', bytes);
    const behind = Buffer.concat([bytes.subarray(0, read.end), pick(below, TAILS)]);
    const again = call(bytes, () => readStartupPacket(behind, STARTUP_BYTES_MAX));
    if (!isDeepStrictEqual(again?.packet, read.packet)) wrong('a startup packet was read beyond its end', bytes);
    const options = bytes.toString('latin1');
    const said = call(bytes, () => readOptions(options));
    take('refused' in said ? 'options refused' : 'options');
  };

  const enough = (): boolean => steps >= STEPS;
  while (!enough()) {
    oneMessage();
    oneMessage();
    oneStartup();
  }
  figure('messages', steps, began);
  expect(slowest_ms).toBeLessThan(CALL_MS_MAX);
  // What is never taken, or never refused, was not tested.
  for (const name of [...Object.keys(READERS), 'startup startup', 'startup ssl', 'startup cancel', 'startup bad'])
    expect(taken.get(name) ?? 0, name).toBeGreaterThan(STEPS / 10_000);
  expect(taken.get('readBind')).toBeLessThan(steps / 10);
});

test(`SCRAM lets nobody in who does not know the password, whatever he says (HOLDPOINT_SEED=${SEED})`, async () => {
  const began = performance.now();
  const below = random();
  const verifier = parseScramVerifier(await makeScramVerifier('pencil', { iterations: 1, salt: Buffer.from('salt') }));
  if (verifier === null || verifier === undefined) throw new Error('no verifier');
  const change = (sound: string): string =>
    below(4) === 0 ? sound : spoilt(below, Buffer.from(sound, 'latin1')).toString('latin1');
  const refused = { first: 0, final: 0, client: 0, verify: 0 };
  let accepted = 0;
  for (let at = 0; at < EXCHANGES; at++) {
    const client = new ScramClient('pencil');
    const server = new ScramServer(verifier);
    const first = client.first();
    const said = change(first);
    const challenge = server.first(said);
    if (challenge === null) {
      refused.first++;
      continue;
    }
    const heard = change(challenge);
    const final = await client.final(heard).catch(() => null);
    if (final === null) {
      refused.client++;
      continue;
    }
    const sent = change(final);
    const proof = (from: string): string => Buffer.from(/,p=([^,]*)$/.exec(from)?.[1] ?? '', 'base64').toString('hex');
    const signature = server.final(sent);
    // The proof covers every byte of the messages but its own spelling in base64.
    const honest =
      said === first &&
      heard === challenge &&
      sent.slice(0, sent.lastIndexOf(',p=')) === final.slice(0, final.lastIndexOf(',p=')) &&
      proof(sent) === proof(final);
    expect(signature !== null, `${at}: ${JSON.stringify([said, heard, sent])}`).toBe(honest);
    if (signature === null) {
      refused.final++;
      continue;
    }
    accepted++;
    const told = change(signature);
    // Wherever in the message it stands: only the true signature is taken.
    const signatures = told.split(',').map((part) => Buffer.from(part.slice(2), 'base64').toString('hex'));
    if (client.verify(told)) expect(signatures).toContain(Buffer.from(signature.slice(2), 'base64').toString('hex'));
    else refused.verify++;
  }
  figure(MECHANISM, EXCHANGES, began);
  for (const count of [...Object.values(refused), accepted]) expect(count).toBeGreaterThan(EXCHANGES / 1000);
});
