// What the operator hears at a start, before any session: what is seen of the database's catalog and what not, also where the server comes
// up later; and no connection stays for it.
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownPort } from './ports.ts';
import { open } from './clients.ts';
import { startGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const SEEN =
  /the catalog of app\/postgres was read as postgres in \d+ ms: 1 tables and views, 2 functions; can not look into 1 \(public\.sealed\)/;

let server: TestServer;
let admin: pg.Client;
beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin(`
    CREATE TABLE seen (id int);
    CREATE FUNCTION plain(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
    CREATE FUNCTION sealed(a int, b int) RETURNS int LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'`);
});
afterAll(() => server?.stop());

const catalogConnections = async (): Promise<number | null> =>
  (await admin.query("SELECT FROM pg_stat_activity WHERE application_name = 'holdpoint catalog'")).rowCount;

test('before any session, once, and without a connection that stays', async () => {
  const gateway = await startGateway({ upstream: server.url });
  try {
    const told = (): readonly string[] => gateway.lines.filter((line) => line.includes('the catalog of'));
    expect(told()).toEqual([expect.stringMatching(SEEN)]);
    await expect.poll(catalogConnections).toBe(0);
    const client = await open(gateway.agentUrl());
    expect((await client.query('SELECT plain(1) AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    expect(told()).toHaveLength(1);
  } finally {
    await gateway.stop();
  }
});

test('a server that is not up yet: said, started all the same, and said what is seen when it is', async () => {
  const port = await ownPort();
  const gateway = await startGateway({ upstream: server.url.replace(`:${server.port}/`, `:${port}/`) });
  let late: Server | null = null;
  try {
    expect(gateway.lines.filter((line) => line.includes('the catalog of'))).toEqual([
      expect.stringMatching(/ECONNREFUSED.*the catalog of app\/postgres can not be read as postgres/),
    ]);
    late = createServer((socket) => {
      const line = connect(server.port, '127.0.0.1');
      socket.on('error', () => line.destroy()).pipe(line);
      line.on('error', () => socket.destroy()).pipe(socket);
    }).listen(port, '127.0.0.1');
    await once(late, 'listening');
    // Whoever connects just then does not wait for the next attempt: what users made is known.
    const client = await open(gateway.agentUrl());
    expect(gateway.lines.at(-1)).toMatch(SEEN);
    expect((await client.query('SELECT plain(1) AS one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  } finally {
    await gateway.stop();
    late?.close();
  }
});

test('... and without anybody who connects', async () => {
  const name = 'later';
  const gateway = await startGateway({ upstream: server.url.replace(/[^/]+$/, name) });
  try {
    expect(gateway.lines.at(-1)).toMatch(/the catalog of app\/later can not be read as postgres/);
    await admin.query(`CREATE DATABASE ${name}`);
    await expect.poll(() => gateway.lines.at(-1)).toMatch(/app\/later was read as postgres/);
    // For sessions of another test it stays a while.
    const LATER = "SELECT FROM pg_stat_activity WHERE datname = 'later' AND application_name = 'holdpoint catalog'";
    await expect.poll(async () => (await admin.query(LATER)).rowCount).toBe(0);
  } finally {
    await gateway.stop();
  }
});

test('where nobody reads it, that is said', async () => {
  const gateway = await startGateway({ upstream: server.url, listener: { catalog: 'none' } });
  try {
    expect(gateway.lines).toContainEqual(
      expect.stringMatching(/"level":"warn".*nobody reads the catalog of app: .* unknown, and held/),
    );
  } finally {
    await gateway.stop();
  }
});
