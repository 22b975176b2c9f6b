// What hostile, broken and old clients get at the MySQL door: a clear error, a closed connection, and nobody else notices. And what the door
// tells a session of its client.
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql2 from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { sslRequest } from '../../src/wire/mysql/handshake.ts';
import { FREE_TRIES } from '../../src/identity/limiter.ts';
import { makeAuthority } from './certificates.ts';
import { type Door, openDoor, targetOf } from './mysql-door.ts';
import { flags, PLAIN_FLAGS, RawMysql, response } from './mysql-raw.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const PASSWORD = 'correct horse battery staple';
const engine = ENGINES.find(available);

describe.skipIf(engine === undefined)('the MySQL door', () => {
  let dir: string;
  let server: TestMysql;
  let tls: { cert: string; key: string };
  let users: Record<string, string>;
  let door: Door;
  const others: Door[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-mysql-door-'));
    server = await startMysql(engine ?? 'mariadb');
    const authority = await makeAuthority(dir, 'trusted');
    const { cert, key } = await authority.issue('door', ['IP:127.0.0.1']);
    tls = { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
    users = { bot: await makeStored(PASSWORD), other: await makeStored(PASSWORD) };
    door = await openDoor({ target: targetOf(server), users });
  });
  afterEach(async () => {
    await Promise.all(others.splice(0).map((one) => one.close()));
  });
  afterAll(async () => {
    await door?.close();
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const open = async (change: Partial<Parameters<typeof openDoor>[0]>): Promise<Door> => {
    const opened = await openDoor({ target: targetOf(server), users, ...change });
    others.push(opened);
    return opened;
  };

  /** Logs in as a driver does, and asks something. */
  const works = async ({ port }: Door, user = 'bot'): Promise<mysql2.Connection> => {
    const client = await mysql2.createConnection({ host: '127.0.0.1', port, user, password: PASSWORD });
    await client.query('SELECT 1');
    return client;
  };

  const head = (value: number): Buffer =>
    sslRequest({ capabilities: flags(value), packet_bytes_max: 1, collation: 45 });
  const name = (text: string): Buffer => Buffer.from(`${text}\0`);

  type Say = (client: RawMysql) => Promise<void>;
  /** What a client sends after the greeting, and the error it gets; null: closed without a word. */
  const BAD: readonly (readonly [string, Say, number | null])[] = [
    ['an empty packet', async (client) => client.send(1, Buffer.alloc(0)), 1043],
    ['a packet that is no response', async (client) => client.send(1, Buffer.from('abcde')), 1043],
    ['the response of before 4.1', async (client) => client.send(1, Buffer.from('8524000000726f6f7400', 'hex')), 1251],
    ['a response without plugins', async (client) => client.send(1, head(PLAIN_FLAGS & ~CLIENT.PLUGIN_AUTH)), 1251],
    [
      'a response that ends in the name',
      async (client) => client.send(1, Buffer.concat([head(PLAIN_FLAGS), Buffer.from('bot')])),
      1043,
    ],
    [
      'a proof longer than the packet',
      async (client) => client.send(1, Buffer.concat([head(PLAIN_FLAGS), name('bot'), Buffer.of(200, 1)])),
      1043,
    ],
    [
      'a proof of 2^64 bytes',
      async (client) =>
        client.send(1, Buffer.concat([head(PLAIN_FLAGS), name('bot'), Buffer.alloc(9, 0xff).fill(0xfe, 0, 1)])),
      1043,
    ],
    ['a sequence id of its own', async (client) => client.send(3, Buffer.from('abcde')), 1156],
    ['a packet of 16 MB', async (client) => client.bytes(Buffer.from('ffffff01', 'hex')), 1043],
    ['a packet just over the limit', async (client) => client.bytes(Buffer.from('11270001', 'hex')), 1043],
    ['TLS that was not offered', async (client) => client.send(1, head(PLAIN_FLAGS | CLIENT.SSL)), 1043],
    ['HTTP', async (client) => client.bytes(Buffer.from('GET / HTTP/1.1\r\n\r\n')), 1156],
    ['half a header, and the end', async (client) => void client.socket.end(Buffer.of(5, 0)), null],
    ['half a packet, and the end', async (client) => void client.socket.end(Buffer.of(50, 0, 0, 1, 7)), null],
    ['the end', async (client) => void client.socket.end(), null],
  ];

  test.each(BAD)('%s', async (_, say, errno) => {
    const neighbour = await works(door);
    const client = await RawMysql.connect(door.port);
    await client.greeting();
    await say(client);
    expect((await client.error())?.errno ?? null).toBe(errno);
    await neighbour.query('SELECT 1');
    await neighbour.end();
  });

  /** In the middle of the authentication. */
  const PROOFS: readonly (readonly [string, Say, number | null])[] = [
    [
      'a public key is asked for twice',
      async (client) => {
        client.send(3, Buffer.of(2));
        await client.next();
        client.send(5, Buffer.of(2));
      },
      1045,
    ],
    ['the password in clear without TLS', async (client) => client.send(3, Buffer.from(`${PASSWORD}\0`)), 1045],
    ['256 bytes that our key did not make', async (client) => client.send(3, Buffer.alloc(256, 7)), 1045],
    ['nothing', async (client) => client.send(3, Buffer.alloc(0)), 1045],
    ['a command', async (client) => client.send(0, Buffer.from('\x03SELECT 1')), 1156],
    ['the end', async (client) => void client.socket.end(), null],
  ];

  test.each(PROOFS)('asked for the password: %s', async (_, say, errno) => {
    const own = await open({});
    const client = await RawMysql.connect(own.port);
    client.send(1, response(await client.greeting(), 'bot', 'wrong'));
    expect((await client.next())?.payload).toEqual(Buffer.of(1, 4));
    await say(client);
    expect((await client.error())?.errno ?? null).toBe(errno);
    expect(own.clients).toHaveLength(0);
    await (await works(own)).end();
  });

  test('a plugin of its own is answered with ours, and with a nonce of its own', async () => {
    const own = await open({});
    const client = await RawMysql.connect(own.port);
    const greeting = await client.greeting();
    client.send(1, response(greeting, 'bot', PASSWORD, { plugin: 'mysql_clear_password', proof: name(PASSWORD) }));
    const asked = await client.next();
    expect(asked?.payload[0]).toBe(0xfe);
    expect(asked?.payload.toString('latin1')).toContain('caching_sha2_password');
    expect(asked?.payload.includes(greeting.nonce)).toBe(false);
    client.send(3, name(PASSWORD));
    // Not looked at: what is asked for now is the password, in the one way there is.
    expect((await client.next())?.payload).toEqual(Buffer.of(1, 4));
    client.send(5, name(PASSWORD));
    expect(await client.error()).toMatchObject({ errno: 1045, sqlstate: '28000' });
  });

  test('no proof at all is refused at once', async () => {
    const own = await open({});
    for (const user of ['bot', 'nosuch']) {
      const client = await RawMysql.connect(own.port);
      client.send(1, response(await client.greeting(), user, ''));
      expect(await client.error()).toMatchObject({ errno: 1045 });
    }
    expect(own.refused.map(({ user, sqlstate }) => `${user} ${sqlstate}`)).toEqual(['bot 28000', 'nosuch 28000']);
  });

  test('who guesses has to wait, with the right password too', async () => {
    const own = await open({});
    const tryIt = (password: string) =>
      mysql2.createConnection({ host: '127.0.0.1', port: own.port, user: 'bot', password });
    for (let i = 0; i < FREE_TRIES; i++) await expect(tryIt('wrong')).rejects.toMatchObject({ errno: 1045 });
    await expect(tryIt(PASSWORD)).rejects.toMatchObject({ errno: 1045 });
    await (await works(own, 'other')).end();
  });

  test.each([
    [28, 'gbk'],
    [13, 'sjis'],
    [1, 'big5'],
    [95, 'cp932'],
    [248, 'gb18030'],
    [35, 'ucs2'],
    [54, 'utf16'],
    [60, 'utf32'],
  ])('collation %i (%s) is refused', async (collation, charset) => {
    await (await works(door)).end();
    const client = await RawMysql.connect(door.port);
    client.send(1, response(await client.greeting(), 'bot', PASSWORD, { collation }));
    const error = await client.error();
    expect(error).toMatchObject({ errno: 1235, sqlstate: '42000' });
    expect(error?.message).toContain(charset);
  });

  test('where TLS is demanded, clear text is refused and nothing was sent for it', async () => {
    const own = await open({ tls });
    const client = await RawMysql.connect(own.port);
    client.send(1, response(await client.greeting(), 'bot', PASSWORD));
    expect(await client.error()).toMatchObject({ errno: 3159 });
    const again = await RawMysql.connect(own.port);
    await again.greeting();
    again.send(1, head(PLAIN_FLAGS | CLIENT.SSL));
    await again.secure();
    again.send(2, head(PLAIN_FLAGS | CLIENT.SSL));
    expect(await again.error()).toMatchObject({ errno: 1043 });
    const third = await RawMysql.connect(own.port);
    await third.greeting();
    third.send(1, head(PLAIN_FLAGS | CLIENT.SSL));
    third.bytes(Buffer.from('this is no ClientHello'));
    expect(await third.error()).toBeNull();
  });

  test('one connection too many is told so before any greeting', async () => {
    const own = await open({ limits: { connections_max: 1 } });
    const first = await works(own);
    const second = await RawMysql.connect(own.port);
    expect(await second.error()).toMatchObject({ errno: 1040, sqlstate: '' });
    await first.query('SELECT 1');
    await first.end();
  });

  test('who does not go on is closed', async () => {
    const own = await open({ limits: { startup_timeout_ms: 100 } });
    const client = await RawMysql.connect(own.port);
    await client.greeting();
    expect(await client.next()).toBeNull();
  });

  test('a session is told what was settled, and finds the sessions of its own user alone', async () => {
    const [one, two, stranger] = [await works(door), await works(door), await works(door, 'other')];
    const [first, second, third] = door.clients.slice(-3);
    expect(first).toMatchObject({
      login: { user: 'bot', authentication: 'caching_sha2_password', address: '127.0.0.1', entry: null },
      charset: 'utf8mb4',
    });
    expect(first?.id).toBeGreaterThanOrEqual(2 ** 30);
    expect(first?.id).toBeLessThan(2 ** 31);
    expect(one.threadId).toBe(first?.id);
    const [[row]] = (await one.query('SELECT CONNECTION_ID() AS id')) as unknown as [[{ id: number }]];
    expect(row.id).toBe(first?.upstream.threadId);
    for (const id of [second?.id, second?.upstream.threadId] as number[]) {
      expect(first?.peer(id)).toBeDefined();
      expect(third?.peer(id)).toBeUndefined();
    }
    expect(first?.peer(0)).toBeUndefined();
    await Promise.all([one.end(), two.end(), stranger.end()]);
    await expect.poll(() => first?.peer(second?.id as number)).toBeUndefined();
  });

  test('KILL QUERY ends a statement at the server', async () => {
    const client = await works(door);
    const upstream = door.clients.at(-1)?.upstream;
    const sleeping = client.query('SELECT SLEEP(60) AS interrupted, 1 AS kept');
    await expect
      .poll(() => server.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"))
      .toBe('1');
    await upstream?.cancel();
    // Both servers answer an interrupted SLEEP alone with a row; beside something else MariaDB may end it with 1317.
    const outcome = await sleeping.then(
      ([rows]) => (rows as { interrupted: number }[])[0]?.interrupted,
      (error: { errno: number }) => error.errno,
    );
    expect([1, 1317]).toContain(outcome);
    await client.query('SELECT 1');
    await client.end();
  });

  test('a server that is not there: told before the greeting, and asked again later', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    await new Promise((resolve) => silent.close(resolve));
    const own = await open({ target: targetOf({ ...server, port }) });
    const client = await RawMysql.connect(own.port);
    expect(await client.error()).toMatchObject({ errno: 1429, message: expect.stringContaining('ECONNREFUSED') });
    expect(own.faults.join()).toContain('ECONNREFUSED');
  });

  test('a server that comes back as another one: the client is told, the next one is let in', async () => {
    const other = ENGINES.filter(available).find((candidate) => candidate !== engine);
    const first = await startMysql(engine ?? 'mariadb');
    const own = await open({ target: targetOf(first) });
    await (await works(own)).end();
    await first.stop();
    // Of the other engine where there is one, else the same again.
    const second = await startMysql(other ?? engine ?? 'mariadb', [`--port=${first.port}`]);
    try {
      if (other) await expect(works(own)).rejects.toMatchObject({ errno: 1429 });
      await (await works(own)).end();
    } finally {
      await second.stop();
    }
  });

  test('an unknown database is told in the words of the server', async () => {
    const connecting = mysql2.createConnection({
      host: '127.0.0.1',
      port: door.port,
      user: 'bot',
      password: PASSWORD,
      database: 'nosuch',
    });
    await expect(connecting).rejects.toMatchObject({ errno: 1049 });
  });

  test('closing ends everybody', async () => {
    const own = await openDoor({ target: targetOf(server), users });
    const client = await works(own);
    client.on('error', () => {});
    const waiting = await RawMysql.connect(own.port);
    await waiting.greeting();
    await own.close();
    expect(own.listener.sessions).toBe(0);
    expect(await waiting.next()).toBeNull();
    await expect(client.query('SELECT 1')).rejects.toThrow();
  });
});
