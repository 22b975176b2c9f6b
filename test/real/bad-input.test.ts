// Bad bytes and faults around one gateway: each is told or closed as documented, on record where it must be, and a canary
// connection that is queried throughout never notices.
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Refused, type RequestView, signIn } from '../../src/review/client.ts';
import { cancelRequest, parse, query, sslRequest, SYNC } from '../../src/wire/postgres/messages.ts';
import { LEAVE_GRACE_MS } from '../../src/listener/leave.ts';
import { open, outcome, until } from './clients.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { errorText, keyOf, message, Raw, type RawMessage, sqlstate, startup, statuses } from './raw.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

let server: TestServer;
let admin: pg.Client;

beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin('CREATE TABLE customers AS SELECT g AS id FROM generate_series(1, 100) g');
});
afterAll(async () => {
  await server?.stop();
});

/** Queries the gateway without a pause until it is told to stop; then says how often, and throws what went wrong. */
const canary = async (): Promise<() => Promise<number>> => {
  const client = await open(gateway.agentUrl());
  const stop = new AbortController();
  const run = (async () => {
    let count = 0;
    do {
      const { rows } = await client.query('SELECT $1::int + 1 AS n', [count]);
      expect(rows).toEqual([{ n: ++count }]);
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

/** The gateway of this group of tests, none of which may disturb a canary on it. */
let gateway: TestGateway;
const guarded = (limits: Readonly<Record<string, number>>): void => {
  let alive: () => Promise<number>;
  beforeAll(async () => {
    gateway = await startGateway({ upstream: server.url, config: { limits } });
  });
  afterAll(async () => {
    await gateway?.stop();
  });
  beforeEach(async () => {
    alive = await canary();
  });
  afterEach(async () => {
    expect(await alive()).toBeGreaterThan(0);
  });
};

const login = async (
  parameters: Readonly<Record<string, string>> = {},
): Promise<{ raw: Raw; messages: RawMessage[] }> => {
  const raw = await Raw.connect(gateway.port);
  return { raw, messages: await raw.login('bot', AGENT_PASSWORD, { database: 'postgres', ...parameters }) };
};

/** SQLSTATE of the refusal; undefined: let in. */
const refusal = async (parameters: Readonly<Record<string, string>>): Promise<string | undefined> => {
  const { raw, messages } = await login(parameters);
  raw.destroy();
  return sqlstate(messages);
};

const int32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeInt32BE(value, index * 4));
  return bytes;
};

/** What a busy machine may be late. */
const LATE_MS = 10_000;
const LIMITS = {
  connections_max: 20,
  startup_timeout_ms: 3000,
  statement_bytes_max: 4096,
  bind_bytes_max: 8192,
  prepared_statements_max: 10,
  prepared_bytes_max: 16 * 1024,
};

describe('bytes', () => {
  guarded(LIMITS);

  describe('before the login', () => {
    test.each([
      ['a length beyond the limit', int32(10_001, 196608)],
      ['a length below eight', int32(7, 196608)],
      ['a negative length', int32(-1, 196608)],
      ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
      ['an SSH banner', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
      ['a TLS hello where there is no TLS', Buffer.from('16030100c8010000c40303', 'hex')],
      ['zeros', Buffer.alloc(64)],
      ['ones', Buffer.alloc(64, 0xff)],
      ['no terminator', Buffer.concat([int32(13, 196608), Buffer.from('user\0')])],
      ['a name without a value', Buffer.concat([int32(18, 196608), Buffer.from('user\0bot\0a')])],
      ['bytes behind the terminator', Buffer.concat([int32(19, 196608), Buffer.from('user\0bot\0\0x')])],
      ['an SSLRequest that is too long', Buffer.concat([int32(12, 80877103, 0)])],
      ['a cancel request that is too short', int32(12, 80877102, 1)],
      ['a cancel request that is too long', Buffer.concat([int32(12 + 257, 80877102, 1), Buffer.alloc(257)])],
      ['three encryption requests', Buffer.concat([sslRequest(), sslRequest(), sslRequest()])],
    ])('%s: 08P01', async (what, bytes) => {
      const raw = await Raw.connect(gateway.port);
      raw.send(bytes);
      if (what === 'three encryption requests') expect([await raw.byte(), await raw.byte()]).toEqual(['N', 'N']);
      const messages = await raw.until('E');
      expect(sqlstate(messages)).toBe('08P01');
      expect(messages.at(-1)?.fields.get('S')).toBe('FATAL');
      await raw.ended();
    });

    test('no user name: 28000', async () => {
      const raw = await Raw.connect(gateway.port);
      raw.send(startup({ database: 'postgres' }));
      expect(sqlstate(await raw.until('E'))).toBe('28000');
    });

    test('a packet cut anywhere, then gone', async () => {
      const whole = startup({ user: 'bot', database: 'postgres' });
      for (let length = 0; length < whole.length; length += 5) {
        const raw = await Raw.connect(gateway.port);
        raw.send(whole.subarray(0, length));
        raw.stream.end();
        await raw.ended();
      }
    });

    test('a startup sent byte by byte is the same startup', async () => {
      const raw = await Raw.connect(gateway.port);
      for (const byte of startup({ user: 'bot', database: 'postgres' })) raw.send(Buffer.from([byte]));
      expect((await raw.authenticate(AGENT_PASSWORD)).at(-1)?.type).toBe('Z');
      raw.destroy();
    });

    test('a statement sent right behind the password waits for the login', async () => {
      const raw = await Raw.connect(gateway.port);
      raw.send(startup({ user: 'bot', database: 'postgres' }), query('SELECT 1'));
      // A Query is no answer to a question about a password.
      expect(sqlstate(await raw.until('E'))).toBe('08P01');
    });

    test('protocol 3.9 and unknown options: NegotiateProtocolVersion, then 3.2 with its longer key', async () => {
      const raw = await Raw.connect(gateway.port);
      raw.send(startup({ user: 'bot', database: 'postgres', '_pq_.holdpoint_test': '1' }, (3 << 16) + 9));
      const messages = await raw.authenticate(AGENT_PASSWORD);
      const negotiate = messages.find(({ type }) => type === 'v');
      expect(negotiate?.body.readInt32BE(0)).toBe((3 << 16) + 2);
      expect(negotiate?.body.toString('utf8', 4)).toBe('\0\0\0\u0001_pq_.holdpoint_test\0');
      expect(keyOf(messages).secret).toHaveLength(39);
      raw.send(query('SELECT 1'));
      expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
      raw.destroy();
      expect(keyOf((await login()).messages).secret).toHaveLength(4);
    });

    test('who says nothing, or too slowly, is closed', async () => {
      const silent = await Raw.connect(gateway.port);
      const begun = performance.now();
      const slow = await Raw.connect(gateway.port);
      slow.send(startup({ user: 'bot' }).subarray(0, 9));
      const asked = await Raw.connect(gateway.port);
      asked.send(startup({ user: 'bot' }));
      const dripping = setInterval(() => slow.send(Buffer.from('x')), 100);
      await Promise.all([silent.ended(), slow.ended(), asked.until('never')]);
      clearInterval(dripping);
      const took = performance.now() - begun;
      expect(took).toBeGreaterThan(LIMITS.startup_timeout_ms - 100);
      expect(took).toBeLessThan(LIMITS.startup_timeout_ms + LATE_MS);
    });

    test('one connection too many gets 53300, until one leaves', async () => {
      const { rows } = await admin.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'postgres' AND pid <> pg_backend_pid()",
      );
      expect(rows[0]?.n).toBeLessThan(LIMITS.connections_max);
      const held: Raw[] = [];
      for (;;) {
        const { raw, messages } = await login();
        if (sqlstate(messages) === undefined) held.push(raw);
        else {
          expect(sqlstate(messages)).toBe('53300');
          break;
        }
      }
      // The canary is the other one; what earlier tests left may still be on its way out.
      expect(held.length).toBeLessThanOrEqual(LIMITS.connections_max - 1);
      expect(held.length).toBeGreaterThan(LIMITS.connections_max / 2);
      held.pop()?.destroy();
      await untilLetIn();
      for (const raw of held) raw.destroy();
    });

    test('cancel requests and refused clients that never close take nobody’s place for long', async () => {
      const staying: Raw[] = [];
      for (let n = 0; n < LIMITS.connections_max * 2; n++) {
        const raw = await Raw.connect(gateway.port, { allowHalfOpen: true });
        if (n % 3 === 0) raw.send(cancelRequest(n, Buffer.alloc(4)));
        else if (n % 3 === 1) raw.send(startup({ user: 'bot' }, 4 << 16));
        else raw.send(startup({ user: 'bot' }), Buffer.alloc(50_000));
        staying.push(raw);
      }
      await Promise.all(staying.map((raw) => raw.ended()));
      const begun = performance.now();
      await untilLetIn();
      expect(performance.now() - begun).toBeLessThan(LEAVE_GRACE_MS + LATE_MS);
      for (const raw of staying) raw.destroy();
    });

    const untilLetIn = async (): Promise<void> => {
      for (;;) {
        const { raw, messages } = await login();
        raw.destroy();
        if (sqlstate(messages) === undefined) return;
        expect(sqlstate(messages)).toBe('53300');
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
  });

  describe('startup parameters', () => {
    test.each([
      ['replication', { replication: 'true' }],
      ['replication', { replication: 'database' }],
      ['replication', { replication: '' }],
      ['role', { options: '-c role=postgres' }],
      ['role', { options: '-crole=postgres' }],
      ['role', { options: '--role=postgres' }],
      ['role', { options: '-c ro\\le=postgres' }],
      ['role', { options: '-c  ROLE=postgres' }],
      ['role', { options: '\t-c\nrole=pos\\tgres' }],
      ['role', { role: 'postgres' }],
      ['role', { Role: 'postgres' }],
      ['session_authorization', { options: '-c session_authorization=postgres' }],
      ['session_replication_role', { options: '--session-replication-role=replica' }],
      ['a switch', { options: '-d 5' }],
      ['a switch', { options: '-B 100' }],
      ['a switch', { options: '-O' }],
      ['a switch', { options: '-c' }],
      ['a switch', { options: '-c role' }],
      ['a switch', { options: '--' }],
      ['a switch', { options: 'role=postgres' }],
      ['a switch', { options: '-c work_mem=1MB -P' }],
      // Names that mean something else to the server than a setting: the gateway's own login.
      ['user in options', { options: '-c user=postgres' }],
      ['USER', { USER: 'postgres' }],
      ['database in options', { options: '-c database=template1' }],
      ['OPTIONS', { OPTIONS: '-c role=postgres' }],
      ['options in options', { options: '-c options=-crole=postgres' }],
      ['replication in options', { options: '-c replication=database' }],
      ['Replication', { Replication: 'database' }],
      ['_PQ_', { '_PQ_.x': '1' }],
    ])('%s: %j is refused', async (_, parameters) => {
      expect(await refusal(parameters as unknown as Record<string, string>)).toMatch(/^(28000|42501)$/);
    });

    test('a setting that does not exist is the server’s to refuse', async () => {
      expect(await refusal({ nosuch_setting: '1' })).toMatch(/^(42704|28000)$/);
    });

    test('ordinary settings pass, and an explicit one wins over options', async () => {
      const { raw, messages } = await login({
        application_name: 'b\u00fcro',
        options: '-c statement_timeout=7s --search-path=pg\\_catalog -c extra_float_digits=0',
        extra_float_digits: '2',
        client_encoding: 'LATIN1',
        replication: 'off',
      });
      expect(sqlstate(messages)).toBeUndefined();
      expect(statuses(messages).get('client_encoding')).toBe('UTF8');
      raw.send(query('SHOW statement_timeout; SHOW search_path; SHOW extra_float_digits'));
      const rows = (await raw.until('Z'))
        .filter(({ type }) => type === 'D')
        .map(({ body }) => body.toString('utf8', 6));
      expect(rows).toEqual(['7s', 'pg_catalog', '2']);
      raw.destroy();
    });
  });

  describe('inside a session', () => {
    test.each([
      ['a length below four', message('Q', '', 3)],
      ['a length of zero', message('S', '', 0)],
      ['a negative length', message('Q', '', -5)],
      ['an unknown type', message('z', 'x')],
      ['a password nobody asked for', message('p', 'secret\0')],
      ['a Parse that does not add up', message('P', 'a\0SELECT 1\0\0\u0005')],
      ['a Bind of one byte', message('B', 'x')],
      ['a Bind whose counts do not add up', Buffer.concat([parse('', 'SELECT $1'), message('B', '\0\0\0\u0009')])],
      ['an Execute without its count', message('E', '\0')],
      ['a Describe of nothing', message('D')],
      ['a Close of nothing', message('C')],
      ['a startup packet', Buffer.concat([startup({ user: 'bot' }), Buffer.alloc(6000)])],
    ])('%s: an error or the end, nothing else', async (_, bytes) => {
      const { raw } = await login();
      raw.send(bytes, SYNC);
      const messages = await raw.until('E');
      expect(sqlstate(messages)).toMatch(/^(08P01|54000|26000|34000)$/);
      raw.destroy();
    });

    test('a Query with bytes behind its terminator does not run', async () => {
      const { raw } = await login();
      raw.send(message('Q', 'SELECT 1\0DROP TABLE customers\0'));
      expect(sqlstate(await raw.until('Z'))).toBe('08P01');
      raw.send(message('Q', 'SELECT 1'));
      expect(sqlstate(await raw.until('Z'))).toBe('08P01');
      raw.send(query('SELECT 1'));
      expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
      raw.destroy();
    });

    test('oversized Query, Parse, Bind: 54000, and the session goes on; beyond any message: it ends', async () => {
      const { raw } = await login();
      const long = `SELECT '${'x'.repeat(LIMITS.statement_bytes_max)}'`;
      raw.send(query(long));
      expect(sqlstate(await raw.until('Z'))).toBe('54000');
      raw.send(parse('', long), SYNC);
      expect(sqlstate(await raw.until('Z'))).toBe('54000');
      const value = Buffer.alloc(LIMITS.bind_bytes_max, 0x78);
      const bind = message(
        'B',
        Buffer.concat([Buffer.from('\0\0\0\0\0\u0001'), int32(value.length), value, Buffer.alloc(2)]),
      );
      raw.send(parse('', 'SELECT length($1)'), bind, SYNC);
      expect(sqlstate(await raw.until('Z'))).toBe('54000');
      raw.send(query('SELECT 1'));
      expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
      raw.send(message('Q', 'x', 0x7fffffff));
      const last = await raw.until('E');
      expect(sqlstate(last)).toBe('54000');
      expect(last.at(-1)?.fields.get('S')).toBe('FATAL');
      await raw.ended();
    });

    test('more prepared statements than allowed: 54000', async () => {
      const { raw } = await login();
      for (let n = 0; n < LIMITS.prepared_statements_max; n++) raw.send(parse(`s${n}`, 'SELECT 1'), SYNC);
      for (let n = 0; n < LIMITS.prepared_statements_max; n++) expect(sqlstate(await raw.until('Z'))).toBeUndefined();
      raw.send(parse('one-more', 'SELECT 1'), SYNC);
      expect(sqlstate(await raw.until('Z'))).toBe('54000');
      raw.destroy();
    });

    test('longer prepared statements than allowed: 54000, until one is closed', async () => {
      const { raw } = await login();
      const long = `SELECT '${'x'.repeat(4000)}'`;
      for (const name of ['a', 'b', 'c', 'd']) raw.send(parse(name, long), SYNC);
      for (let n = 0; n < 4; n++) expect(sqlstate(await raw.until('Z'))).toBeUndefined();
      raw.send(parse('e', long), SYNC);
      expect(sqlstate(await raw.until('Z'))).toBe('54000');
      raw.send(message('C', 'Sa\0'), SYNC, parse('e', long), SYNC);
      expect(sqlstate(await raw.until('Z'))).toBeUndefined();
      expect(sqlstate(await raw.until('Z'))).toBeUndefined();
      raw.destroy();
    });

    test('a message of no known type is refused at its header, as the server does, however long it says it is', async () => {
      const direct = await Raw.connect(server.port);
      await direct.login(server.user, server.password, { database: 'postgres' });
      const { raw } = await login();
      for (const connection of [direct, raw]) {
        connection.send(message('y', '', 1024 * 1024));
        expect(sqlstate(await connection.until('E'))).toBe('08P01');
        await connection.ended();
      }
    });

    test('a message cut short by a disconnect runs nothing and leaves no backend', async () => {
      const { raw, messages } = await login();
      const { processId } = keyOf(messages);
      raw.send(query('CREATE TABLE half (id int)').subarray(0, 20));
      raw.stream.end();
      await raw.ended();
      await gone(processId);
      expect((await admin.query("SELECT to_regclass('half') AS t")).rows).toEqual([{ t: null }]);
    });

    test('who goes away in the middle of a big result leaves no backend', async () => {
      const { raw, messages } = await login();
      raw.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"));
      await raw.message();
      raw.destroy();
      await gone(keyOf(messages).processId);
    });
  });
});

describe('faults', () => {
  guarded({ held_bytes_max: 4096 });

  const backendOf = async (client: pg.Client): Promise<number> =>
    ((await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0] as { pid: number }).pid;

  test('the server ends a session in mid-query: its words, then the end', async () => {
    const client = await open(gateway.agentUrl());
    const pid = await backendOf(client);
    const running = outcome(client.query('SELECT pg_sleep(60)'));
    await active(pid);
    await admin.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(await running).toMatchObject({ code: '57P01' });
    await expect(client.query('SELECT 1')).rejects.toThrow();
  });

  test('the server ends a session while it is held: the client is told, the request is a ticket and can be used', async () => {
    const client = await open(gateway.agentUrl());
    const pid = await backendOf(client);
    const held = outcome(client.query('CREATE TABLE ticketed (id int)'));
    const request = await gateway.opened();
    await admin.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(await held).toMatchObject({ severity: 'FATAL', code: expect.stringMatching(/^(57P01|08006)$/) });
    await until(async () => (await gateway.grace.get(request.id)).holds === 'ticket');
    await gateway.approve(await gateway.grace.get(request.id));
    expect((await admin.query("SELECT to_regclass('ticketed') AS t")).rows).toEqual([{ t: null }]);
    const again = await open(gateway.agentUrl());
    await again.query('CREATE TABLE ticketed (id int)');
    expect(await gateway.reaches(request.id, 'executed')).toMatchObject({ outcome: { tag: 'CREATE TABLE' } });
    await again.end();
  });

  test('more than is taken while held: 54000, the session goes on, the request stays', async () => {
    const { raw } = await login();
    raw.send(query('CREATE TABLE overflowing (id int)'));
    const request = await gateway.opened();
    raw.send(query(`SELECT '${'x'.repeat(5000)}'`));
    const first = await raw.until('Z');
    expect(sqlstate(first)).toBe('54000');
    expect(errorText(first)).toContain(request.id);
    expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    await gateway.deny(await gateway.grace.get(request.id));
    raw.destroy();
  });

  test('a broken policy at reload: the old one stays, logged with its line, on record', async () => {
    const good = `${await policyText()}\n`;
    const broken = `${good}  - id: bad\n    when: stmt.does(\n    then: hold\n`;
    await writeFile(join(gateway.dir, 'policy.yaml'), broken);
    await until(async () => gateway.lines.some((line) => line.includes('the new policy has errors')));
    const line = gateway.lines.find((text) => text.includes('the new policy has errors')) ?? '';
    expect(line).toMatch(/policy\.yaml:\d+/);
    const client = await open(gateway.agentUrl());
    const held = outcome(client.query('DROP TABLE customers'));
    await gateway.deny(await gateway.opened());
    expect(await held).toMatchObject({ code: '42501' });
    await client.end();
    const refused = (await gateway.records()).filter(({ type }) => type === 'policy.refused');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.clear['problems']).toMatchObject([{ line: expect.any(Number), message: expect.any(String) }]);
    await gateway.setPolicy(good);
  });

  test('a broken policy at start: refused with file and line, nothing listens, the log is closed', async () => {
    const failed = await startGateway({
      upstream: server.url,
      policy: 'version: 1\ndefault: maybe\nrules: []\n',
    }).catch((error: unknown) => error);
    expect(String(failed)).toMatch(/policy\.yaml:2/);
  });

  test('a broken users file at reload: the old users stay in force, logged', async () => {
    const file = join(gateway.dir, 'users.yaml');
    const good = await readFile(file, 'utf8');
    await writeFile(file, `${good}  - {id: bot, kind: robot}\n`);
    await until(async () => gateway.lines.some((line) => line.includes('the users file has errors')));
    expect(gateway.lines.find((line) => line.includes('the users file has errors'))).toMatch(/users\.yaml:\d+/);
    await (await open(gateway.agentUrl())).end();
    const before = gateway.lines.length;
    await writeFile(file, good);
    await until(async () => gateway.lines.slice(before).some((line) => line.includes('users reloaded')));
    await (await open(gateway.agentUrl())).end();
  });

  const policyText = (): Promise<string> => readFile(join(gateway.dir, 'policy.yaml'), 'utf8');

  describe('reviewers', () => {
    let client: pg.Client;
    let held: Promise<pg.QueryResult | pg.DatabaseError>;
    let request: RequestView;
    beforeEach(async () => {
      client = await open(gateway.agentUrl());
      held = outcome(client.query(`CREATE TABLE decided_${++tables} (id int)`));
      request = await gateway.opened();
    });
    afterEach(async () => {
      const now = await gateway.grace.get(request.id);
      if (now.state === 'open') await gateway.deny(now);
      await held;
      await client.end();
    });
    let tables = 0;

    const decision = (change: object = {}) => ({
      decision: 'approve' as const,
      digest: request.digest,
      revision: request.revision,
      rationale: 'checked',
      ...change,
    });
    const why = async (answer: Promise<unknown>): Promise<string> =>
      answer.then(
        () => 'counted',
        (error: unknown) => (error as Refused).why,
      );

    test('a decision for another text or revision is not counted', async () => {
      expect(await why(gateway.grace.decide(request.id, decision({ digest: 'f'.repeat(32) })))).toBe('changed');
      expect(await why(gateway.grace.decide(request.id, decision({ revision: request.revision + 1 })))).toBe('changed');
      expect(await why(gateway.grace.decide('HP-00000000', decision()))).toBe('not-found');
      expect((await gateway.grace.get(request.id)).state).toBe('open');
    });

    test('the sponsor does not decide, nor does a stranger or the agent with its own password', async () => {
      expect(await why(gateway.ada.decide(request.id, decision()))).toBe('own');
      const url = `${gateway.reviewUrl}/api/requests/${request.id}/decisions`;
      const post = (headers: Record<string, string>): Promise<number> =>
        fetch(url, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json', ...headers },
          body: JSON.stringify(decision()),
        }).then(({ status }) => status);
      const basic = Buffer.from(`bot:${AGENT_PASSWORD}`).toString('base64');
      expect(await post({})).toBe(401);
      expect(await post({ Authorization: `Bearer ${AGENT_PASSWORD}` })).toBe(401);
      expect(await post({ Authorization: `Basic ${basic}` })).toBe(401);
      await expect(signIn(gateway.reviewUrl, { user: 'bot', password: AGENT_PASSWORD })).rejects.toMatchObject({
        why: 'sign-in-refused',
      });
      expect((await gateway.grace.get(request.id)).state).toBe('open');
    });

    test('twenty decisions at once: one counts, the others hear who was first', async () => {
      const answers = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) =>
          gateway.grace.decide(
            request.id,
            decision({ decision: n % 2 ? 'approve' : 'deny', rationale: `number ${n}` }),
          ),
        ),
      );
      const counted = answers.filter(({ status }) => status === 'fulfilled');
      expect(counted).toHaveLength(1);
      for (const answer of answers)
        if (answer.status === 'rejected') {
          expect((answer.reason as Refused).why).toBe('already-decided');
          expect((answer.reason as Refused).message).toMatch(/^grace (approved|denied) this \d+ s ago/);
        }
      const decided = (await gateway.records()).filter(
        ({ type, clear }) => type === 'request.decided' && clear['id'] === request.id,
      );
      expect(decided).toHaveLength(1);
      await held;
      expect(await why(gateway.grace.decide(request.id, decision()))).toBe('already-decided');
    });

    test('nonsense over HTTP is a problem document and changes nothing', async () => {
      const token = (await signIn(gateway.reviewUrl, { link: 'nonsense' }).catch((error: unknown) => error)) as Refused;
      expect(token.why).toBe('link-refused');
      for (const path of ['/api/requests/%00', '/api/requests/..%2f..%2fetc', '/api/nosuch', '/..%2fpackage.json']) {
        const response = await fetch(gateway.reviewUrl + path);
        expect(response.status, path).toBeGreaterThanOrEqual(400);
        expect(await response.text()).not.toContain('"dependencies"');
      }
      const url = `${gateway.reviewUrl}/api/requests/${request.id}/decisions`;
      for (const [body, type] of [
        ['{', 'application/json'],
        ['null', 'application/json'],
        ['[]', 'application/json'],
        ['{"decision":"maybe"}', 'application/json'],
        ['decision=approve', 'application/x-www-form-urlencoded'],
      ] as const) {
        const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': type }, body });
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(response.status).toBeLessThan(500);
        await response.text();
      }
      // Where nobody needs to be signed in; elsewhere nothing of a stranger's body is read. On a connection of its own: it is closed with
      // the body half read.
      for (const [to, expected] of [
        [`${gateway.reviewUrl}/api/login`, 413],
        [url, 401],
      ] as const) {
        const status = await new Promise((resolve, reject) => {
          const sent = httpRequest(to, {
            method: 'POST',
            agent: false,
            headers: { 'Content-Type': 'application/json' },
          });
          sent.once('response', (response) => resolve(response.resume().statusCode)).once('error', reject);
          sent.end('x'.repeat(2_000_000));
        });
        expect(status).toBe(expected);
      }
      expect((await gateway.grace.get(request.id)).state).toBe('open');
    });

    test('nonsense over WebSocket ends that socket at most', async () => {
      const address = `${gateway.reviewUrl.replace('http', 'ws')}/api/stream`;
      const stranger = new WebSocket(address);
      await new Promise((resolve) => stranger.once('error', resolve).once('close', resolve));
      const token = await gateway.token('grace');
      for (const sent of ['{', '[]', '{"type":"decide"}', Buffer.alloc(100), 'x'.repeat(500_000)]) {
        const socket = new WebSocket(address, { headers: { Authorization: `Bearer ${token}` } });
        await once(socket, 'message');
        socket.send(sent);
        socket.send(JSON.stringify({ id: 'n', type: 'decide', request: request.id, ...decision({ revision: 99 }) }));
        const answered = new Promise((resolve) => socket.once('message', resolve).once('close', resolve));
        await answered;
        socket.terminate();
      }
      expect((await gateway.grace.get(request.id)).state).toBe('open');
    });
  });
});

describe('without the server', () => {
  test('down at connect: 08001; down while held: told, and the request survives it', async () => {
    const own = await startServer(NEWEST);
    gateway = await startGateway({ upstream: own.url });
    try {
      const busy = await open(gateway.agentUrl());
      const held = outcome(busy.query('CREATE TABLE survives (id int)'));
      const request = await gateway.opened();
      const idle = await open(gateway.agentUrl());
      const running = await open(gateway.agentUrl());
      const ran = outcome(running.query('SELECT pg_sleep(60)'));
      const idleEnded = new Promise((resolve) => idle.once('end', resolve));
      await own.stop();
      expect(await held).toMatchObject({ severity: 'FATAL' });
      expect(await ran).toMatchObject({ severity: 'FATAL' });
      await idleEnded;
      await until(async () => (await gateway.grace.get(request.id)).holds === 'ticket');
      for (let n = 0; n < 3; n++)
        expect(await open(gateway.agentUrl()).catch((error: pg.DatabaseError) => error)).toMatchObject({
          severity: 'FATAL',
          code: '08001',
          message: expect.stringContaining('ECONNREFUSED'),
        });
      // The reviewer can decide meanwhile.
      await gateway.approve(await gateway.grace.get(request.id));
      expect((await gateway.grace.get(request.id)).state).toBe('approved');
      expect(gateway.lines.some((line) => line.includes('ECONNREFUSED'))).toBe(true);
    } finally {
      await gateway.stop();
      await own.stop();
    }
  });

  test('kill -9 of a backend ends every session of that server with a word, and the next ones work', async () => {
    const own = await startServer(NEWEST);
    gateway = await startGateway({ upstream: own.url });
    try {
      const client = await open(gateway.agentUrl());
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const other = await open(gateway.agentUrl());
      const ran = outcome(other.query('SELECT pg_sleep(60)'));
      const victim = outcome(client.query('SELECT pg_sleep(60)'));
      process.kill(rows[0]?.pid ?? 0, 'SIGKILL');
      expect(await victim).toMatchObject({ code: '08006', severity: 'FATAL' });
      expect(await ran).toMatchObject({ severity: expect.any(String) });
      await until(async () =>
        open(gateway.agentUrl())
          .then((next) => next.end().then(() => true))
          .catch(() => false),
      );
    } finally {
      await gateway.stop();
      await own.stop();
    }
  });
});

/** Resolves when the server runs something on this backend. */
const active = (pid: number): Promise<void> =>
  until(async () => {
    const { rowCount } = await admin.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active'", [pid]);
    return rowCount === 1;
  });

/** Resolves when the server has no such backend. */
const gone = (pid: number): Promise<void> =>
  until(async () => (await admin.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).rowCount === 0);
