// `holdpoint check` before real MySQL and MariaDB servers: what it says of a good account, of one that may too much, and of a server that it
// can't log in to.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check, type Finding } from '../../src/cli/check.ts';
import { ownPort } from './ports.ts';
import { deps } from '../../src/main.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const POLICY = resolve(import.meta.dirname, '../../policies/starter.yaml');
/** What is seen of the catalog and of others' accounts has tests of its own. */
const APART = ['the catalog, as ', 'who else may log in is not seen'];
const NAME = { mysql: 'MySQL', mariadb: 'MariaDB' };

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let server: TestMysql;
  let dir: string;
  beforeAll(async () => {
    server = await startMysql(engine);
    dir = mkdtempSync(join(tmpdir(), 'holdpoint-check-'));
    writeFileSync(join(dir, 'users.yaml'), 'users: [{id: grace, kind: human, roles: [reviewer]}]\n', { mode: 0o600 });
    await server.sql("CREATE DATABASE shop; CREATE DATABASE `o'dd`; CREATE DATABASE closed");
    for (const user of ['plain', 'files', 'wide', 'grants'])
      await server.sql(`CREATE USER ${user} IDENTIFIED BY 'p'; GRANT SELECT, INSERT ON shop.* TO ${user}`);
    await server.sql(
      "GRANT SELECT ON `o'dd`.* TO plain; GRANT FILE ON *.* TO files; GRANT SHOW DATABASES ON *.* TO plain",
    );
    await server.sql('GRANT SELECT ON `%`.* TO wide; GRANT SELECT ON *.* TO grants WITH GRANT OPTION');
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true });
  });

  async function findings(upstream: string, more = ''): Promise<string[]> {
    const path = join(dir, 'holdpoint.yaml');
    writeFileSync(
      path,
      `data: data\npolicy: ${POLICY}\nidentity: {users: users.yaml}\nreview: {listen: 127.0.0.1:0}\n` +
        `mysql: [{name: shop, listen: 127.0.0.1:0, upstream: "${upstream}"${more}}]\n`,
    );
    const shown = ({ level, text }: Finding): string => `${level} ${text.replaceAll(String(server.port), 'PORT')}`;
    const found = (await check(path, deps)).filter(({ about }) => about === 'shop');
    return found.filter(({ text }) => !APART.some((one) => text.startsWith(one))).map(shown);
  }
  const as = (login: string, database = 'shop') => `mysql://${login}@127.0.0.1:${server.port}/${database}`;

  it('an account with rights in the guarded database alone is fine', async () => {
    const fine = new RegExp(`^ok plain@127\\.0\\.0\\.1:PORT/shop, ${NAME[engine]} (9|10\\.11)\\.\\d`);
    expect(await findings(as('plain:p'))).toEqual([expect.stringMatching(fine)]);
    expect(await findings(as('plain:p', ''))).toEqual([expect.stringMatching(/^ok plain@127\.0\.0\.1:PORT, M/)]);
    expect(await findings(as('plain:p', "o'dd"))).toEqual([expect.stringMatching(/^ok /)]);
  });

  it('what is seen of the catalog, and how old it may be', async () => {
    const path = join(dir, 'holdpoint.yaml');
    await findings(as('plain:p'));
    expect((await check(path, deps)).map(({ level, text }) => `${level} ${text}`)).toContainEqual(
      expect.stringMatching(/^ok the catalog, as plain: .*; changes are seen within 1 s, and until then /),
    );
    expect(await findings(as('plain:p'), ', catalog: none')).toContainEqual(
      expect.stringMatching(/^warn catalog: none; .* held$/),
    );
  });

  it('rights in every database, and in that of the server itself, are named', async () => {
    const rights = "give the gateway an account with the agents' rights, in the databases that are guarded only";
    expect(await findings(as('files:p'))).toContain(`warn account files has rights on *.* (FILE); ${rights}`);
    expect(await findings(as('grants:p'))).toContain(
      `warn account grants has rights on *.* (SELECT, GRANT OPTION); ${rights}`,
    );
    expect(await findings(as('wide:p'))).toContain(`warn account wide has rights in the database mysql; ${rights}`);
    expect(await findings(as(`${server.user}:${server.password}`))).toContainEqual(
      expect.stringMatching(/^warn account root has rights on \*\.\* \((\w+[ \w]*, ){5}\w+[ \w]* and \d+ more\); /),
    );
  });

  it('who else may log in is read where that may be, and said to be unseen where not', async () => {
    const path = join(dir, 'holdpoint.yaml');
    const users = join(dir, 'users.yaml');
    writeFileSync(users, 'users: [{id: billing, kind: agent}, {id: role1, kind: agent}]\n');
    await server.sql(
      "CREATE USER billing@'10.%' IDENTIFIED BY 'p'; CREATE USER billing@localhost IDENTIFIED BY 'p'; CREATE ROLE role1; " +
        "CREATE USER reader IDENTIFIED BY 'p'; GRANT SELECT ON shop.* TO reader; GRANT SELECT ON mysql.user TO reader",
    );
    const past = (all: readonly string[]) => all.filter((one) => one.includes('can log in to the server itself'));
    try {
      expect(past(await findings(as('reader:p')))).toEqual([
        expect.stringMatching(
          /^warn billing@(10\.%, billing@localhost|localhost, billing@10\.%) can log in to the server itself, past the gateway: lock or drop such accounts/,
        ),
      ]);
      // A locked account lets nobody in; MariaDB keeps that where it has to be let read.
      await server.sql("ALTER USER billing@'10.%' ACCOUNT LOCK");
      if (engine === 'mariadb') {
        expect(past(await findings(as('reader:p')))).toEqual([expect.stringContaining('billing@10.%')]);
        await server.sql('GRANT SELECT ON mysql.global_priv TO reader');
      }
      expect(past(await findings(as('reader:p')))).toEqual([
        expect.stringMatching(/^warn billing@localhost can log in to the server itself, past the gateway: /),
      ]);
      await server.sql('ALTER USER billing@localhost ACCOUNT LOCK');
      expect(past(await findings(as('reader:p')))).toEqual([]);
      await server.sql('ALTER USER billing@localhost ACCOUNT UNLOCK');
      expect(past(await findings(as('reader:p')))).toEqual([
        expect.stringMatching(/^warn billing@localhost can log in/),
      ]);
      expect(past(await findings(as('plain:p')))).toEqual([]);
      expect((await check(path, deps)).map(({ level, text }) => `${level} ${text}`)).toContainEqual(
        'ok who else may log in is not seen: account plain may not read mysql.user; look there for names of agents, and for hosts that their machines fit',
      );
    } finally {
      writeFileSync(users, 'users: [{id: grace, kind: human, roles: [reviewer]}]\n');
    }
  });

  it('logins that agents have of their own are looked at, too', async () => {
    const users = join(dir, 'users.yaml');
    writeFileSync(join(dir, 'p'), 'p');
    writeFileSync(users, 'users: [{id: a, kind: agent, upstream: {user: files, password: "file:p"}}]\n');
    expect(await findings(as('plain:p'))).toEqual([
      expect.stringMatching(/^ok plain@/),
      expect.stringMatching(/^ok files@/),
      expect.stringMatching(/^warn account files /),
    ]);
    writeFileSync(users, 'users: [{id: grace, kind: human, roles: [reviewer]}]\n');
  });

  it("a wrong password fails with the server's words; a database that is not there, or closed, is named", async () => {
    expect(await findings(as('plain:q'))).toEqual([
      expect.stringMatching(
        /^fail plain@127\.0\.0\.1:PORT\/shop: the database server refused the gateway's login: 1045 \(28000\): Access denied for user 'plain'@/,
      ),
    ]);
    expect(await findings(as(`${server.user}:${server.password}`, 'none'))).toEqual([
      'fail root@127.0.0.1:PORT/none: no database none',
    ]);
    expect(await findings(as('plain:p', 'closed'))).toEqual([
      'fail plain@127.0.0.1:PORT/closed: no access to the database closed',
    ]);
  });

  it('a server that is not there, and TLS that it can not prove', async () => {
    const port = await ownPort();
    expect(await findings(`mysql://plain:p@127.0.0.1:${port}/shop`)).toEqual([
      expect.stringMatching(
        /^fail plain@127\.0\.0\.1:\d+\/shop: the database server can't be reached \(ECONNREFUSED\)$/,
      ),
    ]);
    const verify = await findings(as('plain:p'), ', upstream_tls: {mode: verify-full}');
    // MySQL makes a certificate of its own; MariaDB of Debian has none.
    expect(verify).toContainEqual(
      expect.stringMatching(
        engine === 'mysql'
          ? /^fail plain@.*: TLS to the database server failed: .*certificate/
          : /^fail plain@.*: the database server does not offer TLS, and the configuration demands it$/,
      ),
    );
    expect(verify.filter((one) => one.includes('of an authority that is not trusted'))).toHaveLength(
      engine === 'mysql' ? 1 : 0,
    );
  });
});
