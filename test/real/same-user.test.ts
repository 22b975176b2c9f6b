// An agent under the gateway's own OS user: seen by the tables of Linux, over a real connection, told of once, and never in the way.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql2 from 'mysql2/promise';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { check } from '../../src/cli/check.ts';
import { keepSameUser, readSameUser, SAME_USER_FILE, SEEN_MS } from '../../src/identity/same-user.ts';
import { type Ends, LOOK_EVERY_MS, uidOfPeer, watchSameUser } from '../../src/listener/same-user.ts';
import { deps } from '../../src/main.ts';
import { AGENT_PASSWORD, startGateway } from './gateway.ts';
import { available, startMysql } from './mysql-servers.ts';
import { NEWEST, startServer } from './servers.ts';

const UID = process.getuid?.() ?? -1;
const NOBODY = 65_534;
const WAIT = { timeout: 60_000, interval: 50 };

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-same-user-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe.skipIf(process.platform !== 'linux')('the socket of a client', () => {
  let server: Server;
  let accepted: Promise<Socket>;
  const listen = async (host: string): Promise<number> => {
    server = createServer();
    accepted = once(server, 'connection').then(([socket]) => socket as Socket);
    server.listen(0, host);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  afterEach(() => {
    server.close();
  });
  const LINES = ['127.0.0.1', '127.0.0.7'];

  test.each(LINES)("on %s is its own user's", async (host) => {
    const client = connect({ port: await listen(host), host });
    const socket = await accepted;
    expect(await uidOfPeer(socket)).toBe(UID);
    // What is at the other side of it is another socket.
    expect(await uidOfPeer({ ...endsOf(socket), remotePort: (socket.remotePort ?? 0) ^ 1 })).toBeNull();
    client.destroy();
    socket.destroy();
  });

  test.skipIf(UID !== 0)('is of the user who has it, and not of ours', async () => {
    const port = await listen('127.0.0.1');
    const child = spawn(process.execPath, ['-e', `require('net').connect(${port}, '127.0.0.1').resume()`], {
      uid: NOBODY,
      cwd: '/',
    });
    const socket = await accepted;
    expect(await uidOfPeer(socket)).toBe(NOBODY);
    const ended = once(child, 'exit');
    socket.destroy();
    await ended;
  });
});

const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Ends): Ends => ({
  remoteAddress,
  remotePort,
  localAddress,
  localPort,
});

describe('who is told of', () => {
  let now = 0;
  let found: string[];
  let tables: string;
  const ENDS: Ends = { remoteAddress: '127.0.0.1', remotePort: 0x1f90, localAddress: '127.0.0.1', localPort: 0x1920 };
  /** As proc_net_tcp(5) has them: ours, and the client's. */
  const table = (before: string, uid: number): string =>
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n' +
    `   0: ${before}0100007F:1920 ${before}0100007F:1F90 01 00000000:00000000 00:00000000 00000000  4711        0 1 1 0 20 4 30 10 -1\n` +
    `   1: ${before}0100007F:1F90 ${before}0100007F:1920 01 00000000:00000000 02:000004E2 00000000  ${uid}        0 2 2 0 20 4 30 10 -1\n`;
  const watch = () => watchSameUser({ uid: 1000, found: (user) => found.push(user), now: () => now, tables });
  beforeEach(async () => {
    found = [];
    now += 3_600_000;
    tables = await mkdtemp(join(dir, 'net-'));
    await writeFile(join(tables, 'tcp'), table('', 1000));
    await writeFile(join(tables, 'tcp6'), '');
  });

  test('our own user, once for each principal', async () => {
    const saw = watch();
    for (const user of ['bot', 'bot', 'other', 'bot']) {
      await saw(user, ENDS);
      now += LOOK_EVERY_MS;
    }
    expect(found).toEqual(['bot', 'other']);
  });

  test('also where a client thinks that it speaks IPv6', async () => {
    await writeFile(join(tables, 'tcp'), '');
    await writeFile(join(tables, 'tcp6'), table('0000000000000000FFFF0000', 1000));
    await watch()('bot', { ...ENDS, remoteAddress: '::ffff:127.0.0.1', localAddress: '::ffff:127.0.0.1' });
    expect(found).toEqual(['bot']);
    await writeFile(join(tables, 'tcp6'), table('', 1000).replaceAll('0100007F', '00000000000000000000000001000000'));
    await watch()('six', { ...ENDS, remoteAddress: '::1', localAddress: '::1' });
    expect(found).toEqual(['bot', 'six']);
  });

  test('nobody of another user, from elsewhere, or that is not there', async () => {
    await watch()('elsewhere', { ...ENDS, remoteAddress: '10.0.0.1' });
    await watch()('gone', { ...ENDS, remotePort: 1 });
    await watch()('closed', {});
    await writeFile(join(tables, 'tcp'), table('', 1001));
    await watch()('another', ENDS);
    expect(found).toEqual([]);
  });

  test('nobody where nothing can be read, and that is quiet', async () => {
    await rm(tables, { recursive: true });
    await expect(watch()('bot', ENDS)).resolves.toBeUndefined();
    expect(found).toEqual([]);
  });

  test('the tables are not read for each of many logins at once', async () => {
    const saw = watch();
    await Promise.all(['a', 'b', 'c'].map((user) => saw(user, { ...ENDS })));
    expect(found).toEqual(['a']);
    now += LOOK_EVERY_MS;
    await saw('b', { ...ENDS });
    expect(found).toEqual(['a', 'b']);
  });

  test('whoever logs in anew over a connection that was looked at, at once and without another look', async () => {
    const saw = watch();
    const one = { ...ENDS };
    await Promise.all(['a', 'b'].map((user) => saw(user, one)));
    await rm(tables, { recursive: true });
    await saw('c', one);
    expect(found).toEqual(['a', 'b', 'c']);
    await saw('d', { ...ENDS });
    expect(found).toEqual(['a', 'b', 'c']);
  });
});

test('what is kept ends after a while, and is nothing where it is broken', async () => {
  const file = join(dir, SAME_USER_FILE);
  await keepSameUser(file, 'bot', 1_000);
  await keepSameUser(file, '__proto__', 2_000);
  expect([...(await readSameUser(file, 3_000))]).toEqual([
    ['__proto__', 2_000],
    ['bot', 1_000],
  ]);
  expect([...(await readSameUser(file, 1_500 + SEEN_MS))]).toEqual([['__proto__', 2_000]]);
  for (const text of ['[1', '[["bot", "x"]]']) {
    await writeFile(file, text);
    expect((await readSameUser(file)).size).toBe(0);
  }
});

describe.skipIf(process.platform !== 'linux')('a gateway', () => {
  test('warns of an agent under its own user, lets it work, and check says so later; without being asked to it says nothing', async () => {
    const server = await startServer(NEWEST);
    const warned = (lines: readonly string[]) => lines.filter((one) => one.includes("under the gateway's own OS user"));
    /** It stays until that is over: whose socket is gone can't be seen any more. */
    const logIn = async (url: string, until: () => unknown = () => {}): Promise<void> => {
      const client = new pg.Client(url);
      await client.connect();
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await until();
      await client.end();
    };
    try {
      const quiet = await startGateway({ upstream: server.url });
      await logIn(quiet.agentUrl());
      await quiet.stop();
      expect(warned(quiet.lines)).toEqual([]);

      const gateway = await startGateway({ upstream: server.url, neighbours: true });
      try {
        await logIn(gateway.agentUrl(), () => vi.waitFor(() => expect(warned(gateway.lines)).toHaveLength(1), WAIT));
        expect(warned(gateway.lines)[0]).toContain(`bot runs under the gateway's own OS user (uid ${UID})`);
        await vi.waitFor(
          async () => expect((await readSameUser(join(gateway.dir, 'data', SAME_USER_FILE))).has('bot')).toBe(true),
          WAIT,
        );
        const found = await check(join(gateway.dir, 'holdpoint.yaml'), deps);
        expect(found.filter(({ about }) => about === 'agents')).toEqual([
          {
            level: 'warn',
            about: 'agents',
            text: expect.stringMatching(
              /^under the gateway's own OS user, who could read its keys and files, ran bot \(last seen .*Z\): run agents as another user/,
            ) as string,
          },
        ]);
      } finally {
        await gateway.stop();
      }
    } finally {
      await server.stop();
    }
  });

  test.skipIf(!available('mysql'))('warns of whoever comes by COM_CHANGE_USER right after another', async () => {
    const server = await startMysql('mysql');
    await server.sql('CREATE DATABASE app');
    const gateway = await startGateway({
      upstream: `mysql://${server.user}:${server.password}@127.0.0.1:${server.port}/app`,
      neighbours: true,
    });
    try {
      const { port } = gateway;
      const client = await mysql2.createConnection({ host: '127.0.0.1', port, user: 'bot', password: AGENT_PASSWORD });
      await client.changeUser({ user: 'petra', password: AGENT_PASSWORD });
      const warned = (user: string): boolean =>
        gateway.lines.some((one) => one.includes(`${user} runs under the gateway's own OS user`));
      await vi.waitFor(() => expect([warned('bot'), warned('petra')]).toEqual([true, true]), WAIT);
      await client.end();
    } finally {
      await gateway.stop();
      await server.stop();
    }
  });
});
