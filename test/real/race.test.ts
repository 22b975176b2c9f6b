// Twenty reviewers decide one request in the same moment, half over HTTP and half over WebSocket, before a gateway of its own process and a
// real server: there is one outcome each time, everybody is told what the log says, and the agent gets exactly that. Once where one
// approval is enough, once where each of two groups must give one. HOLDPOINT_RACES: of each kind (12; 1,000 under prove).
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apply } from '../../src/approval/lifecycle.ts';
import type { ApprovalEvent, Request } from '../../src/approval/types.ts';
import { fromRecord } from '../../src/gate/journal.ts';
import { Refused, type RequestView, reviewClient } from '../../src/review/client.ts';
import { seeded } from '../unit/audit/disk.ts';
import { open, outcome } from './clients.ts';
import { effects, nameIn, SCHEMA } from './crash-check.ts';
import { type Decision, decide } from './gateway.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { ReviewSocket, type Shown } from './review-socket.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const races = Number(process.env['HOLDPOINT_RACES'] ?? (process.env['HOLDPOINT_PROVE'] === '1' ? 1000 : 12));
const seed = Number(process.env['HOLDPOINT_SEED'] ?? Date.now() % 1_000_000);
const REVIEWERS = 20;
/** Beside somebody else's they decide; the further reviewers are in them in turn. */
const GROUPS = ['dba', 'owner'] as const;
/** So many of a hundred deny; first of all nobody, then everybody. */
const DENYING = [0, 10, 50];
/** Those who are there first do not win each time: a part of the races begins within so many ms. */
const STAGGER_MS = 6;
/** One in so many sends the same twice. */
const DOUBLE_CLICKS = 5;

const POLICY = `version: 1
default: allow
reviewers: { dba: { groups: [dba] }, owner: { groups: [owner] } }
rules:
  - { id: one, when: 'stmt.writes("public.effects")', then: hold, ask: { wait: 60s } }
  - { id: two, when: 'stmt.writes("public.soon")', then: hold, ask: { wait: 60s, of_each: [dba, owner] } }
`;
type Kind = 'one' | 'two';
const TABLE: Readonly<Record<Kind, string>> = { one: 'effects', two: 'soon' };

interface Reviewer {
  readonly id: string;
  readonly decide: (request: Shown, decision: Decision, rationale: string) => Promise<RequestView>;
}
interface Told {
  readonly seq: number;
  readonly type: string;
  readonly id: string;
  readonly state: string;
  readonly decisions: number;
}
interface Voted {
  readonly by: string;
  readonly decision: Decision;
  /** Null: it was counted. */
  readonly refused: { readonly why: string; readonly text: string } | null;
}
interface Race {
  readonly name: string;
  readonly kind: Kind;
  readonly id: string;
  readonly votes: readonly Voted[];
  readonly answer: pg.QueryResult | pg.DatabaseError;
  readonly notices: readonly string[];
  /** As the API shows it afterwards. */
  readonly shown: RequestView;
}

const random = seeded(seed);
const told: Told[][] = [];
const run: Race[] = [];
let server: TestServer;
let admin: pg.Client;
let home: GatewayHome;
let gateway: GatewayProcess;
let reviewers: Reviewer[];
let agent: pg.Client;
let notices: string[] = [];
/** What the first stream hears. */
let seen: (request: RequestView) => void = () => {};

beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin(SCHEMA);
  const config = { limits: { decisions_per_minute_max: 100_000 } };
  home = await gatewayHome({ upstream: server.url, policy: POLICY, config, reviewers: REVIEWERS, groups: GROUPS });
  gateway = await home.start();
  reviewers = [];
  for (let n = 0; n < REVIEWERS; n++) reviewers.push(await signedIn(n));
  agent = await open(gateway.agentUrl);
  agent.on('notice', ({ message }) => notices.push(message ?? ''));
}, 180_000);
afterAll(async () => {
  await home?.remove();
  await server?.stop();
});

/** Half of each group at a socket. */
const signedIn = async (n: number): Promise<Reviewer> => {
  const id = `reviewer-${n}`;
  const token = await gateway.token(id);
  if (n % 4 >= 2) {
    const client = reviewClient(gateway.reviewUrl, token);
    return { id, decide: (request, decision, why) => decide(client, request as RequestView, decision, why) };
  }
  const mine: Told[] = [];
  const first = told.push(mine) === 1;
  const socket = await ReviewSocket.open(gateway.reviewUrl, token, (message) => {
    if (!('cursor' in message) || !('request' in message)) return;
    const { id: of, state, decisions } = message.request;
    mine.push({ seq: message.cursor, type: message.type, id: of, state, decisions: decisions.length });
    if (first) seen(message.request);
  });
  return { id, decide: (request, decision, why) => socket.decide(request, decision, why) };
};

test.each<Kind>(['one', 'two'])(
  `${races} races of ${REVIEWERS}, rule %s (HOLDPOINT_SEED=${seed})`,
  async (kind) => {
    const began = performance.now();
    for (let n = 0; n < races; n++)
      run.push(await race(kind, `${kind}-${n}`, [0, 100][n] ?? DENYING[random(DENYING.length)] ?? 0));
    const seconds = (performance.now() - began) / 1000;
    const mine = run.filter((one) => one.kind === kind);
    const approved = mine.filter(({ shown }) => shown.state === 'executed').length;
    const winners = new Set(mine.map(({ shown }) => shown.decisions.at(-1)?.by));
    console.log(
      `${races} races of ${REVIEWERS} reviewers, rule ${kind}, in ${seconds.toFixed(1)} s: ${approved} approved, ` +
        `${races - approved} denied, ${winners.size} reviewers decided at least one`,
    );
    // Always the same winner would be no race, always the same outcome no decision.
    expect(winners.size).toBeGreaterThan(2);
    expect(approved).toBeGreaterThan(0);
    expect(approved).toBeLessThan(races);
  },
  30 * 60_000,
);

const race = async (kind: Kind, name: string, denying: number): Promise<Race> => {
  notices = [];
  const opened = new Promise<RequestView>((resolve) => {
    seen = (request) => {
      if (request.statement.text.includes(`'${name}'`)) resolve(request);
    };
  });
  const running = outcome(agent.query(`INSERT INTO ${TABLE[kind]} VALUES ('${name}')`));
  const request = await opened;
  const ended = new Promise<void>((resolve) => {
    seen = ({ id, state }) => {
      if (id === request.id && (state === 'executed' || state === 'denied')) resolve();
    };
  });
  // Together, or one shortly after the other.
  const stagger = random(2) * STAGGER_MS;
  const starting = reviewers
    .map((reviewer) => ({ reviewer, order: random(1_000_000) }))
    .toSorted((a, b) => a.order - b.order);
  const votes = await Promise.all(
    starting.flatMap(({ reviewer }) => {
      const decision = random(100) < denying ? 'deny' : 'approve';
      const wait = stagger === 0 ? 0 : random(stagger);
      return Array.from({ length: random(DOUBLE_CLICKS) === 0 ? 2 : 1 }, () => vote(reviewer, request, decision, wait));
    }),
  );
  const answer = await running;
  await ended;
  const { id } = request;
  const shown = await reviewClient(gateway.reviewUrl, await tokenOfFirst()).get(id);
  return { name, kind, id, votes, answer, notices, shown };
};

let first_token: Promise<string> | null = null;
const tokenOfFirst = (): Promise<string> => (first_token ??= gateway.token('grace'));

const vote = async (reviewer: Reviewer, request: RequestView, decision: Decision, wait_ms: number): Promise<Voted> => {
  if (wait_ms > 0) await new Promise((resolve) => setTimeout(resolve, wait_ms));
  const { id: by } = reviewer;
  try {
    await reviewer.decide(request, decision, `I ${decision} it, says ${by}`);
    return { by, decision, refused: null };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { by, decision, refused: { why: error.why, text: error.message } };
  }
};

test('the log agrees with all that anybody was told, and with the server', async () => {
  expect(run).toHaveLength(2 * races);
  const counts = await rows();
  expect(await gateway.kill('SIGTERM')).toBe(0);
  const requests = new Map<string, Request>();
  const lives = new Map<string, ApprovalEvent[]>();
  const happened: Told[] = [];
  for (const record of await home.records()) {
    const event = fromRecord(record);
    if (event === null) continue;
    const id = event.type === 'opened' ? event.request.id : event.id;
    const request = apply(requests.get(id), event);
    requests.set(id, request);
    lives.set(id, [...(lives.get(id) ?? []), event]);
    const { state, decisions } = request;
    happened.push({ seq: record.seq, type: record.type, id, state, decisions: decisions.length });
  }
  expect(requests.size).toBe(run.length);
  // Everything, in the log's order, once; each as it was then, or later.
  for (const one of told) {
    expect(one.map(({ seq, type, id }) => ({ seq, type, id }))).toEqual(
      happened.map(({ seq, type, id }) => ({ seq, type, id })),
    );
    for (const [i, { seq, id, state, decisions }] of one.entries())
      if (!sameOrLater(happened.slice(i), id, state, decisions)) expect.fail(`${id} was told as ${state} at ${seq}`);
  }
  expect(told).toHaveLength(REVIEWERS / 2);
  for (const one of run) consistent(one, requests.get(one.id) as Request, lives.get(one.id) as ApprovalEvent[]);
  for (const { name, shown } of run) expect(counts.get(name) ?? 0, name).toBe(shown.state === 'executed' ? 1 : 0);
});

const sameOrLater = (left: readonly Told[], id: string, state: string, decisions: number): boolean =>
  left.slice(0, STAYS_MAX).some((one) => one.id === id && one.state === state && one.decisions === decisions);
/** Records from one of a request to the last of its race, well counted. */
const STAYS_MAX = 200;

/** How often each name took effect. */
const rows = async (): Promise<Map<string, number>> => {
  await agent.end();
  return effects(admin);
};

const groupOf = (by: string): string => GROUPS[Number(by.split('-')[1]) % GROUPS.length] as string;

const consistent = (
  { name, kind, votes, answer, notices: heard, shown }: Race,
  folded: Request,
  life: ApprovalEvent[],
): void => {
  const decided = life.flatMap((event) => (event.type === 'decided' ? [event] : []));
  const outcomes = decided.map(({ decision: { by, decision } }) => ({ by, decision }));
  // One outcome, and it is where the votes in the order of the log lead.
  const end = outcomes.findIndex(
    ({ decision }, i) =>
      decision === 'deny' ||
      kind === 'one' ||
      GROUPS.every((group) => outcomes.slice(0, i + 1).some(({ by }) => groupOf(by) === group)),
  );
  expect(end, name).toBe(outcomes.length - 1);
  expect(decided.map(({ ends }) => ends)).toEqual(outcomes.map((_, i) => i === end));
  const last = outcomes[end] as (typeof outcomes)[number];
  const approved = last.decision === 'approve';
  expect(life.filter(({ type }) => type === 'released')).toHaveLength(approved ? 1 : 0);

  // Whoever was told that it counts is in the log, and nobody else; all others were told who was faster, or that theirs counts already.
  const counted = votes.flatMap(({ by, decision, refused }) => (refused === null ? [{ by, decision }] : []));
  const sorted = (list: typeof outcomes): string[] => list.map(({ by, decision }) => `${by} ${decision}`).toSorted();
  expect(sorted(counted)).toEqual(sorted(outcomes));
  for (const { by, decision, refused } of votes) {
    if (refused === null) continue;
    expect(refused.why).toBe('already-decided');
    const did = decision === 'approve' ? 'approved' : 'denied';
    const twice = refused.text.startsWith(`You ${did} this `) && outcomes.some((one) => one.by === by);
    expect(twice || refused.text.startsWith(`${last.by} ${approved ? 'approved' : 'denied'} this `), refused.text).toBe(
      true,
    );
  }

  // The agent got exactly that.
  if (approved) {
    expect(answer, name).toMatchObject({ command: 'INSERT', rowCount: 1 });
    expect(heard.join('\n')).toContain(`approved by `);
    expect(heard.join('\n')).toContain(last.by);
  } else {
    expect(answer, name).toMatchObject({ code: '42501' });
    expect((answer as pg.DatabaseError).message).toContain(`denied by ${last.by}: "I deny it, says ${last.by}"`);
  }
  expect(nameIn(folded.sql)).toBe(name);
  expect(shown.state).toBe(folded.state);
  expect(folded.state).toBe(approved ? 'executed' : 'denied');
  expect(shown.decisions.map(({ by, decision }) => ({ by, decision }))).toEqual(outcomes);
};
