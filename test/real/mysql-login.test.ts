// Who is let in at the MySQL door, and how: real clients of every kind, in clear and inside TLS, with each form of a password, in front of
// real servers. What is behind the door is a relay of bytes.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mariadb from 'mariadb';
import mysql2 from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { makeAuthority } from './certificates.ts';
import { type Door, openDoor, targetOf } from './mysql-door.ts';
import { available, clientArgs, ENGINES, mysqlClient, startMysql, type TestMysql } from './mysql-servers.ts';

const run = promisify(execFile);
const PASSWORD = 'a password with é and 日本';
/** As MariaDB's PASSWORD() makes it. */
const nativeOf = (password: string): string => {
  const once = createHash('sha1').update(password).digest();
  return `*${createHash('sha1').update(once).digest('hex').toUpperCase()}`;
};
const PYTHON = '/usr/bin/python3';

interface Where {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls: boolean;
}

/** Clients, each logs in, asks who it is at the server, and leaves. Rejects with the server's words. */
const CLIENTS: Readonly<Record<string, (where: Where) => Promise<string>>> = {
  async mysql2({ port, user, password, tls }) {
    const ssl = tls ? { ssl: { rejectUnauthorized: false } } : {};
    const client = await mysql2.createConnection({ host: '127.0.0.1', port, user, password, ...ssl });
    const [rows] = await client.query('SELECT CURRENT_USER() AS who');
    await client.end();
    return (rows as { who: string }[])[0]?.who ?? '';
  },
  async 'mariadb (npm)'({ port, user, password, tls }) {
    const ssl = tls ? { ssl: { rejectUnauthorized: false } } : {};
    const options = { host: '127.0.0.1', port, user, password, allowPublicKeyRetrieval: true, ...ssl };
    const client = await mariadb.createConnection(options);
    const rows = await client.query<{ who: string }[]>('SELECT CURRENT_USER() AS who');
    await client.end();
    return rows[0]?.who ?? '';
  },
  async 'mariadb (command line)'({ port, user, password, tls }) {
    const args = clientArgs(port, user, ...(tls ? ['--ssl'] : ['--skip-ssl']));
    const env = { ...process.env, MYSQL_PWD: password, LC_ALL: 'C.UTF-8' };
    const asked = [...args, '--skip-column-names', '--batch', '--execute', 'SELECT CURRENT_USER()'];
    return (await run('/usr/bin/mariadb', asked, { env })).stdout.trim();
  },
  async 'mysql (command line)'({ port, user, password, tls }) {
    const [program, ...before] = mysqlClient();
    const mode = tls ? ['--ssl-mode=REQUIRED'] : ['--ssl-mode=DISABLED', '--get-server-public-key'];
    const args = [...before, '--no-defaults', '--host=127.0.0.1', `--port=${port}`, `--user=${user}`, ...mode];
    const env = { ...process.env, MYSQL_PWD: password };
    return (
      await run(program, [...args, '--skip-column-names', '--batch', '--execute', 'SELECT CURRENT_USER()'], { env })
    ).stdout.trim();
  },
  async PyMySQL({ port, user, password, tls }) {
    const program = [
      'import os, pymysql, ssl',
      'context = ssl._create_unverified_context()',
      'tls = {"ssl": context} if os.environ["TLS"] else {}',
      'c = pymysql.connect(host="127.0.0.1", port=int(os.environ["PORT"]), user=os.environ["NAME"], password=os.environ["WORD"].encode(), **tls)',
      'q = c.cursor(); q.execute("SELECT CURRENT_USER()"); print(q.fetchone()[0])',
    ].join('\n');
    const env = { ...process.env, PORT: String(port), NAME: user, WORD: password, TLS: tls ? 'yes' : '' };
    return (await run(PYTHON, ['-c', program], { env })).stdout.trim();
  },
};
const NAMES = Object.keys(CLIENTS);
const clientOf = (name: string) => CLIENTS[name] as (where: Where) => Promise<string>;

describe.each(ENGINES.filter(available))('in front of %s', (engine) => {
  let dir: string;
  let server: TestMysql;
  let clear: Door;
  let secure: Door;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-mysql-login-'));
    server = await startMysql(engine);
    const authority = await makeAuthority(dir, 'trusted');
    const { cert, key } = await authority.issue('door', ['IP:127.0.0.1']);
    const tls = { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') };
    const users = { sha2: await makeStored(PASSWORD), native: nativeOf(PASSWORD) };
    const target = targetOf(server);
    clear = await openDoor({ target, users });
    secure = await openDoor({ target, users, tls });
  });
  afterAll(async () => {
    await Promise.all([clear?.close(), secure?.close()]);
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  describe.each([false, true])('TLS %s', (tls) => {
    const door = (): Door => (tls ? secure : clear);
    const login = (name: string, user: string, password: string): Promise<string> =>
      clientOf(name)({ port: door().port, user, password, tls });

    test.each(NAMES)('%s: caching_sha2_password, full and then fast', async (name) => {
      expect(await login(name, 'sha2', PASSWORD)).toMatch(/^root@/);
      expect(await login(name, 'sha2', PASSWORD)).toMatch(/^root@/);
    });
    // MySQL 9's own client has it no more.
    test.each(NAMES.filter((name) => name !== 'mysql (command line)'))('%s: mysql_native_password', async (name) => {
      expect(await login(name, 'native', PASSWORD)).toMatch(/^root@/);
    });
    test.each(NAMES)('%s: a wrong password, nobody of that name: the same words', async (name) => {
      const refusedAs = (user: string): Promise<string> =>
        login(name, user, 'wrong').then(
          () => 'let in',
          (error: Error) => error.message,
        );
      const [wrong, unknown] = [await refusedAs('sha2'), await refusedAs('nosuch')];
      expect(wrong).toMatch(/Access denied for user 'sha2'/);
      expect(unknown).toMatch(/Access denied for user 'nosuch'/);
    });
  });
});
