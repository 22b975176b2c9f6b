// kill -9 and SIGTERM of the whole gateway before a real server: what was held is a ticket, what was released is never run
// again, what a reviewer was told is on record. HOLDPOINT_KILLS: random kills (3; 60 under prove).
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ReadRecord } from '../../src/audit/types.ts';
import type { RequestView, ReviewClient } from '../../src/review/client.ts';
import { seeded } from '../unit/audit/disk.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { available, MAJORS, startServer, type TestServer } from './servers.ts';

const kills = Number(process.env['HOLDPOINT_KILLS'] ?? (process.env['HOLDPOINT_PROVE'] === '1' ? 60 : 3));
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
const AGENTS = 4;
const POLICY = `version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - id: writes
    when: stmt.does("write")
    then: hold
`;

let server: TestServer;
let admin: pg.Client;
let home: GatewayHome;

beforeAll(async () => {
  server = await startServer(MAJORS.findLast(available) ?? 18);
  admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query('CREATE TABLE effects (name text NOT NULL)');
});
afterAll(async () => {
  await admin?.end();
  await server?.stop();
});
beforeEach(async () => {
  home = await gatewayHome({ upstream: server.url, policy: POLICY });
});
afterEach(async () => {
  await home.remove();
});

const open = async (gateway: GatewayProcess): Promise<pg.Client> => {
  const client = new pg.Client(gateway.agentUrl);
  client.on('error', () => {});
  await client.connect();
  return client;
};
const insert = (name: string): string => `INSERT INTO effects VALUES ('${name}')`;
const outcome = (result: Promise<pg.QueryResult>): Promise<pg.QueryResult | pg.DatabaseError> =>
  result.catch((error: pg.DatabaseError) => error);

/** How often each name took effect, once no backend of a gateway is left. */
const effects = async (): Promise<Map<string, number>> => {
  await until(async () => {
    const { rowCount } = await admin.query(
      "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
    return rowCount === 0;
  });
  const { rows } = await admin.query<{ name: string; n: number }>(
    'SELECT name, count(*)::int AS n FROM effects GROUP BY name',
  );
  return new Map(rows.map(({ name, n }) => [name, n]));
};

const until = async (so: () => Promise<boolean>): Promise<void> => {
  while (!(await so())) await new Promise((resolve) => setTimeout(resolve, 20));
};

const approve = (reviewer: ReviewClient, request: RequestView): Promise<RequestView> =>
  reviewer.decide(request.id, {
    decision: 'approve',
    digest: request.digest,
    revision: request.revision,
    rationale: 'fine',
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
  const client = await open(first);
  const held = outcome(client.query(insert('held')));
  const { id } = await opened(await first.reviewer('grace'));
  expect(await first.kill('SIGKILL')).toBe('SIGKILL');
  expect(await held).toBeInstanceOf(Error);

  const second = await home.start();
  const grace = await second.reviewer('grace');
  const ticket = await grace.get(id);
  expect(ticket).toMatchObject({ id, state: 'open', holds: 'ticket' });
  await approve(grace, ticket);
  expect((await effects()).has('held')).toBe(false);
  const again = await open(second);
  await again.query(insert('held'));
  await again.query("SET holdpoint.hold = '10ms'");
  expect(await outcome(again.query(insert('held')))).toMatchObject({ code: 'ZH001' });
  await again.end();
  await until(async () => (await grace.get(id)).state === 'executed');
  await second.kill('SIGTERM');
  expect((await effects()).get('held')).toBe(1);
});

test('killed after an approval was acknowledged: it is still approved', async () => {
  const first = await home.start();
  const client = await open(first);
  await client.query("SET holdpoint.hold = '10ms'");
  expect(await outcome(client.query(insert('kept')))).toMatchObject({ code: 'ZH001' });
  const request = await opened(await first.reviewer('grace'));
  await approve(await first.reviewer('grace'), request);
  await first.kill('SIGKILL');

  const second = await home.start();
  const again = await open(second);
  await again.query(insert('kept'));
  await again.end();
  await second.kill('SIGTERM');
  expect((await effects()).get('kept')).toBe(1);
});

test('killed between the release and the answer: the outcome is unknown, and it is not run again', async () => {
  const slow = "INSERT INTO effects SELECT 'slow' FROM pg_sleep(1)";
  const first = await home.start();
  const client = await open(first);
  const running = outcome(client.query(slow));
  const request = await opened(await first.reviewer('grace'));
  await approve(await first.reviewer('grace'), request);
  await until(async () => {
    const { rowCount } = await admin.query(
      "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO effects SELECT%' AND state = 'active'",
    );
    return rowCount === 1;
  });
  await first.kill('SIGKILL');
  expect(await running).toBeInstanceOf(Error);
  // The server finished what it had begun.
  expect((await effects()).get('slow')).toBe(1);

  const second = await home.start();
  const grace = await second.reviewer('grace');
  expect(await grace.get(request.id)).toMatchObject({ state: 'outcome_unknown' });
  const again = await open(second);
  await again.query("SET holdpoint.hold = '10ms'");
  const error = (await outcome(again.query(slow))) as pg.DatabaseError;
  expect(error).toMatchObject({ code: 'ZH001' });
  expect(error.message).not.toContain(request.id);
  await again.end();
  await second.kill('SIGTERM');
  expect((await effects()).get('slow')).toBe(1);
});

test('SIGTERM: everybody hears 57P01, the held one too; it ends with 0, the log closed', async () => {
  const gateway = await home.start();
  const idle = await open(gateway);
  const heard = new Promise<pg.DatabaseError>((resolve) => idle.once('error', resolve as (error: Error) => void));
  const inBlock = await open(gateway);
  await inBlock.query('BEGIN');
  const heardInBlock = new Promise<pg.DatabaseError>((resolve) =>
    inBlock.once('error', resolve as (error: Error) => void),
  );
  const busy = await open(gateway);
  const running = outcome(busy.query('SELECT pg_sleep(3)'));
  const waiting = await open(gateway);
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
  expect((await effects()).has('never')).toBe(false);
});

test(`killed at ${kills} random moments (HOLDPOINT_SEED=${seed}): nothing without a decision, nothing twice, no decision lost`, {
  timeout: 60_000 + kills * 15_000,
}, async () => {
  const random = seeded(seed);
  const acknowledged = new Set<string>();
  let answered = 0;
  for (let run = 0; run < kills; run++) {
    const gateway = await home.start();
    const grace = await gateway.reviewer('grace');
    const work = async (agent: number): Promise<void> => {
      const client = await open(gateway);
      for (let n = 0; ; n++) {
        await client.query(insert(`${run}-${agent}-${n}`));
        answered++;
      }
    };
    // Each ends with the connection.
    const agents = Array.from({ length: AGENTS }, (_, agent) => work(agent).catch(() => {}));
    const approving = (async () => {
      for await (const message of grace.stream()) {
        const requests = 'requests' in message ? message.requests : 'request' in message ? [message.request] : [];
        for (const request of requests)
          if (request?.state === 'open')
            approve(grace, request).then(
              ({ id }) => acknowledged.add(id),
              () => {},
            );
      }
    })().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100 + random(900)));
    expect(await gateway.kill('SIGKILL')).toBe('SIGKILL');
    await Promise.all([...agents, approving]);
    check(await home.records(), await effects(), acknowledged);
  }
  expect(answered).toBeGreaterThan(kills);

  // What was left over: approved tickets run once each when they are sent again; nothing else can.
  const last = await home.start();
  const grace = await last.reviewer('grace');
  const client = await open(last);
  const { requests } = await grace.list({ state: 'all', limit: 500 });
  expect(requests.filter(({ state }) => state === 'released')).toEqual([]);
  for (const { id, state } of requests) {
    if (state !== 'approved' && state !== 'open') continue;
    const request = await grace.get(id);
    if (state === 'open') await approve(grace, request);
    await client.query(/INSERT INTO effects VALUES \('[^']*'\)/.exec(JSON.stringify(request))?.[0] ?? '');
    // The answer is on its way before its record.
    await until(async () => (await grace.get(id)).state === 'executed');
  }
  await client.end();
  await last.kill('SIGTERM');
  const counts = await effects();
  check(await home.records(), counts, acknowledged);
});

/** The log against the server's own table. */
const check = (
  records: readonly ReadRecord[],
  counts: ReadonlyMap<string, number>,
  acknowledged: ReadonlySet<string>,
): void => {
  const decided = new Map<string, number>();
  const released = new Map<string, number[]>();
  const names = new Map<string, string>();
  for (const { type, seq, clear, sealed } of records) {
    if (type === 'request.opened') {
      const { request } = clear as { request: { id: string } };
      const { sql } = (sealed as { request: { sql: string } }).request;
      names.set(request.id, /'([^']*)'/.exec(sql)?.[1] ?? '');
    }
    const id = String(clear['id']);
    if (type === 'request.decided') decided.set(id, seq);
    if (type === 'request.released') released.set(id, [...(released.get(id) ?? []), seq]);
  }
  for (const [id, seqs] of released) {
    expect(seqs, id).toHaveLength(1);
    expect(decided.get(id), id).toBeLessThan(seqs[0] as number);
  }
  for (const id of acknowledged) expect(decided.has(id), id).toBe(true);
  const allowed = new Set([...released.keys()].map((id) => names.get(id)));
  for (const [name, count] of counts) {
    if (!/^\d+-\d+-\d+$/.test(name)) continue;
    expect(count, name).toBe(1);
    expect(allowed.has(name), name).toBe(true);
  }
};
