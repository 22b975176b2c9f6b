// The messages Holdpoint writes, byte by byte against the manual (55.7) and against what node-postgres makes of them; the readers on
// whole, cut and lying messages.
import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import pg from 'pg';
import { describe, expect, test } from 'vitest';
import * as wire from '../../../src/wire/postgres/messages.ts';
import { bytes, message, surroundings } from './bytes.ts';

/** [what, ours, the bytes, what node-postgres reads in it; null: it does not know the message] */
const BACKEND: readonly (readonly [string, Buffer, string, object | null])[] = [
  [
    'AuthenticationOk',
    wire.authenticationOk(),
    `52        -- type R
     00000008  -- length
     00000000  -- 0: successful`,
    { name: 'authenticationOk', length: 8 },
  ],
  [
    'AuthenticationSASL',
    wire.authenticationSasl('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'),
    `52                        -- type R
     0000002a                  -- length
     0000000a                  -- 10: SASL
     "SCRAM-SHA-256-PLUS" 00   -- mechanism
     "SCRAM-SHA-256" 00        -- mechanism
     00                        -- end of list`,
    { name: 'authenticationSASL', mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] },
  ],
  [
    'AuthenticationSASLContinue',
    wire.authenticationSaslContinue('r=x,s=eA==,i=1'),
    `52                -- type R
     00000016          -- length
     0000000b          -- 11: SASL continue
     "r=x,s=eA==,i=1"  -- data, to the end`,
    { name: 'authenticationSASLContinue', data: 'r=x,s=eA==,i=1' },
  ],
  [
    'AuthenticationSASLFinal',
    wire.authenticationSaslFinal('v=eA=='),
    `52         -- type R
     0000000e   -- length
     0000000c   -- 12: SASL final
     "v=eA=="   -- data, to the end`,
    { name: 'authenticationSASLFinal', data: 'v=eA==' },
  ],
  [
    'ParameterStatus',
    wire.parameterStatus('TimeZone', 'Zürich'),
    `53                     -- type S
     00000015               -- length
     "TimeZone" 00          -- name
     5a c3bc 72696368 00    -- value, in UTF-8`,
    { name: 'parameterStatus', parameterName: 'TimeZone', parameterValue: 'Zürich' },
  ],
  [
    'BackendKeyData of 3.0',
    wire.backendKeyData(0x01020304, bytes('0a0b0c0d')),
    `4b         -- type K
     0000000c   -- length
     01020304   -- process id
     0a0b0c0d   -- secret key`,
    { name: 'backendKeyData', processID: 0x01020304, secretKey: 0x0a0b0c0d },
  ],
  [
    'NegotiateProtocolVersion',
    wire.negotiateProtocolVersion(wire.PROTOCOL_3_2, ['_pq_.a', '_pq_.b']),
    `76            -- type v
     0000001a      -- length
     00030002      -- newest minor version supported: 3.2
     00000002      -- number of options
     "_pq_.a" 00   -- option
     "_pq_.b" 00   -- option`,
    null,
  ],
  [
    'ReadyForQuery',
    wire.readyForQuery(wire.FAILED_BLOCK),
    `5a         -- type Z
     00000005   -- length
     45         -- E: failed transaction block`,
    { name: 'readyForQuery', status: 'E' },
  ],
  [
    'CommandComplete',
    wire.commandComplete('INSERT 0 1'),
    `43                -- type C
     0000000f          -- length
     "INSERT 0 1" 00   -- command tag`,
    { name: 'commandComplete', text: 'INSERT 0 1' },
  ],
  ['ParseComplete', wire.PARSE_COMPLETE, '31 00000004', { name: 'parseComplete', length: 4 }],
  ['BindComplete', wire.BIND_COMPLETE, '32 00000004', { name: 'bindComplete', length: 4 }],
  ['CloseComplete', wire.CLOSE_COMPLETE, '33 00000004', { name: 'closeComplete', length: 4 }],
  ['NoData', wire.NO_DATA, '6e 00000004', { name: 'noData', length: 4 }],
  [
    'RowDescription',
    wire.rowDescriptionOfText(['id', 'é'], 1),
    `54          -- type T
     00000030    -- length
     0002        -- number of fields
     "id" 00     -- name
     00000000    -- table oid: none
     0000        -- column number: none
     00000019    -- type oid: 25, text
     ffff        -- type size: -1, varying
     ffffffff    -- type modifier: -1, none
     0001        -- format: binary
     c3a9 00     -- name, in UTF-8
     00000000    -- table oid
     0000        -- column number
     00000019    -- type oid
     ffff        -- type size
     ffffffff    -- type modifier
     0001        -- format`,
    {
      name: 'rowDescription',
      fieldCount: 2,
      fields: ['id', 'é'].map((name) => ({
        name,
        tableID: 0,
        columnID: 0,
        dataTypeID: 25,
        dataTypeSize: -1,
        dataTypeModifier: -1,
        format: 'binary',
      })),
    },
  ],
  [
    'ParameterDescription',
    wire.parameterDescription([23, 0, 3802]),
    `74          -- type t
     00000012    -- length
     0003        -- number of parameters
     00000017    -- int4
     00000000    -- unspecified
     00000eda    -- jsonb`,
    { name: 'parameterDescription', parameterCount: 3, dataTypeIDs: [23, 0, 3802] },
  ],
  [
    'DataRow',
    wire.dataRowOfText(['é', null, '']),
    `44          -- type D
     00000014    -- length
     0003        -- number of columns
     00000002    -- length of the value in bytes
     c3a9        -- value
     ffffffff    -- -1: NULL
     00000000    -- length 0: empty`,
    { name: 'dataRow', fieldCount: 3, fields: ['é', null, ''] },
  ],
  [
    'ErrorResponse',
    wire.errorResponse({
      severity: 'ERROR',
      sqlstate: '42501',
      message: 'no',
      detail: 'd',
      hint: 'h',
      position: 12,
    }),
    `45              -- type E
     00000028        -- length
     53 "ERROR" 00   -- S: severity
     56 "ERROR" 00   -- V: severity, never translated
     43 "42501" 00   -- C: SQLSTATE
     4d "no" 00      -- M: message
     44 "d" 00       -- D: detail
     48 "h" 00       -- H: hint
     50 "12" 00      -- P: position
     00              -- end of fields`,
    { name: 'error', severity: 'ERROR', code: '42501', detail: 'd', hint: 'h', position: '12' },
  ],
  [
    'NoticeResponse, a zero byte inside left out',
    wire.noticeResponse({ severity: 'NOTICE', sqlstate: 'ZH001', message: 'he\0ld' }),
    `4e               -- type N
     00000022         -- length
     53 "NOTICE" 00   -- S
     56 "NOTICE" 00   -- V
     43 "ZH001" 00    -- C
     4d "held" 00     -- M
     00               -- end of fields`,
    { name: 'notice', severity: 'NOTICE', code: 'ZH001', message: 'held' },
  ],
];

/** [what, ours, the bytes, how node-postgres sends the same; null: it sends it otherwise] */
const FRONTEND: readonly (readonly [string, Buffer, string, ((client: PgConnection) => void) | null])[] = [
  [
    'Query',
    wire.query('SELECT 1'),
    `51              -- type Q
     0000000d        -- length
     "SELECT 1" 00   -- text`,
    (client) => client.query('SELECT 1'),
  ],
  [
    'Query, one character a byte',
    wire.query('\u00e9'),
    `51         -- type Q
     00000006   -- length
     e9 00      -- text`,
    null,
  ],
  [
    'Parse',
    wire.parse('s', 'SHOW x'),
    `50            -- type P
     0000000f      -- length
     "s" 00        -- statement
     "SHOW x" 00   -- text
     0000          -- parameter types given`,
    (client) => client.parse({ name: 's', text: 'SHOW x', types: [] }),
  ],
  [
    'Bind',
    wire.bind('p', 's'),
    `42         -- type B
     0000000e   -- length
     "p" 00     -- portal
     "s" 00     -- statement
     0000       -- parameter formats
     0000       -- parameters
     0000       -- result formats: all text`,
    null,
  ],
  [
    'Execute',
    wire.execute('p'),
    `45         -- type E
     0000000a   -- length
     "p" 00     -- portal
     00000000   -- rows: all`,
    (client) => client.execute({ portal: 'p', rows: 0 }),
  ],
  ['Close of a statement', wire.closeStatement('s'), '43 00000007 53 "s" 00', (c) => c.close({ type: 'S', name: 's' })],
  ['Close of a portal', wire.closePortal(''), '43 00000006 50 00', (c) => c.close({ type: 'P', name: '' })],
  ['PasswordMessage', wire.passwordMessage('pw'), '70 00000007 "pw" 00', (c) => c.password('pw')],
  [
    'SASLInitialResponse',
    wire.saslInitialResponse('SCRAM-SHA-256', 'n,,n=,r=x'),
    `70                   -- type p
     0000001f             -- length
     "SCRAM-SHA-256" 00   -- mechanism
     00000009             -- length of the response
     "n,,n=,r=x"          -- response`,
    (client) => client.sendSASLInitialResponseMessage('SCRAM-SHA-256', 'n,,n=,r=x'),
  ],
  [
    'SASLResponse',
    wire.saslResponse('c=biws'),
    '70 0000000a "c=biws"',
    (client) => client.sendSCRAMClientFinalMessage('c=biws'),
  ],
  ['Flush', wire.FLUSH, '48 00000004', (client) => client.flush()],
  ['Sync', wire.SYNC, '53 00000004', (client) => client.sync()],
  ['Terminate', wire.TERMINATE, '58 00000004', null],
  ['SSLRequest', wire.sslRequest(), '00000008 04d2162f', (client) => client.requestSsl()],
  [
    'CancelRequest',
    wire.cancelRequest(7, bytes('00000009')),
    `00000010   -- length
     04d2162e   -- 80877102
     00000007   -- process id
     00000009   -- secret key`,
    (client) => client.cancel(7, 9),
  ],
  [
    'CancelRequest of 3.2',
    wire.cancelRequest(-1, Buffer.from('longer')),
    `00000012   -- length
     04d2162e   -- 80877102
     ffffffff   -- process id
     "longer"   -- secret key, to the end`,
    null,
  ],
  [
    'StartupMessage',
    wire.startupMessage([
      ['user', 'é'],
      ['client_encoding', 'UTF8'],
    ]),
    `00000026               -- length
     00030000               -- protocol 3.0
     "user" 00              -- name
     c3a9 00                -- value
     "client_encoding" 00   -- name
     "UTF8" 00              -- value
     00                     -- end`,
    (client) => client.startup({ user: 'é' }),
  ],
];

describe('encoders', () => {
  test.each(BACKEND)('%s', (_, ours, table) => expect(ours.toString('hex')).toBe(bytes(table).toString('hex')));
  test.each(FRONTEND)('%s', (_, ours, table) => expect(ours.toString('hex')).toBe(bytes(table).toString('hex')));

  test.each(BACKEND.filter(([, , , read]) => read !== null))('node-postgres reads %s', (_, ours, __, read) => {
    const { stream, client } = connection();
    const got: object[] = [];
    client.on('message', (found: object) => got.push(found));
    client.attachListeners(stream);
    stream.emit('data', ours);
    expect(got).toHaveLength(1);
    expect(got[0]).toMatchObject(read as object);
  });

  test.each(FRONTEND.filter(([, , , send]) => send !== null))(
    'node-postgres sends the same %s',
    (_, ours, __, send) => {
      const { stream, client } = connection();
      (send as (client: PgConnection) => void)(client);
      expect(stream.sent.toString('hex')).toBe(ours.toString('hex'));
    },
  );

  test('a cancel key of 256 bytes', () => {
    const key = Buffer.alloc(256, 0xab);
    expect(wire.cancelRequest(1, key)).toEqual(Buffer.concat([bytes('0000010c 04d2162e 00000001'), key]));
    expect(wire.backendKeyData(1, key)).toEqual(Buffer.concat([bytes('4b 00000108 00000001'), key]));
  });
});

describe('cstring', () => {
  test('ends inside its bounds or not at all', () => {
    const buffer = Buffer.from('ab\0cd\0');
    expect(wire.cstring(buffer, 0, 6)).toEqual({ text: 'ab', next: 3 });
    expect(wire.cstring(buffer, 2, 6)).toEqual({ text: '', next: 3 });
    expect(wire.cstring(buffer, 3, 6)).toEqual({ text: 'cd', next: 6 });
    expect(wire.cstring(buffer, 3, 5)).toBeNull();
    expect(wire.cstring(buffer, 6, 6)).toBeNull();
    expect(wire.cstring(buffer, 99, 6)).toBeNull();
  });

  test.each([0, 1, 63, 64, 65, 128, 1000])('of %i bytes, wherever the bounds are', (length) => {
    const sent = Buffer.concat([Buffer.from('xyz'), Buffer.alloc(length, 0xe9), Buffer.from([0])]);
    const text = '\u00e9'.repeat(length);
    for (const buffer of surroundings(sent)) {
      expect(wire.cstring(buffer, 3, sent.length)).toEqual({ text, next: sent.length });
      expect(wire.cstring(buffer, 3, sent.length + 600), 'more behind it').toEqual({ text, next: sent.length });
      for (let end = 3; end < sent.length; end++) expect(wire.cstring(buffer, 3, end)).toBeNull();
    }
  });

  test('one character a byte', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, index) => (index + 1) % 256));
    expect(wire.cstring(all, 0, 256)?.text).toBe(all.subarray(0, 255).toString('latin1'));
  });
});

const name = fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((at) => String.fromCharCode(at)), maxLength: 8 });
const zero = (text: string): Buffer => Buffer.from(`${text}\0`, 'latin1');
const int16s = (...values: number[]): Buffer => Buffer.from(values.flatMap((value) => [value >>> 8, value & 255]));
const int32 = (value: number): Buffer => {
  const four = Buffer.alloc(4);
  four.writeInt32BE(value | 0);
  return four;
};
const oid = fc.integer({ min: 0, max: 0xffffffff });
const format = fc.constantFrom(0, 1);

const bind = fc
  .record({
    portal: name,
    statement: name,
    values: fc.array(fc.option(fc.uint8Array({ maxLength: 20 })), { maxLength: 6 }),
    how: fc.constantFrom('none', 'one', 'each'),
    codes: fc.array(format, { minLength: 6, maxLength: 6 }),
    resultFormats: fc.array(format, { maxLength: 4 }),
  })
  .map(({ portal, statement, values, how, codes, resultFormats }) => {
    const given = how === 'none' ? [] : how === 'one' ? codes.slice(0, 1) : codes.slice(0, values.length);
    const buffers = values.map((value) => (value === null ? null : Buffer.from(value)));
    const body = Buffer.concat([
      zero(portal),
      zero(statement),
      int16s(given.length, ...given),
      int16s(values.length),
      ...buffers.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value])),
      int16s(resultFormats.length, ...resultFormats),
    ]);
    const formats = buffers.map((_, index) => (given.length === 1 ? given[0] : given[index]) ?? 0);
    return { sent: message('B', body), expected: { portal, statement, formats, values: buffers, resultFormats } };
  });

const parse = fc
  .record({ name, text: name, types: fc.array(oid, { maxLength: 4 }) })
  .map(({ name: statement, text, types }) => ({
    sent: message('P', Buffer.concat([zero(statement), zero(text), int16s(types.length), ...types.map(int32)])),
    expected: { name: statement, text, types, textStart: 3 + 5 + statement.length + 1 },
  }));

const parameterTypes = fc.array(oid, { maxLength: 5 }).map((types) => ({
  sent: message('t', Buffer.concat([int16s(types.length), ...types.map(int32)])),
  expected: types,
}));

const letters = fc.uniqueArray(fc.constantFrom('S', 'V', 'C', 'M', 'D', 'H', 'P', 'q', 'W', 's', 'F'), {
  maxLength: 6,
});
const fields = fc
  .record({ letters, values: fc.array(fc.string({ maxLength: 8 }), { minLength: 6, maxLength: 6 }) })
  .map((made) => {
    const pairs = made.letters.map((letter, at) => [letter, (made.values[at] as string).replaceAll('\0', '')] as const);
    const body = Buffer.concat([
      ...pairs.map(([letter, value]) => Buffer.from(`${letter}${value}\0`)),
      Buffer.from([0]),
    ]);
    return { sent: message('E', body), expected: new Map(pairs) };
  });

type Reader = (buffer: Buffer, start: number, end: number) => unknown;
/** [name, reader, messages with what is in them, fewest bytes a message may have] */
const READERS: readonly (readonly [string, Reader, fc.Arbitrary<{ sent: Buffer; expected: unknown }>, number])[] = [
  ['readBind', wire.readBind, bind, 5],
  ['readParse', wire.readParse, parse, 5],
  ['readParameterTypes', wire.readParameterTypes, parameterTypes, 7],
  ['readFields', wire.readFields, fields, 5],
];

describe.each(READERS)('%s', (_, read, arbitrary, bytesMin) => {
  /** Stands before the message. */
  const before = Buffer.from('xyz');
  const readAt = (sent: Buffer, end: number): unknown[] =>
    surroundings(Buffer.concat([before, sent.subarray(0, end)])).map((buffer) => read(buffer, 3, 3 + end));

  test('reads what was written', () => {
    fc.assert(
      fc.property(arbitrary, ({ sent, expected }) => {
        for (const got of readAt(sent, sent.length)) expect(got).toEqual(expected);
      }),
    );
  });

  test('cut anywhere: no throw, and nothing read beyond the end', () => {
    fc.assert(
      fc.property(arbitrary, ({ sent }) => {
        for (let end = bytesMin; end < sent.length; end++) {
          const [first, ...others] = readAt(sent, end);
          for (const other of others) expect(other).toEqual(first);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('lying counts, lengths and texts: no throw, and nothing read beyond the end', () => {
    const lies = fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(arbitrary, lies, ({ sent }, changes) => {
        const lying = Buffer.from(sent);
        for (const [at, value] of changes) lying[5 + (at % (sent.length - 5))] = value;
        const [first, ...others] = readAt(lying, lying.length);
        for (const other of others) expect(other).toEqual(first);
      }),
    );
  });
});

test('a Bind or Parse that is cut, or has bytes left over, is none', () => {
  fc.assert(
    fc.property(bind, parse, (bound, parsed) => {
      for (const [{ sent }, read] of [
        [bound, wire.readBind],
        [parsed, wire.readParse],
      ] as const) {
        for (let end = 5; end < sent.length; end++) expect(read(sent, 0, end)).toBeNull();
        expect(read(Buffer.concat([sent, Buffer.from([0])]), 0, sent.length + 1)).toBeNull();
      }
    }),
    { numRuns: 30 },
  );
});

test.each([
  ['a value of length -2', '00 00 0000 0001 fffffffe 0000'],
  ['a value longer than the message', '00 00 0000 0001 7fffffff 0000'],
  ['the lowest length', '00 00 0000 0001 80000000 0000'],
  ['65535 parameters', '00 00 0000 ffff 0000'],
  ['65535 formats', '00 00 ffff 0000 0000'],
  ['two formats for three values', '00 00 0002 0000 0000 0003 ffffffff ffffffff ffffffff 0000'],
  ['more result formats than there are', '00 00 0000 0000 0002 0000'],
  ['no result formats', '00 00 0000 0000'],
])('readBind refuses %s', (_, body) => {
  const sent = message('B', bytes(body));
  for (const buffer of surroundings(sent)) expect(wire.readBind(buffer, 0, sent.length)).toBeNull();
});

test.each([
  ['a count too high', '00 00 0002 00000017'],
  ['a count too low', '00 00 0000 00000017'],
  ['65535 types', '00 00 ffff'],
  ['a text without an end', '00 "SELECT"'],
])('readParse refuses %s', (_, body) => {
  const sent = message('P', bytes(body));
  for (const buffer of surroundings(sent)) expect(wire.readParse(buffer, 0, sent.length)).toBeNull();
});

test('readParameterTypes: a count that does not fit gives none', () => {
  for (const body of ['0002 00000017', '0000 00000017', 'ffff']) {
    const sent = message('t', bytes(body));
    for (const buffer of surroundings(sent)) expect(wire.readParameterTypes(buffer, 0, sent.length)).toEqual([]);
  }
});

describe('cutTexts', () => {
  const sent = wire.errorResponse({
    severity: 'ERROR',
    sqlstate: '22P02',
    message: 'ab\u00e9cd',
    detail: 'd',
    hint: 'h',
  });
  const told = (bytes_max: number) => {
    const around = Buffer.concat([Buffer.from('xyz'), sent, Buffer.from('xyz')]);
    const cut = wire.cutTexts(around, 3, around.length - 3, bytes_max);
    if (cut === null) return null;
    expect([cut[0], cut.readInt32BE(1), cut.at(-1)]).toEqual([0x45, cut.length - 1, 0]);
    return Object.fromEntries(wire.readFields(cut, 0, cut.length));
  };
  const head = { S: 'ERROR', V: 'ERROR', C: '22P02' };
  const rest = '... [cut: longer than may pass]';

  test('leaves alone what fits', () => {
    expect(told(sent.length)).toBeNull();
    expect(told(8)).toBeNull();
  });
  test.each([
    [7, { M: 'ab\u00e9cd', D: 'd', H: rest }],
    [6, { M: 'ab\u00e9cd', D: rest }],
    [4, { M: `ab\u00e9${rest}` }],
    [3, { M: `ab${rest}` }],
    [0, { M: rest }],
  ])('%i bytes', (bytes_max, texts) => {
    expect(told(bytes_max)).toEqual({ ...head, ...texts });
  });
});

describe('movePosition', () => {
  const error = (position?: number): Buffer =>
    wire.errorResponse({ severity: 'ERROR', sqlstate: '42601', message: 'é', hint: 'h', position });

  test('moves P and nothing else', () => {
    const sent = Buffer.concat([Buffer.from('xyz'), error(7), Buffer.from('xyz')]);
    const moved = wire.movePosition(sent, 3, sent.length - 3, (position) => position + 100);
    expect(moved).toEqual(error(107));
  });

  test('an error without P is the same bytes', () => {
    const sent = error();
    const same = wire.movePosition(sent, 0, sent.length, () => 1);
    expect([same.buffer, same.byteOffset, same.length]).toEqual([sent.buffer, sent.byteOffset, sent.length]);
  });
});

interface PgConnection extends EventEmitter {
  attachListeners(stream: EventEmitter): void;
  query(text: string): void;
  parse(query: { name: string; text: string; types: number[] }): void;
  execute(what: { portal: string; rows: number }): void;
  close(what: { type: string; name: string }): void;
  password(password: string): void;
  sendSASLInitialResponseMessage(mechanism: string, data: string): void;
  sendSCRAMClientFinalMessage(data: string): void;
  flush(): void;
  sync(): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  startup(parameters: Record<string, string>): void;
}

class Wire extends EventEmitter {
  readonly writable = true;
  sent: Buffer = Buffer.alloc(0);

  write(chunk: Buffer): boolean {
    this.sent = Buffer.concat([this.sent, chunk]);
    return true;
  }
}

/** node-postgres' own connection, on a stream that is none. */
function connection(): { stream: Wire; client: PgConnection } {
  const stream = new Wire();
  const options = { stream } as unknown as ConstructorParameters<typeof pg.Connection>[0];
  return { stream, client: new pg.Connection(options) as unknown as PgConnection };
}
