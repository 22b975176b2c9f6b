// A real directory behind a real gateway: what decisions rest on when a group changes or nobody answers, and how `whoami` and `check` tell of it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { check } from '../../src/cli/check.ts';
import { explainedText, explainPrincipal } from '../../src/cli/explain-principal.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { deps } from '../../src/main.ts';
import { Refused, type ReviewClient, reviewClient, signIn } from '../../src/review/client.ts';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';
import { GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, slapdHere, startSlapd, userDn } from './slapd.ts';

const POLICY = `version: 1
default: allow
reviewers: {dba: {groups: ["ldap:dba"]}, oncall: {groups: ["ldap:oncall"]}}
rules:
  - {id: writes, when: 'stmt.does("write")', then: hold, ask: {of: [oncall], wait: 60s}}
`;

describe.runIf(slapdHere())('a directory that decides', () => {
  let server: TestServer;
  let slapd: Slapd;
  let gateway: TestGateway;
  let dir: string;
  let house: Authority;
  let config: Config;
  beforeAll(async () => {
    [server, slapd] = await Promise.all([startServer(NEWEST), startSlapd()]);
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-directory-'));
    house = await makeAuthority(dir, 'house');
    await writeFile(join(dir, 'ca.pem'), slapd.authority.pem);
    await writeFile(join(dir, 'password'), `${SERVICE.password}\n`, { mode: 0o600 });
    const identity = {
      users: 'users.yaml',
      ldap: {
        servers: [slapd.ldaps],
        ca: join(dir, 'ca.pem'),
        bind: { dn: SERVICE.dn, password: `file:${join(dir, 'password')}` },
        users: { base: PEOPLE },
        groups: { base: GROUPS },
        operation_timeout_ms: 1000,
        timeout_ms: 3000,
      },
      map: [{ from: 'ldap', group: 'ldap:agents', as: { kind: 'agent', sponsor: 'root' } }],
    };
    const tls: Certificate = await house.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
    await (await server.admin('CREATE TABLE things (id int); CREATE ROLE bot LOGIN')).end();
    gateway = await startGateway({
      upstream: server.url,
      policy: POLICY,
      listener: { tls, logins: [{ by: ['local', 'ldap'] }] },
      config: { identity, review: { listen: '127.0.0.1:0', sign_in: ['local', 'ldap'] } },
    });
    config = await loadConfig(join(gateway.dir, 'holdpoint.yaml'));
  });
  afterAll(async () => {
    slapd.goOn();
    await gateway.stop();
    await Promise.all([server.stop(), slapd.remove(), rm(dir, { recursive: true })]);
  });

  const connect = async (): Promise<pg.Client> => {
    const ssl = { ca: house.pem };
    const login = { user: 'report-bot', password: passwordOf('report-bot'), database: 'postgres' };
    const client = new pg.Client({ host: '127.0.0.1', port: gateway.port, ...login, ssl });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  /** Signed in with the directory's password. */
  const reviewer = async (name: string): Promise<ReviewClient> => {
    const { token } = await signIn(gateway.reviewUrl, { user: name, password: passwordOf(name) });
    return reviewClient(gateway.reviewUrl, token);
  };
  const why = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof Refused ? error.problem.type : String(error)),
    );
  const approval = async () => {
    const { id, digest, revision } = await gateway.opened();
    return [id, { decision: 'approve', digest, revision, rationale: 'looked at' }] as const;
  };

  afterEach(() => slapd.goOn());

  it('a member who is removed while the request is open decides nothing; nobody does while nobody answers', async () => {
    const client = await connect();
    const ran = client.query('INSERT INTO things VALUES (1)');
    const grace = await reviewer('grace');
    const [id, decision] = await approval();

    await slapd.hang();
    expect(await why(grace.decide(id, decision))).toBe('urn:holdpoint:problem:directory-down');
    slapd.goOn();
    // A session that was there goes on, and the request is as it was.
    expect((await gateway.root.get(id)).state).toBe('open');

    const group = `dn: cn=oncall,${GROUPS}\nchangetype: modify\n`;
    await slapd.modify(`${group}delete: member\nmember: ${userDn('grace')}\n`);
    await expect
      .poll(() => why(grace.decide(id, decision)), { timeout: 60_000 })
      .toBe('urn:holdpoint:problem:wrong-group');
    await slapd.modify(`${group}add: member\nmember: ${userDn('grace')}\n`);
    expect(await why(grace.decide(id, decision))).toBe('done');
    expect((await ran).rowCount).toBe(1);
    await client.end();
  });

  it('what was approved is not released while nobody answers, and is there afterwards', async () => {
    const client = await connect();
    const statement = 'INSERT INTO things VALUES (2)';
    const grace = await reviewer('grace');
    const first = client.query(statement);
    const [id, decision] = await approval();
    const failed = why(first);
    await client.end();
    await failed;
    expect(await why(grace.decide(id, decision))).toBe('done');
    const again = await connect();
    await slapd.hang();
    await expect(again.query(statement)).rejects.toMatchObject({ code: 'ZH005', message: /cannot ask the directory/ });
    expect((await again.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    slapd.goOn();
    await expect
      .poll(
        () =>
          again.query(statement).then(
            ({ rowCount }) => rowCount,
            () => 0,
          ),
        { timeout: 60_000 },
      )
      .toBe(1);
    await again.end();
  });

  it('whoami says what a name is, and why', async () => {
    const text = async (user: string, password: string | null, by: 'ldap' | null = null) =>
      explainedText(
        await explainPrincipal(config, { user, by, password: password === null ? null : Buffer.from(password) }),
      );
    const looked = await text('report-bot', null);
    expect(looked).toContain('report-bot, agent, by identity.map[0] (from ldap, group ldap:agents)');
    expect(looked).toMatch(/groups +ldap:agents, ldap:staff|groups +ldap:staff, ldap:agents/);
    expect(looked).toMatch(/answers for it +root/);
    const grace = await text('grace', passwordOf('grace'), 'ldap');
    expect(grace).toContain('grace, human, by its entry in users.yaml');
    expect(grace).toMatch(/decides for +oncall/);
    const wrong = await text('grace', 'no such password');
    expect(wrong).toContain('nobody: no source takes that password for that name');
    expect(`${looked}${grace}${wrong}`).not.toContain(passwordOf('grace'));
    expect(await text('nobody-at-all', null)).toContain(
      'nobody: users.yaml has no such id, and no source that was asked knows it',
    );
  });

  it('check asks the directory, and sees agents that could pass by', async () => {
    const findings = (await check(config.path, deps)).map(({ level, about, text }) => `${level} ${about} ${text}`);
    expect(findings).toContainEqual(
      expect.stringMatching(/^ok ldap localhost:\d+: connected and bound as cn=holdpoint/),
    );
    expect(findings).toContainEqual(expect.stringMatching(/^ok ldap localhost:\d+: refuses a wrong password$/));
    expect(findings).toContainEqual(expect.stringMatching(/^(ok|warn) app its certificate (is good until|ends in)/));
    expect(findings).toContainEqual(
      'warn app bot can log in to the server itself, past the gateway: take LOGIN from such roles, or name the agents otherwise',
    );
  });
});
