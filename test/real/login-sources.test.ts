// Passwords in clear that other sources are asked about, at listeners of both engines: tokens, and a source that cannot be asked.
import { type AddressInfo, createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import mysql2 from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available, startMysql } from './mysql-servers.ts';
import { GROUPS, passwordOf, PEOPLE, SERVICE, type Slapd, slapdHere, startSlapd } from './slapd.ts';
import { NEWEST, startServer } from './servers.ts';

let dir: string;
let house: Authority;
let own: Certificate;
/** Takes connections, and never answers. */
let silent: Server;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-sources-'));
  house = await makeAuthority(dir, 'house');
  own = await house.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
  await writeFile(join(dir, 'service'), SERVICE.password);
  silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
});
afterAll(async () => {
  silent.close();
  await rm(dir, { recursive: true, force: true });
});

interface Upstream {
  readonly url: string;
  stop(): Promise<void>;
}

/** What came of a login: the principal that the server's answer shows, or the error. */
interface Engine {
  readonly name: string;
  readonly here: boolean;
  readonly start: () => Promise<Upstream>;
  /** Logs in and asks something; null: in. */
  readonly login: (
    port: number,
    user: string,
    password: string,
  ) => Promise<{ readonly code: string | number; readonly message: string } | null>;
  readonly wrong: string | number;
  readonly unknown: string | number;
}

const ENGINES: readonly Engine[] = [
  {
    name: 'PostgreSQL',
    here: true,
    start: () => startServer(NEWEST),
    async login(port, user, password) {
      const client = new pg.Client({
        host: '127.0.0.1',
        port,
        user,
        password,
        database: 'postgres',
        ssl: { ca: house.pem },
      });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('SELECT 1');
        await client.end();
        return null;
      } catch (error) {
        const { code = '', message } = error as pg.DatabaseError;
        return { code, message };
      }
    },
    wrong: '28P01',
    unknown: 'ZH005',
  },
  {
    name: 'MariaDB',
    here: available('mariadb'),
    async start() {
      const server = await startMysql('mariadb');
      await server.sql('CREATE DATABASE app');
      return {
        url: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
        stop: () => server.stop(),
      };
    },
    async login(port, user, password) {
      try {
        const client = await mysql2.createConnection({
          host: '127.0.0.1',
          port,
          user,
          password,
          database: 'app',
          ssl: { ca: house.pem },
          connectTimeout: 180_000,
        });
        await client.query('SELECT 1');
        await client.end();
        return null;
      } catch (error) {
        const { errno, message } = error as { errno: number; message: string };
        return { code: errno, message };
      }
    },
    wrong: 1045,
    unknown: 1644,
  },
];

describe.each(ENGINES.filter(({ here }) => here))('$name', (engine) => {
  const { wrong, unknown } = engine;
  const login = (...given: Parameters<typeof engine.login>) => engine.login(...given);
  let server: Upstream;
  let gateway: TestGateway;
  let token: (claims: object, issuer?: string) => Promise<string>;
  const issued: string[] = [];

  beforeAll(async () => {
    server = await engine.start();
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    await writeFile(
      join(dir, 'keys.json'),
      JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] }),
    );
    token = async (claims, issuer = 'https://batch.example') => {
      const made = await new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setIssuer(issuer)
        .setAudience('holdpoint-db')
        .setIssuedAt()
        .setExpirationTime('10m')
        .sign(privateKey);
      issued.push(made);
      return made;
    };
    const { port } = silent.address() as AddressInfo;
    gateway = await startGateway({
      upstream: server.url,
      listener: { tls: own, logins: [{ user: 'petra', by: 'verifier' }, { by: ['local', 'jwt'] }] },
      config: {
        identity: {
          users: 'users.yaml',
          jwt: [
            { issuer: 'https://batch.example', file: join(dir, 'keys.json'), algorithms: ['ES256'] },
            { issuer: 'https://away.example', jwks: `http://127.0.0.1:${port}/keys`, algorithms: ['ES256'] },
          ],
        },
        limits: { login_check_timeout_ms: 60_000, login_checks_max: 4, startup_timeout_ms: 120_000 },
      },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  const records = async (type: string): Promise<unknown[]> =>
    (await gateway.records()).filter((record) => record.type === type).map(({ clear }) => clear);

  test('the local password, and a token in its place', async () => {
    expect(await login(gateway.port, 'bot', AGENT_PASSWORD)).toBeNull();
    expect(await login(gateway.port, 'bot', await token({ sub: 'bot', task: 'close the month' }))).toBeNull();
    const who = (await records('session.opened')).map((clear) => (clear as { who: unknown }).who);
    expect(who).toMatchObject([
      { id: 'bot', authentication: 'local' },
      { id: 'bot', authentication: 'jwt' },
    ]);
  });

  test('a token of 15 KiB', async () => {
    expect(
      await login(
        gateway.port,
        'bot',
        await token({ sub: 'bot', groups: Array.from({ length: 170 }, (_, n) => `${n}-${'g'.repeat(58)}`) }),
      ),
    ).toBeNull();
  });

  test('a token for another, or for one who logs in otherwise: a wrong password', async () => {
    expect(await login(gateway.port, 'orphan', await token({ sub: 'bot' }))).toMatchObject({ code: wrong });
    expect(await login(gateway.port, 'petra', await token({ sub: 'petra' }))).toMatchObject({ code: wrong });
  });

  test('whose issuer cannot be asked: neither in nor wrong, and on record', async () => {
    const answer = await login(gateway.port, 'lena', await token({ sub: 'lena' }, 'https://away.example'));
    expect(answer).toMatchObject({ code: unknown });
    expect(answer?.message).toContain('Holdpoint cannot check this login now');
    expect(answer?.message).not.toMatch(/jwt|issuer|away/);
    const [last] = (await records('session.refused')).slice(-1);
    expect(last).toMatchObject({
      user: 'lena',
      why: 'could not be asked: jwt',
    });
    expect(await login(gateway.port, 'lena', AGENT_PASSWORD)).toBeNull();
  });

  test('500 wait for an issuer that is silent: a local password and a token of another issuer log in meanwhile, and each is answered', async () => {
    const asked = await token({ sub: 'lena' }, 'https://away.example');
    /** Did both log in while the issuer was silent, before any of those who wait for it was answered? */
    const round = async (waiting: number): Promise<boolean> => {
      let answered = 0;
      const silence = once(silent, 'connection').then(() => true);
      const answers = Array.from({ length: waiting }, async () => {
        const answer = await login(gateway.port, 'lena', asked);
        answered += 1;
        return answer?.code;
      });
      const all = Promise.all(answers);
      // Else it was asked in vain a moment ago, and is not asked now.
      const hangs = await Promise.race([silence, all.then(() => false)]);
      expect(await login(gateway.port, 'bot', AGENT_PASSWORD)).toBeNull();
      expect(await login(gateway.port, 'bot', await token({ sub: 'bot' }))).toBeNull();
      const first = answered === 0;
      expect(new Set(await all)).toEqual(new Set([unknown]));
      return hangs && first;
    };
    // More than there are places. That a machine stands still for the issuer's 5 s is no fault of ours: once is enough, and with places that all
    // share it never was.
    await expect.poll(() => round(20), { timeout: 180_000 }).toBe(true);
    await round(500);
  }, 240_000);

  test('nothing that was sent is in the log', async () => {
    const lines = `${JSON.stringify(await gateway.records())}${gateway.lines.join('')}`;
    expect(lines).not.toContain(AGENT_PASSWORD);
    expect(issued.length).toBeGreaterThan(0);
    // Neither whole nor in part: header, claims, signature.
    for (const part of new Set(issued.flatMap((one) => one.split('.')))) expect(lines).not.toContain(part);
  });
});

describe.each(ENGINES.filter(({ here }) => here && slapdHere()))('$name, a directory', (engine) => {
  const { login, wrong, unknown } = engine;
  let server: Upstream;
  let slapd: Slapd;
  let gateway: TestGateway;

  beforeAll(async () => {
    [server, slapd] = await Promise.all([engine.start(), startSlapd()]);
    gateway = await startGateway({
      upstream: server.url,
      listener: { tls: own, logins: [{ user: 'gr*', by: 'verifier' }, { by: ['ldap', 'local'] }] },
      config: {
        identity: {
          users: 'users.yaml',
          ldap: {
            servers: [slapd.ldaps],
            ca: slapd.authority.cert,
            bind: { dn: SERVICE.dn, password: `file:${join(dir, 'service')}` },
            users: { base: PEOPLE },
            groups: { base: GROUPS },
            connect_timeout_ms: 1000,
            operation_timeout_ms: 1000,
            timeout_ms: 3000,
          },
        },
      },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    await slapd?.remove();
    await server?.stop();
  });
  const refused = async (): Promise<unknown> =>
    (await gateway.records()).findLast(({ type }) => type === 'session.refused')?.clear;

  test('its password; the principal is the one it knows, however the name was written', async () => {
    expect(await login(gateway.port, 'ADA', passwordOf('ada'))).toBeNull();
    const opened = (await gateway.records()).findLast(({ type }) => type === 'session.opened');
    expect(opened?.clear).toMatchObject({ who: { id: 'ada', authentication: 'ldap' } });
    expect(await login(gateway.port, 'bot', AGENT_PASSWORD)).toBeNull();
  });

  test.each([
    ['wrong', 'ada', 'x'],
    ['of somebody whom it alone knows', 'report-bot', passwordOf('report-bot')],
    ['of one who logs in otherwise, spelt so that another entry fits', 'GRACE', passwordOf('grace')],
    ['with a filter for a name', '*', passwordOf('ada')],
    ['of nobody', 'nobody)(uid=*', 'x'],
  ])('%s: a wrong password', async (_, user, password) => {
    expect(await login(gateway.port, user, password)).toMatchObject({ code: wrong });
  });

  test('while it hangs every login is answered, and a local password still logs in', async () => {
    const before = (await gateway.records()).length;
    await slapd.hang();
    const answers = await Promise.all([
      ...Array.from({ length: 30 }, () => login(gateway.port, 'ada', passwordOf('ada'))),
      login(gateway.port, 'bot', AGENT_PASSWORD),
    ]);
    slapd.goOn();
    expect(answers.at(-1)).toBeNull();
    expect(new Set(answers.slice(0, -1).map((answer) => answer?.code))).toEqual(new Set([unknown]));
    expect(await refused()).toMatchObject({ user: 'ada', why: 'could not be asked: ldap' });
    expect((await gateway.records()).length).toBeGreaterThan(before + 30);
  });
});

describe.each(ENGINES.filter(({ here }) => here && slapdHere()))('$name, a directory that hangs', (engine) => {
  const { login, wrong, unknown } = engine;
  const CHECKS = 48;

  // Local stands behind it: it has places of its own, and is asked before the directory has said anything.
  test('500 wait for it: a local password logs in, and each is answered', async () => {
    const [server, slapd] = await Promise.all([engine.start(), startSlapd()]);
    const gateway = await startGateway({
      upstream: server.url,
      listener: { tls: own, logins: [{ by: ['ldap', 'local'] }] },
      config: {
        identity: {
          users: 'users.yaml',
          ldap: {
            servers: [slapd.ldaps],
            ca: slapd.authority.cert,
            bind: { dn: SERVICE.dn, password: `file:${join(dir, 'service')}` },
            users: { base: PEOPLE },
            groups: { base: GROUPS },
            // Longer than the test: nobody is answered by a clock while it hangs.
            connect_timeout_ms: 60_000,
            operation_timeout_ms: 60_000,
            timeout_ms: 120_000,
          },
        },
        limits: { login_checks_max: CHECKS, login_check_timeout_ms: 120_000, startup_timeout_ms: 180_000 },
      },
    });
    try {
      await slapd.hang();
      let answered = 0;
      // By names that differ, so that nobody waits for wrong tries.
      const waiting = Array.from({ length: 500 }, async (_, n) => {
        const answer = await login(gateway.port, `user${n}`, 'not-the-password');
        answered += 1;
        return answer?.code;
      });
      await expect.poll(() => slapd.connections(), { timeout: 120_000 }).toBe(CHECKS);
      expect(await login(gateway.port, 'bot', AGENT_PASSWORD)).toBeNull();
      expect(await login(gateway.port, 'lena', AGENT_PASSWORD)).toBeNull();
      expect(answered).toBe(0);
      slapd.goOn();
      // Told no, or that so many ask that there was no turn.
      const told = new Set(await Promise.all(waiting));
      expect([...told].every((code) => code === wrong || code === unknown)).toBe(true);
      expect(told).toContain(wrong);
      await expect.poll(() => login(gateway.port, 'ada', passwordOf('ada')), { timeout: 60_000 }).toBeNull();
    } finally {
      slapd.goOn();
      await gateway.stop();
      await slapd.remove();
      await server.stop();
    }
  }, 240_000);
});
