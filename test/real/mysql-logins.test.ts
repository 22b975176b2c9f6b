// How agents log in at a MySQL listener: by a password in clear inside TLS, which is the full authentication of caching_sha2_password, and by client
// certificate. With mysql2, Connector/Node.js of MariaDB, the mariadb program and packets of our own. The twin of logins.test.ts.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import mariadb from 'mariadb';
import mysql2 from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CACHING_SHA2, NATIVE } from '../../src/wire/mysql/auth.ts';
import { CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { packets } from '../../src/wire/mysql/frame.ts';
import { type ErrorPacket, readErr } from '../../src/wire/mysql/messages.ts';
import { type Authority, type Certificate, makeAuthority } from './certificates.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { flags, PLAIN_FLAGS, RawMysql, response } from './mysql-raw.ts';
import { available, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';

const SPIFFE = 'spiffe://example.org/agent/';
const FULL = Buffer.of(1, 4);

describe.each(ENGINES.filter(available))('%s', (engine) => {
  let dir: string;
  let server: TestMysql;
  let house: Authority;
  let agents: Authority;
  let own: Certificate;
  let gateway: TestGateway;
  let bot: Certificate;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-mysql-logins-'));
    [house, agents] = [await makeAuthority(dir, 'house'), await makeAuthority(dir, 'agents')];
    own = await house.issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
    bot = await agents.issue('orphan', [`URI:${SPIFFE}orphan`]);
    server = await startMysql(engine);
    await server.sql('CREATE DATABASE app');
    gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      listener: {
        tls: { ...own, clients: { ca: agents.cert, names: [`${SPIFFE}{name}`] } },
        logins: [
          { user: 'orphan', by: 'certificate' },
          { user: 'petra', by: 'verifier' },
          { user: '*', by: ['local'] },
        ],
      },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const at = (user: string, password: string, more: ConnectionOptions = {}) => ({
    host: '127.0.0.1',
    port: gateway.port,
    user,
    password,
    database: 'app',
    ssl: { ca: house.pem, ...more } as { ca: string },
  });
  const certificate = async ({ cert, key }: Certificate): Promise<ConnectionOptions> => ({
    cert: await readFile(cert, 'utf8'),
    key: await readFile(key, 'utf8'),
  });
  const openedAs = async (): Promise<unknown> =>
    ((await gateway.records()).findLast(({ type }) => type === 'session.opened')?.clear as { who: unknown } | undefined)
      ?.who;
  const refused = async (): Promise<unknown> =>
    (await gateway.records()).findLast(({ type }) => type === 'session.refused')?.clear;

  /** The mariadb program, inside TLS. */
  const cli = (user: string, password: string, ...more: readonly string[]): Promise<{ out: string; err: string }> =>
    new Promise((resolve) => {
      const to = ['--no-defaults', '-h', '127.0.0.1', '-P', String(gateway.port), '-u', user, `--ssl-ca=${house.cert}`];
      execFile(
        '/usr/bin/mariadb',
        [...to, ...more, '-N', '-e', 'SELECT 1', 'app'],
        { env: { ...process.env, MYSQL_PWD: password } },
        (_, out, err) => resolve({ out, err }),
      );
    });

  /** Inside TLS, greeted, and having said who it is; the next packet. */
  const claim = async (
    user: string,
    { password = AGENT_PASSWORD, plugin = CACHING_SHA2, proof = undefined as Buffer | undefined, tls = {} } = {},
  ) => {
    const raw = await RawMysql.connect(gateway.port);
    const greeting = await raw.greeting();
    const head = response(greeting, user, password, { capabilities: flags(PLAIN_FLAGS | CLIENT.SSL) }).subarray(0, 32);
    raw.send(1, head);
    await raw.secure(tls);
    const change = { capabilities: flags(PLAIN_FLAGS | CLIENT.SSL), plugin, ...(proof && { proof }) };
    raw.send(2, response(greeting, user, password, change));
    return { raw, answer: (await raw.next())?.payload };
  };
  const error = (payload: Buffer | undefined): ErrorPacket | null => (payload?.[0] === 0xff ? readErr(payload) : null);

  describe('a password in clear', () => {
    test('mysql2, Connector/Node.js and the mariadb program', async () => {
      const two = await mysql2.createConnection(at('bot', AGENT_PASSWORD));
      expect((await two.query('SELECT 1 AS n'))[0]).toEqual([{ n: 1 }]);
      await two.end();
      expect(await openedAs()).toMatchObject({ id: 'bot', authentication: 'local' });
      const connector = await mariadb.createConnection(at('bot', AGENT_PASSWORD));
      expect(await connector.query("SELECT 'in' AS n")).toMatchObject([{ n: 'in' }]);
      await connector.end();
      expect((await cli('bot', AGENT_PASSWORD)).out).toBe('1\n');
    });

    test('is asked for each time: no digest of it is remembered', async () => {
      for (let n = 0; n < 2; n++) {
        const { raw, answer } = await claim('bot');
        expect(answer).toEqual(FULL);
        raw.send(4, Buffer.from(`${AGENT_PASSWORD}\0`));
        expect((await raw.next())?.payload[0]).toBe(0);
        raw.socket.destroy();
      }
    });

    test('where the verifier is asked, the second login is the fast one, as ever', async () => {
      const first = await mysql2.createConnection(at('petra', AGENT_PASSWORD));
      await first.end();
      const { raw, answer } = await claim('petra');
      expect(answer).toEqual(Buffer.of(1, 3));
      raw.socket.destroy();
    });

    test('of a client that proves otherwise first: it is switched', async () => {
      const { raw, answer } = await claim('bot', { plugin: NATIVE, proof: Buffer.alloc(20, 1) });
      expect(answer?.toString('latin1', 0, 22)).toBe(`\xfe${CACHING_SHA2}`);
      raw.send(4, Buffer.alloc(32, 7));
      expect((await raw.next())?.payload).toEqual(FULL);
      raw.send(6, Buffer.from(`${AGENT_PASSWORD}\0`));
      expect((await raw.next())?.payload[0]).toBe(0);
      raw.socket.destroy();
    });

    test.each([
      ['wrong', 'bot', () => Buffer.from('wrong\0')],
      ['empty', 'bot', () => Buffer.from('\0')],
      ['nothing', 'bot', () => Buffer.alloc(0)],
      ['a NUL in it', 'bot', () => Buffer.from('a\0b\0')],
      ['no NUL at its end', 'bot', () => Buffer.from(AGENT_PASSWORD)],
      ['as long as a token may be', 'bot', () => Buffer.from(`${'x'.repeat(16 * 1024)}\0`)],
      ['of nobody', 'nobody', () => Buffer.from(`${AGENT_PASSWORD}\0`)],
    ])('%s: the same words for each', async (_, user, bytes) => {
      const { raw, answer } = await claim(user);
      expect(answer).toEqual(FULL);
      raw.send(4, bytes());
      expect(error((await raw.next())?.payload)).toEqual({
        errno: 1045,
        sqlstate: '28000',
        message: `Access denied for user '${user}'@'127.0.0.1'`,
      });
      expect(await raw.next()).toBeNull();
    });

    test('of a client that has none, it is not asked', async () => {
      const { answer } = await claim('bot', { password: '' });
      expect(error(answer)).toMatchObject({ errno: 1045 });
    });

    test('ten megabytes: refused at the header', async () => {
      const { raw } = await claim('bot');
      raw.stream.on('error', () => {});
      raw.bytes(packets(4, Buffer.alloc(10_000_000, 'x')));
      expect(error((await raw.next())?.payload)).toMatchObject({ errno: 1043 });
    });

    test('COM_CHANGE_USER is asked for it, too, by the rule for the name', async () => {
      const client = await mysql2.createConnection(at('petra', AGENT_PASSWORD));
      await client.changeUser({ user: 'bot', password: AGENT_PASSWORD, database: 'app' });
      expect((await client.query('SELECT 1 AS n'))[0]).toEqual([{ n: 1 }]);
      expect(await openedAs()).toMatchObject({ id: 'bot', authentication: 'local' });
      await expect(client.changeUser({ user: 'orphan', password: AGENT_PASSWORD })).rejects.toMatchObject({
        errno: 1045,
      });
      expect(await refused()).toMatchObject({ user: 'orphan', why: 'certificate: there is none' });
    });
  });

  describe('client certificates', () => {
    test('mysql2, Connector/Node.js and the mariadb program', async () => {
      const two = await mysql2.createConnection(at('orphan', '', await certificate(bot)));
      expect((await two.query('SELECT 1 AS n'))[0]).toEqual([{ n: 1 }]);
      await two.end();
      expect(await openedAs()).toMatchObject({ id: 'orphan', authentication: 'certificate' });
      const connector = await mariadb.createConnection(at('orphan', '', await certificate(bot)));
      expect(await connector.query("SELECT 'in' AS n")).toMatchObject([{ n: 'in' }]);
      await connector.end();
      expect((await cli('orphan', '', `--ssl-cert=${bot.cert}`, `--ssl-key=${bot.key}`)).out).toBe('1\n');
    });

    test('a password that is given, too, is not looked at', async () => {
      const two = await mysql2.createConnection(at('orphan', 'whatever', await certificate(bot)));
      await two.end();
      expect((await cli('orphan', 'whatever', `--ssl-cert=${bot.cert}`, `--ssl-key=${bot.key}`)).out).toBe('1\n');
    });

    test.each<[string, () => Promise<Certificate>, string]>([
      ['another user’s', () => agents.issue('other', [`URI:${SPIFFE}bot`]), "certificate: it is bot's"],
      ['no alternative name', () => agents.issue('cn', []), 'certificate: it has no SPIFFE ID and no DNS name'],
      ['another authority', async () => own, 'certificate: SELF_SIGNED_CERT_IN_CHAIN'],
    ])('%s: access denied, and why is on record', async (_, issue, why) => {
      await expect(
        mysql2.createConnection(at('orphan', AGENT_PASSWORD, await certificate(await issue()))),
      ).rejects.toMatchObject({
        errno: 1045,
        message: "Access denied for user 'orphan'@'127.0.0.1'",
      });
      expect(await refused()).toMatchObject({ user: 'orphan', why });
    });
  });
});
