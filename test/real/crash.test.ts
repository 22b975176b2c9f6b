// kill -9 and SIGTERM of the whole gateway before a real server: what was held is a ticket, what was released is never run
// again, what a reviewer was told is on record. HOLDPOINT_KILLS: random kills (5; 200 under prove).
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { RequestView, ReviewClient } from '../../src/review/client.ts';
import { seeded } from '../unit/audit/disk.ts';
import { open, outcome, until } from './clients.ts';
import { check, checkRestored, effects, GROUPS, POLICY, SCHEMA, trapIn } from './crash-check.ts';
import { insert, Load } from './crash-load.ts';
import { type CrashPoint, MOMENTS } from './crash-points.ts';
import { decide } from './gateway.ts';
import { type GatewayHome, gatewayHome } from './process.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const kills = Number(process.env['HOLDPOINT_KILLS'] ?? (process.env['HOLDPOINT_PROVE'] === '1' ? 200 : 5));
const RUNS_MAX = 4 * kills;
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);

let server: TestServer;
let admin: pg.Client;
let home: GatewayHome;

beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin(`${SCHEMA}; CREATE TABLE ordinary (id int)`);
});
afterAll(async () => {
  await server?.stop();
});
beforeEach(async () => {
  await admin.query('TRUNCATE effects, pairs, permitted');
  // What one kill leaves open must not keep the next one's agents from asking.
  const limits = { requests_open_per_principal_max: 10_000 };
  const config = { limits: { ...limits, decisions_per_minute_max: 100_000 } };
  home = await gatewayHome({ upstream: server.url, policy: POLICY, config, reviewers: 3, groups: GROUPS });
});
afterEach(async () => {
  await home.remove();
});

const opened = async (reviewer: ReviewClient): Promise<RequestView> => {
  for (;;) {
    const request = (await reviewer.list({ state: 'open' })).requests[0];
    if (request) return reviewer.get(request.id);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

test('killed while it holds: the request is a ticket, and runs once after approval', async () => {
  const first = await home.start();
  const client = await open(first.agentUrl);
  const held = outcome(client.query(insert('held')));
  const { id } = await opened(await first.reviewer('grace'));
  expect(await first.kill('SIGKILL')).toBe('SIGKILL');
  expect(await held).toBeInstanceOf(Error);

  const second = await home.start();
  const grace = await second.reviewer('grace');
  const ticket = await grace.get(id);
  expect(ticket).toMatchObject({ id, state: 'open', holds: 'ticket' });
  await decide(grace, ticket, 'approve');
  expect((await effects(admin)).has('held')).toBe(false);
  const again = await open(second.agentUrl);
  await again.query(insert('held'));
  await again.query("SET holdpoint.hold = '10ms'");
  expect(await outcome(again.query(insert('held')))).toMatchObject({ code: 'ZH001' });
  await again.end();
  await until(async () => (await grace.get(id)).state === 'executed');
  await second.kill('SIGTERM');
  expect((await effects(admin)).get('held')).toBe(1);
});

test('killed after an approval was acknowledged: it is still approved', async () => {
  const first = await home.start();
  const client = await open(first.agentUrl);
  await client.query("SET holdpoint.hold = '10ms'");
  expect(await outcome(client.query(insert('kept')))).toMatchObject({ code: 'ZH001' });
  const request = await opened(await first.reviewer('grace'));
  await decide(await first.reviewer('grace'), request, 'approve');
  await first.kill('SIGKILL');

  const second = await home.start();
  const again = await open(second.agentUrl);
  await again.query(insert('kept'));
  await again.end();
  await second.kill('SIGTERM');
  expect((await effects(admin)).get('kept')).toBe(1);
});

test('killed between the release and the answer: the outcome is unknown, and it is not run again', async () => {
  const slow = "INSERT INTO effects SELECT 'slow' FROM pg_advisory_xact_lock(7)";
  await admin.query('SELECT pg_advisory_lock(7)');
  const first = await home.start();
  const client = await open(first.agentUrl);
  const running = outcome(client.query(slow));
  const request = await opened(await first.reviewer('grace'));
  await decide(await first.reviewer('grace'), request, 'approve');
  await until(async () => {
    const { rowCount } = await admin.query(
      "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO effects SELECT%' AND state = 'active'",
    );
    return rowCount === 1;
  });
  await first.kill('SIGKILL');
  expect(await running).toBeInstanceOf(Error);
  await admin.query('SELECT pg_advisory_unlock(7)');
  // The server finished what it had begun.
  expect((await effects(admin)).get('slow')).toBe(1);

  const second = await home.start();
  const grace = await second.reviewer('grace');
  expect(await grace.get(request.id)).toMatchObject({ state: 'outcome_unknown' });
  const again = await open(second.agentUrl);
  await again.query("SET holdpoint.hold = '10ms'");
  const error = (await outcome(again.query(slow))) as pg.DatabaseError;
  expect(error).toMatchObject({ code: 'ZH001' });
  expect(error.message).not.toContain(request.id);
  await again.end();
  await second.kill('SIGTERM');
  expect((await effects(admin)).get('slow')).toBe(1);
});

test('SIGTERM: everybody hears 57P01, the held one too; it ends with 0, the log closed', async () => {
  const gateway = await home.start();
  const idle = await open(gateway.agentUrl);
  const heard = new Promise<pg.DatabaseError>((resolve) => idle.once('error', resolve as (error: Error) => void));
  const inBlock = await open(gateway.agentUrl);
  await inBlock.query('BEGIN');
  const heardInBlock = new Promise<pg.DatabaseError>((resolve) =>
    inBlock.once('error', resolve as (error: Error) => void),
  );
  const busy = await open(gateway.agentUrl);
  const running = outcome(busy.query('SELECT pg_sleep(300)'));
  const waiting = await open(gateway.agentUrl);
  const held = outcome(waiting.query(insert('never')));
  const request = await opened(await gateway.reviewer('grace'));
  const begun = performance.now();
  expect(await gateway.kill('SIGTERM')).toBe(0);
  expect(performance.now() - begun).toBeLessThan(5000);
  for (const told of [heard, heardInBlock, running, held])
    expect(await told).toMatchObject({ code: '57P01', severity: 'FATAL' });
  expect(gateway.lines.at(-1)).toContain('stopped');
  expect(gateway.lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  expect(gateway.errors()).toBe('');
  expect(existsSync(`/proc/${gateway.pid}`)).toBe(false);
  expect(readdirSync(join(home.dir, 'data', 'audit')).filter((name) => name.startsWith('lock@'))).toEqual([]);
  const records = await home.records();
  expect(records.filter(({ type }) => type === 'session.closed')).toHaveLength(4);
  expect(records.filter(({ type, clear }) => type === 'request.ticket' && clear['id'] === request.id)).toHaveLength(1);
  expect((await effects(admin)).has('never')).toBe(false);
});

test(`killed at ${kills} random moments (HOLDPOINT_SEED=${seed}): nothing without a decision, nothing twice, no decision lost`, {
  timeout: 60_000 + RUNS_MAX * 30_000,
}, async () => {
  const began = performance.now();
  const random = seeded(seed);
  const load = new Load(random);
  const trap = await trapIn(home.dir);
  const arm = (skip: number): Promise<void> => {
    const moment = MOMENTS[random(MOMENTS.length)] as CrashPoint['moment'];
    return trap.arm({ record: '*', moment, skip });
  };
  const how = { clock: 0, write: 0, start: 0 };
  let left: ReturnType<typeof check> | null = null;
  const decided = (): number => load.told.filter(({ seq, type }) => seq === undefined && type === 'decided').length;
  const enough = (): boolean => Math.min(left?.released ?? 0, decided(), load.allowed) > kills / 5;
  // Where a busy machine has done too little until then, there are more of them, and later ones.
  for (let run = 0; run < kills || (run < RUNS_MAX && !enough()); run++) {
    const patience = run < kills ? 1 : 5;
    const kind = random(10);
    // In mid-start; by the clock; or at the n-th write from now on.
    if (kind === 0) await arm(random(3));
    const gateway = await home.start(trap.preload).catch((error: Error) => {
      if (!error.message.includes('SIGKILL')) throw error;
      return null;
    });
    if (gateway === null) how.start++;
    else {
      // Where its start wrote less than it was armed for, it dies at whatever is next: at a sign-in, too.
      if (left !== null && kind > 0) await asLeft(left, await gateway.reviewer('grace'));
      if (kind > 0 && kind < 6) await arm(random(80));
      const working = load.on(gateway, `${run}`);
      const by_clock = setTimeout(
        () => void gateway.kill('SIGKILL'),
        patience * (kind < 6 ? 5000 : 100 + random(1200)),
      );
      expect(await gateway.ended).toBe('SIGKILL');
      clearTimeout(by_clock);
      how[kind < 6 ? 'write' : 'clock']++;
      await working;
    }
    await trap.disarm();
    left = check(await home.records(), await effects(admin), load.told);
  }

  // What was left over: approved tickets run once each when they are sent again; nothing else can.
  const last = await home.start();
  const grace = await last.reviewer('grace');
  const client = await open(last.agentUrl);
  await client.query("SET holdpoint.hold = '10ms'");
  for (const { id, state } of (await grace.permits()).permits) {
    if (state !== 'in-force') continue;
    await grace.revoke(id, 'the end');
    load.told.push({ id, type: 'permit.revoked' });
  }
  const { requests } = await grace.list({ state: 'all', limit: 500 });
  expect(requests.filter(({ state, holds }) => state === 'released' || (state === 'open' && holds === 'held'))).toEqual(
    [],
  );
  let left_over = 0;
  for (const { id, state, in_transaction } of requests) {
    if (state !== 'approved' && state !== 'open' && state !== 'asked') continue;
    const request = await grace.get(id);
    // Of those of two groups as much as is decided is decided.
    if (request.rule === 'pairs' && state !== 'approved') continue;
    // What was to be let run at once, and was not even that.
    if (request.who.id !== 'bot') continue;
    if (state !== 'approved') {
      await decide(grace, request, 'approve');
      load.told.push({ id, type: 'decided', by: 'grace', decision: 'approve' });
    }
    // Of one that was asked for in a transaction, the beginning is gone.
    if (in_transaction) continue;
    const sql = /INSERT INTO \w+ VALUES \('[^']*'\)/.exec(JSON.stringify(request))?.[0] ?? '';
    expect(await outcome(client.query(sql))).toMatchObject({ command: 'INSERT' });
    expect(await outcome(client.query(sql))).toMatchObject({ code: 'ZH001' });
    left_over++;
  }
  await client.end();
  await last.kill('SIGTERM');
  const seen = check(await home.records(), await effects(admin), load.told);
  const own = load.told.filter(({ seq }) => seq === undefined);
  const acknowledged = [...new Set(own.map(({ type }) => type))].map(
    (type) => `${own.filter((one) => one.type === type).length} ${type}`,
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(
    `${kills} kills (${how.clock} by the clock, ${how.write} at a write, ${how.start} in mid-start) in ${seconds} s, HOLDPOINT_SEED=${seed}: ` +
      `${seen.requests.size} requests, acknowledged ${acknowledged.join(', ')}, told by a stream ${load.told.length - own.length}, ` +
      `${seen.permits.all.size} permits, ` +
      `${seen.released} released (${seen.glass} by break-glass), ${seen.unknown} with an unknown outcome, ${left_over} run after the last restart, ${load.allowed} allowed statements`,
  );
  expect(seen.released).toBeGreaterThan(kills / 5);
  expect(decided()).toBeGreaterThan(kills / 5);
  expect(load.allowed).toBeGreaterThan(kills / 5);
  // With few kills any of these may have had no turn.
  if (kills >= 50)
    for (const type of WORDS)
      expect(
        own.some((one) => one.type === type),
        type,
      ).toBe(true);
});

/** What people are told at once that it counts. */
const WORDS = ['decided', 'asked', 'answered', 'withdrawn', 'reviewed', 'granted', 'permit.used', 'permit.revoked'];

/** The gateway after a kill says of every request what the log says that the one before left. */
const asLeft = async (left: ReturnType<typeof check>, grace: ReviewClient): Promise<void> => {
  const newest = await Promise.all((['open', 'decided'] as const).map((state) => grace.list({ state, limit: 500 })));
  checkRestored(
    left,
    newest.flatMap(({ requests }) => requests),
    newest.every(({ requests }) => requests.length < 500),
    (await grace.permits()).permits,
  );
};
