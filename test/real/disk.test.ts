// A full disk under the audit log of a running gateway, and the `sync` mode. The disk refuses by a limit on the process's file
// size (prlimit), which is lifted again: what can't be recorded is not forwarded, and it recovers by itself.
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Refused, type RequestView } from '../../src/review/client.ts';
import { open, outcome, until } from './clients.ts';
import { decide, startGateway } from './gateway.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const run = promisify(execFile);

let server: TestServer;
let admin: pg.Client;
let home: GatewayHome;

beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin('CREATE TABLE effects (name text NOT NULL)');
});
afterAll(async () => {
  await server?.stop();
});
afterEach(async () => {
  await home?.remove();
});

const codeOf = async (result: Promise<pg.QueryResult>): Promise<string | undefined> => {
  const ended = await outcome(result);
  return ended instanceof Error ? ended.code : undefined;
};
const effects = async (): Promise<string[]> =>
  (await admin.query<{ name: string }>('SELECT name FROM effects ORDER BY name')).rows.map(({ name }) => name);

/** No file of this process can grow beyond what the log's segment has now; '' lifts that. */
const fillDisk = async (gateway: GatewayProcess): Promise<void> => {
  const log = join(home.dir, 'data', 'audit');
  const segments = (await readdir(log)).filter((name) => name.endsWith('.jsonl')).toSorted();
  const { size } = await stat(join(log, segments.at(-1) ?? ''));
  await run('prlimit', ['--pid', String(gateway.pid), `--fsize=${size}:`]);
};
const freeDisk = async (gateway: GatewayProcess): Promise<void> => {
  await run('prlimit', ['--pid', String(gateway.pid), '--fsize=unlimited:']);
};

describe.each(['async', 'sync'] as const)('audit.allowed: %s', (allowed) => {
  test('a full disk: ZH005 and nothing forwarded, also for sessions and decisions; it recovers by itself', async () => {
    await admin.query('TRUNCATE effects');
    home = await gatewayHome({ upstream: server.url, config: { audit: { allowed } } });
    const gateway = await home.start();
    const grace = await gateway.reviewer('grace');
    const client = await open(gateway.agentUrl);
    await client.query("INSERT INTO effects VALUES ('before')");
    await client.query('SELECT $1::int', [1]);
    const waiting = await open(gateway.agentUrl);
    const held = outcome(waiting.query('CREATE TABLE by_full_disk (id int)'));
    let request: RequestView | undefined;
    await until(async () => {
      request = (await grace.list({ state: 'open' })).requests[0];
      return request !== undefined;
    });
    const { id } = request as RequestView;
    const shown = await grace.get(id);
    // What is buffered so far goes out first.
    await new Promise((resolve) => setTimeout(resolve, 300));

    await fillDisk(gateway);
    if (allowed === 'sync') {
      // Known statements wait for their record, too: the very first one is refused.
      expect(await codeOf(client.query("INSERT INTO effects VALUES ('before')"))).toBe('ZH005');
      expect(await codeOf(client.query('SELECT $1::int', [1]))).toBe('ZH005');
    } else await until(async () => (await codeOf(client.query('SELECT 1'))) === 'ZH005');
    for (const text of [
      "INSERT INTO effects VALUES ('lost')",
      'SELECT 1',
      'DROP TABLE effects',
      "COPY effects TO PROGRAM 'true'",
      'SELCT',
    ])
      expect(await codeOf(client.query(text)), text).toBe('ZH005');
    expect(await codeOf(client.query('INSERT INTO effects VALUES ($1)', ['lost']))).toBe('ZH005');
    await expect(open(gateway.agentUrl)).rejects.toMatchObject({ code: 'ZH005', severity: 'FATAL' });
    const refused = await decide(grace, shown, 'approve').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect((refused as Refused).why).toBe('not-recorded');
    expect(await effects()).toEqual(['before']);

    await freeDisk(gateway);
    await until(async () => (await codeOf(client.query('SELECT 1'))) === undefined);
    await client.query("INSERT INTO effects VALUES ('after')");
    expect((await grace.get(id)).state).toBe('open');
    await decide(grace, shown, 'approve');
    expect(await held).toMatchObject({ command: 'CREATE' });
    await admin.query('DROP TABLE by_full_disk');
    expect(await effects()).toEqual(['after', 'before']);
    await Promise.all([client.end(), waiting.end()]);
    expect(await gateway.kill('SIGTERM')).toBe(0);
    const records = await home.records();
    expect(records.filter(({ type }) => type === 'log.recovered')).not.toEqual([]);
    const gaps = records.findIndex(({ seq }, index) => seq !== index + 1);
    expect(gaps).toBe(-1);
  });
});

test('sync: each statement forwarded has a record that was durable before, in every sub-protocol', async () => {
  const gateway = await startGateway({ upstream: server.url, config: { audit: { allowed: 'sync' } } });
  try {
    const client = await open(gateway.agentUrl());
    const ran: number[] = [];
    const at = async (config: string | pg.QueryConfig): Promise<void> => {
      const result = (await client.query(config)) as unknown as pg.QueryResult<{ ms: number }>;
      ran.push(...result.rows.map(({ ms }) => ms));
    };
    const text = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms';
    for (let n = 0; n < 5; n++) {
      await at(text);
      await at({ text: `${text} WHERE $1::int > 0`, values: [1] });
      await at({ name: 'prepared', text: `${text} WHERE $1::int > 1`, values: [2] });
    }
    await client.query('BEGIN');
    await at(text);
    await client.query('COMMIT');
    await client.end();
    const forwarded = (await gateway.records())
      .filter(({ type }) => type === 'statement.forwarded')
      .map(({ time, clear }) => ({ time: Date.parse(time), shape: String(clear['shape']) }))
      .filter(({ shape }) => shape.includes('clock_timestamp'));
    expect(ran).toHaveLength(16);
    // The n-th that ran had n records by then; Parse and Bind of one statement may each have one.
    for (const [index, ms] of ran.entries())
      expect(forwarded.filter(({ time }) => time <= ms).length, `statement ${index}`).toBeGreaterThan(index);
  } finally {
    await gateway.stop();
  }
});
