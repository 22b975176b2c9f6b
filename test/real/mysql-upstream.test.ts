// The login at a server: real ones with every kind of account, in clear and inside TLS, and a fake one where a real server would never lie.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { generateKeyPairSync } from 'node:crypto';
import { CLIENT, negotiated, offered } from '../../src/wire/mysql/capabilities.ts';
import { packets } from '../../src/wire/mysql/frame.ts';
import { authMoreData, authSwitchRequest, type Greeting, greeting } from '../../src/wire/mysql/handshake.ts';
import { errPacket, okPacket } from '../../src/wire/mysql/messages.ts';
import { charsetOf, isReadable } from '../../src/wire/mysql/charsets.ts';
import { connectMysql } from '../../src/upstream/mysql/connect.ts';
import { UpstreamError } from '../../src/upstream/mysql/error.ts';
import { PLAIN } from '../../src/upstream/mysql/kill.ts';
import type { MysqlTarget, Wanted } from '../../src/upstream/mysql/login.ts';
import type { MysqlUpstreamLine } from '../../src/session/upstream.ts';
import { makeAuthority, type Authority, type Certificate } from './certificates.ts';
import { identify, targetOf } from './mysql-door.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const PASSWORD = 'hard to gue$$ é';

/** What COM_QUERY gives, until the end of a result of one row. */
const ask = (upstream: MysqlUpstreamLine, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let all = Buffer.alloc(0);
    upstream.listen({
      data(chunk) {
        all = Buffer.concat([all, chunk]);
        // The EOF behind the row.
        if (all.length > 20 && all.at(-5) === 0xfe && all.readUInt16LE(all.length - 2) === 2)
          resolve(all.toString('utf8'));
      },
      drain: () => {},
      closed: () => reject(new Error('closed')),
    });
    upstream.write(packets(0, Buffer.from(`\x03${text}`)));
  });

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let dir: string;
  let server: TestMysql;
  let authority: Authority;
  let certificate: Certificate;
  let stranger: Authority;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-mysql-upstream-'));
    authority = await makeAuthority(dir, 'trusted');
    stranger = await makeAuthority(dir, 'stranger');
    certificate = await authority.issue('server', ['DNS:localhost', 'IP:127.0.0.1']);
    server = await startMysql(engine, [
      `--ssl-cert=${certificate.cert}`,
      `--ssl-key=${certificate.key}`,
      `--ssl-ca=${authority.cert}`,
    ]);
    const by = (plugin: string): string => (engine === 'mysql' ? `IDENTIFIED WITH ${plugin} BY` : `IDENTIFIED BY`);
    await server.sql(
      [
        'CREATE DATABASE shop',
        `CREATE USER plain@'127.0.0.1' ${by('caching_sha2_password')} '${PASSWORD}'`,
        `CREATE USER tls@'127.0.0.1' ${by('caching_sha2_password')} '${PASSWORD}' REQUIRE SSL`,
        `CREATE USER nothing@'127.0.0.1' ${by('caching_sha2_password')} ''`,
        ...(engine === 'mysql'
          ? [`CREATE USER other@'127.0.0.1' IDENTIFIED WITH sha256_password BY '${PASSWORD}'`]
          : [
              "INSTALL SONAME 'auth_ed25519'",
              `CREATE USER other@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('${PASSWORD}')`,
            ]),
        "GRANT SELECT ON shop.* TO plain@'127.0.0.1'",
      ].join('; '),
    );
  });
  afterAll(async () => {
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const account = (user: string, change: Partial<MysqlTarget> = {}): MysqlTarget =>
    targetOf({ port: server.port, user, password: PASSWORD }, change);
  const who = async (target: MysqlTarget, wanted: Wanted = PLAIN): Promise<string> => {
    const upstream = await connectMysql(target, wanted);
    try {
      return await ask(upstream, 'SELECT CURRENT_USER()');
    } finally {
      upstream.end();
      await upstream.gone();
    }
  };
  const verified = () => ({ mode: 'verify-full', ca: authority.pem }) as const;

  test('in clear, full and then fast', async () => {
    expect(await who(account('plain'))).toContain('plain@127.0.0.1');
    expect(await who(account('plain'))).toContain('plain@127.0.0.1');
  });

  test('inside TLS, full and then fast', async () => {
    await server.sql('FLUSH PRIVILEGES');
    expect(await who(account('tls', { tls: verified() }))).toContain('tls@127.0.0.1');
    expect(await who(account('tls', { tls: verified() }))).toContain('tls@127.0.0.1');
  });

  test('without a password', async () => {
    expect(await who(account('nothing', { password: '' }))).toContain('nothing@127.0.0.1');
  });

  test('by the socket', async () => {
    const target = targetOf(server, { host: server.socket });
    expect(await who(target)).toContain('root@localhost');
  });

  test('says what the server is, and where the connection stands', async () => {
    const upstream = await connectMysql(account('plain'), { ...PLAIN, database: 'shop' });
    expect(upstream.server.engine).toBe(engine);
    expect(upstream.server.version).toBeGreaterThan(engine === 'mysql' ? 90_000 : 100_600);
    expect(upstream.status & 2).toBe(2);
    expect(await ask(upstream, 'SELECT CONCAT(CONNECTION_ID(), DATABASE())')).toContain(`${upstream.threadId}shop`);
    upstream.end();
  });

  test('a certificate of somebody else, or for another name, ends it', async () => {
    for (const ca of [null, stranger.pem])
      await expect(who(account('tls', { tls: { mode: 'verify-ca', ca } }))).rejects.toMatchObject({
        errno: 1429,
        message: /TLS/,
      });
    const renamed = { host: '127.0.0.2', tls: verified() };
    await expect(who(account('tls', renamed))).rejects.toMatchObject({ errno: 1429 });
    expect(await who(account('tls', { tls: { mode: 'require', ca: null } }))).toContain('tls@');
  });

  test("a refused login is the operator's business, a missing database the client's", async () => {
    const wrong = await who(account('plain', { password: 'wrong' })).catch((error: unknown) => error as UpstreamError);
    expect(wrong).toMatchObject({ errno: 1429, message: "the database server refused the gateway's login" });
    expect(String((wrong as UpstreamError).cause)).toContain('1045');
    await expect(who(account('tls'))).rejects.toMatchObject({ errno: 1429 });
    await expect(who(targetOf(server), { ...PLAIN, database: 'nosuch' })).rejects.toMatchObject({ errno: 1049 });
    const closed = await who(account('plain'), { ...PLAIN, database: 'mysql' }).catch(
      (error: unknown) => error as UpstreamError,
    );
    expect(closed).toMatchObject({ errno: 1044, sqlstate: '42000' });
    expect((closed as UpstreamError).message).not.toContain('plain');
  });

  test('a plugin that is not spoken is named', async () => {
    const message = engine === 'mysql' ? /sha256_password/ : /client_ed25519/;
    await expect(who(account('other'))).rejects.toMatchObject({ errno: 1429, message });
  });

  test('every collation of the server stands for the set that the table says', async () => {
    const table = engine === 'mysql' ? 'collations' : 'collation_character_set_applicability';
    const rows = await server.sql(`SELECT id, character_set_name FROM information_schema.${table}`);
    const all = rows.split('\n').map((row) => row.split('\t') as [string, string]);
    expect(all.length).toBeGreaterThan(200);
    for (const [id, charset] of all) expect(charsetOf(Number(id), engine), id).toBe(charset);
  });

  test('a set that clients may speak in hides no ASCII character, and refused ones are refused for cause', async () => {
    const charsets = (await server.sql('SELECT character_set_name FROM information_schema.character_sets')).split('\n');
    const ascii = Buffer.from(Array.from({ length: 95 }, (_, i) => 32 + i))
      .toString('hex')
      .toUpperCase();
    const refused: string[] = [];
    for (const charset of charsets) {
      const same = await server.sql(`SELECT HEX(CONVERT(CONVERT(UNHEX('${ascii}') USING ${charset}) USING utf8mb4))`);
      // Bytes below 0x80 that are the second one of a character.
      const seconds = await server.sql(
        `WITH RECURSIVE l AS (SELECT 128 n UNION ALL SELECT n + 1 FROM l WHERE n < 255),
         s AS (SELECT 32 n UNION ALL SELECT n + 1 FROM s WHERE n < 126)
         SELECT SUM(CHAR_LENGTH(CONVERT(UNHEX(CONCAT(HEX(l.n), HEX(s.n))) USING ${charset})) <=> 1) FROM l, s`,
      );
      if (same !== ascii || seconds !== '0') refused.push(charset);
    }
    expect(charsets.length).toBeGreaterThan(35);
    expect(charsets.filter((charset) => !isReadable(charset))).toEqual(refused);
  });
});

describe('a server that lies', () => {
  let server: Server | null = null;
  const sockets = new Set<Socket>();

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await new Promise<void>((resolve) => (server === null ? resolve() : void server.close(() => resolve())));
    server = null;
  });

  const GREETING: Greeting = {
    version: '9.7.4',
    threadId: 7,
    nonce: Buffer.alloc(20, 0x41),
    capabilities: { flags: 0xdfffffff & ~CLIENT.SSL, mariadb: 0 },
    collation: 255,
    status: 2,
    plugin: 'caching_sha2_password',
  };

  /** Sends these packets, the first at once and each further one after something came. What came is in `heard`. */
  const lie = async (...payloads: readonly Buffer[]): Promise<{ target: MysqlTarget; heard: Buffer[] }> => {
    const heard: Buffer[] = [];
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      let sequence = 0;
      let next = 0;
      const say = (): void => {
        const payload = payloads[next++];
        if (payload) socket.write(packets(sequence, payload));
        sequence += 2;
      };
      socket.on('data', (chunk) => {
        heard.push(chunk);
        say();
      });
      say();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { target: targetOf({ port, user: 'gateway', password: PASSWORD }, { timeout_ms: 2000 }), heard };
  };
  const more = (...bytes: number[]): Buffer => authMoreData(Buffer.from(bytes));
  const other = Buffer.alloc(20, 0x42);

  const { publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });

  test.each([
    [
      'asks for the password in clear',
      [greeting(GREETING), authSwitchRequest('mysql_clear_password', other)],
      /mysql_clear_password/,
    ],
    ['asks for the proof of before 4.1', [greeting(GREETING), Buffer.of(0xfe)], /mysql_old_password/],
    ['asks for dialogs', [greeting(GREETING), authSwitchRequest('dialog', other)], /dialog/],
    [
      'asks twice for another proof',
      [
        greeting(GREETING),
        authSwitchRequest('mysql_native_password', other),
        authSwitchRequest('mysql_native_password', other),
      ],
      /broke the protocol/,
    ],
    [
      'switches with half a nonce',
      [greeting(GREETING), authSwitchRequest('mysql_native_password', other.subarray(10))],
      /broke the protocol/,
    ],
    [
      'sends no key for a key',
      [greeting(GREETING), more(4), authMoreData(Buffer.from('no key'))],
      /broke the protocol/,
    ],
    [
      'asks for the password after it was sent',
      [greeting(GREETING), more(4), authMoreData(Buffer.from(publicKey)), more(4)],
      /broke the protocol/,
    ],
    [
      'asks for another proof after the password',
      [
        greeting(GREETING),
        more(4),
        authMoreData(Buffer.from(publicKey)),
        authSwitchRequest('mysql_native_password', other),
      ],
      /broke the protocol/,
    ],
    ['knows a step that there is not', [greeting(GREETING), more(9)], /broke the protocol/],
    [
      'sends more data for a native proof',
      [greeting({ ...GREETING, plugin: 'mysql_native_password' }), more(4)],
      /broke the protocol/,
    ],
    ['sends a result', [greeting(GREETING), Buffer.of(3)], /broke the protocol/],
    ['sends nothing', [greeting(GREETING), Buffer.alloc(0)], /broke the protocol/],
    ['sends an OK that is cut off', [greeting(GREETING), Buffer.of(0)], /broke the protocol/],
    ['greets with another protocol', [Buffer.of(9)], /broke the protocol/],
    ['greets with less than a greeting', [greeting(GREETING).subarray(0, 30)], /broke the protocol/],
    ['lacks plugins', [greeting({ ...GREETING, capabilities: { flags: 0xffff & ~CLIENT.SSL, mariadb: 0 } })], /lacks/],
    ['is too old', [greeting({ ...GREETING, version: '5.7.44-log' })], /5\.7\.44-log is not MySQL 8\.0 to 9\.x/],
    [
      'is a MariaDB too old',
      [greeting({ ...GREETING, version: '5.5.5-10.5.29-MariaDB' })],
      /is not MariaDB 10\.6 to 11\.8/,
    ],
    ['is of no version', [greeting({ ...GREETING, version: 'x' })], /is not MySQL/],
    [
      'says MySQL and means MariaDB',
      [greeting({ ...GREETING, capabilities: { flags: GREETING.capabilities.flags & ~1, mariadb: 0xff } })],
      /capabilities of MariaDB/,
    ],
    [
      'refuses before it greets',
      [errPacket({ errno: 1129, sqlstate: '', message: "Host 'x' is blocked" })],
      /refused the gateway's login/,
    ],
  ] as const)('%s', async (_, payloads, words) => {
    const { target, heard } = await lie(...payloads);
    const error = await connectMysql(target, PLAIN).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(UpstreamError);
    expect((error as UpstreamError).message).toMatch(words);
    expect(Buffer.concat(heard).includes(PASSWORD)).toBe(false);
  });

  test('of another version it is taken where the configuration says so, and of none never', async () => {
    const old = await lie(greeting({ ...GREETING, version: '5.7.44-log' }), okPacket(2, PLAIN.capabilities));
    const upstream = await connectMysql({ ...old.target, allow_untested_version: true }, PLAIN);
    expect(upstream.server).toMatchObject({ engine: 'mysql', version: 50_744 });
    upstream.destroy();
    const none = await lie(greeting({ ...GREETING, version: 'x' }));
    await expect(connectMysql({ ...none.target, allow_untested_version: true }, PLAIN)).rejects.toMatchObject({
      message: /is not MySQL/,
    });
  });

  test('too many connections: the server may say so', async () => {
    const { target } = await lie(errPacket({ errno: 1040, sqlstate: '', message: 'Too many connections' }));
    await expect(connectMysql(target, PLAIN)).rejects.toMatchObject({ errno: 1040, sqlstate: '08004' });
  });

  test('TLS is demanded and not offered: nothing is sent', async () => {
    const { target, heard } = await lie(greeting(GREETING));
    await expect(connectMysql({ ...target, tls: { mode: 'require', ca: null } }, PLAIN)).rejects.toMatchObject({
      message: /does not offer TLS/,
    });
    expect(heard).toHaveLength(0);
  });

  test('bytes in clear ahead of TLS end it', async () => {
    const tls = { ...GREETING, capabilities: { flags: 0xdfffffff, mariadb: 0 } };
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.write(Buffer.concat([packets(0, greeting(tls)), packets(1, okPacket(2, { flags: 0 }))]));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const target = targetOf(
      { port, user: 'x', password: PASSWORD },
      { tls: { mode: 'require', ca: null }, timeout_ms: 2000 },
    );
    await expect(connectMysql(target, PLAIN)).rejects.toMatchObject({ message: /in clear ahead of TLS/ });
  });

  test('it does not answer', async () => {
    const { target } = await lie();
    await expect(connectMysql({ ...target, timeout_ms: 100 }, PLAIN)).rejects.toMatchObject({ message: /in time/ });
  });

  test('it is another one than its clients were promised', async () => {
    const { target } = await lie(
      greeting({
        ...GREETING,
        capabilities: { flags: GREETING.capabilities.flags & ~CLIENT.DEPRECATE_EOF, mariadb: 0 },
      }),
    );
    const capabilities = negotiated({ flags: 0xffffffff, mariadb: 0 }, offered(GREETING.capabilities, false));
    await expect(connectMysql(target, { ...PLAIN, capabilities })).rejects.toMatchObject({ message: /promised/ });
    await expect(identify({ ...target, port: 1 })).rejects.toBeInstanceOf(UpstreamError);
  });
});
