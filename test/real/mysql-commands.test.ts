// Commands that carry no SQL, with the whole gateway before real servers: each is judged as what it does, a decision about it is on record before
// anybody is told, and what is let through runs once.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import mysql2 from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ReadRecord } from '../../src/audit/types.ts';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { COM } from '../../src/wire/mysql/commands.ts';
import { readErr } from '../../src/wire/mysql/messages.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { flags, PLAIN_FLAGS, RawMysql } from './mysql-raw.ts';
import { available, binlogClient, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const run = promisify(execFile);
const DUMP_NON_BLOCK = 1;

interface Finding {
  readonly action: string;
}

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let gateway: TestGateway;
  let log = '';
  const open: RawMysql[] = [];

  beforeAll(async () => {
    server = await startMysql(engine, ['--log-bin=changes', '--server-id=1', '--binlog-format=ROW']);
    await server.sql(
      "CREATE DATABASE app; CREATE TABLE app.t (name VARCHAR(100)); INSERT INTO app.t VALUES ('in the log')",
    );
    log = (await server.sql('SHOW BINARY LOGS')).split('\n').at(-1)?.split('\t')[0] ?? '';
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
    });
    const first = await mysql2.createConnection({
      host: '127.0.0.1',
      port: gateway.port,
      user: 'bot',
      password: AGENT_PASSWORD,
    });
    await first.end();
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });
  afterEach(() => {
    for (const client of open.splice(0)) client.destroy();
  });

  const login = async (): Promise<RawMysql> => {
    const client = await RawMysql.connect(gateway.port);
    open.push(client);
    const capabilities = flags(PLAIN_FLAGS | CLIENT.CONNECT_WITH_DB);
    await client.login('bot', AGENT_PASSWORD, { capabilities, database: 'app' });
    return client;
  };
  /** The same, and what is held is a ticket at once. */
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
  const refusal = async (client: RawMysql): Promise<ReturnType<typeof readErr>> => {
    const packet = await client.next();
    expect(packet?.payload[0]).toBe(0xff);
    return readErr(packet?.payload ?? Buffer.alloc(0));
  };
  const newest = async (type: string): Promise<ReadRecord | undefined> =>
    (await gateway.records()).filter((record) => record.type === type).at(-1);

  test.each<[string, number, () => Buffer, string, string, string]>([
    ['COM_BINLOG_DUMP', COM.BINLOG_DUMP, () => dump(log, 5), 'exports', 'export', 'COM_BINLOG_DUMP `{}` 5'],
    [
      'COM_BINLOG_DUMP_GTID',
      COM.BINLOG_DUMP_GTID,
      () => gtidDump(log),
      'exports',
      'export',
      'COM_BINLOG_DUMP_GTID `{}` 4',
    ],
    ['COM_REGISTER_SLAVE', COM.REGISTER_SLAVE, () => REPLICA, 'exports', 'export', 'COM_REGISTER_SLAVE 99'],
    ['COM_REFRESH', COM.REFRESH, () => Buffer.of(128), 'administration', 'admin', 'COM_REFRESH MASTER'],
    ['COM_DEBUG', COM.DEBUG, () => Buffer.alloc(0), 'administration', 'admin', 'COM_DEBUG'],
    ['COM_SHUTDOWN', COM.SHUTDOWN, () => Buffer.alloc(0), 'administration', 'admin', 'SHUTDOWN'],
    ['COM_PROCESS_KILL', COM.PROCESS_KILL, () => Buffer.of(1, 0, 0, 0), 'administration', 'admin', 'KILL 1'],
    ['COM_CREATE_DB', COM.CREATE_DB, () => Buffer.from('evil'), 'ddl', 'ddl', 'CREATE DATABASE `evil`'],
    ['COM_DROP_DB', COM.DROP_DB, () => Buffer.from('app'), 'ddl', 'ddl', 'DROP DATABASE `app`'],
  ])('%s is held, and its request on record', async (_, code, body, rule, action, text) => {
    const client = await impatient();
    client.command(code, body());
    const told = await refusal(client);
    expect(told.errno).toBe(1644);
    const opened = await newest('request.opened');
    const request = opened?.clear['request'] as { id: string; rule: string; findings: Finding[] };
    expect(request.rule).toBe(rule);
    expect(request.findings.map((finding) => finding.action)).toContain(action);
    expect(told.message).toContain(request.id);
    await works(client);
    const view = await gateway.grace.get(request.id);
    expect(view.statement.text).toBe(text.replace('{}', log));
    await gateway.deny(view);
  });

  test.each<[string, number, Buffer]>([
    ['COM_CLONE', COM.CLONE, Buffer.alloc(0)],
    ['COM_TABLE_DUMP', COM.TABLE_DUMP, Buffer.from('\x03app\x01t')],
    ['COM_SUBSCRIBE_GROUP_REPLICATION_STREAM', COM.SUBSCRIBE_GROUP_REPLICATION_STREAM, Buffer.alloc(0)],
  ])('%s is passed on for nobody: judged, refused, on record', async (name, code, body) => {
    const client = await login();
    client.command(code, body);
    const told = await refusal(client);
    expect(told).toMatchObject({ errno: 1235, sqlstate: '42000' });
    for (const part of [name, 'Rule "exports"', 'did not run']) expect(told.message).toContain(part);
    const record = await newest('statement.refused');
    expect(record?.clear).toMatchObject({ rule: 'exports', findings: [{ action: 'export' }] });
    await works(client);
  });

  test('what a rule denies is denied, and on record', async () => {
    const before = await newest('statement.denied');
    const starter = await gateway.setPolicy(DENYING).then(() => true);
    expect([before, starter]).toEqual([undefined, true]);
    const client = await login();
    for (const [code, body] of [
      [COM.BINLOG_DUMP, dump(log)],
      [COM.REFRESH, Buffer.of(2)],
      [COM.CLONE, Buffer.alloc(0)],
    ] as const) {
      client.command(code, body);
      const told = await refusal(client);
      expect(told.errno).toBe(1227);
      expect(told.message).toContain('rule "nothing"');
      expect((await newest('statement.denied'))?.clear['rule']).toBe('nothing');
    }
    await works(client);
    await gateway.setPolicy(HOLDING);
  });

  test('approved, the log of changes is sent, once, and its end is on record', async () => {
    const client = await login();
    client.command(COM.QUERY, CHECKSUM[engine]);
    expect(await client.answer()).toBe('OK');
    client.command(COM.BINLOG_DUMP, dump(log));
    const request = await gateway.opened();
    expect(request.statement.text).toBe(`COM_BINLOG_DUMP \`${log}\` 4`);
    await gateway.approve(request);
    const events: Buffer[] = [];
    for (;;) {
      const packet = await client.next();
      if (packet === null || packet.payload[0] === 0xff) throw new Error('it was not sent');
      if (packet.payload[0] === 0xfe && packet.payload.length < 9) break;
      events.push(packet.payload);
    }
    expect(Buffer.concat(events).includes('in the log')).toBe(true);
    const done = await gateway.reaches(request.id, 'executed');
    expect(done.outcome).toMatchObject({ sqlstate: null, rows: events.length });
    // The server ends the connection behind it. Another time is another request.
    expect(await client.error()).toMatchObject({ errno: 1159 });
    const again = await impatient();
    again.command(COM.BINLOG_DUMP, dump(log));
    expect((await refusal(again)).errno).toBe(1644);
    await gateway.deny(await gateway.opened());
  });

  test('the program that reads the log gets an error while it is not approved, and the log after that', async () => {
    const [program, ...first] = binlogClient(engine);
    const args = [...first, '--read-from-remote-server', '--host=127.0.0.1', `--port=${gateway.port}`, '--user=bot'];
    const env = { ...process.env, MYSQL_PWD: AGENT_PASSWORD };
    const read = () => run(program, [...args, '--verbose', log], { env });
    const reading = read();
    const request = await gateway.opened();
    await gateway.approve(request);
    expect((await reading).stdout).toContain('in the log');
    await gateway.reaches(request.id, 'executed');
    const again = read();
    await gateway.deny(await gateway.opened());
    await expect(again).rejects.toThrow(/denied by grace/);
  });

  test('a limit counts events: at it the log of changes stops, on record', async () => {
    await gateway.setPolicy(LIMITING);
    const client = await login();
    client.command(COM.QUERY, CHECKSUM[engine]);
    expect(await client.answer()).toBe('OK');
    client.command(COM.BINLOG_DUMP, dump(log));
    for (let left = 2; left > 0; left--) expect((await client.next())?.payload[0]).toBe(0);
    const told = await refusal(client);
    expect(told.message).toContain('rule "some"');
    const cut = await newest('statement.cut');
    expect(cut?.clear).toMatchObject({ rule: 'some', rows: 2 });
    await gateway.setPolicy(HOLDING);
  });

  test('approved, COM_REFRESH runs at the server that knows it', async () => {
    const client = await login();
    const before = await server.sql('SHOW BINARY LOGS');
    client.command(COM.REFRESH, Buffer.of(2));
    const request = await gateway.opened();
    await gateway.approve(request);
    const answered = await client.answer();
    const logs = (await server.sql('SHOW BINARY LOGS')).split('\n').length - before.split('\n').length;
    expect([answered, logs]).toEqual(engine === 'mariadb' ? ['OK', 1] : [1047, 0]);
    await gateway.reaches(request.id, engine === 'mariadb' ? 'executed' : 'failed');
    await works(client);
  });
});

const dump = (log: string, position = 4): Buffer =>
  Buffer.concat([Buffer.of(position, 0, 0, 0, DUMP_NON_BLOCK, 0, 99, 0, 0, 0), Buffer.from(log)]);
const gtidDump = (log: string): Buffer =>
  Buffer.concat([
    Buffer.of(DUMP_NON_BLOCK, 0, 99, 0, 0, 0, log.length, 0, 0, 0),
    Buffer.from(log),
    Buffer.of(4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  ]);
const REPLICA = Buffer.concat([
  Buffer.of(99, 0, 0, 0),
  Buffer.from('\x04here\x04user\x06secret'),
  Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
]);
/** Without it the server refuses a client that does not say what it reads. */
const CHECKSUM = {
  mysql: "SET @source_binlog_checksum = 'NONE'",
  mariadb: "SET @master_binlog_checksum = 'NONE', @mariadb_slave_capability = 4",
} as const;
const DENYING = `
version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - id: nothing
    when: stmt.does("export") || stmt.does("admin")
    then: deny
`;
const LIMITING = `${DENYING.slice(0, DENYING.indexOf('rules:'))}rules:
  - id: some
    when: stmt.does("export")
    limit: {rows: 2, then: deny}
`;
const HOLDING = DENYING.replace('then: deny', 'then: hold');
