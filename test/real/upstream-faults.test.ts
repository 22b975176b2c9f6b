// A server that does not answer, dies, hangs or is cut off, at every moment from the dial to a running statement; and what is left on it when
// the gateway is stopped. Fake servers only where a real one would not do it at that very moment.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  authenticationOk,
  authenticationSasl,
  backendKeyData,
  commandComplete,
  dataRowOfText,
  IDLE,
  parameterStatus,
  query,
  readyForQuery,
} from '../../src/wire/postgres/messages.ts';
import { MECHANISM } from '../../src/wire/postgres/scram.ts';
import { until } from './clients.ts';
import { AGENT_PASSWORD, startGateway, type TestGateway } from './gateway.ts';
import { gatewayHome } from './process.ts';
import { errorText, keyOf, Raw, type RawMessage, sqlstate } from './raw.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const TIMEOUT_MS = 2000;
/** Beyond it, on a busy machine; the default is 10 s. */
const LATE_MS = 6000;

const login = async (port: number): Promise<{ raw: Raw; messages: RawMessage[] }> => {
  const raw = await Raw.connect(port);
  return { raw, messages: await raw.login('bot', AGENT_PASSWORD, { database: 'postgres' }) };
};

describe('a server that gives up', () => {
  let fake: Server;
  let gateway: TestGateway;
  /** What it says to each thing it is told, the first one the startup message; after the last one it closes. */
  let script: readonly (Buffer | 'silence')[] = [];
  /** The question whether it is a pooler is answered all the same. */
  let tellsPid = false;
  const closed: Promise<unknown>[] = [];

  beforeAll(async () => {
    const play = async (socket: Socket): Promise<void> => {
      const told = async (): Promise<void> => {
        const [data] = (await once(socket, 'data')) as [Buffer];
        if (!tellsPid || !data.includes('pg_backend_pid')) return;
        socket.write(Buffer.concat([dataRowOfText(['4711']), commandComplete('SELECT 1'), readyForQuery(IDLE)]));
        return told();
      };
      for (const line of script) {
        await told();
        if (line === 'silence') return;
        socket.write(line);
      }
      await told();
      socket.end();
    };
    fake = createServer((socket) => {
      socket.on('error', () => {});
      closed.push(once(socket, 'close'));
      play(socket).catch(() => socket.destroy());
    });
    fake.listen(0, '127.0.0.1');
    await once(fake, 'listening');
    gateway = await startGateway({
      // It would have a connection of its own there.
      listener: { catalog: 'none' },
      upstream: `postgres://gateway:secret@127.0.0.1:${(fake.address() as AddressInfo).port}/postgres`,
      config: { limits: { upstream_connect_timeout_ms: TIMEOUT_MS } },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    fake?.close();
  });

  const open = Buffer.concat([
    authenticationOk(),
    ...Object.entries({ server_version: '18.1', server_encoding: 'UTF8', client_encoding: 'UTF8' }).map(
      ([name, value]) => parameterStatus(name, value),
    ),
    backendKeyData(4711, Buffer.alloc(4)),
    readyForQuery(IDLE),
  ]);
  const sasl = authenticationSasl(MECHANISM);

  test.each([
    ['dies at the startup message', [], '08001', 'closed the connection', false],
    ['dies after it asked for the password', [sasl], '08001', 'closed the connection', false],
    [
      'stops between AuthenticationOk and ReadyForQuery',
      [authenticationOk()],
      '08001',
      'did not answer in time',
      false,
    ],
    ['accepts, and says nothing', ['silence'], '08001', 'did not answer in time', false],
    ['asks for the password, and says nothing more', [sasl, 'silence'], '08001', 'did not answer in time', false],
    ['dies at the first question after the login', [open], '08006', 'was lost right after the login', false],
    ['takes the login, and says nothing more', [open, 'silence'], '08006', 'was lost right after the login', false],
    ['is no pooler, and dies', [open], '08006', 'database "app" was lost', true],
    ['is no pooler, and says nothing more', [open, 'silence'], '08006', 'database "app" was lost', true],
  ] as const)('%s', async (_, lines, state, words, pid) => {
    script = lines;
    tellsPid = pid;
    const begun = performance.now();
    const { raw, messages } = await login(gateway.port);
    expect([sqlstate(messages), errorText(messages)]).toEqual([state, expect.stringContaining(words)]);
    expect(performance.now() - begun).toBeLessThan(TIMEOUT_MS + LATE_MS);
    await raw.ended();
    // Nothing is left of it on the server's side, either.
    await Promise.all(closed);
  });
});

describe('a real server', () => {
  let server: TestServer;
  let admin: pg.Client;
  let gateway: TestGateway;
  beforeAll(async () => {
    server = await startServer(NEWEST);
    admin = await server.admin();
    gateway = await startGateway({
      // It would have a connection of its own there.
      listener: { catalog: 'none' },
      upstream: server.url,
      config: { limits: { upstream_connect_timeout_ms: TIMEOUT_MS, keepalive_ms: 5000 } },
    });
  });
  afterAll(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  const busy = async (pid: number): Promise<boolean> =>
    (await admin.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active'", [pid])).rowCount === 1;
  const gone = async (...pids: readonly number[]): Promise<boolean> =>
    (await admin.query('SELECT 1 FROM pg_stat_activity WHERE pid = ANY ($1)', [pids])).rowCount === 0;

  test('TCP asks both sides of a silent session whether they are there', async () => {
    const { raw } = await login(gateway.port);
    const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
    const own = `0100007F:${hex(portOf(admin))}`;
    // Fields: number, local, remote, state (01: established), queues, timer (02: keepalive) and its jiffies (10 ms).
    const established = async (): Promise<string[][]> =>
      (await readFile('/proc/net/tcp', 'latin1'))
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .filter(([, local, , state]) => state === '01' && local !== own);
    const agentsOf = (lines: string[][]) => lines.filter(([, local]) => local?.endsWith(`:${hex(gateway.port)}`));
    const upstreamsOf = (lines: string[][]) => lines.filter(([, , remote]) => remote?.endsWith(`:${hex(server.port)}`));
    // The look for a pooler is on its way out.
    await until(async () => upstreamsOf(await established()).length === 1);
    const now = await established();
    const [agents, upstreams] = [agentsOf(now), upstreamsOf(now)];
    expect([agents.length, upstreams.length]).toEqual([1, 1]);
    for (const [, , , , , timer] of [...agents, ...upstreams]) {
      const [kind, jiffies] = (timer ?? '').split(':');
      expect(kind).toBe('02');
      expect(Number.parseInt(jiffies ?? '', 16) * 10).toBeLessThanOrEqual(5000 + 100);
    }
    raw.destroy();
  });

  test('it takes nobody new (SIGSTOP): 08001 in time, sessions that are there go on; then it does again', async () => {
    const { raw } = await login(gateway.port);
    const postmaster = Number((await readFile(join(server.data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
    process.kill(postmaster, 'SIGSTOP');
    try {
      const begun = performance.now();
      const refused = (await login(gateway.port)).messages;
      expect([sqlstate(refused), errorText(refused)]).toEqual(['08001', expect.stringContaining('in time')]);
      expect(performance.now() - begun).toBeLessThan(TIMEOUT_MS + LATE_MS);
      raw.send(query('SELECT 1'));
      expect((await raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
    } finally {
      process.kill(postmaster, 'SIGCONT');
    }
    expect(sqlstate((await login(gateway.port)).messages)).toBeUndefined();
  });

  test('a backend that hangs (SIGSTOP): the session can be left, and others are not touched', async () => {
    const { raw, messages } = await login(gateway.port);
    const { processId } = keyOf(messages);
    process.kill(processId, 'SIGSTOP');
    try {
      raw.send(query('SELECT 1'));
      const other = await login(gateway.port);
      other.raw.send(query('SELECT 1'));
      expect((await other.raw.until('Z')).map(({ type }) => type).join('')).toBe('TDCZ');
      other.raw.destroy();
      raw.destroy();
    } finally {
      process.kill(processId, 'SIGCONT');
    }
    await until(() => gone(processId));
  });

  test('stopped by SIGTERM: the agent is told, and what still runs on the server is cancelled there', async () => {
    await admin.query('CREATE TABLE stopped (id int)');
    const home = await gatewayHome({ upstream: server.url });
    try {
      const process = await home.start();
      const at = (): Promise<{ raw: Raw; messages: RawMessage[] }> => login(process.port);
      const [running, writing, held, idle] = await Promise.all([at(), at(), at(), at()]);
      const pids = [running, writing, held, idle].map(({ messages }) => keyOf(messages).processId);
      running.raw.send(query('SELECT pg_sleep(300)'));
      writing.raw.send(query('BEGIN; INSERT INTO stopped SELECT 1 FROM pg_sleep(300); COMMIT'));
      held.raw.send(query('CREATE TABLE never (id int)'));
      await until(async () => (await busy(pids[0] as number)) && (await busy(pids[1] as number)));
      const reviewer = await process.reviewer('grace');
      await until(async () => (await reviewer.list({ state: 'open' })).requests.length === 1);
      const told = Promise.all([running, writing, held, idle].map(({ raw }) => raw.until('never')));
      const begun = performance.now();
      expect(await process.kill('SIGTERM')).toBe(0);
      expect(performance.now() - begun).toBeLessThan(5000);
      for (const messages of await told) expect(sqlstate(messages)).toBe('57P01');
      await until(() => gone(...pids));
      expect((await admin.query('SELECT * FROM stopped')).rows).toEqual([]);
      expect((await admin.query("SELECT to_regclass('never') AS t")).rows).toEqual([{ t: null }]);
    } finally {
      await home.remove();
    }
  });
});

/** The port of the client's own end. */
const portOf = (client: pg.Client): number =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream.localPort ?? 0;
