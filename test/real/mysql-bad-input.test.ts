// Bad bytes and faults at a MySQL listener: each is told or closed as documented, nothing of it runs, and a canary connection that is queried
// throughout never notices. The twin of bad-input.test.ts. What is wrong before the login is in mysql-door.test.ts too, and servers that lie
// while they are logged in to in mysql-upstream.test.ts.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import mysql2, { type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { COM } from '../../src/wire/mysql/commands.ts';
import { packets } from '../../src/wire/mysql/frame.ts';
import { greeting, type Greeting } from '../../src/wire/mysql/handshake.ts';
import { errPacket, okPacket, progressPacket } from '../../src/wire/mysql/messages.ts';
import { resultSet } from '../../src/wire/mysql/results.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { type Guarded, openGuarded } from './mysql-guarded.ts';
import { targetOf } from './mysql-door.ts';
import { flags, PLAIN_FLAGS, RawMysql, response } from './mysql-raw.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

/** Queries without a pause until it is told to stop; then says how often, and throws what went wrong. */
const canary = async (port: number, user: string, password: string): Promise<() => Promise<number>> => {
  const client = await mysql2.createConnection({ host: '127.0.0.1', port, user, password });
  const stop = new AbortController();
  const run = (async () => {
    let count = 0;
    do {
      const [rows] = await client.query('SELECT ? + 1 AS n', [count]);
      // A server that is played here knows texts alone.
      expect(Number((rows as { n: unknown }[])[0]?.n)).toBe(++count);
      await new Promise((resolve) => setTimeout(resolve, 5));
    } while (!stop.signal.aborted);
    return count;
  })();
  run.catch(() => {});
  return async () => {
    stop.abort();
    const count = await run;
    await client.end();
    return count;
  };
};

const hex = (text: string): Buffer =>
  Buffer.from(text.replace(/"([^"]*)"/g, (_, s: string) => Buffer.from(s).toString('hex')).replaceAll(' ', ''), 'hex');

const LIMITS = {
  connections_max: 50,
  startup_timeout_ms: 5000,
  statement_bytes_max: 4096,
  bind_bytes_max: 8192,
  held_bytes_max: 4096,
  prepared_statements_max: 10,
  prepared_bytes_max: 16 * 1024,
};

describe.each(ENGINES.filter(available))('bytes, %s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  let alive: () => Promise<number>;
  const open: { destroy(): void }[] = [];

  beforeAll(async () => {
    server = await startMysql(engine, ['--local-infile=1']);
    await server.sql(
      'CREATE DATABASE app; USE app; CREATE TABLE t (id INT PRIMARY KEY, name LONGTEXT); INSERT INTO t VALUES (1, "one"), (2, "two"), (3, "three")',
    );
    const upstream = `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`;
    gateway = await startGateway({ upstream, config: { limits: LIMITS } });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });
  beforeEach(async () => {
    alive = await canary(gateway.port, 'bot', AGENT_PASSWORD);
  });
  afterEach(async () => {
    for (const one of open.splice(0)) one.destroy();
    expect(await alive()).toBeGreaterThan(0);
    expect(await server.sql('SELECT COUNT(*) FROM app.t')).toBe('3');
  });

  const raw = async (): Promise<RawMysql> => {
    const client = await RawMysql.connect(gateway.port);
    open.push(client);
    return client;
  };
  const login = async (more = 0): Promise<RawMysql> => {
    const client = await raw();
    const capabilities = flags(PLAIN_FLAGS | CLIENT.CONNECT_WITH_DB | more);
    await client.login('bot', AGENT_PASSWORD, { capabilities, database: 'app' });
    return client;
  };
  /** The same, and what is held is refused at once. */
  const impatient = async (): Promise<RawMysql> => {
    const client = await login();
    client.command(COM.QUERY, 'SET @holdpoint_hold = 0');
    expect(await client.answer()).toBe('OK');
    return client;
  };
  const works = async (client: RawMysql): Promise<void> => {
    client.command(COM.QUERY, 'SELECT 1');
    expect(await client.answer()).toBe('rows');
  };
  const backends = async (): Promise<readonly string[]> =>
    (await server.sql("SELECT id FROM information_schema.processlist WHERE user = 'root' AND db = 'app'")).split('\n');
  /** Logs in; `left`: which of the connections at the server that came with it are there. Others may be on their way out. */
  const watched = async () => {
    const before = await backends();
    const client = await login();
    const own = (await backends()).filter((id) => !before.includes(id));
    expect(own).toHaveLength(1);
    return { client, left: async () => (await backends()).filter((id) => own.includes(id)) };
  };

  describe('before the login', () => {
    test('a response cut anywhere, then gone', async () => {
      const whole = packets(1, response(await (await raw()).greeting(), 'bot', AGENT_PASSWORD));
      for (let length = 0; length < whole.length; length += 7) {
        const client = await raw();
        await client.greeting();
        client.bytes(whole.subarray(0, length));
        client.socket.end();
        expect(await client.error()).toBeNull();
      }
    });

    test('a response sent byte by byte is the same response', async () => {
      const client = await raw();
      const whole = packets(1, response(await client.greeting(), 'bot', AGENT_PASSWORD));
      for (const byte of whole) client.bytes(Buffer.of(byte));
      expect((await client.next())?.payload).toEqual(Buffer.of(1, 3));
      expect((await client.next())?.payload[0]).toBe(0);
    });

    test('a statement sent right behind the proof waits for the login', async () => {
      const client = await raw();
      client.send(1, response(await client.greeting(), 'bot', AGENT_PASSWORD));
      client.command(COM.QUERY, 'SELECT 1');
      expect((await client.next())?.payload).toEqual(Buffer.of(1, 3));
      expect(await client.answer()).toBe('OK');
      expect(await client.answer()).toBe('rows');
    });

    test.each(['mysql_clear_password', 'dialog', 'mysql_old_password', 'sha256_password', 'x'.repeat(300), ''])(
      'the plugin "%s" is answered with ours; an empty proof, and one that is too long, are refused',
      async (plugin) => {
        for (const proof of [Buffer.alloc(0), Buffer.alloc(20_000, 1)]) {
          const client = await raw();
          const greeted = await client.greeting();
          client.send(1, response(greeted, 'bot', AGENT_PASSWORD, { plugin, proof: Buffer.from(AGENT_PASSWORD) }));
          const asked = await client.next();
          expect(asked?.payload.toString('latin1')).toMatch(/^\xfecaching_sha2_password\0/);
          client.send(3, proof);
          expect((await client.error())?.errno).toBe(proof.length === 0 ? 1045 : 1043);
        }
      },
    );

    test('who says nothing is closed', async () => {
      const client = await raw();
      await client.greeting();
      expect(await client.next()).toBeNull();
    });
  });

  describe('after the login', () => {
    /** What is answered with an error, after which the session goes on. */
    test.each<[string, Buffer, number]>([
      ['no command at all', Buffer.alloc(0), 1047],
      ['a command of no number', hex('22 00'), 1047],
      ['the greatest number', hex('ff ff ff'), 1047],
      ['COM_TABLE_DUMP', hex('13 03 "app" 01 "t"'), 1235],
      ['COM_CLONE', hex('20'), 1235],
      ['a dump of nothing', hex('12 0400'), 1835],
      ['a dump whose name is cut', hex('1e 0000 01000000 ffffffff "b"'), 1835],
      ['a replica without an id', hex('15 02'), 1835],
      ['a refresh of nothing', hex('07'), 1835],
      ['COM_DAEMON', hex('1d'), 1047],
      ['an execution of nothing', hex('17'), 1835],
      ['an execution cut in its head', hex('17 01000000 00'), 1243],
      ['an execution of what is not prepared', hex('17 63000000 00 01000000'), 1243],
      ['rows of what is not prepared', hex('1c 63000000 01000000'), 1243],
      ['a fetch of nothing', hex('1c 01'), 1835],
      ['a reset of nothing', hex('1a 01'), 1835],
      ['a kill of nothing', hex('0c 01'), 1835],
      ['a field list without an end', hex('04 "t"'), 1835],
      ['an option of one byte', hex('1b 00'), 1835],
      ['an option of five', hex('1b 0000 000000'), 1835],
      ['a bulk execution of nothing', hex('fa'), 1835],
      ['a bulk execution of what is not prepared', hex('fa 63000000 8000'), 1243],
    ])('%s', async (_, payload, errno) => {
      const client = await login();
      client.send(0, payload);
      expect(await client.answer()).toBe(errno);
      await works(client);
    });

    test.each<[string, Buffer]>([
      ['long data of nothing', hex('18')],
      ['long data of what is not prepared', hex('18 63000000 0000 "x"')],
      ['a close of nothing', hex('19 01')],
      ['a close of what is not prepared', hex('19 63000000')],
    ])('%s is not answered', async (_, payload) => {
      const client = await login();
      client.send(0, payload);
      await works(client);
    });

    /** What the server itself says is its business: an error, or an answer. Nobody is held, and nobody else notices. */
    test.each<[string, Buffer]>([
      ['a database without a name', hex('02')],
      ['one with a NUL', hex('02 "app" 00 "x"')],
      ['one with a quote', hex('02 "a`; drop table t; -- "')],
      ['one that is no UTF-8', hex('02 ff fe c0 80')],
      ['an option that there is not', hex('1b 0700')],
      ['a ping with more', hex('0e "more"')],
      ['a reset with more', hex('1f "more"')],
      ['a text that is no UTF-8', hex('03 "SELECT " ff fe')],
      ['a text of nothing', hex('03')],
      ['a text of NUL', hex('03 00')],
      ['a text with a NUL inside', hex('03 "SELECT 1" 00 "; DROP TABLE t"')],
      ['a preparation of nothing', hex('16')],
    ])('%s: an error or an answer', async (_, payload) => {
      const client = await impatient();
      client.send(0, payload);
      expect(['number', 'string']).toContain(typeof (await client.answer()));
      client.destroy();
    });

    // MariaDB has none.
    const attributes: readonly [string, Buffer][] =
      engine === 'mariadb'
        ? []
        : [
            ['a count of 2^64', hex('03 feffffffffffffffff 01 "SELECT 1"')],
            ['a count of 70000', hex('03 fd701101 01 "SELECT 1"')],
            ['no set of them', hex('03 00 00 "SELECT 1"')],
            ['two sets of them', hex('03 00 02 "SELECT 1"')],
            ['a count that is cut off', hex('03 fc01')],
            ['no types', hex('03 01 01 00 00 "SELECT 1"')],
            ['a name beyond the packet', hex('03 01 01 00 01 fe00 fc ffff "a"')],
            ['a value beyond the packet', hex('03 01 01 00 01 fe00 01 "a" fd ffffff "SELECT 1"')],
            ['a value of a type that there is not', hex('03 01 01 00 01 5500 01 "a" "SELECT 1"')],
            ['fewer types than it says', hex('03 05 01 00 01 fe00 01 "a" 01 "SELECT 1"')],
          ];
    test.each(attributes)('query attributes with %s', async (_, payload) => {
      const client = await login(CLIENT.QUERY_ATTRIBUTES);
      client.send(0, payload);
      expect(await client.answer()).toBe(1835);
      client.send(0, hex('03 00 01 "SELECT 1"'));
      expect(await client.answer()).toBe('rows');
    });

    const prepare = async (client: RawMysql, text: string): Promise<Buffer> => {
      client.command(COM.STMT_PREPARE, text);
      const ok = (await client.next())?.payload ?? Buffer.alloc(12);
      expect(ok[0]).toBe(0);
      // Definitions of parameters and of columns, each with an EOF.
      for (const count of [ok.readUInt16LE(7), ok.readUInt16LE(5)])
        for (let left = count === 0 ? 0 : count + 1; left > 0; left--) await client.next();
      return ok.subarray(1, 5);
    };

    /** Behind the statement id, flags 00 and the count 1: what does not add up. */
    test.each<[string, Buffer]>([
      ['no values', Buffer.alloc(0)],
      ['NULL bits alone', hex('00')],
      ['types that are not sent', hex('00 00')],
      ['a flag that there is not', hex('00 02 0300 0300')],
      ['half of the types', hex('00 01 0300')],
      ['one value of two', hex('00 01 0300 0300 01000000')],
      ['a value cut off', hex('00 01 0300 0300 01000000 0200')],
      ['a string of 2^64 bytes', hex('00 01 0300 fd00 01000000 feffffffffffffffff "x"')],
      ['a string beyond the packet', hex('00 01 0300 fd00 01000000 fc ffff "x"')],
      ['a string of NULL', hex('00 01 0300 fd00 01000000 fb')],
      ['a type that there is not', hex('00 01 5500 0300 01000000 02000000')],
      ['a date of 200 bytes', hex('00 01 0a00 0300 c8 00 02000000')],
      ['more than its values', hex('00 01 0300 0300 63000000 63000000 "more"')],
    ])('an execution with %s', async (what, values) => {
      const client = await impatient();
      // It would be held: nobody is asked about what cannot be shown.
      const held = await prepare(client, 'SET GLOBAL wait_timeout = ?, interactive_timeout = ?');
      client.send(0, Buffer.concat([hex('17'), held, hex('00 01000000'), values]));
      expect([1835, ...(what === 'more than its values' ? [1644] : [])]).toContain(await client.answer());
      // What passes is the server's business, which may end the connection.
      const passes = await prepare(client, 'DO ? + ?');
      client.send(0, Buffer.concat([hex('17'), passes, hex('00 01000000'), values]));
      expect(['number', 'string']).toContain(typeof (await client.answer()));
    });

    test('a second execution that tells no types has those of the first, and no others', async () => {
      const client = await login();
      const id = await prepare(client, 'UPDATE t SET name = ? WHERE id = ?');
      const execute = (values: string): void =>
        client.send(0, Buffer.concat([hex('17'), id, hex('00 01000000'), hex(values)]));
      execute('00 01 fd00 0300 01 "a" 63000000');
      expect(await client.answer()).toBe('OK');
      execute('00 00 01 "b" 64000000');
      expect(await client.answer()).toBe('OK');
    });

    test.each([1, 255])('a sequence id of %i ends the session', async (sequence) => {
      const client = await login();
      await works(client);
      client.send(sequence, Buffer.from('\x03SELECT 1'));
      const packet = await client.next();
      expect(packet?.sequence).toBe(1);
      expect(packet?.payload.readUInt16LE(1)).toBe(1156);
      expect(await client.next()).toBeNull();
    });

    test('oversized texts and executions are refused, and the session goes on; beyond any packet it ends', async () => {
      const client = await login();
      const long = `SELECT '${'x'.repeat(LIMITS.statement_bytes_max)}'`;
      for (const code of [COM.QUERY, COM.STMT_PREPARE]) {
        client.command(code, long);
        expect(await client.answer()).toBe(1226);
      }
      const id = await prepare(client, 'UPDATE t SET name = ? WHERE id = 9');
      client.send(
        0,
        Buffer.concat([hex('17'), id, hex('00 01000000 00 01 fd00 fd 002400'), Buffer.alloc(0x2400, 0x78)]),
      );
      expect(await client.answer()).toBe(1226);
      await works(client);
      // A packet of 16 MB, of which only the header comes.
      client.bytes(hex('ffffff 00'));
      const packet = await client.next();
      expect([packet?.sequence, packet?.payload.readUInt16LE(1)]).toEqual([1, 1153]);
      expect(await client.next()).toBeNull();
    });

    test('long data beyond the limit: the execution is refused, and only that', async () => {
      const client = await login();
      const id = await prepare(client, 'UPDATE t SET name = ? WHERE id = 9');
      for (let n = 0; n < 10; n++)
        client.send(0, Buffer.concat([hex('18'), id, hex('0000'), Buffer.alloc(2000, 0x78)]));
      const execute = Buffer.concat([hex('17'), id, hex('00 01000000 00 01 fd00')]);
      client.send(0, execute);
      expect(await client.answer()).toBe(1226);
      client.send(0, Buffer.concat([hex('18'), id, hex('0000 "x"')]));
      client.send(0, execute);
      expect(await client.answer()).toBe('OK');
    });

    test('more prepared statements than allowed, until one is closed', async () => {
      const client = await login();
      let last = Buffer.alloc(4);
      for (let n = 0; n < LIMITS.prepared_statements_max; n++) last = Buffer.from(await prepare(client, 'SET @a = ?'));
      client.command(COM.STMT_PREPARE, 'SET @a = ?');
      expect(await client.answer()).toBe(1226);
      client.send(0, Buffer.concat([hex('19'), last]));
      await prepare(client, 'SET @a = ?');
    });

    test('a packet cut short by a disconnect runs nothing and leaves no connection', async () => {
      const { client, left } = await watched();
      const whole = packets(0, Buffer.from('\x03DELETE FROM t'));
      client.bytes(whole.subarray(0, whole.length - 2));
      client.socket.end();
      expect(await client.next()).toBeNull();
      await expect.poll(left).toEqual([]);
    });

    test('who goes away in the middle of a big result leaves no connection', async () => {
      const { client, left } = await watched();
      client.command(
        COM.QUERY,
        "SELECT REPEAT('x', 1000) FROM t a, t b, t c, t d, t e, t f, t g, t h, t i, t j, t k, t l",
      );
      await client.next();
      client.destroy();
      await expect.poll(left).toEqual([]);
    });

    test('a client that has said all it will: what it asked runs no more, what is held is left', async () => {
      const client = await login();
      client.command(COM.QUERY, 'DROP TABLE t');
      const request = await gateway.opened();
      client.socket.end();
      expect(await client.next()).toBeNull();
      await expect.poll(async () => (await gateway.grace.get(request.id)).wait_until).toBeNull();
    });

    test('more than is taken while held: an error, and the session goes on', async () => {
      const client = await login();
      client.command(COM.QUERY, 'DROP TABLE t');
      const request = await gateway.opened();
      client.command(COM.QUERY, `SELECT '${'x'.repeat(3000)}'`);
      client.command(COM.QUERY, `SELECT '${'y'.repeat(3000)}'`);
      expect([await client.answer(), await client.answer(), await client.answer()]).toEqual([1226, 'rows', 'rows']);
      await gateway.deny(request);
    });
  });

  // Where it is not followed, the text is one harmless SELECT here and drops the table there.
  test.each([
    ['SET sql_mode = ANSI_QUOTES', 0],
    ["SET @@session.sql_mode = 'ANSI'", 0],
    ['SET sql_mode = ANSI_QUOTES', CLIENT.SESSION_TRACK],
    ["SET session_track_system_variables = '', sql_mode = 'ANSI_QUOTES'", CLIENT.SESSION_TRACK],
    [
      "SET sql_mode = 'ANSI_QUOTES', session_track_system_variables = 'autocommit', autocommit = 1",
      CLIENT.SESSION_TRACK,
    ],
    ["SET session_track_system_variables = ''; SET sql_mode = 'ANSI_QUOTES'", CLIENT.SESSION_TRACK],
    ["SET session_track_system_variables = ''; SET sql_mode = 'ANSI_QUOTES'", 0],
  ])('%s is followed, whatever the server tells (%i)', async (text, more) => {
    const client = await login(more | CLIENT.MULTI_STATEMENTS);
    for (const one of ['SET @holdpoint_hold = 0', ...text.split('; ')]) {
      client.command(COM.QUERY, one);
      expect(await client.answer()).toBe('OK');
    }
    client.command(COM.QUERY, String.raw`SELECT 1 AS "\"; DROP TABLE t; -- "`);
    expect(await client.answer()).toBe(1644);
  });

  describe('character sets whose bytes hide quotes', () => {
    let client: Connection;
    beforeEach(async () => {
      client = await mysql2.createConnection({
        host: '127.0.0.1',
        port: gateway.port,
        user: 'bot',
        password: AGENT_PASSWORD,
        database: 'app',
      });
      client.on('error', () => {});
      open.push(client);
      await client.query('SET @holdpoint_hold = 0');
    });
    const errno = (sql: string): Promise<number> =>
      client.query(sql).then(
        () => 0,
        (error: { errno: number }) => error.errno,
      );

    test.each([
      ...['gbk', 'sjis', 'big5', 'cp932', 'gb18030', 'euckr'].flatMap((charset) => [
        `SET NAMES ${charset}`,
        `SET NAMES '${charset}'`,
        `SET CHARACTER SET ${charset}`,
        `SET character_set_client = ${charset}`,
        `SET @a = 1, @@session.character_set_client = '${charset}'`,
      ]),
      ...['ucs2', 'utf16', 'utf16le', 'utf32'].flatMap((charset) => [
        `SET NAMES ${charset}`,
        `SET character_set_client = ${charset}`,
      ]),
    ])('%s: refused, and nothing has changed', async (sql) => {
      expect(await errno(sql)).toBe(1235);
      const [rows] = await client.query({ sql: 'SELECT @@character_set_client, @a', rowsAsArray: true });
      expect(rows).toEqual([['utf8mb4', null]]);
    });

    test.each([
      "SET NAMES 'gbk' COLLATE 'gbk_chinese_ci'",
      '/*!40101 SET NAMES gbk */',
      'SET character_set_client = 28',
      "SET STATEMENT character_set_client = gbk FOR SELECT 'a'",
      'SET GLOBAL character_set_client = gbk',
      'PREPARE p FROM "SET NAMES gbk"',
      'EXECUTE IMMEDIATE "SET NAMES gbk"',
      'CREATE PROCEDURE p() SET NAMES gbk',
    ])('%s: held, or refused', async (sql) => {
      expect(await errno(sql)).toBeGreaterThan(0);
    });

    test.each(['gbk', 'sjis', 'big5', 'cp932', 'gb18030', 'ucs2', 'utf16', 'utf16le', 'utf32'])(
      '_%s before a literal whose bytes can hide a quote: refused',
      async (charset) => {
        const hiding = Buffer.concat([Buffer.from(`SELECT _${charset} '`), hex('bf 5c'), Buffer.from("' , 1 -- '")]);
        const impatiently = await impatient();
        for (const [command, text] of [
          [COM.QUERY, hiding],
          [COM.QUERY, `SELECT _${charset}'é'`],
          [COM.STMT_PREPARE, `SELECT ?, _${charset}'é'`],
        ] as const) {
          impatiently.command(command, text);
          expect(await impatiently.answer()).toBe(1235);
        }
        // MariaDB does not know it, and says so itself.
        const there = charset !== 'gb18030' || engine === 'mysql';
        impatiently.command(COM.QUERY, `SELECT _${charset} x'00000041', _${charset}'abcd'`);
        expect(await impatiently.answer()).toBe(there ? 'rows' : 1064);
      },
    );
  });
});

const PASSWORD = 'agent';

describe('a hostile server', () => {
  let server: Server;
  let door: Guarded;
  let alive: () => Promise<number>;
  const sockets = new Set<Socket>();

  const GREETING: Greeting = {
    version: '9.7.4',
    threadId: 7,
    nonce: Buffer.alloc(20, 0x41),
    capabilities: {
      flags: PLAIN_FLAGS | CLIENT.LOCAL_FILES | CLIENT.MULTI_STATEMENTS | CLIENT.SESSION_TRACK,
      mariadb: 0,
    },
    collation: 255,
    status: 2,
    plugin: 'caching_sha2_password',
  };
  const FACTS = ['', 'utf8mb4', 'app', '', '28800', 'sql_mode'];
  const OLD = { deprecateEof: false, optionalMetadata: false, extendedMetadata: false };
  const OK = okPacket(2, { flags: 0 });
  const COLUMN = hex('03 "def" 00 00 00 01 "1" 00 0c 3f00 02000000 08 8100 00 0000');

  type Say = (socket: Socket) => void;
  /** What it says to a text of a client, or to one of Holdpoint. */
  const lies = new Map<string, Say>();
  /** The same as packets, from this sequence id on. */
  const lie = (text: string, sequence: number, ...payloads: readonly Buffer[]): void => {
    const bytes = Buffer.concat(payloads.map((payload, index) => packets(sequence + index, payload)));
    lies.set(text, (socket) => void socket.write(bytes));
  };

  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.write(packets(0, greeting(GREETING)));
      let loggedIn = false;
      let buffer: Buffer = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        buffer = Buffer.concat([buffer, chunk]);
        while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUIntLE(0, 3)) {
          const payload = buffer.subarray(4, 4 + buffer.readUIntLE(0, 3));
          buffer = buffer.subarray(4 + payload.length);
          if (!loggedIn) {
            loggedIn = true;
            socket.write(packets(2, OK));
          } else answer(socket, payload.toString('latin1', 1));
        }
      });
    });
    const answer = (socket: Socket, text: string): void => {
      const lied = lies.get(text) ?? lies.get(text.split('.')[0] as string);
      if (lied) lied(socket);
      else if (text.startsWith('SELECT CAST')) socket.write(resultSet(1, FACTS, [FACTS], 2, OLD));
      else if (/^SELECT (\d+) \+ 1/.test(text)) {
        const n = String(Number(/\d+/.exec(text)?.[0]) + 1);
        socket.write(resultSet(1, ['n'], [[n]], 2, OLD));
      } else socket.write(packets(1, OK));
    };
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    door = await openGuarded({
      target: targetOf({ port, user: 'gateway', password: PASSWORD }, { timeout_ms: 2000 }),
      users: { agent: await makeStored(PASSWORD) },
      limits: { upstream_connect_timeout_ms: 2000 },
    });
  });
  beforeEach(async () => {
    alive = await canary(door.port, 'agent', PASSWORD);
  });
  afterEach(async () => {
    expect(await alive()).toBeGreaterThan(0);
    door.broken.splice(0);
    door.rules = {};
    lies.clear();
  });
  afterAll(async () => {
    await door?.close();
    for (const socket of sockets) socket.destroy();
    server?.close();
  });

  const login = async (more = CLIENT.LOCAL_FILES): Promise<RawMysql> => {
    const raw = await RawMysql.connect(door.port);
    await raw.login('agent', PASSWORD, { capabilities: flags(PLAIN_FLAGS | more) });
    return raw;
  };
  /** The last error a client hears before the end, and everything it heard. */
  const heard = async (
    text: string,
    more?: number,
  ): Promise<{ errno: number | null; bytes: Buffer; fault: string }> => {
    const raw = await login(more);
    raw.command(COM.QUERY, text);
    const seen: Buffer[] = [];
    let errno: number | null = null;
    for (let packet = await raw.next(); packet !== null; packet = await raw.next()) {
      seen.push(packet.payload);
      if (packet.payload[0] === 0xff) errno = packet.payload.readUInt16LE(1);
    }
    raw.destroy();
    return { errno, bytes: Buffer.concat(seen), fault: door.broken.join() };
  };

  test.each<[string, number, readonly Buffer[]]>([
    ['a request for a file', 1, [hex('fb "/etc/passwd"')]],
    ['one behind a result', 1, [hex('00 00 00 0a00 0000'), hex('fb "/etc/passwd"')]],
    ['2^40 columns', 1, [hex('fe 0000000000010000')]],
    ['70000 columns', 1, [hex('fd 701101')]],
    ['a count that is cut off', 1, [hex('fc 01')]],
    ['a count with more behind it', 1, [hex('01 02 03')]],
    ['an empty packet', 1, [Buffer.alloc(0)]],
    ['a sequence id of a while ago', 7, [OK]],
    ['an answer that begins at 0', 0, [OK]],
    ['OK among definitions', 1, [hex('02'), COLUMN, OK]],
    ['an OK that is cut off', 1, [hex('00 00')]],
    ['an OK with a number of 2^64 bytes', 1, [hex('00 00 feffffffffffffffff')]],
    ['more packets than it was asked for', 1, [OK, OK]],
    ['rows nobody asked for', 1, [OK, hex('01'), COLUMN]],
    ['progress that was not agreed upon', 1, [progressPacket('x'), OK]],
    ['an EOF that is too long', 1, [hex('01'), COLUMN, hex('fe 0000 0200 00')]],
  ])('%s: the session ends, and the client is told', async (_, sequence, payloads) => {
    lie('select lies', sequence, ...payloads);
    const { errno, bytes, fault } = await heard('select lies');
    expect(errno).toBe(1835);
    expect(fault).toMatch(/the server sent/);
    expect(bytes.includes('/etc/passwd')).toBe(false);
  });

  test('a file for a client that has none to give', async () => {
    lie('load data local infile "x" into table t', 1, hex('fb "/etc/passwd"'));
    const { errno, bytes } = await heard('load data local infile "x" into table t', 0);
    expect([errno, bytes.includes('/etc/passwd')]).toEqual([1835, false]);
  });

  test('a file asked for again, when it has been sent', async () => {
    const text = 'load data local infile "x" into table t';
    lie(text, 1, hex('fb "x"'));
    const raw = await login();
    raw.command(COM.QUERY, text);
    expect((await raw.next())?.payload).toEqual(hex('fb "x"'));
    lie('', 4, hex('fb "/etc/passwd"'));
    raw.send(2, Buffer.from('#data'));
    raw.send(3, Buffer.alloc(0));
    expect(await raw.error()).toMatchObject({ errno: 1835 });
  });

  test.each<[string, Buffer]>([
    ['changes that lie about their length', hex('00 00 00 0240 0000 00 05 00 ff')],
    ['a change that is cut off', hex('00 00 00 0240 0000 00 04 00 02 04 "a"')],
    ['a string that goes beyond the packet', hex('00 00 00 0240 0000 fc ffff')],
  ])('%s', async (_, payload) => {
    lie('select lies', 1, payload);
    expect((await heard('select lies', CLIENT.SESSION_TRACK)).errno).toBeGreaterThan(0);
  });

  test('a character set that hides quotes', async () => {
    const change = hex('14 "character_set_client" 03 "gbk"');
    const tracked = Buffer.concat([hex('00'), Buffer.of(change.length), change]);
    lie('select lies', 1, Buffer.concat([hex('00 00 00 0240 0000 00'), Buffer.of(tracked.length), tracked]));
    expect((await heard('select lies', CLIENT.SESSION_TRACK)).errno).toBe(1235);
  });

  test('a definition without an end is not waited for', async () => {
    lies.set('select lies', (socket) => void socket.write(Buffer.concat([packets(1, hex('01')), hex('ffffff 02')])));
    expect((await heard('select lies')).errno).toBe(1835);
  });

  test('definitions without an end: as many as it said, and no more', async () => {
    lie('select lies', 1, hex('02'), ...Array.from({ length: 100 }, () => COLUMN));
    const { errno, bytes } = await heard('select lies');
    expect(errno).toBe(1835);
    expect(bytes.length).toBeLessThan(10 * COLUMN.length);
  });

  test('half an answer, and the end: the client is told', async () => {
    const half = Buffer.concat([packets(1, hex('01')), packets(2, COLUMN).subarray(0, 9)]);
    lies.set('select lies', (socket) => void socket.end(half));
    expect((await heard('select lies')).errno).toBe(1159);
  });

  test('nothing to say any more, while a statement is held: its client is told, with the sequence id it waits for', async () => {
    door.rules = { hold: /^delete/ };
    const raw = await login();
    const gate = door.gates.at(-1);
    raw.command(COM.QUERY, 'delete from t');
    const held = await gate?.held();
    [...sockets].at(-1)?.end();
    expect(await held?.left).toBe('upstream-gone');
    const packet = await raw.next();
    expect([packet?.sequence, packet?.payload.readUInt16LE(1)]).toEqual([1, 1159]);
    expect(await raw.next()).toBeNull();
  });

  test('the end of the connection with words, while nobody asks', async () => {
    const raw = await login();
    [...sockets].at(-1)?.end(packets(0, errPacket({ errno: 4031, sqlstate: 'HY000', message: 'idle' })));
    expect(await raw.error()).toMatchObject({ errno: 4031 });
  });

  test.each<[string, Say]>([
    ['nothing', () => {}],
    [
      'an error',
      (socket) => void socket.write(packets(1, errPacket({ errno: 1064, sqlstate: '42000', message: 'no' }))),
    ],
    ['OK', (socket) => void socket.write(packets(1, OK))],
    ['a row too short', (socket) => void socket.write(resultSet(1, ['a'], [['ANSI']], 2, OLD))],
    ['a character set of its own', (socket) => void socket.write(resultSet(1, FACTS, [FACTS.with(1, 'gbk')], 2, OLD))],
    ['a request for a file', (socket) => void socket.write(packets(1, hex('fb "/etc/passwd"')))],
    ['the end', (socket) => void socket.end()],
  ])('%s to what Holdpoint asks when a session begins: nobody is let in', async (_, answer) => {
    const raw = await RawMysql.connect(door.port);
    const greeted = await raw.greeting();
    lies.set('SELECT CAST(@@session', answer);
    raw.send(1, response(greeted, 'agent', PASSWORD));
    const error = await raw.error();
    expect(error?.errno).toBeGreaterThan(0);
  });
});
