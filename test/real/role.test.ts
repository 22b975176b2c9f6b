// Rules about session.role look at whose rights a statement has on the server, with and without SET ROLE.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { open } from './clients.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

let server: TestServer;
let gateway: TestGateway;

beforeAll(async () => {
  server = await startServer(NEWEST);
  await server.admin('CREATE ROLE writer; CREATE TABLE t (id int); GRANT INSERT ON t TO writer');
  const policy = `version: 1
default: allow
unparsed: deny
unknown: deny
unresolved: deny
code: deny
rules:
  - id: owner
    when: session.role == "${server.user}" && stmt.writes("public.t")
    then: deny
`;
  gateway = await startGateway({ upstream: server.url, policy });
});
afterAll(async () => {
  await gateway?.stop();
  await server?.stop();
});

test('session.role is the effective role', async () => {
  const client = await open(gateway.agentUrl());
  const insert = (): Promise<string> =>
    client.query('INSERT INTO t VALUES (1)').then(
      () => 'done',
      ({ message }: Error) => message,
    );
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
