// `holdpoint check` before real servers: what it says of a good role, of one that is too powerful, and of a server it can't judge.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check, type Finding } from '../../src/cli/check.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const POLICY = resolve(import.meta.dirname, '../../policies/starter.yaml');

describe.each(MAJORS.filter(available))('PostgreSQL %i', (major) => {
  let server: TestServer;
  let dir: string;
  beforeAll(async () => {
    server = await startServer(major);
    dir = mkdtempSync(join(tmpdir(), 'holdpoint-check-'));
    writeFileSync(join(dir, 'users.yaml'), 'users: [{id: grace, kind: human, roles: [reviewer]}]\n', { mode: 0o600 });
    const client = new pg.Client(server.url);
    await client.connect();
    await client.query("CREATE ROLE plain LOGIN PASSWORD 'p'");
    await client.query("CREATE ROLE strong LOGIN CREATEROLE BYPASSRLS PASSWORD 'p' IN ROLE pg_read_server_files");
    await client.query("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'");
    await client.end();
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
    return (await check(path)).filter(({ about }) => about === 'app').map(shown);
  }

  it('a role with no special power is fine', async () => {
    expect(await findings(`postgres://plain:p@127.0.0.1:${server.port}/postgres`)).toEqual([
      expect.stringMatching(new RegExp(`^ok plain@127\\.0\\.0\\.1:PORT/postgres, PostgreSQL ${major}\\.`)),
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
});
