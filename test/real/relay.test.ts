// auth: relay, the demo mode: psql logs in with the server's own passwords through Holdpoint, and is guarded like anybody. What can't be
// passed on safely is refused, and nobody hears which part was wrong.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../../src/wire/postgres/messages.ts';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { psql, type PsqlResult } from './clients.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { errorText, message, Raw, sqlstate, startup } from './raw.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';
import { logInBy, serveTls } from './settings.ts';

/** Known to the server alone: in users.yaml there is another one. */
const PASSWORD = 'only the server knows';

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let dir: string;
  let server: TestServer;
  let admin: pg.Client;
  let authority: Authority;
  let certificate: Certificate;
  /** Neither side in TLS; the agents' side; the server's side. */
  let plain: TestGateway;
  let agents: TestGateway;
  let upstream: TestGateway;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-relay-'));
    authority = await makeAuthority(dir, 'authority');
    certificate = await authority.issue('server', ['DNS:localhost', 'IP:127.0.0.1']);
    server = await startServer(major);
    admin = await server.admin(`
      CREATE ROLE bot LOGIN PASSWORD '${PASSWORD}';
      CREATE ROLE ada LOGIN PASSWORD '${PASSWORD}';
      CREATE ROLE stranger LOGIN PASSWORD '${PASSWORD}';
      GRANT CREATE ON SCHEMA public TO bot;
      SET password_encryption = 'md5';
      CREATE ROLE orphan LOGIN PASSWORD '${PASSWORD}'`);
    await admin.query('CREATE DATABASE clear');
    await admin.query('CREATE DATABASE trusting');
    await logInBy(server, 'host all orphan all md5', 'host clear all all password', 'host trusting all all trust');
    await serveTls(server, certificate);
    const url = `postgres://127.0.0.1:${server.port}`;
    const upstream_tls = { mode: 'verify-full', ca: authority.cert };
    plain = await startGateway({ upstream: url, listener: { auth: 'relay' } });
    agents = await startGateway({ upstream: url, listener: { auth: 'relay', tls: certificate } });
    upstream = await startGateway({ upstream: url, listener: { auth: 'relay', upstream_tls } });
  });
  afterAll(async () => {
    await plain?.stop();
    await agents?.stop();
    await upstream?.stop();
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const who = (to: TestGateway, more: string, password = PASSWORD): Promise<PsqlResult> =>
    psql(
      `host=localhost hostaddr=127.0.0.1 port=${to.port} dbname=postgres user=bot ${more}`,
      ['-c', 'SELECT session_user, current_user'],
      { password },
    );

  test('SCRAM-SHA-256 in clear: the server’s own user', async () => {
    expect(await who(plain, 'sslmode=disable')).toEqual({ out: 'bot|bot\n', err: '', exit: 0 });
    const opened = (await plain.records()).find(({ type }) => type === 'session.opened');
    expect(opened?.clear).toMatchObject({ who: { id: 'bot', authentication: 'relay' }, upstream_user: 'bot' });
  });

  test('MD5', async () => {
    expect(await who(plain, 'sslmode=disable user=orphan')).toEqual({ out: 'orphan|orphan\n', err: '', exit: 0 });
  });

  test('agents inside TLS, the server in clear; channel binding preferred', async () => {
    const more = `sslmode=verify-full sslrootcert=${authority.cert} channel_binding=prefer`;
    expect(await who(agents, more)).toEqual({ out: 'bot|bot\n', err: '', exit: 0 });
  });

  test('channel binding required: psql gives up by itself', async () => {
    expect((await who(agents, 'sslmode=require channel_binding=require')).err).toContain('channel binding');
  });

  test('the server inside TLS, agents in clear: what it offers with channel binding is not passed on', async () => {
    expect(await who(upstream, 'sslmode=disable')).toEqual({ out: 'bot|bot\n', err: '', exit: 0 });
    const raw = await Raw.connect(upstream.port);
    raw.send(startup({ user: 'bot', database: 'postgres' }));
    expect((await raw.message())?.body.toString('latin1', 4)).toBe('SCRAM-SHA-256\0\0');
    raw.destroy();
  });

  test('the session after it is guarded', async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: plain.port,
      user: 'bot',
      password: PASSWORD,
      database: 'postgres',
    });
    await client.connect();
    const held = client.query('CREATE TABLE relayed (id int)');
    const request = await plain.opened();
    expect(request.who).toMatchObject({ id: 'bot', sponsor: 'ada' });
    await plain.approve(request);
    await held;
    const { rows } = await admin.query("SELECT tableowner FROM pg_tables WHERE tablename = 'relayed'");
    expect(rows).toEqual([{ tableowner: 'bot' }]);
    await client.end();
  });

  test('a password that would pass readable, and no password at all, are refused: inside TLS and in clear', async () => {
    for (const [to, mode] of [
      [plain, 'disable'],
      [agents, 'require'],
    ] as const) {
      expect((await who(to, `sslmode=${mode} dbname=clear`)).err).toContain(
        'the database server asks for the password itself, which is not passed on (auth: relay)',
      );
      expect((await who(to, `sslmode=${mode} dbname=trusting`)).err).toContain(
        'the database server asks for no password, so nobody could tell who logs in (auth: relay)',
      );
    }
  });

  describe('refusals', () => {
    let fresh: TestGateway;
    beforeAll(async () => {
      fresh = await startGateway({
        upstream: `postgres://127.0.0.1:${server.port}`,
        listener: { auth: 'relay' },
      });
    });
    afterAll(async () => {
      await fresh?.stop();
    });
    const login = async (user: string, password: string, more: Readonly<Record<string, string>> = {}) => {
      const raw = await Raw.connect(fresh.port);
      const messages = await raw.login(user, password, { database: 'postgres', ...more });
      raw.destroy();
      return messages;
    };
    const words = async (...how: Parameters<typeof login>): Promise<string> => {
      const messages = await login(...how);
      return `${sqlstate(messages)} ${errorText(messages)}`;
    };
    const wrong = (user: string): string => `28P01 password authentication failed for user "${user}"`;

    test('a wrong password; a human; one that only the server knows; one that nobody knows: the same words', async () => {
      expect(await words('bot', 'wrong')).toBe(wrong('bot'));
      expect(await words('ada', PASSWORD)).toBe(wrong('ada'));
      expect(await words('stranger', PASSWORD)).toBe(wrong('stranger'));
      expect(await words('nobody', PASSWORD)).toBe(wrong('nobody'));
      const refused = (await fresh.records()).filter(({ type }) => type === 'session.refused');
      expect(refused.map(({ clear }) => (clear as { user: string }).user)).toEqual([
        'bot',
        'ada',
        'stranger',
        'nobody',
      ]);
      // Nobody who was refused is left on the server.
      for (;;) {
        const { rowCount } = await admin.query(
          "SELECT 1 FROM pg_stat_activity WHERE usename IN ('ada', 'stranger') OR state = 'starting'",
        );
        if (rowCount === 0) break;
      }
    });

    test('a setting that may not be set is told to who has proved who they are, and to nobody else', async () => {
      const more = { options: '-c session_replication_role=replica' };
      expect(await words('bot', 'wrong', more)).toBe(wrong('bot'));
      expect(await words('bot', PASSWORD, more)).toMatch(/^28000 not let in: .*session_replication_role/);
      expect(await words('stranger', PASSWORD, more)).toBe(wrong('stranger'));
    });

    test('anything but an answer ends the login', async () => {
      for (const bytes of [query('SELECT 1'), message('p', '', 20_000), message('X')]) {
        const raw = await Raw.connect(fresh.port);
        raw.send(startup({ user: 'bot', database: 'postgres' }));
        await raw.message();
        raw.send(bytes);
        expect(sqlstate(await raw.until('E'))).toBe('08P01');
        raw.destroy();
      }
    });

    test('after five wrong passwords the right one has to wait', async () => {
      const more = 'sslmode=disable user=orphan';
      for (let n = 0; n < 5; n++) expect((await who(fresh, more, 'wrong')).err).toContain('authentication failed');
      // The server would let it in.
      expect((await who(fresh, more)).err).toContain(wrong('orphan').slice(6));
      expect((await who(fresh, 'sslmode=disable')).out).toBe('bot|bot\n');
    });
  });
});
