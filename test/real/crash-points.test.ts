// The gateway killed at every exact point of a request's life: before, in the middle of and after each record (crash-points.ts). After the
// restart the request stands where the log says; nobody had been told what was not durable; and when the agent sends the identical
// statement again, it has run at most once for each approval. `npm run prove crash`: all points; else the ones that matter most.
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { RequestView, ReviewClient } from '../../src/review/client.ts';
import { open, outcome } from './clients.ts';
import { check, effects, POLICY, SCHEMA, type TABLES, type Told, type Trap, trapIn } from './crash-check.ts';
import { type CrashPoint, MOMENTS } from './crash-points.ts';
import { type Decision, decide } from './gateway.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const PROVE = process.env['HOLDPOINT_PROVE'] === '1';

type Moment = CrashPoint['moment'];
/** What somebody may hear of a request. */
type Word = 'notice' | 'answer' | 'decision';

interface Scene {
  readonly table: (typeof TABLES)[number];
  /** Goes on until the gateway is gone. */
  readonly play: (agent: Agent, sql: string) => Promise<unknown>;
  /** The server refuses it. */
  readonly fails?: true;
}

interface Point {
  readonly record: string;
  readonly scene: Scene;
  /** Where the request stands after the restart if the record was not durable, and if it was; null: there is none. */
  readonly lost: string | null;
  readonly kept: string | null;
  /** What nobody may have heard before the record was durable. */
  readonly silent: readonly Word[];
  /** The statement was on the server by then. */
  readonly ran?: true;
}

/** The agent and its reviewer, before a gateway that will be killed. */
interface Agent {
  readonly heard: Set<Word>;
  send(sql: string): Promise<pg.QueryResult | pg.DatabaseError>;
  brief(): Promise<void>;
  decide(decision: Decision): Promise<void>;
  forEver(): Promise<void>;
}

const live = (decision: Decision): Scene['play'] => {
  return (agent, sql) => Promise.allSettled([agent.send(sql), agent.decide(decision)]);
};
const scene = (play: Scene['play'], table: Scene['table'] = 'effects'): Scene => ({ table, play });
const APPROVED = scene(live('approve'));
const DENIED = scene(live('deny'));
const FAILED: Scene = { ...APPROVED, fails: true };
const TICKET = scene(async (agent, sql) => {
  await agent.brief();
  await agent.send(sql);
  await agent.decide('approve');
  await agent.send(sql);
});
const AGAIN = scene(async (agent, sql) => {
  await agent.brief();
  await agent.send(sql);
  agent.heard.clear();
  await agent.send(sql);
});
const GONE = scene(async (agent, sql) => {
  await agent.brief();
  await agent.send(sql);
}, 'no_ticket');
const EXPIRED = scene((agent, sql) => agent.send(sql), 'brief');
const LAPSED = scene(async (agent, sql) => {
  await agent.brief();
  await agent.send(sql);
  await agent.decide('approve');
  await agent.forEver();
}, 'soon');

const POINTS: readonly Point[] = [
  { record: 'session.opened', scene: APPROVED, lost: null, kept: null, silent: ['notice', 'answer'] },
  { record: 'request.opened', scene: APPROVED, lost: null, kept: 'open', silent: ['notice', 'answer', 'decision'] },
  { record: 'request.held', scene: AGAIN, lost: 'open', kept: 'open', silent: ['notice', 'answer'] },
  { record: 'request.ticket', scene: TICKET, lost: 'open', kept: 'open', silent: ['answer', 'decision'] },
  { record: 'request.decided', scene: APPROVED, lost: 'open', kept: 'approved', silent: ['answer', 'decision'] },
  { record: 'request.decided', scene: TICKET, lost: 'open', kept: 'approved', silent: ['decision'] },
  { record: 'request.decided', scene: DENIED, lost: 'open', kept: 'denied', silent: ['answer', 'decision'] },
  { record: 'request.released', scene: APPROVED, lost: 'approved', kept: 'outcome_unknown', silent: ['answer'] },
  { record: 'request.released', scene: TICKET, lost: 'approved', kept: 'outcome_unknown', silent: [] },
  { record: 'request.executed', scene: APPROVED, lost: 'outcome_unknown', kept: 'executed', silent: [], ran: true },
  { record: 'request.executed', scene: TICKET, lost: 'outcome_unknown', kept: 'executed', silent: [], ran: true },
  { record: 'request.failed', scene: FAILED, lost: 'outcome_unknown', kept: 'failed', silent: [], ran: true },
  // The clock goes on without the gateway: these happen at the restart at the latest.
  { record: 'request.withdrawn', scene: GONE, lost: 'withdrawn', kept: 'withdrawn', silent: ['answer'] },
  { record: 'request.expired', scene: EXPIRED, lost: 'expired', kept: 'expired', silent: ['answer'] },
  { record: 'request.lapsed', scene: LAPSED, lost: 'lapsed', kept: 'lapsed', silent: [] },
];
const FEW: readonly (readonly [string, Scene, Moment])[] = [
  ['request.opened', APPROVED, 'torn'],
  ['request.decided', APPROVED, 'written'],
  ['request.decided', TICKET, 'synced'],
  ['request.released', APPROVED, 'written'],
  ['request.released', TICKET, 'synced'],
  ['request.executed', APPROVED, 'before'],
];
const cases = POINTS.flatMap((point, at) => MOMENTS.map((moment) => ({ ...point, moment, name: `p${at}-${moment}` })));
const chosen = PROVE
  ? cases
  : cases.filter((one) => FEW.some(([r, s, m]) => one.record === r && one.scene === s && one.moment === m));

let server: TestServer;
let admin: pg.Client;
let home: GatewayHome;
let trap: Trap;
let gateway: GatewayProcess | null = null;
/** Decisions that a reviewer was told to count. */
const acknowledged: Told[] = [];
let crashes = 0;

beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin(SCHEMA);
  home = await gatewayHome({ upstream: server.url, policy: POLICY });
  trap = await trapIn(home.dir);
});
afterAll(async () => {
  console.log(`${crashes} crashes at exact points`);
  await home?.remove();
  await server?.stop();
});
afterEach(async ({ task }) => {
  // What a failed test leaves is not the next one's.
  if (task.result?.state === 'fail') {
    await gateway?.kill('SIGKILL');
    gateway = null;
    await trap.disarm();
  }
});

const arm = (record: string, moment: Moment): Promise<void> => trap.arm({ record, moment, skip: 0 });

const running = async (): Promise<GatewayProcess> => (gateway ??= await home.start(trap.preload));

/** Resolves when it has killed itself where it was told to; null: it did so before it served. */
const crashed = async (started: GatewayProcess | null): Promise<void> => {
  if (started) expect(await started.ended).toBe('SIGKILL');
  gateway = null;
  crashes++;
  await trap.disarm();
  // What the kill left verifies, and nobody ran or decided anything beside the log.
  check(await home.records(), await effects(admin), acknowledged);
};

const find = async (reviewer: ReviewClient, name: string): Promise<RequestView[]> => {
  const { requests } = await reviewer.list({ state: 'all', limit: 20 });
  return requests.filter(({ statement }) => JSON.stringify(statement).includes(`'${name}'`));
};

const agentOf = async (started: GatewayProcess, name: string): Promise<Agent & { end(): Promise<void> }> => {
  const client = await open(started.agentUrl);
  const heard = new Set<Word>();
  client.on('notice', () => heard.add('notice'));
  const reviewer = await started.reviewer('grace');
  return {
    heard,
    async send(sql) {
      const answer = await outcome(client.query(sql));
      // An error of another kind says that the connection is gone.
      if (!(answer instanceof Error) || answer instanceof pg.DatabaseError) heard.add('answer');
      return answer;
    },
    brief: async () => void (await client.query("SET holdpoint.hold = '10ms'")),
    async decide(decision) {
      for (;;) {
        const request = (await find(reviewer, name)).find(({ state }) => state === 'open');
        if (request) {
          await decide(reviewer, request, decision);
          acknowledged.push({ id: request.id, type: 'decided', by: 'grace', decision });
          heard.add('decision');
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    forEver: () => new Promise(() => {}),
    end: () => client.end(),
  };
};

const statement = ({ table, fails }: Scene, name: string): string =>
  `INSERT INTO ${table} VALUES ('${name}')${fails ? `, ('bad')` : ''}`;

/** Where the statement has got to, after the restart. */
const NEW: ReadonlySet<string | null> = new Set([
  null,
  'executed',
  'failed',
  'outcome_unknown',
  'withdrawn',
  'expired',
  'lapsed',
]);

test.each(chosen)('$record, killed $moment ($name)', { timeout: 120_000 }, async (point) => {
  const { record, scene: playing, moment, name } = point;
  const durable = moment === 'synced' || moment === 'known';
  const sql = statement(playing, name);
  const first = await running();
  // Of the agent's own session, not of an earlier one.
  if (record === 'session.opened') await arm(record, moment);
  const agent = await agentOf(first, name).catch(() => null);
  if (record !== 'session.opened') await arm(record, moment);
  const played = agent ? playing.play(agent, sql).catch(() => {}) : Promise.resolve();
  await crashed(first);
  if (point.silent.length > 0) await played;
  for (const word of point.silent) if (moment !== 'known') expect(agent?.heard.has(word) ?? false, word).toBe(false);
  const counted = (await effects(admin)).get(name) ?? 0;
  if (record === 'request.released' && moment === 'known') expect(counted).toBeLessThanOrEqual(1);
  else expect(counted).toBe(point.ran && !playing.fails ? 1 : 0);

  const second = await running();
  const reviewer = await second.reviewer('grace');
  const [request, ...others] = await find(reviewer, name);
  const state = request?.state ?? null;
  // A kill leaves what was written, synced or not.
  expect(state).toBe(durable || moment === 'written' ? point.kept : point.lost);
  expect(others).toEqual([]);

  const again = await agentOf(second, name);
  await again.brief();
  const answer = await again.send(sql);
  const id = request?.id ?? 'none';
  if (state === 'approved') expect(answer).toMatchObject({ command: 'INSERT', rowCount: 1 });
  else expect((answer as pg.DatabaseError).message.includes(id)).toBe(!NEW.has(state));
  if (playing.table === 'effects' && state !== 'denied') {
    if (state !== 'approved') {
      expect(answer).toMatchObject({ code: 'ZH001' });
      await again.decide('approve');
      expect(await again.send(sql)).toMatchObject(playing.fails ? { code: '23514' } : { command: 'INSERT' });
    }
    // Once more is once too often.
    expect(await again.send(sql)).toMatchObject({ code: 'ZH001' });
    await again.decide('deny');
  }
  const denied = await again.send(sql);
  expect(denied).toBeInstanceOf(Error);
  await again.end();
  const runs = playing.table !== 'effects' || state === 'denied' || playing.fails ? 0 : 1;
  expect((await effects(admin)).get(name) ?? 0).toBe(counted + runs);
});

const RESTARTS: readonly (readonly [string, string, Moment])[] = [
  ['request.outcome_unknown', 'request.released', 'synced'],
  ['request.ticket', 'request.opened', 'synced'],
  ['log.opened', 'request.released', 'synced'],
  ['log.recovered', 'request.released', 'torn'],
];
const restarts = RESTARTS.flatMap(([record, left, how], at) =>
  MOMENTS.map((moment) => ({ record, left, how, moment, name: `r${at}-${moment}` })),
);

test.each(PROVE ? restarts : restarts.filter(({ name }) => name === 'r0-written' || name === 'r3-torn'))(
  'killed $left $how, and at the restart again: $record, $moment',
  { timeout: 120_000 },
  async ({ record, left, how, moment, name }) => {
    const sql = statement(APPROVED, name);
    const first = await running();
    const agent = await agentOf(first, name);
    await arm(left, how);
    const played = APPROVED.play(agent, sql).catch(() => {});
    await crashed(first);
    await played;

    await arm(record, moment);
    await crashed(await home.start(trap.preload).catch(() => null));

    const last = await running();
    const [request] = await find(await last.reviewer('grace'), name);
    const once = left === 'request.opened' || how === 'torn';
    expect(request?.state).toBe(left === 'request.opened' ? 'open' : once ? 'approved' : 'outcome_unknown');
    const again = await agentOf(last, name);
    await again.brief();
    if (request?.state !== 'approved') {
      expect(await again.send(sql)).toMatchObject({ code: 'ZH001' });
      await again.decide('approve');
    }
    expect(await again.send(sql)).toMatchObject({ command: 'INSERT' });
    await again.end();
    expect((await effects(admin)).get(name)).toBe(1);
  },
);

test('the log of all these lives verifies', async () => {
  const last = await running();
  expect(await last.kill('SIGTERM')).toBe(0);
  gateway = null;
  const seen = check(await home.records(), await effects(admin), acknowledged);
  expect(seen.released).toBeGreaterThan(crashes / 3);
  console.log(`${seen.requests.size} requests, ${seen.released} released, ${seen.unknown} with an unknown outcome`);
});
