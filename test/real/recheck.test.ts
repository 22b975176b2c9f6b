// What was judged is what runs, also where the server itself changed the session's settings while somebody thought about the statement:
// a configuration that is read anew gives every session another search_path.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RequestView } from '../../src/review/client.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

describe.each(MAJORS.filter(available))('PostgreSQL %i: the configuration is read anew', (major) => {
  let server: TestServer;
  let gateway: TestGateway;
  let direct: pg.Client;

  beforeAll(async () => {
    server = await startServer(major);
    direct = await server.admin('CREATE SCHEMA other; CREATE TABLE public.t (id int); CREATE TABLE other.t (id int)');
    gateway = await startGateway({ upstream: server.url });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  /** The postmaster tells all its children in one go, so what this session sees the others have been told. */
  const searchPath = async (path: string): Promise<void> => {
    await direct.query(`ALTER SYSTEM SET search_path = ${path}`);
    await direct.query('SELECT pg_reload_conf()');
    for (;;) {
      const { rows } = await direct.query<{ search_path: string }>('SHOW search_path');
      if (rows[0]?.search_path === path) return;
    }
  };
  /** Resolves with the request when it is changed. */
  const revised = async (id: string): Promise<RequestView> => {
    for await (const message of gateway.grace.stream()) {
      const request =
        message.type === 'snapshot' ? await gateway.grace.get(id) : 'request' in message ? message.request : undefined;
      if (request?.id === id && request.revision > 1) return request;
    }
    throw new Error('the stream ended');
  };
  const tables = async (): Promise<string> =>
    (
      await direct.query<{ names: string }>(
        "SELECT string_agg(schemaname || '.t', ' ' ORDER BY schemaname) AS names FROM pg_tables WHERE tablename = 't'",
      )
    ).rows[0]?.names ?? '';

  test.each([
    ['outside of a transaction', [], 'DROP TABLE t'],
    ['in a transaction', ['BEGIN'], 'DROP TABLE IF EXISTS t'],
    ['in the extended protocol', [], { text: 'DROP TABLE t CASCADE', values: [], name: 'drop' }],
  ])('an approved statement is decided again: %s', async (_, before, sql) => {
    await searchPath('public');
    const client = new pg.Client(gateway.agentUrl());
    await client.connect();
    for (const statement of before) await client.query(statement);
    const dropped = client.query(sql).then(
      () => 'dropped',
      ({ code, message }: pg.DatabaseError) => `${code} ${message}`,
    );
    const request = await gateway.opened();
    await searchPath('other');
    await gateway.approve(request);
    const next = await revised(request.id);
    expect(next).toMatchObject({ state: 'open', search_path: 'other', decisions: [] });
    expect(next.changed?.why).toBe('the search_path is another now');
    expect(next.findings.map(({ object }) => object)).toContain('other.t');
    expect(await tables()).toBe('other.t public.t');
    await gateway.deny(next);
    expect(await dropped).toContain('42501 denied by grace');
    if (before.length > 0) await client.query('ROLLBACK');
    expect(await tables()).toBe('other.t public.t');
    await client.end();
  });
});
