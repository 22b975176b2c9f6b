// TLS and passwords on both legs: agents with psql, node-postgres and bytes of our own; upstream with real servers of every
// setting, and with a fake one where a real server would never lie. Certificates are made on the spot.
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseScramVerifier, makeScramVerifier } from '../../src/identity/scram.ts';
import { connectUpstream, type UpstreamTarget } from '../../src/upstream/postgres/connect.ts';
import { UpstreamError } from '../../src/upstream/postgres/error.ts';
import {
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  cancelRequest,
  cstring,
  GSSENC_REQUEST,
  parameterStatus,
  query,
  readyForQuery,
  IDLE,
  sslRequest,
  TERMINATE,
} from '../../src/wire/postgres/messages.ts';
import { MECHANISM, ScramServer, type Verifier } from '../../src/wire/postgres/scram.ts';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { psql } from './clients.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { errorText, keyOf, message, Raw, sqlstate, startup } from './raw.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';
import { logInBy, serveTls } from './settings.ts';

const PASSWORD = 'hard to gue$$';

let dir: string;
let server: TestServer;
let admin: pg.Client;
let trusted: Authority;
let stranger: Authority;

/** Resolves when the server runs a statement that begins so. */
const running = async (text: string): Promise<void> => {
  for (;;) {
    const { rowCount } = await admin.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE $1 AND state = 'active'", [
      `${text}%`,
    ]);
    if (rowCount) return;
  }
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-tls-'));
  [trusted, stranger] = await Promise.all([makeAuthority(dir, 'trusted'), makeAuthority(dir, 'stranger')]);
  server = await startServer(NEWEST);
  admin = await server.admin();
});
afterAll(async () => {
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('agents', () => {
  let gateway: TestGateway;
  let own: Certificate;

  beforeAll(async () => {
    own = await trusted.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
    gateway = await startGateway({ upstream: server.url, listener: { tls: own } });
  });
  afterAll(async () => {
    await gateway?.stop();
  });

  const connection = (more: string): string =>
    `host=localhost hostaddr=127.0.0.1 port=${gateway.port} dbname=postgres user=bot ${more}`;

  test.each([
    ['require', 'sslmode=require'],
    ['verify-ca', () => `sslmode=verify-ca sslrootcert=${trusted.cert}`],
    ['verify-full', () => `sslmode=verify-full sslrootcert=${trusted.cert}`],
    ['channel_binding=prefer', 'sslmode=require channel_binding=prefer'],
  ] as const)('psql %s', async (_, more) => {
    const result = await psql(connection(typeof more === 'string' ? more : more()), ['-c', 'SELECT 1']);
    expect(result).toEqual({ out: '1\n', err: '', exit: 0 });
  });

  test('psql refuses another authority and another name', async () => {
    const other = await psql(connection(`sslmode=verify-full sslrootcert=${stranger.cert}`), ['-c', 'SELECT 1']);
    expect(other.err).toContain('certificate verify failed');
    const named = connection(`sslmode=verify-full sslrootcert=${trusted.cert}`).replace('localhost', 'db.example');
    expect((await psql(named, ['-c', 'SELECT 1'])).err).toContain('does not match host name "db.example"');
  });

  test('node-postgres verifies and works; a held statement is approved inside TLS', async () => {
    const client = new pg.Client({ connectionString: gateway.agentUrl(), ssl: { ca: trusted.pem } });
    await client.connect();
    expect((await client.query('SELECT $1::int AS n', [7])).rows).toEqual([{ n: 7 }]);
    const held = client.query('CREATE TABLE by_tls (id int)');
    await gateway.approve(await gateway.opened());
    await held;
    expect((await admin.query("SELECT to_regclass('by_tls')::text AS t")).rows).toEqual([{ t: 'by_tls' }]);
    await client.end();
  });

  test('a big result and a big statement pass', async () => {
    const client = new pg.Client({ connectionString: gateway.agentUrl(), ssl: { ca: trusted.pem } });
    await client.connect();
    const { rows } = await client.query("SELECT repeat('x', 500000) AS x FROM generate_series(1, 20)");
    expect(rows.map(({ x }) => (x as string).length)).toEqual(Array(20).fill(500_000));
    const text = 'y'.repeat(3_000_000);
    expect((await client.query('SELECT length($1) AS n', [text])).rows).toEqual([{ n: 3_000_000 }]);
    await client.end();
  });

  test('direct TLS with ALPN', async () => {
    const raw = await Raw.connect(gateway.port);
    await raw.encryptDirectly({ ca: trusted.pem, servername: 'localhost', ALPNProtocols: ['postgresql'] });
    expect((raw.stream as TLSSocket).alpnProtocol).toBe('postgresql');
    expect((await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' })).at(-1)?.type).toBe('Z');
    raw.destroy();
  });

  test('direct TLS without ALPN, or with that of something else, is refused', async () => {
    const raw = await Raw.connect(gateway.port);
    await raw.encryptDirectly({ ca: trusted.pem, servername: 'localhost' });
    raw.send(startup({ user: 'bot' }));
    expect(sqlstate(await raw.until('E'))).toBe('08P01');
    raw.destroy();
    const http = await Raw.connect(gateway.port);
    await expect(
      http.encryptDirectly({ ca: trusted.pem, servername: 'localhost', ALPNProtocols: ['http/1.1'] }),
    ).rejects.toThrow(/alert/);
    http.destroy();
  });

  test('in clear: refused before any question about a password', async () => {
    const raw = await Raw.connect(gateway.port);
    raw.send(startup({ user: 'bot' }));
    const messages = await raw.until('E');
    expect(messages.map(({ type }) => type)).toEqual(['E']);
    expect(messages[0]?.fields.get('C')).toBe('28000');
    expect(messages[0]?.fields.get('S')).toBe('FATAL');
    expect(errorText(messages)).toContain('TLS connections only');
    await raw.ended();
    const result = await psql(connection('sslmode=disable'), ['-c', 'SELECT 1']);
    expect(result.err).toContain('TLS connections only');
  });

  test('bytes in clear behind the SSLRequest are refused, whatever they are', async () => {
    for (const smuggled of [startup({ user: 'bot' }), Buffer.from('x'), query('SELECT 1')]) {
      const raw = await Raw.connect(gateway.port);
      raw.send(sslRequest(), smuggled);
      const answer = await raw.until('E');
      expect(sqlstate(answer)).toBe('08P01');
      expect(errorText(answer)).toContain('unencrypted data');
      await raw.ended();
    }
  });

  test('GSSENCRequest is answered N, and SSLRequest works then; no encryption inside encryption', async () => {
    const raw = await Raw.connect(gateway.port);
    const request = Buffer.alloc(8);
    request.writeInt32BE(8, 0);
    request.writeInt32BE(GSSENC_REQUEST, 4);
    raw.send(request);
    expect(await raw.byte()).toBe('N');
    await raw.encrypt({ ca: trusted.pem, servername: 'localhost' });
    expect((await raw.login('bot', AGENT_PASSWORD)).some(({ type }) => type === 'R')).toBe(true);
    raw.destroy();
    const twice = await Raw.connect(gateway.port);
    await twice.encrypt({ ca: trusted.pem, servername: 'localhost' });
    twice.send(sslRequest());
    expect(sqlstate(await twice.until('E'))).toBe('08P01');
    twice.destroy();
  });

  test('a cancel inside TLS reaches the statement, and leaves no connection behind', async () => {
    const raw = await Raw.connect(gateway.port);
    await raw.encrypt({ ca: trusted.pem, servername: 'localhost' });
    const { processId, secret } = keyOf(await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' }));
    raw.send(query('SELECT pg_sleep(60)'));
    await running('SELECT pg_sleep(60)');
    const wrong = await Raw.connect(gateway.port);
    await wrong.encrypt({ ca: trusted.pem, servername: 'localhost' });
    wrong.send(cancelRequest(processId, Buffer.alloc(secret.length)));
    await wrong.ended();
    const cancel = await Raw.connect(gateway.port);
    await cancel.encrypt({ ca: trusted.pem, servername: 'localhost' });
    cancel.send(cancelRequest(processId, secret));
    expect(await cancel.message()).toBeNull();
    expect(sqlstate(await raw.until('Z'))).toBe('57014');
    raw.destroy();
  });

  test('a shutdown is told inside TLS, to idle and held sessions alike', async () => {
    const other = await startGateway({ upstream: server.url, listener: { tls: own } });
    const connect = async (): Promise<Raw> => {
      const raw = await Raw.connect(other.port);
      await raw.encrypt({ ca: trusted.pem, servername: 'localhost' });
      await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' });
      return raw;
    };
    const idle = await connect();
    const held = await connect();
    held.send(query('CREATE TABLE never (id int)'));
    await other.opened();
    const [toldIdle, toldHeld] = [idle.until('E'), held.until('E')];
    await other.stop();
    expect([sqlstate(await toldIdle), sqlstate(await toldHeld)]).toEqual(['57P01', '57P01']);
  });

  test('a client inside TLS that does not read its result gets all of it when it does', async () => {
    const raw = await Raw.connect(gateway.port);
    await raw.encrypt({ ca: trusted.pem, servername: 'localhost' });
    await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' });
    raw.stream.pause();
    raw.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 30000)"));
    await running("SELECT repeat('x', 1000)");
    raw.stream.resume();
    expect((await raw.until('Z')).filter(({ type }) => type === 'D')).toHaveLength(30_000);
    raw.destroy();
  });

  test('garbage instead of a handshake ends the connection alone', async () => {
    const raw = await Raw.connect(gateway.port);
    raw.send(sslRequest());
    expect(await raw.byte()).toBe('S');
    raw.send(Buffer.alloc(500, 0x41));
    await raw.ended();
    expect((await psql(connection('sslmode=require'), ['-c', 'SELECT 1'])).out).toBe('1\n');
  });
});

describe('SCRAM with agents', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ upstream: server.url });
  });
  afterAll(async () => {
    await gateway?.stop();
  });

  /** One exchange; `change` may spoil any of our two messages. */
  const exchange = async (
    user: string,
    first: (nonce: string) => Buffer,
    final: (challenge: string) => Buffer,
  ): Promise<string[]> => {
    const raw = await Raw.connect(gateway.port);
    raw.send(startup({ user, database: 'postgres' }));
    const seen = [await raw.message()];
    raw.send(first('rOprNGfwEbeRWgbNEkqO'));
    seen.push(await raw.message());
    if (seen[1]?.type === 'R') {
      raw.send(final(seen[1].body.toString('utf8', 4)));
      seen.push(await raw.message());
    }
    await raw.ended();
    return seen.map((m) => (m?.type === 'E' ? `E${m.fields.get('C')}` : `${m?.type}${m?.body.readInt32BE(0)}`));
  };
  const initial = (text: string, mechanism: string = MECHANISM, length?: number): Buffer => {
    const data = Buffer.from(text);
    const size = Buffer.alloc(4);
    size.writeInt32BE(length ?? data.length);
    return message('p', Buffer.concat([Buffer.from(`${mechanism}\0`), size, data]));
  };
  const plain = (nonce: string): Buffer => initial(`n,,n=,r=${nonce}`);
  const field = (challenge: string, letter: string): string =>
    challenge
      .split(',')
      .find((part) => part.startsWith(`${letter}=`))
      ?.slice(2) ?? '';
  const wrongProof = (challenge: string): Buffer =>
    message('p', `c=biws,r=${field(challenge, 'r')},p=${Buffer.alloc(32).toString('base64')}`);

  test('a wrong proof: SASL, continue, then 28P01', async () => {
    expect(await exchange('bot', plain, wrongProof)).toEqual(['R10', 'R11', 'E28P01']);
  });

  test('a user who is not there is asked the same, in the same form', async () => {
    expect(await exchange('nobody', plain, wrongProof)).toEqual(['R10', 'R11', 'E28P01']);
    const salts = new Set<string>();
    const iterations = new Set<string>();
    for (const user of ['bot', 'nobody', 'nobody', 'ada'])
      await exchange(user, plain, (challenge) => {
        salts.add(`${user} ${field(challenge, 's')}`);
        iterations.add(`${field(challenge, 'i')} ${Buffer.from(field(challenge, 's'), 'base64').length}`);
        return wrongProof(challenge);
      });
    // The same salt each time, of the same length, and as many iterations.
    expect(salts.size).toBe(3);
    expect(iterations.size).toBe(1);
  });

  test.each([
    ['channel binding demanded', initial('p=tls-server-end-point,,n=,r=abc')],
    ['no nonce', initial('n,,n=')],
    ['a mandatory extension', initial('n,,m=x,n=,r=abc')],
    ['an unknown binding flag', initial('q,,n=,r=abc')],
    ['an empty message', initial('')],
    ['a control character in the nonce', initial('n,,n=,r=a\u0001b')],
    ['another mechanism', initial('n,,n=,r=abc', 'SCRAM-SHA-256-PLUS')],
    ['an unknown mechanism', initial('n,,n=,r=abc', 'PLAIN')],
    ['a length beyond the message', initial('n,,n=,r=abc', MECHANISM, 900)],
    ['a length short of the message', initial('n,,n=,r=abc', MECHANISM, 4)],
    ['a negative length', initial('n,,n=,r=abc', MECHANISM, -7)],
    ['a cut-off message', message('p', 'SCRAM-SHA-256')],
    ['a Query instead', query('SELECT 1')],
    ['a Terminate instead', TERMINATE],
    ['a length below four', message('p', '', 2)],
    ['a huge length', message('p', 'x', 0x7fffffff)],
  ])('first message with %s: refused', async (what, bytes) => {
    const [first, second, ...rest] = await exchange(
      `bot${what.length}`,
      () => bytes,
      () => Buffer.alloc(0),
    );
    expect(first).toBe('R10');
    expect(second).toMatch(what === 'channel binding demanded' ? /^E28000$/ : /^E(28P01|08P01)$/);
    expect(rest).toEqual([]);
  });

  test.each([
    ['a nonce of its own', (c: string) => `c=biws,r=${field(c, 'r')}x,p=${Buffer.alloc(32).toString('base64')}`],
    [
      'the client’s part of the nonce only',
      () => `c=biws,r=rOprNGfwEbeRWgbNEkqO,p=${Buffer.alloc(32).toString('base64')}`,
    ],
    ['a proof that is too short', (c: string) => `c=biws,r=${field(c, 'r')},p=AAAA`],
    ['no proof', (c: string) => `c=biws,r=${field(c, 'r')}`],
    [
      'another binding',
      (c: string) => `c=cD10bHMtdW5pcXVlLCw=,r=${field(c, 'r')},p=${Buffer.alloc(32).toString('base64')}`,
    ],
    ['nothing', () => ''],
  ])('final message with %s: refused', async (what, text) => {
    expect(await exchange(`bot-${what.length}`, plain, (challenge) => message('p', text(challenge)))).toEqual([
      'R10',
      'R11',
      'E28P01',
    ]);
  });

  test('gs2 flag y (could bind channels, saw none offered) is accepted, and its downgrade check holds', async () => {
    const { createHash, createHmac, pbkdf2Sync } = await import('node:crypto');
    const login = async (gs2Sent: string, gs2Signed: string): Promise<string | undefined> => {
      const raw = await Raw.connect(gateway.port);
      raw.send(startup({ user: 'bot', database: 'postgres' }));
      await raw.message();
      raw.send(initial(`${gs2Sent}n=,r=abcdefgh`));
      const challenge = (await raw.message())?.body.toString('utf8', 4) ?? '';
      const salt = Buffer.from(field(challenge, 's'), 'base64');
      const salted = pbkdf2Sync(AGENT_PASSWORD, salt, Number(field(challenge, 'i')), 32, 'sha256');
      const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
      const clientKey = hmac(salted, 'Client Key');
      const bare = `c=${Buffer.from(gs2Signed).toString('base64')},r=${field(challenge, 'r')}`;
      const signature = hmac(createHash('sha256').update(clientKey).digest(), `n=,r=abcdefgh,${challenge},${bare}`);
      const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
      raw.send(message('p', `${bare},p=${proof.toString('base64')}`));
      const answer = await raw.message();
      raw.destroy();
      return answer?.type === 'E' ? answer.fields.get('C') : `R${answer?.body.readInt32BE(0)}`;
    };
    expect(await login('y,,', 'y,,')).toBe('R12');
    expect(await login('n,,', 'n,,')).toBe('R12');
    expect(await login('y,,', 'n,,')).toBe('28P01');
    expect(await login('n,,', 'y,,')).toBe('28P01');
  });

  test('after five wrong passwords the right one has to wait too, for this user alone', async () => {
    const wrong = (user: string): Promise<string[]> => exchange(user, plain, wrongProof);
    for (let n = 0; n < 5; n++) expect((await wrong('orphan')).at(-1)).toBe('E28P01');
    const locked = await Raw.connect(gateway.port);
    expect(sqlstate(await locked.login('orphan', AGENT_PASSWORD))).toBe('28P01');
    const other = await Raw.connect(gateway.port);
    expect(sqlstate(await other.login('bot', AGENT_PASSWORD, { database: 'postgres' }))).toBeUndefined();
    other.destroy();
  });
});

describe('upstream', () => {
  let good: Certificate;
  const target = (more: Partial<UpstreamTarget> = {}): UpstreamTarget => ({
    host: '127.0.0.1',
    port: server.port,
    user: 'u_scram',
    password: PASSWORD,
    tls: { mode: 'verify-full', ca: trusted.pem },
    timeout_ms: 5000,
    keepalive_ms: 60_000,
    ...more,
  });
  /** 'ok', or the SQLSTATE and the words that a client may hear. */
  const outcome = async (more: Partial<UpstreamTarget> = {}): Promise<string> => {
    try {
      const upstream = await connectUpstream(target(more), new Map([['database', 'postgres']]));
      upstream.end();
      return 'ok';
    } catch (error) {
      expect(error).toBeInstanceOf(UpstreamError);
      const { sqlstate: state, message: words, cause } = error as UpstreamError;
      expect(`${words} ${String(cause)}`).not.toContain(PASSWORD);
      return `${state} ${words}`;
    }
  };
  const tls = (mode: UpstreamTarget['tls']['mode'], ca: string | null): Partial<UpstreamTarget> => ({
    tls: { mode, ca },
  });

  beforeAll(async () => {
    good = await trusted.issue('server', ['DNS:localhost', 'IP:127.0.0.1']);
    await admin.query(`
      CREATE ROLE u_scram LOGIN PASSWORD '${PASSWORD}';
      CREATE ROLE u_clear LOGIN PASSWORD '${PASSWORD}';
      CREATE ROLE u_trust LOGIN;
      SET password_encryption = 'md5';
      CREATE ROLE u_md5 LOGIN PASSWORD '${PASSWORD}'`);
    await logInBy(
      server,
      'host all u_md5 127.0.0.1/32 md5',
      'host all u_clear 127.0.0.1/32 password',
      'host all u_trust 127.0.0.1/32 trust',
    );
  });

  test('a server without TLS is refused wherever TLS is demanded', async () => {
    for (const mode of ['require', 'verify-ca', 'verify-full'] as const)
      expect(await outcome(tls(mode, trusted.pem))).toMatch(/^08001 .*does not offer TLS/);
    expect(await outcome(tls('disable', null))).toBe('ok');
  });

  test('require, verify-ca, verify-full against a good certificate, a foreign one, and a foreign name', async () => {
    await serveTls(server, good);
    for (const mode of ['require', 'verify-ca', 'verify-full'] as const)
      expect(await outcome(tls(mode, trusted.pem)), mode).toBe('ok');
    expect(await outcome({ ...tls('verify-full', trusted.pem), host: 'localhost' })).toBe('ok');
    expect(await outcome(tls('verify-ca', stranger.pem))).toMatch(/^08001 TLS to the database server failed/);
    expect(await outcome(tls('verify-full', stranger.pem))).toMatch(/^08001 TLS/);
    // Without an authority of its own, the system's do not know it.
    expect(await outcome(tls('verify-full', null))).toMatch(/^08001 TLS/);
    expect(await outcome(tls('require', null))).toBe('ok');
  });

  test('verify-full wants the name, or the address, that was dialled', async () => {
    await serveTls(server, await trusted.issue('elsewhere', ['DNS:db.example']));
    expect(await outcome(tls('verify-full', trusted.pem))).toMatch(/^08001 TLS/);
    expect(await outcome({ ...tls('verify-full', trusted.pem), host: 'localhost' })).toMatch(/^08001 TLS/);
    expect(await outcome(tls('verify-ca', trusted.pem))).toBe('ok');
    // A certificate for the name localhost is none for an address.
    await serveTls(server, await trusted.issue('local', ['DNS:localhost']));
    expect(await outcome({ ...tls('verify-full', trusted.pem), host: 'localhost' })).toBe('ok');
    expect(await outcome(tls('verify-full', trusted.pem))).toMatch(/^08001 TLS/);
    await serveTls(server, good);
  });

  test('SCRAM, MD5 and trust; a clear password inside TLS only', async () => {
    for (const mode of ['disable', 'verify-full'] as const) {
      const ca = mode === 'disable' ? null : trusted.pem;
      expect(await outcome({ ...tls(mode, ca), user: 'u_scram' }), `scram ${mode}`).toBe('ok');
      expect(await outcome({ ...tls(mode, ca), user: 'u_md5' }), `md5 ${mode}`).toBe('ok');
      expect(await outcome({ ...tls(mode, ca), user: 'u_trust', password: null }), `trust ${mode}`).toBe('ok');
    }
    expect(await outcome({ user: 'u_clear' })).toBe('ok');
    expect(await outcome({ ...tls('disable', null), user: 'u_clear' })).toMatch(/^08004 .*clear password without TLS/);
  });

  test('a wrong or missing password: the agent hears that the gateway’s login failed, the operator hears why', async () => {
    for (const user of ['u_scram', 'u_md5', 'u_clear'])
      expect(await outcome({ user, password: `${PASSWORD}!` })).toBe(
        "08004 the database server refused the gateway's login",
      );
    expect(await outcome({ password: null })).toMatch(/^08004 .*asks for a password and none is configured/);
    const gateway = await startGateway({
      upstream: `postgres://u_scram:${encodeURIComponent('wrong-secret')}@127.0.0.1:${server.port}/postgres`,
    });
    try {
      const client = new pg.Client(gateway.agentUrl());
      client.on('error', () => {});
      await expect(client.connect()).rejects.toMatchObject({
        code: '08004',
        severity: 'FATAL',
        message: "the database server refused the gateway's login",
      });
      const line = gateway.lines.find((text) => text.includes("refused the gateway's login")) ?? '';
      expect(line).toContain('28P01');
      expect(line).toContain('u_scram');
      expect(gateway.lines.join()).not.toContain('wrong-secret');
      const refused = (await gateway.records()).find(({ type }) => type === 'session.refused');
      expect(refused?.clear).toMatchObject({ user: 'bot', sqlstate: '08004' });
    } finally {
      await gateway.stop();
    }
  });

  test('through the gateway, verified on both legs', async () => {
    await writeFile(join(dir, 'ca.pem'), trusted.pem);
    const gateway = await startGateway({
      upstream: `postgres://u_scram:${encodeURIComponent(PASSWORD)}@localhost:${server.port}/postgres`,
      listener: {
        tls: await trusted.issue('both', ['DNS:localhost', 'IP:127.0.0.1']),
        upstream_tls: { mode: 'verify-full', ca: join(dir, 'ca.pem') },
      },
    });
    try {
      const client = new pg.Client({ connectionString: gateway.agentUrl(), ssl: { ca: trusted.pem } });
      await client.connect();
      const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      expect(rows).toEqual([{ ssl: true }]);
      await client.end();
      // A cancel is dialled anew, and verified as the session was.
      const raw = await Raw.connect(gateway.port);
      await raw.encrypt({ ca: trusted.pem, servername: 'localhost' });
      const key = keyOf(await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' }));
      raw.send(query('SELECT pg_sleep(59)'));
      await running('SELECT pg_sleep(59)');
      const cancel = await Raw.connect(gateway.port);
      cancel.send(cancelRequest(key.processId, key.secret));
      expect(sqlstate(await raw.until('Z'))).toBe('57014');
      raw.destroy();
    } finally {
      await gateway.stop();
    }
  });

  describe('a server that lies', () => {
    let fake: Server;
    let play: (socket: Socket, next: () => Promise<Buffer>) => Promise<void>;
    let verifier: Verifier;
    beforeAll(async () => {
      verifier = parseScramVerifier(await makeScramVerifier(PASSWORD)) as Verifier;
      fake = createServer((socket) => {
        socket.on('error', () => {});
        const next = async (): Promise<Buffer> => (await once(socket, 'data'))[0] as Buffer;
        play(socket, next).catch(() => socket.destroy());
      });
      fake.listen(0, '127.0.0.1');
      await once(fake, 'listening');
    });
    afterAll(() => void fake.close());
    const lied = (more: Partial<UpstreamTarget> = {}): Promise<string> =>
      outcome({ ...tls('disable', null), port: (fake.address() as AddressInfo).port, timeout_ms: 2000, ...more });
    const open = (): Buffer =>
      Buffer.concat([
        authenticationOk(),
        parameterStatus('server_version', '18.1'),
        parameterStatus('server_encoding', 'UTF8'),
        parameterStatus('client_encoding', 'UTF8'),
        readyForQuery(IDLE),
      ]);
    const challenge = async (socket: Socket, next: () => Promise<Buffer>): Promise<ScramServer> => {
      const scram = new ScramServer(verifier);
      await next();
      socket.write(authenticationSasl(MECHANISM));
      const initialBytes = await next();
      const mechanism = cstring(initialBytes, 5, initialBytes.length);
      const answer = scram.first(initialBytes.toString('utf8', (mechanism?.next ?? 0) + 4));
      socket.write(authenticationSaslContinue(answer ?? ''));
      return scram;
    };
    const UNPROVED = /^08004 the database server did not prove that it knows the password/;

    test('the fake server works when it is honest', async () => {
      play = async (socket, next) => {
        const scram = await challenge(socket, next);
        const final = await next();
        socket.write(Buffer.concat([authenticationSaslFinal(scram.final(final.toString('utf8', 5)) ?? ''), open()]));
      };
      expect(await lied()).toBe('ok');
    });

    test('no signature after the proof', async () => {
      play = async (socket, next) => {
        await challenge(socket, next);
        await next();
        socket.write(open());
      };
      expect(await lied()).toMatch(UNPROVED);
    });

    test('a wrong signature', async () => {
      play = async (socket, next) => {
        await challenge(socket, next);
        await next();
        socket.write(Buffer.concat([authenticationSaslFinal(`v=${Buffer.alloc(32).toString('base64')}`), open()]));
      };
      expect(await lied()).toMatch(UNPROVED);
    });

    test.each(['v=', '', 'x'])('an empty signature (%j) instead of the challenge', async (text) => {
      play = async (socket, next) => {
        await next();
        socket.write(authenticationSasl(MECHANISM));
        await next();
        socket.write(Buffer.concat([authenticationSaslFinal(text), open()]));
      };
      expect(await lied()).toMatch(/^08004/);
    });

    test('SASL begun, then the password asked for in another way', async () => {
      for (const method of [5, 10]) {
        play = async (socket, next) => {
          await next();
          socket.write(authenticationSasl(MECHANISM));
          await next();
          const body = Buffer.alloc(8);
          body.writeInt32BE(method);
          socket.write(message('R', body));
          await next();
          socket.write(open());
        };
        expect(await lied(), String(method)).toMatch(/^08004/);
      }
    });

    test.each([
      ['r=other,s=AAAA,i=4096', 'a nonce that is not ours'],
      ['nonsense', 'no challenge at all'],
      ['e=other-error', 'an error'],
    ])('SCRAM challenge %s', async (text) => {
      play = async (socket, next) => {
        await next();
        socket.write(authenticationSasl(MECHANISM));
        await next();
        socket.write(authenticationSaslContinue(text));
      };
      expect(await lied()).toMatch(/^08004/);
    });

    test('two thousand million iterations are not worked on', async () => {
      play = async (socket, next) => {
        await next();
        socket.write(authenticationSasl(MECHANISM));
        const nonce = /r=(.*)$/.exec((await next()).toString('utf8'))?.[1] ?? '';
        socket.write(authenticationSaslContinue(`r=${nonce}x,s=AAAA,i=2000000000`));
      };
      expect(await lied()).toMatch(/^08004/);
    });

    test.each([
      ['an authentication message without a method', message('R', 'ab')],
      ['a key without its parts', Buffer.concat([authenticationOk(), message('K', 'a')])],
      ['a length below four', message('R', '', 3)],
      ['a length over a gigabyte', message('R', '', 0x40000000)],
      ['something that is no message of a login', message('D', 'abc')],
      ['an HTTP answer', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ])('%s: 08P01', async (_, bytes) => {
      play = async (socket, next) => {
        await next();
        socket.write(bytes);
      };
      expect(await lied()).toMatch(/^08P01/);
    });

    test('silence, a closed connection, bytes after the S of TLS', async () => {
      play = async () => {};
      expect(await lied({ timeout_ms: 300 })).toMatch(/^08001 .*did not answer in time/);
      play = async (socket, next) => {
        await next();
        socket.end();
      };
      expect(await lied()).toMatch(/^08001 .*closed the connection/);
      play = async (socket, next) => {
        await next();
        socket.write('Sx');
      };
      expect(await lied({ tls: { mode: 'require', ca: null } })).toMatch(/^08001 /);
    });

    test.each([
      ['14.9', 'UTF8'],
      ['19devel', 'UTF8'],
      ['PgBouncer 1.21', 'UTF8'],
      ['18.1', 'LATIN1'],
    ])('server_version %s with encoding %s is not let through', async (version, encoding) => {
      play = async (socket, next) => {
        await next();
        socket.write(
          Buffer.concat([
            authenticationOk(),
            parameterStatus('server_version', version),
            parameterStatus('server_encoding', encoding),
            readyForQuery(IDLE),
          ]),
        );
      };
      expect(await lied()).toMatch(/^0A000 /);
    });
  });
});
