// What is sent before a login, by the rules of the server: packets whole, cut and malformed, and the words of `options`.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readOptions, readStartupPacket, type StartupPacket } from '../../../src/wire/postgres/startup.ts';
import { bytes } from './bytes.ts';

const BYTES_MAX = 10_000;
const bad = (why: RegExp): StartupPacket => ({ type: 'bad', why: expect.stringMatching(why) as string });
const unsupported = (why: RegExp): StartupPacket => ({ ...bad(why), type: 'unsupported' }) as StartupPacket;
const LAYOUT = /^invalid startup packet layout: expected terminator as last byte$/;

const startup = (
  minor: number,
  parameters: Record<string, string> = {},
  unrecognised: readonly string[] = [],
): StartupPacket => ({ type: 'startup', minor, unrecognised, parameters: new Map(Object.entries(parameters)) });

const PACKETS: readonly (readonly [string, string, StartupPacket])[] = [
  ['SSLRequest', '00000008 04d2162f', { type: 'ssl' }],
  ['GSSENCRequest', '00000008 04d21630', { type: 'gssenc' }],
  [
    'CancelRequest of 3.0',
    `00000010   -- length
     04d2162e   -- 80877102
     00001234   -- process id
     0a0b0c0d   -- secret key`,
    { type: 'cancel', processId: 0x1234, secretKey: bytes('0a0b0c0d') },
  ],
  [
    'CancelRequest of 3.2 with the longest key',
    `0000010c 04d2162e ffffffff ${'ab'.repeat(256)}`,
    { type: 'cancel', processId: -1, secretKey: Buffer.alloc(256, 0xab) },
  ],
  [
    'StartupMessage of 3.0',
    `0000001a           -- length
     00030000           -- protocol 3.0
     "user" 00          -- name
     c3a9 00            -- value
     "options" 00 00    -- name, empty value
     00                 -- end`,
    startup(0, { user: 'é', options: '' }),
  ],
  ['StartupMessage without parameters', '00000009 00030000 00', startup(0)],
  [
    'StartupMessage of 3.2 with protocol options',
    `00000021           -- length
     00030002           -- protocol 3.2
     "_pq_.a" 00        -- an option of the protocol
     "on" 00            -- its value
     "user" 00 "u" 00   -- a parameter
     "_pq_." 00 00      -- another option
     00                 -- end`,
    startup(2, { user: 'u' }, ['_pq_.a', '_pq_.']),
  ],
  ['StartupMessage of 3.9', '00000010 00030009 "user" 00 "u" 00 00', startup(9, { user: 'u' })],
  ['StartupMessage of 3.65535', '00000009 0003ffff 00', startup(65535)],
  [
    'a parameter given twice: the last counts',
    '00000011 00030000 "a" 00 "1" 00 "a" 00 "2" 00 00',
    startup(0, { a: '2' }),
  ],
  ['protocol 2.0', '00000009 00020000 00', unsupported(/^unsupported frontend protocol 2\.0: /)],
  ['protocol 4.0', '00000009 00040000 00', unsupported(/^unsupported frontend protocol 4\.0: /)],
  ['protocol 0.0', '00000008 00000000', unsupported(/^unsupported frontend protocol 0\.0: /)],
  [
    'a protocol whose number is negative',
    '00000008 ffffffff',
    unsupported(/^unsupported frontend protocol 65535\.65535: /),
  ],
  ['an unknown request', '00000008 04d21631', unsupported(/^unsupported frontend protocol 1234\.5681: /)],
  ['SSLRequest with more behind it', '00000009 04d2162f 00', bad(/^invalid length of an encryption request$/)],
  ['GSSENCRequest with more behind it', '00000009 04d21630 00', bad(/^invalid length of an encryption request$/)],
  ['CancelRequest without a key', '0000000c 04d2162e 00001234', bad(/^invalid length of a cancel request$/)],
  ['CancelRequest, key of 3 bytes', '0000000f 04d2162e 00001234 0a0b0c', bad(/^invalid length of a cancel request$/)],
  [
    'CancelRequest, key of 257 bytes',
    `0000010d 04d2162e 00001234 ${'ab'.repeat(257)}`,
    bad(/^invalid length of a cancel request$/),
  ],
  ['no terminator', '00000008 00030000', bad(LAYOUT)],
  ['a name without an end', '0000000c 00030000 "user"', bad(LAYOUT)],
  ['a name without a value', '0000000d 00030000 "user" 00', bad(LAYOUT)],
  ['a value without an end', '0000000e 00030000 "user" 00 "u"', bad(LAYOUT)],
  ['a pair without a terminator behind it', '0000000f 00030000 "user" 00 "u" 00', bad(LAYOUT)],
  ['bytes behind the terminator', '0000000a 00030000 00 00', bad(LAYOUT)],
  ['a pair behind the terminator', '00000011 00030000 00 "user" 00 "u" 00 00', bad(LAYOUT)],
];

describe('readStartupPacket', () => {
  test.each(PACKETS)('%s', (_, table, packet) => {
    const sent = bytes(table);
    expect(sent.readInt32BE(0), 'the table').toBe(sent.length);
    expect(readStartupPacket(sent, BYTES_MAX)).toEqual({ packet, end: sent.length });
  });

  test.each(PACKETS)('%s: what follows it does not count', (_, table, packet) => {
    const sent = bytes(table);
    for (const fill of [0, 0x41]) {
      const more = Buffer.concat([sent, Buffer.alloc(20, fill)]);
      expect(readStartupPacket(more, BYTES_MAX)).toEqual({ packet, end: sent.length });
    }
  });

  test.each(PACKETS)('%s: cut anywhere, more is awaited', (_, table) => {
    const sent = bytes(table);
    for (let end = 0; end < sent.length; end++) {
      const cut = Buffer.from(sent.subarray(0, end));
      expect(readStartupPacket(cut, BYTES_MAX)).toBeNull();
    }
  });

  test.each([
    ['00000000', 0],
    ['00000007', 7],
    ['ffffffff', -1],
    ['80000000', -0x80000000],
    ['00002711', BYTES_MAX + 1],
    ['7fffffff', 0x7fffffff],
    ['16030100', 0x16030100],
  ])('a length of %s is refused at once', (length, value) => {
    expect(readStartupPacket(bytes(length), BYTES_MAX)).toEqual({
      packet: { type: 'bad', why: `invalid length of startup packet: ${value}` },
      end: 4,
    });
  });

  test('the longest packet is read', () => {
    const sent = Buffer.concat([bytes('00002710 00030000 "a" 00'), Buffer.alloc(BYTES_MAX - 12, 0x62), bytes('00 00')]);
    expect(readStartupPacket(sent, BYTES_MAX)).toEqual({
      packet: startup(0, { a: 'b'.repeat(BYTES_MAX - 12) }),
      end: BYTES_MAX,
    });
  });

  test('a cancel key does not keep its chunk', () => {
    const sent = bytes('00000010 04d2162e 00001234 0a0b0c0d');
    const read = readStartupPacket(sent, BYTES_MAX);
    sent.fill(0);
    expect(read?.packet).toEqual({ type: 'cancel', processId: 0x1234, secretKey: bytes('0a0b0c0d') });
  });

  test('any bytes: no throw, and it ends where its length says', () => {
    const head = fc.constantFrom('04d2162e', '04d2162f', '04d21630', '00030000', '00030002', '00020000');
    const letters = fc.array(fc.constantFrom(0, 0, 0x61, 0xff), { maxLength: 300 });
    fc.assert(
      fc.property(head, letters, fc.integer({ min: -2, max: 2 }), (request, body, lie) => {
        const sent = Buffer.concat([Buffer.alloc(4), bytes(request), Buffer.from(body)]);
        sent.writeInt32BE(sent.length + lie, 0);
        const read = readStartupPacket(sent, BYTES_MAX);
        if (lie > 0 && sent.length + lie >= 8) expect(read).toBeNull();
        else expect(read?.end).toBe(sent.length + lie < 8 ? sent.length : sent.length + lie);
      }),
    );
  });
});

describe('readOptions', () => {
  /** What the server makes of it: pg_split_opts, then getopt and ParseLongOption. */
  test.each<[string, [string, string][]]>([
    ['', []],
    [' \t\n\v\f\r', []],
    ['-c a=b', [['a', 'b']]],
    ['-ca=b', [['a', 'b']]],
    ['--a=b', [['a', 'b']]],
    ['--a-b=c', [['a_b', 'c']]],
    ['-c a-b=c-d', [['a_b', 'c-d']]],
    ['  -c\ta=b\n', [['a', 'b']]],
    [
      '-c a=b --c=d -ce=f',
      [
        ['a', 'b'],
        ['c', 'd'],
        ['e', 'f'],
      ],
    ],
    [
      '-c a=1 -c a=2',
      [
        ['a', '1'],
        ['a', '2'],
      ],
    ],
    ['-c a=', [['a', '']]],
    ['-c a=b=c', [['a', 'b=c']]],
    ['-c a=b\\ c', [['a', 'b c']]],
    ['-c a=\\\\', [['a', '\\']]],
    [
      '-c a=b\\\\ -c c=d',
      [
        ['a', 'b\\'],
        ['c', 'd'],
      ],
    ],
    ['-c a=\\x', [['a', 'x']]],
    ['-c a=b\\', [['a', 'b']]],
    ['-c a=\\\nb', [['a', '\nb']]],
    ['\\-c a=b', [['a', 'b']]],
    ["-c a='b\\ c'", [['a', "'b c'"]]],
    ['-c a=\u00a0b', [['a', '\u00a0b']]],
    ['-c --a=b', [['__a', 'b']]],
    ['-c search_path=a,b', [['search_path', 'a,b']]],
    ['-c my.var=x', [['my.var', 'x']]],
  ])('%j', (options, settings) => {
    expect(readOptions(options)).toEqual({ settings });
  });

  test.each([
    ['-d 5', '-d'],
    ['-B 100', '-B'],
    ['-F', '-F'],
    ['-O', '-O'],
    ['-P', '-P'],
    ['-e', '-e'],
    ['-fs', '-fs'],
    ['-S 64', '-S'],
    ['-W 5', '-W'],
    ['-v 196608', '-v'],
    ['-C a', '-C'],
    ['-', '-'],
    ['--', '--'],
    ['--=b', '--=b'],
    ['--a', '--a'],
    ['--a =b', '--a'],
    ['-c', '-c'],
    ['-c a', '-c'],
    ['-c =b', '-c'],
    ['-c a =b', '-c'],
    ['-ca', '-ca'],
    ['-c=b', '-c=b'],
    ['-c \\', '-c'],
    ['\\', ''],
    ['a=b', 'a=b'],
    ['-c a=b c', 'c'],
    ['-c a=b -- -c c=d', '--'],
    ['-ec a=b', '-ec'],
    ["-c a='b c'", "c'"],
    ['\u00a0-c a=b', '\u00a0-c'],
  ])('%j is refused', (options, refused) => {
    const read = readOptions(options);
    expect(read).toHaveProperty('refused');
    expect(read).not.toHaveProperty('settings');
    if ('refused' in read && !['-c'].includes(refused)) expect(read.refused).toBe(refused);
  });

  test('what libpq escapes comes back', () => {
    const escape = (value: string): string => value.replaceAll(/[\\\s]/g, (found) => `\\${found}`);
    const name = fc.stringMatching(/^[a-z][a-z_.]{0,8}$/);
    const value = fc.string({ unit: fc.constantFrom('a', ' ', '\\', '\n', '=', '-', "'", 'é', '😀'), maxLength: 10 });
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), fc.nat(2), (settings, form) => {
        const before = ['-c ', '-c', '--'][form] as string;
        const options = settings.map(([key, text]) => `${before}${key}=${escape(text)}`).join(' ');
        expect(readOptions(options)).toEqual({ settings });
      }),
    );
  });
});
