// `holdpoint check` before real servers: what it says of a good role, of one that is too powerful, and of a server it can't judge.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check as checkWith, type Finding } from '../../src/cli/check.ts';
import { deps } from '../../src/main.ts';
import { startGateway } from './gateway.ts';
import { pgbouncerHere, type PoolMode, startPgbouncer } from './pgbouncer.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';
import { logInBy } from './settings.ts';

const POLICY = resolve(import.meta.dirname, '../../policies/starter.yaml');

const check = (path: string): Promise<Finding[]> => checkWith(path, deps);

/** What is seen of the catalog and of pg_hba.conf has tests of its own. */
const APART = ['the catalog of ', 'who else may log in is not seen', 'pg_hba.conf '];

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let dir: string;
  beforeAll(async () => {
    server = await startServer(major);
    dir = mkdtempSync(join(tmpdir(), 'holdpoint-check-'));
    writeFileSync(join(dir, 'users.yaml'), 'users: [{id: grace, kind: human, roles: [reviewer]}]\n', { mode: 0o600 });
    const admin = await server.admin("CREATE ROLE plain LOGIN PASSWORD 'p'");
    await admin.query("CREATE ROLE strong LOGIN CREATEROLE BYPASSRLS PASSWORD 'p' IN ROLE pg_read_server_files");
    await admin.query("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'");
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
        `postgres: [{name: app, listen: 127.0.0.1:0, upstream: "${upstream}"${more}}]\n`,
    );
    const shown = ({ level, text }: Finding): string => `${level} ${text.replaceAll(String(server.port), 'PORT')}`;
    return (await check(path))
      .filter(({ about, text }) => about === 'app' && !APART.some((one) => text.startsWith(one)))
      .map(shown);
  }

  it('a role with no special power is fine', async () => {
    expect(await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`)).toEqual([
      expect.stringMatching(new RegExp(`^ok plain@127\\.0\\.0\\.1:PORT/postgres, PostgreSQL ${major}\\.`)),
    ]);
  });

  it('what is seen of the catalog, and how old it may be', async () => {
    const path = join(dir, 'holdpoint.yaml');
    await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`);
    expect((await check(path)).map(({ level, text }) => `${level} ${text}`)).toContainEqual(
      expect.stringMatching(
        /^ok the catalog of postgres, as plain: \d+ tables and views, \d+ functions; changes are seen within 1 s, and until then /,
      ),
    );
    await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`, ', catalog: none');
    expect((await check(path)).map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/^catalog: none; .* held$/),
    );
  });

  it('pg_hba.conf is read where that may be, and said to be unseen where not', async () => {
    const path = join(dir, 'holdpoint.yaml');
    const said = async (user: string) => {
      await findings(`postgres://${user}@127.0.0.1:${server.port}/postgres`);
      const texts = (await check(path)).map(({ level, text }) => `${level} ${text}`);
      return texts.filter((one) => one.includes('pg_hba'));
    };
    await server.admin("CREATE ROLE reader LOGIN PASSWORD 'p'");
    await server.admin('GRANT SELECT ON pg_hba_file_rules TO reader');
    await server.admin('GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO reader');
    expect(await said('plain:p')).toEqual([
      "ok who else may log in is not seen: role plain may not read pg_hba_file_rules; look there for lines that fit agents' machines",
    ]);
    await logInBy(
      server,
      'hostssl all plain 10.0.0.5/32 scram-sha-256',
      'host postgres all 10.1.0.0/16 scram-sha-256',
      'host other all 0.0.0.0/0 scram-sha-256',
      'host all +staff 2001:db8::/32 md5',
      'host all nobody 10.9.0.0/16 trust',
      'host all all 203.0.113.0/24 reject',
    );
    const trust = /line 5 \(nobody from 10\.9\.0\.0\/16\)/;
    const wide =
      /^warn pg_hba\.conf lets more in than the gateway: line 2 \(all from 10\.1\.0\.0\/16, also without TLS\), line 4 \(\+staff from 2001:db8::\/32, also without TLS\)\. /;
    for (const user of ['reader:p', `${server.user}:${server.password}`])
      expect(await said(user)).toEqual([
        expect.stringMatching(
          new RegExp(`^warn pg_hba\\.conf asks for no password: (.*, )?${trust.source}.* past the gateway$`),
        ),
        expect.stringMatching(wide),
      ]);
  });

  it('what rules ask is compared with who there is; a policy that is only observed is said to be', async () => {
    const path = join(dir, 'holdpoint.yaml');
    await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`, ', catalog: none');
    const policy = join(dir, 'policy.yaml');
    writeFileSync(
      policy,
      'version: 1\ndefault: allow\nrules: [{id: two, when: "true", then: hold, ask: {count: 2}}]\n',
    );
    writeFileSync(path, `${readFileSync(path, 'utf8').replace(POLICY, policy)}mode: observe\n`);
    const said = (await check(path)).filter(({ about }) => about === 'policy' || about === 'mode');
    expect(said.map(({ level, text }) => `${level} ${text}`)).toEqual([
      expect.stringMatching(/^warn mode: observe\. Nothing is held or denied by policy/),
      expect.stringMatching(/^ok 1 rules/),
      'warn rule two needs two reviewers, and only grace may decide',
    ]);
  });

  it('too powerful roles are named', async () => {
    expect(await findings(server.url)).toContain(
      "warn role postgres is too powerful (SUPERUSER); give the gateway a role with the agents' rights only",
    );
    expect(await findings(`postgres://strong:p@127.0.0.1:${server.port}/postgres`)).toContain(
      "warn role strong is too powerful (BYPASSRLS, CREATEROLE, pg_read_server_files); give the gateway a role with the agents' rights only",
    );
  });

  it('logins that agents have of their own are looked at, too', async () => {
    const users = join(dir, 'users.yaml');
    const before = readFileSync(users, 'utf8');
    writeFileSync(join(dir, 'p'), 'p');
    const own = (id: string, user: string) => `{id: ${id}, kind: agent, upstream: {user: ${user}, password: "file:p"}}`;
    writeFileSync(users, `users: [${own('a', 'strong')}, ${own('b', 'plain')}, ${own('c', 'missing')}]\n`, {
      mode: 0o600,
    });
    try {
      expect(await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`)).toEqual([
        expect.stringMatching(/^ok plain@/),
        expect.stringMatching(/^ok strong@/),
        expect.stringMatching(/^warn role strong is too powerful/),
        expect.stringMatching(/^fail missing@.*password authentication failed for user "missing"/),
      ]);
    } finally {
      writeFileSync(users, before);
    }
  });

  it('relay: said to be for demos; looked at only where there is a user to look as; TLS on both sides fails', async () => {
    const relay = /^warn auth: relay is for demos/;
    expect(await findings(`postgres://127.0.0.1:${server.port}/postgres`, ', auth: relay')).toEqual([
      expect.stringMatching(relay),
      expect.stringMatching(/^warn the server was not looked at/),
    ]);
    expect(await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`, ', auth: relay')).toEqual([
      expect.stringMatching(relay),
      expect.stringMatching(/^ok plain@/),
    ]);
    const pem = join(dir, 'any.pem');
    writeFileSync(pem, '-----BEGIN CERTIFICATE-----\n');
    await findings('postgres://db.example/postgres', `, auth: relay, tls: {cert: ${pem}, key: ${pem}}`);
    expect(await check(join(dir, 'holdpoint.yaml'))).toEqual([
      { level: 'fail', about: 'config', text: expect.stringContaining('relay fails with TLS on both sides') },
    ]);
  });

  it('an encoding that cannot be judged fails', async () => {
    expect(await findings(`postgres://plain:p@127.0.0.1:${server.port}/latin`)).toContain(
      'fail server_encoding is LATIN1; the gateway connects to UTF8 and SQL_ASCII only',
    );
  });

  it("a wrong password and a server without TLS fail with the server's words", async () => {
    expect(await findings(`postgres://plain:q@127.0.0.1:${server.port}/postgres`)).toEqual([
      'fail plain@127.0.0.1:PORT/postgres: password authentication failed for user "plain"',
    ]);
    expect(
      await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`, ', upstream_tls: {mode: require}'),
    ).toEqual(['fail plain@127.0.0.1:PORT/postgres: The server does not support SSL connections']);
  });

  it('the look for a pooler leaves room for a role that may connect once', async () => {
    await server.admin("CREATE ROLE single LOGIN CONNECTION LIMIT 1 PASSWORD 'p'");
    const gateway = await startGateway({ upstream: `postgres://single:p@127.0.0.1:${server.port}/postgres` });
    const agent = new pg.Client(gateway.agentUrl());
    await agent.connect();
    expect((await agent.query('SELECT current_user AS me')).rows).toEqual([{ me: 'single' }]);
    await agent.end();
    await gateway.stop();
  });

  describe.skipIf(!pgbouncerHere())('behind pgbouncer', () => {
    const POOLED = /^fail a pooler gives a session more than one backend of the server/;
    const behind = async <T>(mode: PoolMode, more: string, look: (port: number) => Promise<T>): Promise<T> => {
      const pooler = await startPgbouncer(server, mode, { user: 'plain', password: 'p' }, more);
      try {
        return await look(pooler.port);
      } finally {
        await pooler.stop();
      }
    };
    const look = (port: number): Promise<string[]> => findings(`postgres://plain:p@127.0.0.1:${port}/postgres`);
    /** What an agent hears; undefined: let in. */
    const login = async (port: number): Promise<unknown> => {
      const gateway = await startGateway({ upstream: `postgres://plain:p@127.0.0.1:${port}/postgres` });
      const client = new pg.Client(gateway.agentUrl());
      try {
        await client.connect();
        expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
        return undefined;
      } catch (error) {
        return `${(error as pg.DatabaseError).code} ${(error as Error).message}`;
      } finally {
        await client.end();
        await gateway.stop();
      }
    };

    it.each(['', 'default_pool_size = 1', 'server_round_robin = 1'])('transaction mode fails (%s)', async (more) => {
      expect(await behind('transaction', more, look)).toContainEqual(expect.stringMatching(POOLED));
    });

    it('statement mode fails', async () => {
      expect(await behind('statement', '', look)).toContainEqual(expect.stringMatching(/^fail /));
    });

    it('session mode is fine', async () => {
      expect(await behind('session', '', look)).toEqual([expect.stringMatching(/^ok /)]);
    });

    it('the gateway itself refuses transaction and statement mode, and works in session mode', async () => {
      const refused = /^(0A000 before the database server is a pooler|08004 )/;
      expect(await behind('transaction', '', login)).toMatch(/^0A000 before the database server is a pooler/);
      expect(await behind('transaction', 'default_pool_size = 1', login)).toMatch(refused);
      expect(await behind('statement', '', login)).toMatch(refused);
      expect(await behind('session', '', login)).toBeUndefined();
    });
  });
});
