// The connection phase, out and in: real greetings byte by byte, round trips, and every way to lie about a length.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Malformed } from '../../../src/wire/mysql/bytes.ts';
import { asked, CLIENT, MARIADB_CLIENT, negotiated, offered } from '../../../src/wire/mysql/capabilities.ts';
import { charsetOf, isReadable } from '../../../src/wire/mysql/charsets.ts';
import {
  authSwitchRequest,
  greeting,
  handshakeResponse,
  type HandshakeResponse,
  readAuthSwitchRequest,
  readClientHello,
  readGreeting,
  sslRequest,
} from '../../../src/wire/mysql/handshake.ts';
import { errPacket, okPacket, readErr, readOkStatus } from '../../../src/wire/mysql/messages.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const MYSQL_9 = latin1(
  '\n9.7.4-2\0\x15\0\0\0%U] TqF\x01\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0\x15\x1c\x07o3\n\x05&\\%q\x0c\0caching_sha2_password\0',
);
const MARIADB_10 = latin1(
  '\n5.5.5-10.11.19-MariaDB-0+deb12u1\0\x10\0\0\0{;Qg4h2_\0\xfe\xf7\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0fdEje;8E2h8~\0mysql_native_password\0',
);
const SERVERS = [
  ['MySQL 9', MYSQL_9, { flags: 0xdfffffff, mariadb: 0 }, 21, 'caching_sha2_password'],
  ['MariaDB 10.11', MARIADB_10, { flags: 0x81fff7fe, mariadb: 0x1d }, 16, 'mysql_native_password'],
] as const;

describe.each(SERVERS)('the greeting of %s', (_, bytes, capabilities, threadId, plugin) => {
  const read = readGreeting(bytes);

  test('is read', () => {
    expect(read).toMatchObject({ threadId, capabilities, plugin, status: 2 });
    expect(read.nonce).toHaveLength(20);
  });

  test('is written as it was', () => {
    expect(greeting(read).toString('latin1')).toBe(bytes.toString('latin1'));
  });

  test('cut off anywhere but in the name at its end it is malformed', () => {
    for (let length = 0; length < bytes.length - plugin.length - 1; length++)
      expect(() => readGreeting(bytes.subarray(0, length)), String(length)).toThrow(Malformed);
  });
});

const ALL = { flags: 0xffffffff, mariadb: 0xffffffff };
const text = fc.string({ unit: 'grapheme', maxLength: 40 }).map((string) => string.replaceAll('\0', ''));
const responses: fc.Arbitrary<HandshakeResponse> = fc.record({
  type: fc.constant('response' as const),
  capabilities: fc.record({
    flags: fc
      .nat(2 ** 31 - 1)
      .map(
        (flags) =>
          (flags |
            CLIENT.PROTOCOL_41 |
            CLIENT.SECURE_CONNECTION |
            CLIENT.PLUGIN_AUTH |
            CLIENT.CONNECT_WITH_DB |
            CLIENT.CONNECT_ATTRS |
            CLIENT.MYSQL) >>>
          0,
      ),
    mariadb: fc.constant(0),
  }),
  packet_bytes_max: fc.nat(2 ** 31),
  collation: fc.nat(255),
  user: text,
  proof: fc.uint8Array({ maxLength: 250 }).map((bytes) => Buffer.from(bytes)),
  database: text,
  plugin: fc.constantFrom('', 'caching_sha2_password', 'x'),
  attributes: fc.dictionary(text, text, { maxKeys: 5 }).map((all) => new Map(Object.entries(all))),
});

describe('a handshake response', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(responses, (response) => {
        expect(readClientHello(handshakeResponse(response), ALL)).toEqual(response);
      }),
    );
  });

  test('cut off anywhere it is malformed, but where the optional attributes would begin', () => {
    fc.assert(
      fc.property(responses, fc.double({ min: 0, max: 0.999, noNaN: true }), (response, part) => {
        const bytes = handshakeResponse(response);
        const attributes = handshakeResponse({
          ...response,
          capabilities: { ...response.capabilities, flags: response.capabilities.flags & ~CLIENT.CONNECT_ATTRS },
        });
        const length = Math.floor(bytes.length * part);
        // 32 bytes with the flag of TLS are the request for it.
        fc.pre(length !== attributes.length && !(length === 32 && (response.capabilities.flags & CLIENT.SSL) !== 0));
        expect(() => readClientHello(bytes.subarray(0, length), ALL)).toThrow(Malformed);
      }),
    );
  });

  test.each([
    ['a proof longer than the packet', Buffer.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['a proof of 16 MB that is not there', Buffer.of(0xfd, 0xff, 0xff, 0xff)],
    ['a proof of no length at all', Buffer.of(0xfb)],
  ])('%s is malformed', (_, length) => {
    const head = sslRequest({
      capabilities: { flags: (ALL.flags & ~CLIENT.SSL) >>> 0, mariadb: 0 },
      packet_bytes_max: 1,
      collation: 45,
    });
    expect(() => readClientHello(Buffer.concat([head, latin1('user\0'), length]), ALL)).toThrow(Malformed);
  });

  test('a name that is not UTF-8 is malformed: two of them could become one', () => {
    const head = sslRequest({
      capabilities: { flags: ALL.flags >>> 0, mariadb: 0 },
      packet_bytes_max: 1,
      collation: 8,
    });
    expect(() => readClientHello(Buffer.concat([head, latin1('\xe9\0\0\0\0\0')]), ALL)).toThrow(Malformed);
    expect(readClientHello(Buffer.concat([head, latin1('\xc3\xa9\0\0\0\0\0')]), ALL)).toMatchObject({ user: 'é' });
  });

  test('a flag that was not offered changes nothing in its layout', () => {
    const response = fc.sample(responses, 1)[0] as HandshakeResponse;
    const plain = {
      ...response,
      capabilities: { flags: response.capabilities.flags & ~CLIENT.CONNECT_WITH_DB, mariadb: 0 },
    };
    const bytes = handshakeResponse(plain);
    bytes.writeUInt32LE((plain.capabilities.flags | CLIENT.CONNECT_WITH_DB) >>> 0, 0);
    const offer = { flags: ALL.flags & ~CLIENT.CONNECT_WITH_DB, mariadb: 0 };
    expect(readClientHello(bytes, offer)).toMatchObject({ user: response.user, plugin: response.plugin, database: '' });
  });

  test.each([
    ['of before 4.1', Buffer.from('8524000000', 'hex')],
    ['without plugins', sslRequest({ capabilities: { flags: 0x8200, mariadb: 0 }, packet_bytes_max: 1, collation: 8 })],
  ])('%s: old', (_, bytes) => {
    expect(readClientHello(bytes, ALL).type).toBe('old');
  });
});

describe('capabilities', () => {
  const [mysql, mariadb] = [SERVERS[0][2], SERVERS[1][2]];

  test('compression is never offered, whatever the server has', () => {
    for (const server of [mysql, mariadb, ALL])
      expect(offered(server, true).flags & (CLIENT.COMPRESS | CLIENT.ZSTD_COMPRESSION_ALGORITHM)).toBe(0);
  });

  test("MariaDB's own are offered in front of MariaDB alone, and only those that are spoken", () => {
    expect(offered(mysql, false)).toMatchObject({ mariadb: 0 });
    const { mariadb: own } = offered(mariadb, false);
    const { PROGRESS, STMT_BULK_OPERATIONS, EXTENDED_METADATA } = MARIADB_CLIENT;
    expect(own).toBe(PROGRESS | STMT_BULK_OPERATIONS | EXTENDED_METADATA);
  });

  test('both sides of a session have the same formats', () => {
    const flags = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const formats =
      CLIENT.FOUND_ROWS |
      CLIENT.LOCAL_FILES |
      CLIENT.IGNORE_SPACE |
      CLIENT.MULTI_STATEMENTS |
      CLIENT.MULTI_RESULTS |
      CLIENT.PS_MULTI_RESULTS |
      CLIENT.SESSION_TRACK |
      CLIENT.DEPRECATE_EOF |
      CLIENT.OPTIONAL_RESULTSET_METADATA |
      CLIENT.QUERY_ATTRIBUTES;
    fc.assert(
      fc.property(fc.constantFrom(mysql, mariadb), flags, flags, fc.boolean(), (server, wanted, own, tls) => {
        const client = negotiated({ flags: wanted, mariadb: own }, offered(server, tls));
        const upstream = asked(client, server, tls);
        expect(upstream && upstream.flags & formats).toBe(client.flags & formats);
        expect(upstream?.mariadb).toBe(client.mariadb);
      }),
    );
  });

  test('a server that lacks what was promised is not asked', () => {
    const client = negotiated(ALL, offered(mysql, false));
    expect(asked(client, { flags: mysql.flags & ~CLIENT.DEPRECATE_EOF, mariadb: 0 }, false)).toBeNull();
  });
});

test('an authentication switch is read as it was written', () => {
  const nonce = Buffer.alloc(20, 7);
  expect(readAuthSwitchRequest(authSwitchRequest('x', nonce))).toEqual({ plugin: 'x', nonce });
  expect(readAuthSwitchRequest(Buffer.of(0xfe))).toMatchObject({ plugin: 'mysql_old_password' });
  expect(() => readAuthSwitchRequest(latin1('\xfex'))).toThrow(Malformed);
});

test('OK and ERR', () => {
  expect(okPacket(2, { flags: 0 }).toString('hex')).toBe('00000002000000');
  expect(okPacket(2, { flags: CLIENT.SESSION_TRACK }).toString('hex')).toBe('0000000200000000');
  expect(readOkStatus(okPacket(3, { flags: 0 }))).toBe(3);
  const denied = { errno: 1045, sqlstate: '28000', message: 'Access denied' };
  expect(errPacket(denied).toString('latin1')).toBe('\xff\x15\x04#28000Access denied');
  expect(readErr(errPacket(denied))).toEqual(denied);
  expect(readErr(errPacket({ ...denied, sqlstate: '' }))).toEqual({ ...denied, sqlstate: '' });
  expect(() => readErr(latin1('\xff\x15\x04#28'))).toThrow(Malformed);
});

test.each([
  [45, 'mysql', 'utf8mb4', true],
  [255, 'mysql', 'utf8mb4', true],
  [309, 'mysql', 'utf8mb4', true],
  [2304, 'mariadb', 'utf8mb4', true],
  [1052, 'mariadb', 'gbk', false],
  [28, 'mysql', 'gbk', false],
  [248, 'mysql', 'gb18030', false],
  [13, 'mariadb', 'sjis', false],
  [82, 'mysql', 'swe7', false],
  [8, 'mariadb', 'latin1', true],
] as const)('collation %i of %s is %s', (id, engine, charset, readable) => {
  expect(charsetOf(id, engine)).toBe(charset);
  expect(isReadable(charset)).toBe(readable);
});

test.each([
  [0, 'mysql'],
  [309, 'mariadb'],
  [1999, 'mariadb'],
  [2304, 'mysql'],
] as const)('there is no collation %i at %s', (id, engine) => {
  expect(charsetOf(id, engine)).toBeUndefined();
});
