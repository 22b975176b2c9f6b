// What a token says of its task, in words that its issuer or an agent wrote: sealed in every record of the log, like a statement's text, and shown to whoever
// may read the request, also after a restart. The token itself stands nowhere; its id does.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSigner, makeToken } from '../unit/identity/tokens.ts';
import { makeAuthority } from './certificates.ts';
import { outcome } from './clients.ts';
import { type GatewayOptions, startGateway, type TestGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const POLICY = `version: 1
default: allow
rules:
  - {id: kept, when: stmt.reads("public.kept"), then: hold, ask: {permit: {for: 1h, uses: 5, rows: 100}, wait: 0s}}
  - {id: closed, when: stmt.reads("public.closed"), then: deny}
  - {id: watched, when: stmt.reads("public.watched"), then: deny, mode: observe}
`;
const TASK = 'the words of the task, which nobody is to read in the log';
const ISSUER = 'https://batch.example';
const TOKEN = 'id-of-the-token-of-the-task';

const signer = makeSigner('ES256', 'one');
let dir: string;
let server: TestServer;
let gateway: TestGateway;
let options: GatewayOptions;
let given: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-task-'));
  server = await startServer(NEWEST);
  const tables = ['kept', 'closed', 'watched'].map((table) => `CREATE TABLE ${table} AS SELECT 1 AS id`);
  await (await server.admin(tables.join(';'))).end();
  await writeFile(join(dir, 'keys.json'), JSON.stringify({ keys: [signer.jwk] }));
  const own = await (await makeAuthority(dir, 'house')).issue('gateway', ['DNS:localhost', 'IP:127.0.0.1']);
  options = {
    upstream: server.url,
    policy: POLICY,
    listener: { tls: own, logins: [{ by: ['jwt'] }] },
    config: {
      identity: {
        users: 'users.yaml',
        jwt: [{ issuer: ISSUER, file: join(dir, 'keys.json'), algorithms: ['ES256'] }],
      },
    },
  };
  gateway = await startGateway(options);
  const at = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, aud: 'holdpoint-db', sub: 'bot', iat: at, exp: at + 3000, jti: TOKEN, task: TASK };
  given = makeToken(signer, { ...claims, on_behalf_of: 'mara' }).toString();
});
afterAll(async () => {
  await gateway?.stop();
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.port,
    user: 'bot',
    password: given,
    database: 'postgres',
    ssl: { rejectUnauthorized: false },
  });
  await client.connect();
  return client;
};
/** All of the log's files, as they lie there. */
const written = async (): Promise<string> => {
  const folder = join(gateway.dir, 'data', 'audit');
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const texts = files.filter((one) => one.isFile()).map((one) => readFile(join(one.parentPath, one.name), 'latin1'));
  return (await Promise.all(texts)).join('');
};

test('is sealed wherever the agent stands in a record, and told to those who may read it', async () => {
  const agent = await connect();
  expect(await outcome(agent.query('SELECT * FROM closed'))).toMatchObject({ code: '42501' });
  expect(await outcome(agent.query('SELECT * FROM watched'))).toMatchObject({ rowCount: 1 });
  expect(await outcome(agent.query('SELEC 1'))).toMatchObject({ code: '42601' });
  expect(await outcome(agent.query('SELECT * FROM kept'))).toMatchObject({ code: 'ZH001' });
  const request = await gateway.opened();
  const shown = { task: { text: TASK }, on_behalf_of: [expect.anything()] };
  expect(request.who).toMatchObject(shown);
  expect((await gateway.root.sessions()).sessions).toMatchObject([{ who: shown }]);
  const { id, digest, revision } = request;
  await gateway.grace.decide(id, {
    decision: 'approve',
    digest,
    revision,
    rationale: 'every day',
    permit: { for: '1h', uses: 3, rows: 100 },
  });
  expect(await outcome(agent.query('SELECT * FROM kept'))).toMatchObject({ rowCount: 1 });
  expect(await outcome(agent.query('SELECT * FROM kept'))).toMatchObject({ rowCount: 1 });
  await agent.end();

  const records = await gateway.records();
  const of = (type: string) => records.filter((record) => record.type === type);
  expect(of('session.opened').map(({ clear, sealed }) => [clear, sealed])).toMatchObject([
    [{ token: TOKEN, who: { id: 'bot', on_behalf_of: ['mara'] } }, { task: TASK }],
  ]);
  for (const type of ['statement.denied', 'statement.observed', 'statement.refused'])
    expect(of(type)).toMatchObject([{ clear: { who: { id: 'bot', on_behalf_of: ['mara'] } }, sealed: { task: TASK } }]);
  expect(of('request.opened')).toMatchObject([
    { clear: { request: { who: { id: 'bot', on_behalf_of: ['mara'] } } }, sealed: { request: { task: TASK } } },
  ]);
  expect(of('permit.granted')).toMatchObject([{ sealed: { permit: { task: TASK } } }]);
  for (const { clear } of records) expect(JSON.stringify(clear)).not.toContain(TASK);
  const all = await written();
  expect(all).toContain(TOKEN);
  expect(all).not.toContain(TASK);
  expect(all).not.toContain(given.slice(-40));
});

test('is there again after a restart', async () => {
  const agent = await connect();
  expect(await outcome(agent.query('SELECT *, 1 AS other FROM kept'))).toMatchObject({ code: 'ZH001' });
  const { id } = await gateway.opened();
  await agent.end();
  await gateway.stop(true);
  gateway = await startGateway({ ...options, dir: gateway.dir });
  expect((await gateway.grace.get(id)).who).toMatchObject({ task: { text: TASK } });
});
