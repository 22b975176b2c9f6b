// What agents and people say to Holdpoint over MySQL's protocol, before real MySQL and MariaDB servers: answers, withdrawals, asking first,
// break-glass. As text and prepared; none of it reaches the server.
import mysql2, { type Connection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { POLICY } from '../transcripts/fixture.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  const open: Connection[] = [];

  beforeAll(async () => {
    server = await startMysql(engine, ['--general-log=1', '--log-output=TABLE']);
    await server.sql(
      'CREATE DATABASE app; USE app; CREATE TABLE t (id INT); INSERT INTO t VALUES (1), (2), (3), (4), (5); ' +
        'CREATE DATABASE few; CREATE TABLE few.t AS SELECT * FROM app.t; CREATE DATABASE pair; CREATE TABLE pair.t AS SELECT 1 AS n',
    );
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      policy: POLICY,
      reviewers: 1,
    });
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
      multipleStatements: true,
    });
    open.push(client);
    return client;
  };
  const fault = (work: Promise<unknown>): Promise<{ errno: number; message: string } | null> =>
    work.then(
      () => null,
      ({ errno, message }: { errno: number; message: string }) => ({ errno, message }),
    );
  /** The one row of an answer. */
  const row = async (work: Promise<[unknown, unknown]>): Promise<Readonly<Record<string, string>>> => {
    const [rows] = await work;
    expect(rows).toHaveLength(1);
    return (rows as RowDataPacket[])[0] as Readonly<Record<string, string>>;
  };
  const typesOf = async (id: string): Promise<string[]> =>
    (await gateway.records())
      .filter(({ type, clear }) => type !== 'request.impact' && (clear['id'] ?? Object(clear['request']).id) === id)
      .map(({ type }) => type);
  /** A table to be dropped. */
  const table = async (name: string): Promise<string> => {
    await server.sql(`CREATE TABLE app.${name} (id INT)`);
    return `DROP TABLE ${name}`;
  };
  const isThere = async (name: string): Promise<boolean> =>
    (
      await server.sql(
        `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'app' AND table_name = '${name}'`,
      )
    ).trim() === '1';

  test.each([
    [
      'text',
      (client: Connection, sql: string, reason: string) =>
        client.query(`SELECT holdpoint.request_approval('${sql}', '${reason}')`),
    ],
    [
      'prepared',
      (client: Connection, sql: string, reason: string) =>
        client.execute('SELECT holdpoint.request_approval(?, ?)', [sql, reason]),
    ],
  ] as const)('asked first (%s), approved: the identical statement runs, once', async (how, ask) => {
    const client = await connect();
    const drop = await table(`first_${how}`);
    const asked = await row(ask(client, drop, 'cleaning up'));
    expect(asked).toMatchObject({ state: 'open', approvals: '0 of 1' });
    const { id = '' } = asked;
    const request = await gateway.grace.get(id);
    expect(request).toMatchObject({
      holds: 'ticket',
      rule: 'ddl',
      statement: { text: drop },
      reason: { text: 'cleaning up' },
    });
    // Twice is one request, and does not use it up.
    expect(await row(ask(client, drop, 'again'))).toMatchObject({ id, state: 'open' });
    await gateway.approve(request);
    expect(await row(ask(client, drop, 'again'))).toMatchObject({
      id,
      state: 'approved',
      next: 'send the identical statement now, runs once',
    });
    expect(await isThere(`first_${how}`)).toBe(true);
    await client.query(`${drop} /* now */`);
    expect(await isThere(`first_${how}`)).toBe(false);
    await gateway.reaches(id, 'executed');
    expect(await typesOf(id)).toEqual(['request.opened', 'request.decided', 'request.released', 'request.executed']);
  });

  test('asked first and sent before anybody decides: held under the same request', async () => {
    const client = await connect();
    const drop = await table('early');
    const { id = '' } = await row(client.query(`SELECT holdpoint.request_approval('${drop}', 'soon')`));
    const sent = client.query(drop);
    await gateway.approve(await gateway.reaches(id, 'open'));
    await sent;
    expect(
      (await gateway.grace.list({ state: 'all' })).requests.filter(({ sentence }) => sentence.includes('early')),
    ).toHaveLength(1);
  });

  test('what needs no approval, what nobody can approve, what is not there', async () => {
    const client = await connect();
    expect(await row(client.query("SELECT holdpoint.request_approval('SELECT id FROM t', 'x')"))).toEqual({
      id: '',
      state: 'allowed',
      approvals: '0 of 0',
      ends: '',
      next: 'send the statement; it needs no approval',
    });
    const denied = await fault(
      client.query("SELECT holdpoint.request_approval('SELECT LOAD_FILE(''/etc/passwd'')', 'x')"),
    );
    expect(denied).toMatchObject({
      errno: 1227,
      message: expect.stringMatching(/^denied by policy: rule "server-files"/),
    });
    for (const call of ["answer('HP-00000000', 'x')", "withdraw('HP-00000000', 'x')"])
      expect(await fault(client.query(`SELECT holdpoint.${call}`))).toMatchObject({
        errno: 1231,
        message: 'you have no request HP-00000000. Yours are in SHOW HOLDPOINT REQUESTS.',
      });
    await client.query('SET NAMES latin1');
    const other = await fault(client.query({ sql: "SELECT holdpoint.request_approval('DROP TABLE \xe9', 'x')" }));
    expect(other).toMatchObject({ errno: 1231, message: expect.stringContaining('SET NAMES utf8mb4') });
  });

  test('answered unasked, withdrawn, and then nothing more can be said; somebody else can say nothing', async () => {
    const client = await connect();
    const drop = await table('gone');
    const { id = '' } = await row(client.query(`SELECT holdpoint.request_approval('${drop}', 'soon')`));
    const answered = await row(client.execute('SELECT holdpoint.answer(?, ?)', [id, "it's for Mara, by noon"]));
    expect(answered).toMatchObject({ id, state: 'open' });
    const petra = await connect('petra');
    expect(await fault(petra.query(`SELECT holdpoint.answer('${id}', 'no')`))).toMatchObject({ errno: 1231 });
    expect(await row(client.query(`SELECT holdpoint.withdraw('${id}', 'not needed')`))).toMatchObject({
      id,
      state: 'withdrawn',
    });
    const late = await fault(client.query(`SELECT holdpoint.answer('${id}', 'or is it')`));
    expect(late).toMatchObject({
      errno: 1231,
      message: expect.stringMatching(`^nothing was said on request ${id}: it is withdrawn already`),
    });
    const shown = await row(client.query(`SHOW HOLDPOINT REQUEST '${id}'`));
    expect(shown).toMatchObject({
      question: '',
      conversation: "bot answers: it's for Mara, by noon\nbot withdraws: not needed",
    });
    // Prepared, too.
    expect(await row(client.execute(`SHOW HOLDPOINT REQUEST '${id}'`))).toEqual(shown);
  });

  test('a question is in the error, its answer in SHOW', async () => {
    const client = await connect();
    await client.query('SET @holdpoint_hold = 0');
    const drop = await table('doubted');
    const first = await fault(client.query(drop));
    const id = /HP-[0-9A-Z]{8}/.exec(first?.message ?? '')?.[0] ?? '';
    expect(first?.message).toContain(
      `To give a reason: SELECT holdpoint.answer('${id}', 'who, what for, until when').`,
    );
    await gateway.grace.ask(id, 'Who needs it?');
    const asked = await fault(client.query(drop));
    expect(asked?.message).toContain('grace asks: "Who needs it?".');
    expect(asked?.message).toContain(`Answer: SELECT holdpoint.answer('${id}', 'your answer').`);
    expect(Buffer.byteLength(asked?.message ?? '')).toBeLessThanOrEqual(512);
    expect(await row(client.query(`SHOW HOLDPOINT REQUEST '${id}'`))).toMatchObject({
      state: 'asked',
      question: 'Who needs it?',
    });
    expect(await row(client.query(`SELECT holdpoint.answer('${id}', 'Mara')`))).toMatchObject({
      state: 'open',
    });
    await gateway.deny(await gateway.grace.get(id), 'Mara says "no"');
    expect((await fault(client.query(drop)))?.message).toMatch(/^denied by grace: "Mara says 'no'"/);
    expect((await row(client.query(`SHOW HOLDPOINT REQUEST '${id}'`)))['conversation']).toBe(
      'grace asks: Who needs it?\nbot answers: Mara\ngrace denies: Mara says "no"',
    );
  });

  test('two approvals where a rule wants two', async () => {
    const client = await connect();
    const rows = client.query('SELECT n FROM pair.t');
    const request = await gateway.opened();
    await gateway.approve(request);
    await (await gateway.inTurn()).decide(request.id, {
      decision: 'approve',
      digest: request.digest,
      revision: request.revision,
      rationale: 'two',
    });
    expect((await rows)[0]).toEqual([{ n: 1 }]);
  });

  test('break-glass: the next statement runs, whatever comes next uses it up, an agent may not', async () => {
    const petra = await connect('petra');
    const drop = await table('burning');
    await petra.query("SET @holdpoint_break_glass = 'the disk is full'");
    await petra.query(drop);
    expect(await isThere('burning')).toBe(false);
    const [shown] = (await petra.query('SHOW HOLDPOINT REQUESTS'))[0] as RowDataPacket[];
    expect(shown).toMatchObject({ state: 'executed' });
    expect(await typesOf(shown?.['id'] as string)).toEqual([
      'request.opened',
      'request.broke_glass',
      'request.released',
      'request.executed',
    ]);
    expect(gateway.lines.filter((line) => line.includes('BREAK-GLASS: petra'))).toHaveLength(1);

    const again = await table('burning');
    await petra.execute('SET @holdpoint_break_glass = ?', ['the disk is full']);
    await petra.query('SELECT 1');
    await petra.query('SET @holdpoint_hold = 0');
    expect(await fault(petra.query(again))).toMatchObject({ errno: 1644 });
    expect(await isThere('burning')).toBe(true);
    expect(await fault(petra.query(`SET @holdpoint_break_glass = 'now'; ${again}`))).toMatchObject({ errno: 1235 });

    await petra.query("SET @holdpoint_break_glass = 'all of them'");
    expect((await petra.query('SELECT id FROM few.t'))[0]).toHaveLength(5);

    const client = await connect();
    await client.query("SET @holdpoint_break_glass = 'let me'");
    const refused = await fault(client.query('DROP TABLE few.t'));
    expect(refused).toMatchObject({ errno: 1227, message: expect.stringMatching(/^break-glass is not for you/) });
  });

  test('nothing of it has reached the server', async () => {
    const client = await connect();
    expect(await fault(client.query("SELECT holdpoint.answer('HP-00000000', 'x'); SELECT 1"))).toMatchObject({
      errno: 1235,
    });
    expect(
      await server.sql(
        "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE '%holdpoint.%' AND argument NOT LIKE '%general_log%'",
      ),
    ).toMatch(/^0/);
  });
});
