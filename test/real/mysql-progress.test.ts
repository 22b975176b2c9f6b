// A client of MariaDB with progress reports, in front of a real MariaDB: Debian's own client on a terminal shows that its statement is held, and
// what the server itself reports passes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { type Guarded, openGuarded } from './mysql-guarded.ts';
import { STAGE } from './mysql-gate.ts';
import { targetOf } from './mysql-door.ts';
import { available, clientArgs, startMysql, type TestMysql } from './mysql-servers.ts';

const PASSWORD = 'agent';
const QUESTION = 'question on HP-7KQ4M2XA from ines: "Who needs it?"';

describe.skipIf(!available('mariadb'))('progress reports of the mariadb client', () => {
  let server: TestMysql;
  let door: Guarded;

  beforeAll(async () => {
    server = await startMysql('mariadb', ['--progress-report-time=1']);
    await server.sql('CREATE DATABASE app; USE app; CREATE TABLE t (id INT); INSERT INTO t VALUES (1), (2), (3)');
    const users = { agent: await makeStored(PASSWORD) };
    door = await openGuarded({ target: targetOf(server), users }, { heartbeat_ms: 100 });
  });
  afterAll(async () => {
    await door?.close();
    await server?.stop();
  });

  /** Debian's client on a terminal of its own; what it prints, and its end. */
  const client = (...statements: readonly string[]) => {
    const args = clientArgs(door.port, 'agent', '--skip-ssl', '--skip-column-names', '--table', 'app');
    const command = ['/usr/bin/mariadb', ...args].map((arg) => `'${arg}'`).join(' ');
    const child = spawn('/usr/bin/script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env: { ...process.env, MYSQL_PWD: PASSWORD, TERM: 'dumb' },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const seen = { text: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (seen.text += text));
    child.stdin.write(`${statements.join('\n')}\n`);
    return { child, seen };
  };

  test('show that a statement is held, and then its result', async () => {
    door.rules = { hold: /^(delete|select id)/ };
    const begun = door.begins();
    const { child, seen } = client('select id from t order by id;', 'delete from t where id = 3;', 'select 40 + 2;');
    const gate = await begun;
    const first = await gate.held();
    await expect.poll(() => seen.text.split(STAGE).length).toBeGreaterThan(3);
    expect(seen.text).toContain(`Stage: 1 of 1 '${STAGE}'      0% of stage done`);
    first.say({ notice: null, stage: QUESTION, adds_ms: 0 });
    await expect.poll(() => seen.text).toContain(`Stage: 1 of 1 '${QUESTION}'`);
    first.approve();
    const second = await gate.held();
    await expect.poll(() => seen.text).toMatch(/\|\s+1 \|\s+\|\s+2 \|\s+\|\s+3 \|/);
    second.deny();
    await expect.poll(() => seen.text).toContain('42 |');
    expect(seen.text).toContain('ERROR 1227 (42000)');
    child.stdin.end('quit\n');
    await once(child, 'close');
    expect([door.broken, await server.sql('SELECT COUNT(*) FROM app.t')]).toEqual([[], '3']);
  });

  test('of the server pass, and what follows them is read', async () => {
    await server.sql('USE app; CREATE TABLE many (a INT); INSERT INTO many SELECT seq FROM seq_101_to_250');
    door.rules = { hold: /^alter/ };
    const begun = door.begins();
    const { child, seen } = client(
      'alter table many add b char(32) default (md5(repeat(a, 2000000))), algorithm=copy;',
      'select 40 + 2;',
    );
    (await (await begun).held()).approve();
    await expect.poll(() => seen.text).toContain('42 |');
    child.stdin.end('quit\n');
    await once(child, 'close');
    expect(seen.text).toMatch(/Stage: \d of 2 '/);
    expect(seen.text).toContain('Query OK, 150 rows affected');
    expect(door.broken).toEqual([]);
  });
});
