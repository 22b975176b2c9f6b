// An agent logs in with a token of Holdpoint's own, over both protocols, and what becomes of its requests when the token is revoked. The whole
// gateway, real servers, real drivers, tokens got by the API.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql2 from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DATABASE_AUDIENCE } from '../../src/config/jwt.ts';
import { TOKEN_BYTES_MAX } from '../../src/identity/jwt/jwt.ts';
import { makeSigner, makeToken } from '../unit/identity/tokens.ts';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { startIssuer, type IssuerProcess } from './jwt-issuer.ts';
import { available, ENGINES, startMysql } from './mysql-servers.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

let dir: string;
let house: Authority;
let own: Certificate;
let issuer: IssuerProcess;
const signer = makeSigner('RS256', 'one');
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-token-logins-'));
  house = await makeAuthority(dir, 'house');
  own = await house.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
  issuer = await startIssuer();
  await issuer.behave({ keys: [signer.jwk] });
});
afterAll(async () => {
  await issuer?.stop();
  await rm(dir, { recursive: true, force: true });
});

const options = (upstream: string) => ({
  upstream,
  listener: { tls: own, logins: [{ user: '*', by: ['local', 'jwt'] }] },
  config: {
    identity: {
      users: 'users.yaml',
      jwt: [
        { issuer: 'holdpoint' },
        { issuer: 'https://login.example', jwks: `${issuer.url}/keys`, algorithms: ['RS256'] },
      ],
    },
  },
});
/** Nothing of Holdpoint's own. */
const foreign = (upstream: string) => ({
  ...options(upstream),
  config: {
    identity: {
      users: 'users.yaml',
      jwt: [{ issuer: 'https://login.example', jwks: `${issuer.url}/keys`, algorithms: ['RS256'] }],
    },
  },
});
const external = (more: object = {}): string => {
  const at = Math.floor(Date.now() / 1000);
  const claims = { iss: 'https://login.example', aud: DATABASE_AUDIENCE, sub: 'bot', iat: at, exp: at + 600 };
  return makeToken(signer, { ...claims, ...more }).toString();
};
/** As long as a token may be. */
const long = (): string => {
  const room = TOKEN_BYTES_MAX - external({ pad: '' }).length;
  return external({ pad: 'x'.repeat(Math.floor((room - 3) * 0.75)) });
};

describe('PostgreSQL', () => {
  let server: TestServer;
  let gateway: TestGateway;
  beforeAll(async () => {
    server = await startServer(NEWEST);
    gateway = await startGateway(options(server.url));
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  const connect = async (password: string, user = 'bot'): Promise<pg.Client> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: gateway.port,
      user,
      password,
      database: 'postgres',
      ssl: { ca: house.pem },
    });
    await client.connect();
    return client;
  };
  const code = (password: string, user?: string): Promise<unknown> =>
    connect(password, user).then(
      (client) => client.end().then(() => 'in'),
      (error: { code?: string }) => error.code,
    );

  test('a token logs in, a password still does, and whatever is wrong is refused alike', async () => {
    const { token, id } = await gateway.ada.databaseTokenFor('bot', {
      ttl: '10m',
      task: 'month end',
      on_behalf_of: ['lena'],
    });
    expect(await code(token)).toBe('in');
    expect(await code(external())).toBe('in');
    expect(await code(AGENT_PASSWORD)).toBe('in');
    expect(long().length).toBeGreaterThan(TOKEN_BYTES_MAX - 8);
    expect(await code(long())).toBe('in');
    const api = (await gateway.ada.tokenFor('bot', '10m')).token;
    for (const [password, user] of [
      [api],
      [token.slice(0, -2)],
      [token, 'petra'],
      [token, 'nobody'],
      [external({ aud: 'another' })],
      [external({ exp: 1_000_000_000, iat: 999_999_000 })],
    ] as const)
      expect(await code(password, user)).toBe('28P01');
    const records = await gateway.records();
    const opened = records.filter(({ type }) => type === 'session.opened').map(({ clear }) => clear['who']);
    expect(opened[0]).toMatchObject({ id: 'bot', authentication: 'jwt' });
    const file = await readFile(join(gateway.dir, 'data', 'tokens.json'), 'utf8');
    expect(file).toContain(id);
    for (const text of [JSON.stringify(records), gateway.lines.join('\n'), file])
      expect(text).not.toContain(token.split('.')[2]);
  });

  test('a token that is revoked while its statement is held lets nothing run', async () => {
    const { token, id } = await gateway.ada.databaseTokenFor('bot', {
      ttl: '10m',
      task: 'month\u202e end',
      on_behalf_of: ['petra', 'len\u0430'],
    });
    const client = await connect(token);
    const waits = client.query('CREATE TABLE never_made (a int)').then(
      () => 'ran',
      (error: { code?: string }) => error.code,
    );
    const request = await gateway.opened();
    expect(request.who).toMatchObject({
      task: { text: 'month\u202e end', marks: [{ kind: 'direction' }] },
      on_behalf_of: ['petra', 'len<U+0430 \u0430>'],
    });
    await gateway.ada.revokeToken(id ?? '', 'lost');
    await gateway.approve(request);
    expect(await waits).toBe('ZH005');
    expect((await gateway.reaches(request.id, 'approved')).holds).toBe('ticket');
    // Nobody comes back for it with the same token.
    expect(await code(token)).toBe('28P01');
    await client.end();
    const direct = new pg.Client({ connectionString: server.url });
    await direct.connect();
    expect((await direct.query("SELECT to_regclass('never_made') AS made")).rows).toEqual([{ made: null }]);
    await direct.end();
  });

  test('where only others give tokens out: one that is revoked lets nothing run, another of the same agent does', async () => {
    const both = gateway;
    gateway = await startGateway(foreign(server.url));
    try {
      const [lost, kept] = [external({ jti: 'lost-1' }), external({ jti: 'kept-1' })];
      const client = await connect(lost);
      const waits = client.query('CREATE TABLE never_made_either (a int)').then(
        () => 'ran',
        (error: { code?: string }) => error.code,
      );
      const request = await gateway.opened();
      await gateway.root.revokeOther('https://login.example', 'lost-1', 'lost');
      await gateway.approve(request);
      expect(await waits).toBe('ZH005');
      await client.end();
      expect(await code(lost)).toBe('28P01');
      expect(await code(kept)).toBe('in');
      await gateway.ada.revokeTokens('bot', 'all of them');
      expect(await code(kept)).toBe('28P01');
      expect(await code(AGENT_PASSWORD)).toBe('in');
    } finally {
      await gateway.stop();
      gateway = both;
    }
  });

  test('whoever the work is for, and whoever got the token, does not decide', async () => {
    const { token } = await gateway.root.databaseTokenFor('bot', { ttl: '10m', on_behalf_of: ['grace'] });
    const plain = await gateway.root.databaseTokenFor('bot', { ttl: '10m' });
    const client = await connect(token);
    const waits = client.query('CREATE TABLE for_grace (a int)');
    const request = await gateway.opened();
    await expect(gateway.approve(request)).rejects.toMatchObject({ problem: { status: 403 } });
    // The same statement by another token of the same agent is another request, from which grace is not barred.
    const other = await connect(plain.token);
    const runs = other.query('CREATE TABLE for_grace (a int)');
    const theirs = await gateway.opened([request.id]);
    await gateway.approve(theirs);
    await runs;
    await other.end();
    await expect(gateway.approve(request)).rejects.toMatchObject({ problem: { status: 403 } });
    await gateway.ada.withdraw(request.id, 'nobody may');
    await expect(waits).rejects.toMatchObject({ code: 'ZH003' });
    await client.end();
  });
});

describe.each(ENGINES.filter(available))('%s', (engine) => {
  test('a token logs in inside TLS, by the full authentication of caching_sha2_password', async () => {
    const server = await startMysql(engine);
    await server.sql('CREATE DATABASE app');
    const gateway = await startGateway(
      options(`mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`),
    );
    const log_in = async (password: string, tls = true): Promise<unknown> => {
      const ssl = tls ? { ssl: { ca: house.pem } } : {};
      const at = { host: '127.0.0.1', port: gateway.port, user: 'bot', password, database: 'app', ...ssl };
      try {
        const client = await mysql2.createConnection(at);
        const [rows] = await client.query('SELECT 7 AS n');
        await client.end();
        return rows;
      } catch (error) {
        return (error as { errno?: number }).errno;
      }
    };
    try {
      const { token } = await gateway.ada.databaseTokenFor('bot', { ttl: '10m' });
      expect(await log_in(token)).toEqual([{ n: 7 }]);
      expect(await log_in(external())).toEqual([{ n: 7 }]);
      expect(await log_in(long())).toEqual([{ n: 7 }]);
      expect(await log_in(AGENT_PASSWORD)).toEqual([{ n: 7 }]);
      expect(await log_in(token.slice(0, -2))).toBe(1045);
      expect(await log_in(token, false)).not.toEqual([{ n: 7 }]);
      const one = external({ jti: 'lost-1' });
      expect(await log_in(one)).toEqual([{ n: 7 }]);
      await gateway.root.revokeOther('https://login.example', 'lost-1', 'lost');
      expect(await log_in(one)).toBe(1045);
      expect(await log_in(external())).toEqual([{ n: 7 }]);
      await gateway.ada.revokeTokens('bot', 'lost');
      expect(await log_in(token)).toBe(1045);
      expect(await log_in(external())).toBe(1045);
    } finally {
      await gateway.stop();
      await server.stop();
    }
  });
});
