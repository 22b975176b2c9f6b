// The whole gateway with a directory behind it: agents log in with their passwords there, on PostgreSQL and MySQL, reviewers sign in with theirs,
// and all are told what is so when nobody can tell.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn } from '../../src/review/client.ts';
import mysql2 from 'mysql2/promise';
import pg from 'pg';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { available as mysqlHere, startMysql, type TestMysql } from './mysql-servers.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';
import { GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, slapdHere, startSlapd, userDn } from './slapd.ts';

const POLICY = `version: 1
default: allow
rules:
  - { id: writes, when: 'stmt.does("write")', then: hold, ask: { wait: 10m } }
`;

describe.runIf(slapdHere())('a gateway with a directory', () => {
  let server: TestServer;
  let slapd: Slapd;
  let gateway: TestGateway;
  let dir: string;
  let house: Authority;
  let identity: object;
  let listener: { readonly tls: Certificate; readonly logins: readonly object[] };
  beforeAll(async () => {
    [server, slapd] = await Promise.all([startServer(NEWEST), startSlapd()]);
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-ldap-'));
    house = await makeAuthority(dir, 'house');
    await writeFile(join(dir, 'ca.pem'), slapd.authority.pem);
    await writeFile(join(dir, 'password'), `${SERVICE.password}\n`, { mode: 0o600 });
    identity = {
      users: 'users.yaml',
      ldap: {
        servers: [slapd.ldaps],
        ca: join(dir, 'ca.pem'),
        bind: { dn: SERVICE.dn, password: `file:${join(dir, 'password')}` },
        users: { base: PEOPLE },
        groups: { base: GROUPS },
        operation_timeout_ms: 500,
        timeout_ms: 2000,
      },
      map: [{ from: 'ldap', group: 'ldap:agents', as: { kind: 'agent', sponsor: 'ada' } }],
    };
    listener = {
      tls: await house.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']),
      logins: [{ by: ['local', 'ldap'] }],
    };
    const review = { listen: '127.0.0.1:0', sign_in: ['local', 'ldap'] };
    await (await server.admin('CREATE TABLE things (id int)')).end();
    gateway = await startGateway({ upstream: server.url, listener, policy: POLICY, config: { identity, review } });
  });
  afterAll(async () => {
    await gateway?.stop();
    await Promise.all([server?.stop(), slapd?.remove()]);
    await rm(dir, { recursive: true, force: true });
  });

  const connect = async (user: string, password = passwordOf(user)): Promise<pg.Client> => {
    const ssl = { ca: house.pem };
    const client = new pg.Client({ host: '127.0.0.1', port: gateway.port, database: 'postgres', user, password, ssl });
    await client.connect();
    return client;
  };
  const openedAs = async (of: TestGateway): Promise<unknown> =>
    (await of.records()).findLast(({ type }) => type === 'session.opened')?.clear;

  it('lets an agent in with its password there, as whom the directory knows', async () => {
    const client = await connect('Report-Bot', passwordOf('report-bot'));
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    expect(await openedAs(gateway)).toMatchObject({
      who: {
        id: 'report-bot',
        kind: 'agent',
        sponsor: 'ada',
        authentication: 'ldap',
        groups: ['ldap:agents', 'ldap:staff'],
      },
    });
  });

  it.each([
    ['a wrong password', 'report-bot', 'wrong'],
    ['no password', 'report-bot', ''],
    ['a name that nobody has', 'nobody', 'x'],
    ['a filter', 'report-bot)(uid=*', passwordOf('report-bot')],
    ['somebody whom no rule makes an agent', 'star', passwordOf('star')],
  ])('refuses %s as it refuses all', async (_, user, password) => {
    await expect(connect(user, password)).rejects.toThrow('password authentication failed');
  });

  it('takes a password of megabytes for none', async () => {
    const tried = connect('report-bot', 'x'.repeat(10_000_000));
    // Whether the client reads what it is told before it has sent all is its business.
    await expect(tried).rejects.toThrow(/expected a password|ECONNRESET|EPIPE|terminated/);
  });

  it.runIf(mysqlHere('mariadb'))('lets an agent in over the MySQL protocol', async () => {
    let mysql: TestMysql | null = null;
    let other: TestGateway | null = null;
    try {
      mysql = await startMysql('mariadb');
      await mysql.sql('CREATE DATABASE app');
      const upstream = `mysql://${mysql.user}:${mysql.password}@127.0.0.1:${mysql.port}/app`;
      other = await startGateway({ upstream, listener, config: { identity } });
      const at = { host: '127.0.0.1', port: other.port, database: 'app', ssl: { ca: house.pem } };
      const client = await mysql2.createConnection({ ...at, user: 'report-bot', password: passwordOf('report-bot') });
      expect((await client.query('SELECT 1 AS one'))[0]).toEqual([{ one: 1 }]);
      await client.end();
      expect(await openedAs(other)).toMatchObject({ who: { id: 'report-bot', authentication: 'ldap' } });
      const wrong = mysql2.createConnection({ ...at, user: 'report-bot', password: 'wrong' });
      await expect(wrong).rejects.toThrow('Access denied');
    } finally {
      await other?.stop();
      await mysql?.stop();
    }
  });

  it('lets agents that are in go on while the directory hangs, and the next ones know why not', async () => {
    const before = await connect('report-bot');
    await slapd.hang();
    try {
      const tried: unknown = await connect('report-bot').catch((error: unknown) => error);
      expect(tried).toMatchObject({ code: 'ZH005' });
      expect((await before.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    } finally {
      slapd.goOn();
      await before.end();
    }
  });

  it('does not run what was approved of an agent that was put out of its group meanwhile', async () => {
    await comesBack(connect);
    const client = await connect('report-bot');
    const asked: Promise<unknown> = client.query('DELETE FROM things').catch((error: unknown) => error);
    const request = await gateway.opened();
    const agents = `dn: cn=agents,${GROUPS}\nchangetype: modify\n`;
    await slapd.modify(
      `${agents}add: member\nmember: ${userDn('star')}\n-\ndelete: member\nmember: ${userDn('report-bot')}\n`,
    );
    try {
      await expect(gateway.approve(request)).rejects.toThrow('report-bot is no longer in the directory');
    } finally {
      await slapd.modify(
        `${agents}add: member\nmember: ${userDn('report-bot')}\n-\ndelete: member\nmember: ${userDn('star')}\n`,
      );
    }
    await gateway.deny(await gateway.grace.get(request.id));
    expect(await asked).toMatchObject({ code: '42501' });
    await client.end();
  });

  it('signs a reviewer in with the password of the directory, and nobody else', async () => {
    const signed = await signIn(gateway.reviewUrl, { user: 'grace', password: passwordOf('grace') });
    expect(signed.token).not.toBe('');
    // In the directory, not in users.yaml; in both, with another password.
    for (const tried of [
      { user: 'star', password: passwordOf('star') },
      { user: 'grace', password: 'wrong' },
      { user: 'gr*', password: passwordOf('grace') },
    ])
      await expect(signIn(gateway.reviewUrl, tried)).rejects.toThrow();
  });

  it('goes on while the directory hangs, and says that nobody can tell', async () => {
    await slapd.hang();
    try {
      const tried = signIn(gateway.reviewUrl, { user: 'ada', password: passwordOf('ada') });
      await expect(tried).rejects.toThrow('The directory does not answer');
      // Whoever is signed in stays so.
      expect(await gateway.grace.me()).toMatchObject({ id: 'grace' });
    } finally {
      slapd.goOn();
    }
  });
});

/** The directory is asked again in the background; a login says when it is back. */
async function comesBack(connect: (user: string) => Promise<pg.Client>): Promise<void> {
  for (;;) {
    const client = await connect('report-bot').catch((error: { code?: string }) => {
      if (error.code !== 'ZH005') throw error;
      return null;
    });
    if (client !== null) return client.end();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
