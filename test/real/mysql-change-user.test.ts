// COM_CHANGE_USER with real drivers and servers: whoever a client says it is proves it again, and gets a session, a gate and a connection to the
// server of its own. PHP's persistent mysqli sends one whenever it takes a connection from its pool.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import mariadb from 'mariadb';
import mysql2, { type Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cachingSha2Proof, makeStored } from '../../src/wire/mysql/auth.ts';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { COM } from '../../src/wire/mysql/commands.ts';
import { type Guarded, openGuarded } from './mysql-guarded.ts';
import { targetOf } from './mysql-door.ts';
import { flags, PLAIN_FLAGS, RawMysql, type RawPacket, response } from './mysql-raw.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const PASSWORD = 'agent';
const PHP = '/usr/bin/php';
const run = promisify(execFile);

describe.each(ENGINES.filter(available))('COM_CHANGE_USER, %s', (engine) => {
  let server: TestMysql;
  let door: Guarded;
  const open: { destroy(): void }[] = [];

  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql(
      "CREATE DATABASE app; CREATE DATABASE other; USE app; CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(100)); INSERT INTO t VALUES (1, 'one')",
    );
    const stored = await makeStored(PASSWORD);
    door = await openGuarded({ target: targetOf(server), users: { agent: stored, second: stored } });
  });
  afterEach(() => {
    for (const client of open.splice(0)) client.destroy();
    door.rules = {};
    expect([door.broken.splice(0), door.faults.splice(0)]).toEqual([[], []]);
  });
  afterAll(async () => {
    await door?.close();
    await server?.stop();
  });

  const connect = async (): Promise<Connection> => {
    const client = await mysql2.createConnection({
      host: '127.0.0.1',
      port: door.port,
      user: 'agent',
      password: PASSWORD,
      database: 'app',
    });
    client.on('error', () => {});
    open.push(client);
    return client;
  };
  const first = async (client: Connection, sql: string): Promise<unknown> => {
    const [rows] = await client.query({ sql, rowsAsArray: true });
    return (rows as unknown[][])[0]?.[0];
  };
  const errno = (what: Promise<unknown>): Promise<unknown> =>
    what.then(
      () => 'none',
      (error: { errno: number }) => error.errno,
    );

  test('of the same user: nothing of the session is left, and the new one is judged', async () => {
    const client = await connect();
    const old = door.gates.at(-1);
    await client.query("SET @x = 7, sql_mode = 'ANSI_QUOTES'");
    await client.query('CREATE TEMPORARY TABLE t2 (a INT)');
    await client.query("SELECT GET_LOCK('l', 0)");
    await client.beginTransaction();
    await client.query("UPDATE t SET name = 'zwei' WHERE id = 1");
    const threadId = await first(client, 'SELECT CONNECTION_ID()');
    door.rules = { deny: /^delete/ };
    await client.changeUser({ database: 'other' });
    const gate = door.gates.at(-1);
    expect(gate).not.toBe(old);
    expect(old?.closed).toBe('the client logs in anew');
    expect(gate?.facts).toMatchObject({ database: 'other', role: '', autocommit: true, in_transaction: false });
    expect(gate?.facts.sql_mode).not.toContain('ANSI_QUOTES');
    expect(await first(client, 'SELECT @x')).toBeNull();
    expect(await first(client, 'SELECT CONNECTION_ID()')).not.toBe(threadId);
    expect(await first(client, "SELECT GET_LOCK('l', 0)")).toBe(1);
    expect(await first(client, 'SELECT name FROM app.t WHERE id = 1 FOR UPDATE')).toBe('one');
    expect(await errno(client.query('SELECT * FROM app.t2'))).toBe(1146);
    expect(await errno(client.query('delete from app.t'))).toBe(1227);
    expect(door.listener.sessions).toBe(1);
  });

  test('of another user: as who it proves to be', async () => {
    const client = await connect();
    await client.changeUser({ user: 'second', password: PASSWORD });
    expect(door.clients.at(-1)?.login.user).toBe('second');
    expect(door.clients.at(-1)?.id).toBe(door.clients.at(-2)?.id);
    // KILL by its id is for that user's own sessions from now on.
    const stranger = await connect();
    await stranger.query(`KILL QUERY ${client.threadId}`).catch(() => {});
    expect(door.clients.at(-1)?.peer(client.threadId)).toBeUndefined();
    expect(await first(client, 'SELECT 1')).toBe(1);
  });

  test.each([
    ['a wrong password', { password: 'wrong' }, 1045],
    ['nobody', { user: 'nosuch' }, 1045],
    ['a database that is not there', { database: 'nosuch' }, 1049],
  ])('%s: an error, and the end of the connection alone', async (_, change, expected) => {
    const neighbour = await connect();
    const client = await connect();
    expect(await errno(client.changeUser(change))).toBe(expected);
    expect(door.gates.at(-1)?.closed).toBe('the client logs in anew');
    await expect(client.query('SELECT 1')).rejects.toThrow();
    expect(await first(neighbour, 'SELECT 1')).toBe(1);
    if (expected === 1049) expect(door.faults.splice(0)).toHaveLength(1);
    else expect(door.refused.at(-1)?.sqlstate).toBe('28000');
  });

  // It sends none to MySQL, and there a test would say nothing.
  if (engine === 'mariadb')
    test('mariadb (npm)', async () => {
      const client = await mariadb.createConnection({
        host: '127.0.0.1',
        port: door.port,
        user: 'agent',
        password: PASSWORD,
        database: 'app',
        allowPublicKeyRetrieval: true,
      });
      open.push(client);
      await client.changeUser({ user: 'second', password: PASSWORD, database: 'other' });
      expect(await client.query('SELECT DATABASE() AS d')).toEqual([{ d: 'other' }]);
      expect(door.clients.at(-1)?.login.user).toBe('second');
    });

  test.runIf(existsSync(PHP))('persistent mysqli of PHP', async () => {
    const before = door.gates.length;
    const script = `
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
for ($i = 0; $i < 3; $i++) {
  $m = new mysqli('p:127.0.0.1', 'agent', '${PASSWORD}', 'app', ${door.port});
  $left = $m->query('SELECT @left')->fetch_row()[0];
  echo $m->thread_id, ' ', json_encode($left), ' ', $m->query('SELECT name FROM t')->fetch_row()[0], "\\n";
  $m->query('SET @left = 1');
  $m->begin_transaction();
  $m->query("UPDATE t SET name = 'two'");
  $s = $m->prepare('SELECT ?');
  $s->execute([5]);
  $s->close();
  $m->close();
}
`;
    const { stdout } = await run(PHP, ['-r', script]);
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => line.split(' ').slice(1))).toEqual(Array.from({ length: 3 }, () => ['null', 'one']));
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(1);
    expect(door.gates.length - before).toBe(3);
  });

  /** Logs in, and says COM_CHANGE_USER with this body. */
  const change = async (body: Buffer): Promise<RawMysql> => {
    // Knows the password, so that the proof is enough.
    await connect();
    const raw = await RawMysql.connect(door.port);
    open.push(raw);
    const greeting = await raw.greeting();
    raw.send(1, response(greeting, 'agent', PASSWORD, { capabilities: flags(PLAIN_FLAGS | CLIENT.CONNECT_ATTRS) }));
    await raw.next();
    expect((await raw.next())?.payload[0]).toBe(0);
    raw.send(0, Buffer.concat([Buffer.of(COM.CHANGE_USER), body]));
    return raw;
  };
  const nonceOf = (asked: RawPacket | null): Buffer => asked?.payload.subarray(-21, -1) ?? Buffer.alloc(20);
  const NAME = Buffer.from('agent\0');
  const NO_PROOF = Buffer.of(0);

  test.each([
    ['nothing behind the database', Buffer.concat([NAME, NO_PROOF, Buffer.from('app\0')])],
    ['a collation of two bytes', Buffer.concat([NAME, NO_PROOF, Buffer.from('app\0'), Buffer.of(0x2d, 0)])],
    ['one that only two bytes can say', Buffer.concat([NAME, NO_PROOF, Buffer.from('\0'), Buffer.of(0x2d, 0x01)])],
  ])('%s', async (_, body) => {
    const raw = await change(body);
    const asked = await raw.next();
    expect(asked).toMatchObject({ sequence: 1 });
    expect(asked?.payload[0]).toBe(0xfe);
    const nonce = nonceOf(asked);
    raw.send(2, cachingSha2Proof(PASSWORD, nonce));
    expect((await raw.next())?.payload).toEqual(Buffer.of(1, 3));
    expect(await raw.next()).toMatchObject({ sequence: 4 });
    raw.send(0, Buffer.from('\x03SELECT DATABASE()'));
    expect((await raw.next())?.payload).toEqual(Buffer.of(1));
    expect(door.gates.at(-1)?.facts.charset).toBe('utf8mb4');
  });

  test.each([
    ['an empty one', Buffer.alloc(0), 1043],
    ['a name without an end', Buffer.from('agent'), 1043],
    ['a proof that is longer than the packet', Buffer.concat([NAME, Buffer.of(200, 1, 2)]), 1043],
    ['attributes that lie', Buffer.concat([NAME, NO_PROOF, Buffer.from('\0\x2d\0x\0'), Buffer.of(0xfe, 1)]), 1043],
    ['more than a login has', Buffer.concat([NAME, Buffer.alloc(20_000)]), 1043],
  ])('%s: an error, and the end', async (_, body, expected) => {
    const raw = await change(body);
    expect(await raw.error()).toMatchObject({ errno: expected });
  });

  test('a set that hides quotes is refused', async () => {
    const raw = await change(Buffer.concat([NAME, NO_PROOF, Buffer.from('app\0'), Buffer.of(28, 0)]));
    const nonce = nonceOf(await raw.next());
    raw.send(2, cachingSha2Proof(PASSWORD, nonce));
    expect(await raw.error()).toMatchObject({ errno: 1235 });
  });

  test.each(['agent', ''])('no proof at all, of "%s"', async (name) => {
    const raw = await change(Buffer.concat([Buffer.from(`${name}\0`), NO_PROOF, Buffer.from('app\0')]));
    await raw.next();
    raw.send(2, Buffer.alloc(0));
    expect(await raw.error()).toMatchObject({ errno: 1045 });
  });

  test('a command is no proof', async () => {
    const raw = await change(Buffer.concat([NAME, NO_PROOF, Buffer.from('app\0')]));
    await raw.next();
    raw.send(0, Buffer.from('\x03SELECT 1'));
    expect(await raw.error()).toMatchObject({ errno: 1156 });
  });
});
