// Rules about session.role look at whose rights a statement has on the server, with and without SET ROLE.
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { open } from './clients.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

let server: TestServer;
let gateway: TestGateway;

beforeAll(async () => {
  server = await startServer(NEWEST);
  await server.admin(`CREATE ROLE writer; CREATE TABLE t (id int); GRANT INSERT, SELECT ON t TO writer;
    CREATE ROLE reader; CREATE SCHEMA reader; GRANT USAGE ON SCHEMA reader TO reader; CREATE TABLE reader.t (id int);
    GRANT SELECT ON reader.t TO reader; CREATE SCHEMA "${server.user}"; CREATE TABLE "${server.user}".secrets (id int)`);
  const policy = `version: 1
default: allow
unparsed: deny
unknown: deny
unresolved: deny
code: deny
lists:
  own: ["${server.user}.*", "reader.*"]
rules:
  - id: own
    when: stmt.touches("own")
    then: deny
  - id: owner
    when: session.role == "${server.user}" && stmt.writes("public.t")
    then: deny
  - id: memory
    when: session.role == "${server.user}" && stmt.does("settings", "work_mem")
    then: deny
`;
  gateway = await startGateway({ upstream: server.url, policy });
});
afterAll(async () => {
  await gateway?.stop();
  await server?.stop();
});

const said = async (client: pg.Client, sql: string): Promise<string> =>
  client.query(sql).then(
    () => 'done',
    ({ message }: Error) => message,
  );

test('session.role is the effective role', async () => {
  const client = await open(gateway.agentUrl());
  // Written out, so that no other schema is in question.
  const insert = (): Promise<string> => said(client, 'INSERT INTO public.t VALUES (1)');
  const denied = expect.stringContaining('rule "owner"');
  expect(await insert()).toEqual(denied);
  await client.query('SET ROLE writer');
  expect(await insert()).toBe('done');
  await client.query('RESET ROLE');
  expect(await insert()).toEqual(denied);
  await client.query('SET SESSION AUTHORIZATION writer');
  expect(await insert()).toBe('done');
  await client.query('RESET SESSION AUTHORIZATION');
  expect(await insert()).toEqual(denied);
  await client.end();
});

test('settings of a connection string are judged with the role that the session will have', async () => {
  const refused = open(gateway.agentUrl('postgres', '?options=-c%20work_mem%3D8MB')).then(async (client) =>
    client.end(),
  );
  await expect(refused).rejects.toThrow('rule "memory"');
  await (await open(gateway.agentUrl('postgres', '?options=-c%20DateStyle%3DISO'))).end();
});

test('behind a statement of the same message that may change the role, session.role is not known', async () => {
  const client = await open(gateway.agentUrl());
  const denied = expect.stringContaining('rule "owner"');
  const insert = 'INSERT INTO public.t VALUES (2)';
  await client.query('SET ROLE writer');
  for (const change of ['RESET ROLE', 'SET ROLE none', "SELECT set_config('role', 'none', false)"])
    expect(await said(client, `${change}; ${insert}`), change).toEqual(denied);
  // Refused as a whole: the role is still writer.
  expect(await said(client, insert)).toBe('done');
  await client.query('RESET ROLE');

  for (const end of ['COMMIT', 'ROLLBACK', 'ROLLBACK TO a; RELEASE a', 'COMMIT AND CHAIN']) {
    await client.query('BEGIN; SAVEPOINT a');
    await client.query('SET LOCAL ROLE writer');
    expect(await said(client, `${end}; ${insert}`), end).toEqual(denied);
    await client.query('ROLLBACK');
  }
  // In a failed block what does not pass gets the answer of any statement there.
  await client.query('BEGIN');
  await client.query('SET LOCAL ROLE writer');
  expect(await said(client, 'SELECT 1/0')).toContain('division by zero');
  expect(await said(client, `ROLLBACK; ${insert}`)).toContain('current transaction is aborted');
  expect(await said(client, 'ROLLBACK')).toBe('done');
  await client.end();
});

test('no false alarms: what leaves the role alone, and what comes before its change', async () => {
  const client = await open(gateway.agentUrl());
  const insert = 'INSERT INTO public.t SELECT 3';
  await client.query('SET ROLE writer');
  expect(await said(client, `RESET ALL; ${insert} WHERE current_user = 'writer'`)).toBe('done');
  expect(await said(client, `${insert}; RESET ROLE`)).toBe('done');
  await client.query('SET ROLE writer');
  expect(await said(client, `BEGIN; ${insert}; COMMIT; ${insert}`)).toBe('done');
  await client.query('BEGIN');
  await client.query("SET LOCAL search_path = ''");
  expect(await said(client, `COMMIT; ${insert}`)).toBe('done');
  // One of each, so RESET ALL has left the role.
  const { rows } = await client.query('SELECT count(*)::int AS n FROM public.t WHERE id = 3');
  expect(rows).toEqual([{ n: 5 }]);
  expect(await said(client, 'RESET ROLE; SELECT 1 FROM public.t')).toBe('done');
  const pool = 'SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all()';
  expect(await said(client, pool)).toBe('done');
  await client.end();
});

test('"$user" in search_path is the schema of that role', async () => {
  const client = await open(gateway.agentUrl());
  expect(await said(client, 'SELECT * FROM secrets')).toContain('rule "own"');
  expect(await said(client, 'SELECT * FROM public.t')).toBe('done');
  await client.query('SET search_path = public');
  expect(await said(client, 'SELECT * FROM t')).toBe('done');
  await client.query('RESET search_path');
  await client.query('SET ROLE reader');
  expect(await said(client, 'SELECT * FROM t')).toContain('rule "own"');
  await client.query('SET ROLE writer');
  expect(await said(client, 'SELECT * FROM t')).toBe('done');
  expect(await said(client, 'SELECT * FROM public.t')).toBe('done');
  await client.end();
});

test('in one message, too: behind a change of the role it is the schema of the other one', async () => {
  const client = await open(gateway.agentUrl());
  const denied = expect.stringContaining('rule "own"');
  await client.query('SET ROLE writer');
  for (const change of ['RESET ROLE', 'SET ROLE none', 'SET ROLE reader', "SELECT set_config('role', 'reader', false)"])
    expect(
      await said(client, `${change}; SELECT * FROM ${change.includes('reader') ? 't' : 'secrets'}`),
      change,
    ).toEqual(denied);
  await client.query('RESET ROLE');
  expect(await said(client, 'SET ROLE writer; SELECT * FROM t')).toBe('done');
  expect(await said(client, 'RESET ROLE; SELECT * FROM public.t')).toBe('done');
  await client.end();
});
