// Connections as the API lists and ends them, of both protocols; and the token of an agent, which is good for the API alone.
import mysql2 from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signIn } from '../../src/review/client.ts';
import type { SessionView } from '../../src/review/schemas.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { available as mysqlAvailable, ENGINES, startMysql } from './mysql-servers.ts';
import { available, MAJORS, startServer } from './servers.ts';

const DROP = 'DROP TABLE t';

interface Client {
  query(sql: string): Promise<unknown>;
  end(): Promise<unknown>;
}
interface Kind {
  readonly name: string;
  start(): Promise<{ upstream: string; stop(): Promise<void> }>;
  connect(gateway: TestGateway, password: string): Promise<Client>;
  /** What a client is told whose connection an admin ends while it waits; and whose password is wrong. */
  readonly ended: RegExp;
  readonly refused: RegExp;
}

const KINDS: readonly Kind[] = [
  ...MAJORS.filter(available).map((major) => ({
    name: `PostgreSQL ${major}`,
    async start() {
      const server = await startServer(major);
      await (await server.admin('CREATE TABLE t (id int)')).end();
      return { upstream: server.url, stop: () => server.stop() };
    },
    async connect(gateway: TestGateway, password: string) {
      const client = new pg.Client({
        host: '127.0.0.1',
        port: gateway.port,
        user: 'bot',
        password,
        database: 'postgres',
        application_name: 'the agent',
      });
      client.on('error', () => undefined);
      await client.connect();
      return client;
    },
    ended: /^57P01 terminating connection due to administrator command$/,
    refused: /^28P01 /,
  })),
  ...ENGINES.filter(mysqlAvailable).map((engine) => ({
    name: engine,
    async start() {
      const server = await startMysql(engine);
      await server.sql('CREATE DATABASE app; CREATE TABLE app.t (id INT)');
      const upstream = `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`;
      return { upstream, stop: () => server.stop() };
    },
    async connect(gateway: TestGateway, password: string) {
      const client = await mysql2.createConnection({
        host: '127.0.0.1',
        port: gateway.port,
        user: 'bot',
        password,
        database: 'app',
        connectAttributes: { program_name: 'the agent' },
      });
      client.on('error', () => undefined);
      return client;
    },
    ended: /^ER_SERVER_SHUTDOWN terminating connection due to administrator command\. root ended it/,
    refused: /^ER_ACCESS_DENIED_ERROR /,
  })),
];

const fault = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    ({ code, message }: { code: string; message: string }) => `${code} ${message}`,
  );

describe.each(KINDS)('$name', (kind) => {
  let server: Awaited<ReturnType<Kind['start']>>;
  let gateway: TestGateway;
  beforeAll(async () => {
    server = await kind.start();
    gateway = await startGateway({ upstream: server.upstream });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  test('a connection is listed, with what it waits for; ended by an admin it is told why, and its request stays', async () => {
    const client = await kind.connect(gateway, AGENT_PASSWORD);
    const told: string[] = [];
    const stream = gateway.root.stream((await gateway.root.sessions()).cursor - 1, true);
    const dropped = fault(client.query(DROP));
    const { id } = await gateway.opened();
    const [session, ...others] = (await gateway.grace.sessions()).sessions as [SessionView];
    expect(others).toEqual([]);
    expect(session).toMatchObject({
      who: { id: 'bot', sponsor: 'ada', address: '127.0.0.1' },
      where: { upstream: 'app' },
      application_name: 'the agent',
      held: id,
    });
    expect((await gateway.grace.get(id)).session).toBe(session.id);
    await expect(gateway.grace.endSession(session.id)).rejects.toMatchObject({ why: 'no-role' });
    await gateway.root.endSession(session.id);
    expect(await dropped).toMatch(kind.ended);
    const ends = ['request.ticket', 'session.closed'];
    for await (const { type } of stream) {
      if (type !== 'health' && type !== 'request.impact') told.push(type);
      if (ends.every((end) => told.includes(end))) break;
    }
    expect(told.slice(0, 2)).toEqual(['session.opened', 'request.opened']);
    // Each is on record when it is; which of them first is nobody's promise.
    expect(told.slice(2).toSorted()).toEqual(ends);
    expect(await gateway.grace.get(id)).toMatchObject({ state: 'open', holds: 'ticket' });
    expect((await gateway.root.sessions()).sessions).toEqual([]);
    await expect(gateway.root.endSession(session.id)).rejects.toMatchObject({ why: 'not-found' });
    const record = (await gateway.records()).find(({ type }) => type === 'session.ended');
    expect(record?.clear).toEqual({ session: session.id, who: 'bot', by: 'root' });
    await gateway.ada.withdraw(id, 'done');
  });

  test('the token of an agent is no password', async () => {
    const { token } = await gateway.ada.tokenFor('bot', '15m');
    expect(await fault(kind.connect(gateway, token))).toMatch(kind.refused);
    await expect(signIn(gateway.reviewUrl, { user: 'bot', password: token })).rejects.toMatchObject({
      why: 'sign-in-refused',
    });
  });
});
