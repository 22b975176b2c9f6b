// KILL at every moment of a hold and of a release, the whole gateway before real servers: what is ended does not run, what runs is ended by the
// server, nothing runs twice, and what became of it is on record.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import mysql2, { type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { COM } from '../../src/wire/mysql/commands.ts';
import { pick, PROVE, random, SEED } from '../fuzz/random.ts';
import { until } from './clients.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { flags, PLAIN_FLAGS, RawMysql } from './mysql-raw.ts';
import { available, clientArgs, ENGINES, mysqlClient, startMysql, type TestMysql } from './mysql-servers.ts';

const ROUNDS = PROVE ? 400 : 40;
/** Longest until a KILL, in ms. */
const WAIT_MAX_MS = 150;

/** In SHOW FULL PROCESSLIST: the statement itself, not an estimate of it. */
const RUNS = /\tINSERT INTO t SELECT/;
/** Gives a program a terminal. */
const SCRIPT = '/usr/bin/script';
const CLIENT_PROGRAM = '/usr/bin/mariadb';

/** What ends a session's statement, or the session. */
const KILLS = {
  'KILL QUERY': (id: number): Buffer => text(`KILL QUERY ${id}`),
  KILL: (id: number): Buffer => text(`KILL ${id}`),
  'KILL CONNECTION': (id: number): Buffer => text(`KILL CONNECTION ${id}`),
  COM_PROCESS_KILL(id: number): Buffer {
    const payload = Buffer.alloc(5, COM.PROCESS_KILL);
    payload.writeUInt32LE(id, 1);
    return payload;
  },
} as const;
type Kill = keyof typeof KILLS;
const text = (sql: string): Buffer => Buffer.concat([Buffer.of(COM.QUERY), Buffer.from(sql)]);
const ENDING: readonly Kill[] = ['KILL', 'KILL CONNECTION', 'COM_PROCESS_KILL'];

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  const open: { end(): unknown }[] = [];
  let number = 0;

  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql('CREATE DATABASE app; CREATE TABLE app.t (id INT)');
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      policy: POLICY,
      reviewers: 8,
      config: { limits: { requests_open_per_principal_max: 10_000 } },
    });
    await (await connect()).query('SELECT 1');
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });
  afterEach(async () => {
    for (const client of open.splice(0)) await client.end();
  });

  const connect = async (user = 'bot'): Promise<Connection> => {
    const client = await mysql2.createConnection({
      host: '127.0.0.1',
      port: gateway.port,
      user,
      password: AGENT_PASSWORD,
      database: 'app',
    });
    client.on('error', () => {});
    open.push({ end: () => client.destroy() });
    return client;
  };
  /** Another session of the same agent, which kills at once when it is told to; resolves with the answer. */
  const killer = async (): Promise<(how: Kill, id: number) => Promise<unknown>> => {
    const client = await RawMysql.connect(gateway.port);
    const capabilities = flags(PLAIN_FLAGS | CLIENT.CONNECT_WITH_DB);
    await client.login('bot', AGENT_PASSWORD, { capabilities, database: 'app' });
    return async (how, id) => {
      client.send(0, KILLS[how](id));
      const answer = await client.answer();
      client.destroy();
      return answer;
    };
  };
  const kill = async (how: Kill, id: number): Promise<unknown> => (await killer())(how, id);
  /** 'OK', or the number of the error. */
  const outcome = (work: Promise<unknown>): Promise<string | number> =>
    work.then(
      () => 'OK',
      ({ errno, code }: { errno?: number; code: string }) => errno ?? code,
    );
  const rows = async (id: number): Promise<number> =>
    Number(await server.sql(`SELECT COUNT(*) FROM app.t WHERE id = ${id}`));
  const insert = (id: number, seconds = 0): string =>
    seconds === 0 ? `INSERT INTO t VALUES (${id})` : `INSERT INTO t SELECT ${id} FROM (SELECT SLEEP(${seconds})) AS s`;
  const said = async (id: string): Promise<string[]> =>
    (await gateway.records())
      .filter(
        ({ type, clear }) =>
          type.startsWith('request.') && (clear['id'] ?? (clear['request'] as { id?: string })?.id) === id,
      )
      .map(({ type }) => type.slice('request.'.length))
      .filter((type) => type !== 'impact');
  const works = async (client: Connection): Promise<void> => {
    expect((await client.query('SELECT 1 AS n'))[0]).toEqual([{ n: 1 }]);
  };
  const running = (): Promise<void> => until(async () => RUNS.test(await server.sql('SHOW FULL PROCESSLIST')));

  test('KILL QUERY while held: it does not run, and the request is a ticket that runs once', async () => {
    const client = await connect();
    const id = ++number;
    const done = outcome(client.query(insert(id)));
    const request = await gateway.opened();
    expect(await kill('KILL QUERY', client.threadId)).toBe('OK');
    expect(await done).toBe(1317);
    await gateway.approve(request);
    await works(client);
    expect(await rows(id)).toBe(0);
    await client.query(insert(id));
    expect(await rows(id)).toBe(1);
    await gateway.reaches(request.id, 'executed');
    expect(await said(request.id)).toEqual(['opened', 'ticket', 'decided', 'released', 'executed']);
  });

  test.each(ENDING)('%s while held: the session ends, it does not run, and the request is a ticket', async (how) => {
    const client = await connect();
    const id = ++number;
    const done = outcome(client.query(insert(id)));
    const request = await gateway.opened();
    expect(await kill(how, client.threadId)).toBe('OK');
    expect([1927, 'PROTOCOL_CONNECTION_LOST']).toContain(await done);
    await until(async () => (await said(request.id)).includes('ticket'));
    await gateway.approve(request);
    expect(await rows(id)).toBe(0);
    expect(await said(request.id)).toEqual(['opened', 'ticket', 'decided']);
  });

  test('KILL QUERY while it runs: the server ends it, and that is on record', async () => {
    const client = await connect();
    const id = ++number;
    const done = outcome(client.query(insert(id, 20)));
    const request = await gateway.opened();
    await gateway.approve(request);
    await running();
    expect(await kill('KILL QUERY', client.threadId)).toBe('OK');
    expect(await done).toBe(1317);
    const ended = await gateway.reaches(request.id, 'failed');
    expect(ended.outcome).toMatchObject({ sqlstate: '70100' });
    await works(client);
    expect(await rows(id)).toBe(0);
  });

  test.each(ENDING)('%s while it runs: the server ends it, and nobody can tell what became of it', async (how) => {
    const client = await connect();
    const id = ++number;
    const done = outcome(client.query(insert(id, 20)));
    const request = await gateway.opened();
    await gateway.approve(request);
    await running();
    expect(await kill(how, client.threadId)).toBe('OK');
    expect([1927, 'PROTOCOL_CONNECTION_LOST']).toContain(await done);
    await gateway.reaches(request.id, 'outcome_unknown');
    await until(async () => !RUNS.test(await server.sql('SHOW FULL PROCESSLIST')));
    expect(await rows(id)).toBe(0);
  });

  test('KILL QUERY after the answer hits nothing', async () => {
    const client = await connect();
    const id = ++number;
    const done = client.query(insert(id));
    const request = await gateway.opened();
    await gateway.approve(request);
    await done;
    expect(await kill('KILL QUERY', client.threadId)).toBe('OK');
    for (let n = 0; n < 5; n++) await works(client);
    expect(await rows(id)).toBe(1);
    await gateway.reaches(request.id, 'executed');
  });

  test('somebody else can not', async () => {
    const client = await connect();
    const id = ++number;
    const done = outcome(client.query(insert(id)));
    const request = await gateway.opened();
    const other = await connect('orphan');
    await expect(other.query(`KILL QUERY ${client.threadId}`)).rejects.toThrow(/nobody answers/);
    await gateway.approve(request);
    expect(await done).toBe('OK');
    expect(await rows(id)).toBe(1);
  });

  test.runIf(existsSync(SCRIPT)).each([0, 20])(
    'Ctrl-C in the command line, whose statement sleeps %i s: 1317, and the next statement is answered',
    async (seconds) => {
      const id = ++number;
      const [program, ...first] = engine === 'mysql' ? mysqlClient() : ([CLIENT_PROGRAM] as const);
      const tls = engine === 'mysql' ? ['--ssl-mode=DISABLED', '--get-server-public-key'] : ['--skip-ssl'];
      const args = [...first, ...clientArgs(gateway.port, 'bot', ...tls, '--no-auto-rehash', '--force', 'app')];
      // Without a terminal it does not ask for a KILL QUERY, but leaves.
      const child = spawn(
        SCRIPT,
        [
          '-qefc',
          [program, ...args.filter((arg) => engine === 'mariadb' || !arg.startsWith('--plugin-dir'))].join(' '),
          '/dev/null',
        ],
        {
          env: { ...process.env, MYSQL_PWD: AGENT_PASSWORD, TERM: 'dumb' },
          stdio: 'pipe',
        },
      );
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
      const closed = once(child, 'close');
      child.stdin.write(`${insert(id, seconds)};\n`);
      const request = await gateway.opened();
      if (seconds > 0) {
        await gateway.approve(request);
        await running();
      }
      child.stdin.write('\x03');
      await until(async () => /ERROR 1317/.test(output));
      child.stdin.write("SELECT CONCAT('an', 'swered');\n");
      await until(async () => /answered/.test(output));
      child.stdin.write('\x04');
      await closed;
      if (seconds > 0)
        expect((await gateway.reaches(request.id, 'failed')).outcome).toMatchObject({ sqlstate: '70100' });
      else await gateway.deny(await gateway.grace.get(request.id));
      expect(await rows(id)).toBe(0);
    },
  );

  test(
    `killed at ${ROUNDS} random moments (HOLDPOINT_SEED=${SEED}): each outcome is on record and true, and nothing runs twice`,
    async () => {
      const below = random();
      const kinds = Object.keys(KILLS) as Kill[];
      for (let round = 0; round < ROUNDS; round++) {
        const client = await connect();
        const id = ++number;
        const how = pick(below, kinds);
        const seconds = below(2) === 0 ? 0.02 : 0;
        const fromStart = below(3) === 0;
        const wait_ms = below(WAIT_MAX_MS);
        const end = await killer();
        const endLater = async (): Promise<unknown> => {
          await new Promise((resolve) => setTimeout(resolve, wait_ms));
          return end(how, client.threadId);
        };
        const done = outcome(client.query(insert(id, seconds)));
        const early = fromStart ? endLater() : null;
        const request = await Promise.race([gateway.opened(), done.then(() => null)]);
        if (request === null) {
          // Ended before anybody was asked.
          expect([await early, await rows(id)]).toEqual(['OK', 0]);
          continue;
        }
        const reviewer = await gateway.inTurn();
        const { digest, revision } = request;
        const approved = reviewer.decide(request.id, { decision: 'approve', digest, revision, rationale: 'go' });
        const killed = early ?? endLater();
        await approved;
        expect(await killed).toBe('OK');
        const told = await done;
        client.destroy();
        // It is a ticket, or it has ended.
        await until(async () => {
          const types = await said(request.id);
          return types.includes('released') ? OUTCOMES.some((type) => types.includes(type)) : types.includes('ticket');
        });
        // What went on at the server after all is over.
        await until(async () => !/\tINSERT INTO/.test(await server.sql('SHOW FULL PROCESSLIST')));
        const types = await said(request.id);
        const count = await rows(id);
        const what = `${round}: ${how} after ${wait_ms} ms, told ${told}, ${types.join(' ')}, ${count} rows`;
        expect(types.filter((type) => type === 'released').length, what).toBeLessThanOrEqual(1);
        expect(OUTCOMES.filter((type) => types.includes(type)).length, what).toBe(types.includes('released') ? 1 : 0);
        if (types.includes('executed')) expect(count, what).toBe(1);
        else if (types.includes('outcome_unknown')) expect(count, what).toBeLessThanOrEqual(1);
        else expect(count, what).toBe(0);
        if (told === 'OK') expect(types, what).toContain('executed');
        if (told === 1317) expect(count, what).toBe(0);
        // Left over: approved, and never sent again.
      }
    },
    PROVE ? 900_000 : 120_000,
  );
});

/** The last one: nothing was sent, and it is approved as before. */
const OUTCOMES = ['executed', 'failed', 'outcome_unknown', 'returned'] as const;

const POLICY = `
version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - id: writes
    when: stmt.writes("app.t")
    then: hold
  - id: administration
    when: stmt.does("admin")
    then: hold
`;
