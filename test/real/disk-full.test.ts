// A disk that is really full, a small one of its own, under a gateway before PostgreSQL and MariaDB while agents work and a reviewer decides:
// nothing new runs, it recovers by itself when there is room, no decision that was acknowledged is missing, and the log verifies against the
// checkpoints that an anchor kept elsewhere. Needs root, to mount that disk; disk.test.ts does the like by a limit on file sizes.
import { execFile, execFileSync } from 'node:child_process';
import { rmdirSync } from 'node:fs';
import { mkdtemp, open as openFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mysql2 from 'mysql2/promise';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLog } from '../../src/audit/read.ts';
import { makeStored } from '../../src/wire/mysql/auth.ts';
import { open, outcome, until } from './clients.ts';
import { AGENT_PASSWORD, decide } from './gateway.ts';
import { available, startMysql, type TestMysql } from './mysql-servers.ts';
import { type GatewayHome, gatewayHome } from './process.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const run = promisify(execFile);
const DISK = 'size=6m';
const BLOCK = 4096;
const repo = join(import.meta.dirname, '../..');

let disk: string | null = null;
let elsewhere: string;
let server: TestServer;
let maria: TestMysql | null = null;
let home: GatewayHome | null = null;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdpoint-full-'));
  elsewhere = await mkdtemp(join(tmpdir(), 'holdpoint-anchor-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', DISK, 'tmpfs', folder], { stdio: 'ignore' });
    disk = folder;
  } catch {
    rmdirSync(folder);
    return;
  }
  server = await startServer(NEWEST);
  const admin = await server.admin('CREATE TABLE effects (name text NOT NULL)');
  await admin.end();
  if (!available('mariadb')) return;
  maria = await startMysql('mariadb');
  await maria.sql('CREATE DATABASE app; CREATE TABLE app.effects (name VARCHAR(100))');
});
afterAll(async () => {
  await home?.remove();
  if (disk !== null) {
    execFileSync('umount', [disk]);
    rmdirSync(disk);
  }
  await rm(elsewhere, { recursive: true, force: true });
  await Promise.all([server?.stop(), maria?.stop()]);
});

/** Takes all room there is; the returned function gives it back. */
async function fill(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'ballast');
  const file = await openFile(path, 'w');
  const refused = (error: NodeJS.ErrnoException): null => {
    if (error.code === 'ENOSPC') return null;
    throw error;
  };
  for (let bytes = 256 * BLOCK; bytes >= BLOCK; bytes /= 2)
    while ((await statfs(folder)).bavail > 0 && (await file.write(Buffer.alloc(bytes)).catch(refused)) !== null)
      continue;
  await file.close();
  return () => rm(path);
}

/** SQLSTATE, in MySQL's protocol told by its words; undefined: it ran. */
const codeOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    ({ code, message }: { readonly code?: string; readonly message: string }) =>
      message.includes('Holdpoint cannot write its log') ? 'ZH005' : `${code}: ${message}`,
  );

test('a full disk under load: nothing new runs, it recovers by itself, and what was acknowledged is on record', {
  timeout: 120_000,
}, async ({ skip }) => {
  if (disk === null) {
    skip('mounting a tmpfs needs root');
    return;
  }
  const data = join(disk, 'data');
  const listener = { name: 'maria', listen: '127.0.0.1:0', tags: { env: 'test' } };
  const beside = maria && [
    { ...listener, upstream: `mysql://${maria.user}:${maria.password}@127.0.0.1:${maria.port}/app` },
  ];
  home = await gatewayHome({
    upstream: server.url,
    people: { bot: { mysql: await makeStored(AGENT_PASSWORD) } },
    config: {
      data,
      audit: { checkpoint: '100ms', anchors: [{ name: 'vault', folder: elsewhere, every: '100ms' }] },
      ...(beside && { mysql: beside }),
    },
  });
  const gateway = await home.start();
  const port = async (): Promise<number> => {
    let found: string | undefined;
    await until(
      async () => (found = /maria: agents connect to [\d.]+:(\d+)/.exec(gateway.lines.join('\n'))?.[1]) !== undefined,
    );
    return Number(found);
  };
  const mysqlClient = async () =>
    mysql2.createConnection({
      host: '127.0.0.1',
      port: await port(),
      user: 'bot',
      password: AGENT_PASSWORD,
      database: 'app',
    });
  const grace = await gateway.reviewer('grace');

  // Agents work, and a reviewer approves what they ask for, all the while.
  const acknowledged: string[] = [];
  const load = { full: false, over: false };
  let ran = 0;
  let wrong = '';
  const working = async (client: Pick<pg.Client, 'query'>, name: string): Promise<void> => {
    for (let n = 0; !load.over; n++) {
      const code = await codeOf(client.query(`INSERT INTO effects VALUES ('${name}-${n}')`));
      if (code === undefined) ran++;
      else if (code !== 'ZH005') wrong ||= `${name}: ${code}`;
      await new Promise((resolve) => setTimeout(resolve, code === undefined ? 0 : 20));
    }
  };
  const deciding = async (client: pg.Client): Promise<void> => {
    for (let n = 0; !load.over; n++) {
      const held = outcome(client.query(`CREATE TABLE made_${n} (id int)`));
      let settled = false;
      void held.then(() => (settled = true));
      await until(async () => {
        const requests = load.full
          ? []
          : await grace.list({ state: 'open' }).then(
              (list) => list.requests,
              () => [],
            );
        const [request] = requests;
        if (request) {
          const decided = await decide(grace, await grace.get(request.id), 'approve').catch(() => null);
          if (decided !== null) acknowledged.push(request.id);
        }
        return settled || load.over;
      });
    }
  };
  const clients = await Promise.all([1, 2, 3].map(() => open(gateway.agentUrl)));
  const [first, second, third] = clients as [pg.Client, pg.Client, pg.Client];
  const inMaria = beside ? await mysqlClient() : null;
  const workers = [working(first, 'one'), working(second, 'two'), deciding(third)];
  if (inMaria) workers.push(working(inMaria as unknown as pg.Client, 'three'));
  await until(async () => ran > 20 && acknowledged.length > 2);

  const empty = await fill(disk);
  load.full = true;
  const health = async (): Promise<number> => {
    const response = await fetch(`${gateway.reviewUrl}/api/health`);
    await response.body?.cancel();
    return response.status;
  };
  // What still fits into the last blocks goes, and is on record; then every new statement is refused, and every connection.
  const refused = async (): Promise<boolean> => {
    const codes: (string | undefined)[] = [];
    for (const text of ['SELECT 1', "INSERT INTO effects VALUES ('more')", 'SELECT count(*) FROM effects']) {
      codes.push(await codeOf(first.query(text)));
      if (inMaria) codes.push(await codeOf(inMaria.query(text)));
    }
    codes.push(await codeOf(open(gateway.agentUrl).then((client) => client.end())));
    return codes.every((code) => code === 'ZH005') && (await health()) === 503;
  };
  await until(refused);

  await empty();
  await until(async () => (await health()) === 200);
  load.full = false;
  const so_far = ran;
  await until(async () => ran > so_far + 10);
  load.over = true;
  await Promise.all(workers);
  expect(wrong).toBe('');
  await Promise.all(clients.map((one) => one.end()));
  await inMaria?.end();
  expect(await gateway.kill('SIGTERM')).toBe(0);

  const log = join(data, 'audit');
  const decided = new Set<unknown>();
  let recovered = 0;
  let last = 0;
  for await (const { seq, type, clear } of readLog(log)) {
    expect(seq).toBe(++last);
    if (type === 'request.decided') decided.add(clear['id']);
    if (type === 'log.recovered') recovered++;
  }
  expect(acknowledged.filter((id) => !decided.has(id))).toEqual([]);
  expect(recovered).toBeGreaterThan(0);
  const cli = (...args: string[]) =>
    run(process.execPath, ['--import', 'tsx', 'src/main.ts', 'audit', ...args], { cwd: repo });
  const key = (await cli('key', log)).stdout.trim();
  const { stdout } = await cli('verify', log, '--key', key, '--checkpoint', elsewhere);
  expect(stdout).toContain('The log verifies.');
  console.log(
    `a full disk: ${ran} statements and ${acknowledged.length} decisions acknowledged, ${last} records${inMaria ? '' : ', without MariaDB'}`,
  );
});
