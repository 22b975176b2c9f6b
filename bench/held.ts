// Thousands of statements held at once on one gateway, before a stand-in for a server (no real one has so many connections here), with
// twenty reviewers connected all the while: what each costs in memory, how long a decision takes from the reviewer's send to the
// statement's arrival at the server while 500 are decided each second, and all of them decided at once. None may get lost or run twice.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { WebSocket } from 'ws';
import { makeScramVerifier } from '../src/identity/scram.ts';
import { type ReviewClient, reviewClient, signIn } from '../src/review/client.ts';
import { query } from '../src/wire/postgres/messages.ts';
import { writeGateway } from '../test/real/gateway.ts';
import type { Raw } from '../test/real/raw.ts';
import { each, logIn } from './agents.ts';
import {
  cpuOf,
  median,
  type Memory,
  PASSWORD,
  type Peer,
  standIn,
  stop,
  type Weighed,
  weighed,
  withDescriptors,
} from './peers.ts';
import type { Arrival } from './stand-in.ts';

const SESSIONS = Number(process.env['HOLDPOINT_BENCH_SESSIONS'] ?? 9000);
const ROUNDS = Number(process.env['HOLDPOINT_BENCH_ROUNDS'] ?? 3);
const REVIEWERS = 20;
/** Decisions in a second, and for how long. */
const RATE = 500;
const RATE_SECONDS = Number(process.env['HOLDPOINT_BENCH_SECONDS'] ?? 6);
/** Decisions that one socket may have under way. */
const UNDER_WAY_MAX = 32;
/** Decisions that a reviewer may not have read of while it goes on deciding. */
const BEHIND_MAX = 300;
/** What is held is weighed when it is, and after so many seconds, in which nothing happens: people take minutes. */
const SETTLE_S = 10;
const WARM_UP = Math.min(500, SESSIONS);
const REVIEWER_PASSWORD = 'a-long-enough-password';

/** Long enough that nobody's wait ends meanwhile. */
const POLICY = `version: 1
default: allow
rules:
  - { id: reads, when: 'stmt.does("read")', then: hold, ask: { wait: 14m } }
`;

/** What must hold. */
const HELD_KB_MAX = 20;
const P99_MS_MAX = 50;

interface Figures {
  readonly idle_kb: number;
  readonly held_kb: number;
  /** The moment the last was held, what V8 keeps as room after the burst included. */
  readonly held_at_once_kb: number;
  /** What `held_kb` is made of: objects, V8's room for more, buffers, the C library's heap (in use or not), and all else. */
  readonly live_kb: number;
  readonly room_kb: number;
  readonly buffers_kb: number;
  readonly malloc_kb: number;
  readonly else_kb: number;
  readonly hold_s: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  /** Of the gateway for each decision, what twenty streams are told of it included. */
  readonly cpu_ms: number;
  readonly all_s: number;
  readonly all_p99_ms: number;
}

/** What a decision names. */
interface Shown {
  readonly id: string;
  readonly digest: string;
  readonly revision: number;
}

interface Waiting extends Shown {
  readonly session: Raw;
  readonly name: string;
}

const now_ms = (): number => Number(process.hrtime.bigint()) / 1e6;

const main = async (): Promise<void> => {
  withDescriptors(2 * SESSIONS + 500);
  console.log(
    `Node ${process.version}, ${SESSIONS} held at once, upstream: a stand-in, ${REVIEWERS} reviewers connected; load of the machine ${load()}`,
  );
  const rounds: Figures[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const figures = await measure(round);
    rounds.push(figures);
    const text = Object.entries(figures).map(([what, value]) => `${what} ${(value as number).toFixed(2)}`);
    console.log(`  round ${round + 1}: ${text.join(', ')}; load ${load()}`);
  }
  const of = (pick: (figures: Figures) => number): number => median(rounds.map(pick));
  console.log(`\nmedians of ${ROUNDS} rounds                                        must`);
  row(
    'memory of each held session, KB',
    of(({ held_kb }) => held_kb),
    HELD_KB_MAX,
  );
  row(
    '  objects of the heap',
    of(({ live_kb }) => live_kb),
  );
  row(
    '  room in the heap, between them and for more',
    of(({ room_kb }) => room_kb),
  );
  row(
    '  buffers outside of it',
    of(({ buffers_kb }) => buffers_kb),
  );
  row(
    "  the C library's heap, what it keeps for more included",
    of(({ malloc_kb }) => malloc_kb),
  );
  row(
    '  all else that is resident',
    of(({ else_kb }) => else_kb),
  );
  row(
    `the same ${SETTLE_S} s before, when the last was held, KB`,
    of(({ held_at_once_kb }) => held_at_once_kb),
  );
  row(
    `p99 decide to forward at ${RATE}/s, ms`,
    of(({ p99_ms }) => p99_ms),
    P99_MS_MAX,
  );
  row(
    'p50 decide to forward, ms',
    of(({ p50_ms }) => p50_ms),
  );
  row(
    'CPU of the gateway for each of these decisions, ms',
    of(({ cpu_ms }) => cpu_ms),
  );
  row(
    'memory of each session before it is held, KB',
    of(({ idle_kb }) => idle_kb),
  );
  row(
    `all ${SESSIONS} held in, s`,
    of(({ hold_s }) => hold_s),
  );
  row(
    `all ${SESSIONS} decided at once, until the last agent has its result, s`,
    of(({ all_s }) => all_s),
  );
  row(
    'p99 decide to forward of these, ms',
    of(({ all_p99_ms }) => all_p99_ms),
  );
  console.log(`  none lost, none twice: ${ROUNDS * (SESSIONS + RATE * RATE_SECONDS)} statements ran once each`);
};

const row = (what: string, value: number, max?: number): void => {
  const verdict = max === undefined ? '' : `   <= ${max}: ${value <= max ? 'holds' : 'MISSED'}`;
  console.log(`  ${what.padEnd(64)}${value.toFixed(2).padStart(8)}${verdict}`);
};

/** Processes that want to run, a minute's mean. */
const load = (): string => readFileSync('/proc/loadavg', 'latin1').split(' ')[0] ?? '';

const measure = async (round: number): Promise<Figures> => {
  const upstream = await standIn(await makeScramVerifier(PASSWORD));
  const limits = {
    connections_max: SESSIONS + WARM_UP,
    requests_open_per_principal_max: 10_000,
    decisions_per_minute_max: 100_000,
  };
  const url = `postgres://bench:${PASSWORD}@127.0.0.1:${upstream.port}/postgres`;
  const options = { upstream: url, policy: POLICY, config: { limits }, reviewers: REVIEWERS };
  const { dir, file } = await writeGateway(options, REVIEWER_PASSWORD);
  const gateway = await weighed(file);
  try {
    return await measureOn(gateway, upstream, round);
  } finally {
    await stop(gateway);
    await stop(upstream);
    await rm(dir, { recursive: true, force: true });
  }
};

const measureOn = async (gateway: Weighed, upstream: Peer, round: number): Promise<Figures> => {
  const office = await Office.open(gateway);
  await warmUp(gateway, office);
  const before = await gateway.weigh(SETTLE_S);
  const sessions = await logIn(gateway, SESSIONS);
  const idle = await gateway.weigh(SETTLE_S);
  const kb = (now: typeof before): number => {
    const resident = now.rss - before.rss;
    return Math.max(resident, now.heapUsed + now.external - before.heapUsed - before.external) / 1000 / SESSIONS;
  };
  const began = now_ms();
  const waiting: Waiting[] = [];
  await each(sessions, async (session, n) => waiting.push(await held(office, session, `held_${round}_${n}`)));
  const hold_s = (now_ms() - began) / 1000;
  const heldAtOnce = await gateway.weigh();
  const holding = await gateway.weigh(SETTLE_S);
  const made = partsOf(before, holding);
  if ((await arrived(upstream)).length > 0) throw new Error('a held statement reached the server');

  // So many a second, in turn over all reviewers, every second one over HTTP: whatever the answers take.
  const some = waiting.splice(0, Math.min(RATE * RATE_SECONDS, SESSIONS));
  const cpu = cpuOf(gateway);
  const started = now_ms();
  const sent = new Map<string, number>();
  const decided: Promise<void>[] = [];
  while (decided.length < some.length) {
    const due = Math.min(some.length, Math.ceil(((now_ms() - started) / 1000) * RATE));
    while (decided.length < due) {
      const one = some[decided.length] as Waiting;
      sent.set(one.name, now_ms());
      decided.push(
        decided.length % 2 === 0 ? office.overSocket(decided.length, one) : office.overHttp(decided.length, one),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(decided);
  await Promise.all(some.map(completed));
  const cpu_ms = (cpuOf(gateway) - cpu) / 1000 / some.length;
  const delays = delaysOf(sent, await arrived(upstream));

  // Those that ran are held again, and all are decided at once: each socket has as many under way as it may.
  await each(some, async ({ session }, n) => waiting.push(await held(office, session, `held_${round}_again_${n}`)));
  const all = new Map<string, number>();
  const burst = now_ms();
  const results = Promise.all(waiting.map(completed));
  const left = waiting.values();
  const worker = async (reviewer: number): Promise<void> => {
    for (const one of left) {
      all.set(one.name, now_ms());
      await office.overSocket(reviewer, one);
      await office.caughtUp(reviewer);
    }
  };
  await Promise.all(Array.from({ length: REVIEWERS * UNDER_WAY_MAX }, (_, n) => worker(n)));
  await results;
  const all_s = (now_ms() - burst) / 1000;
  const all_delays = delaysOf(all, await arrived(upstream));
  office.close();
  for (const session of sessions) session.destroy();
  return {
    idle_kb: kb(idle),
    held_kb: kb(holding),
    held_at_once_kb: kb(heldAtOnce),
    ...made,
    hold_s,
    p50_ms: quantile(delays, 0.5),
    p99_ms: quantile(delays, 0.99),
    cpu_ms,
    all_s,
    all_p99_ms: quantile(all_delays, 0.99),
  };
};

/** Buffers lie in the C library's heap where they are small, so `else` can be less than nothing. */
const partsOf = (
  before: Memory,
  now: Memory,
): Pick<Figures, 'live_kb' | 'room_kb' | 'buffers_kb' | 'malloc_kb' | 'else_kb'> => {
  const grew = (of: (memory: Memory) => number): number => (of(now) - of(before)) / 1000 / SESSIONS;
  const live_kb = grew(({ heapUsed }) => heapUsed);
  const heap_kb = grew(({ heapPhysical }) => heapPhysical);
  const malloc_kb = grew(({ malloc }) => malloc);
  const else_kb = grew(({ rss }) => rss) - heap_kb - malloc_kb;
  return { live_kb, room_kb: heap_kb - live_kb, buffers_kb: grew(({ external }) => external), malloc_kb, else_kb };
};

/** In ms, from the send of the decision to the arrival of its statement. Throws when one is missing or came twice. */
const delaysOf = (sent: ReadonlyMap<string, number>, arrivals: readonly Arrival[]): number[] => {
  const at = new Map(arrivals.map((one) => [one.name, one.at]));
  if (arrivals.length !== sent.size || at.size !== sent.size)
    throw new Error(`${sent.size} were decided, ${arrivals.length} reached the server, ${at.size} different ones`);
  return [...sent].map(([name, since]) => {
    const then = at.get(name);
    if (then === undefined) throw new Error(`${name} was decided and did not reach the server`);
    return then - since;
  });
};

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(q * values.length) - 1] ?? Number.NaN;

const arrived = async ({ child }: Peer): Promise<readonly Arrival[]> => {
  child?.send('arrivals');
  const [arrivals] = (await once(child as NonNullable<typeof child>, 'message')) as [Arrival[]];
  return arrivals;
};

interface Line {
  under_way: number;
  readonly waiting: (() => void)[];
}

/** The reviewers, each at a stream of its own. */
class Office {
  readonly #sockets: readonly WebSocket[];
  readonly #clients: readonly ReviewClient[];
  /** Requests by id, as the first stream showed them, and how many streams did, until somebody holds them. */
  readonly #shown = new Map<string, { shown: Shown | null; streams: number }>();
  readonly #wanted = new Map<string, { resolve: (shown: Shown) => void; reject: (error: Error) => void }>();
  /** Decisions that each stream has told of, and those that were taken. */
  readonly #told = Array.from({ length: REVIEWERS }, () => 0);
  #decided = 0;
  readonly #under_way = new Map<string, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #lines: readonly Line[] = Array.from({ length: REVIEWERS }, () => ({ under_way: 0, waiting: [] }));
  #next = 0;
  #failed: Error | null = null;

  private constructor(sockets: readonly WebSocket[], clients: readonly ReviewClient[]) {
    this.#sockets = sockets;
    this.#clients = clients;
    for (const [n, socket] of sockets.entries()) {
      socket.on('message', (data: Buffer) => this.#heard(data, n));
      socket.on('close', (code) => {
        this.#failed = new Error(`the gateway closed a stream: ${code}`);
        for (const { reject } of [...this.#under_way.values(), ...this.#wanted.values()]) reject(this.#failed);
      });
    }
  }

  static async open({ reviewUrl }: Weighed): Promise<Office> {
    const sockets: WebSocket[] = [];
    const clients: ReviewClient[] = [];
    for (let n = 0; n < REVIEWERS; n++) {
      const { token } = await signIn(reviewUrl, { user: `reviewer-${n}`, password: REVIEWER_PASSWORD });
      const headers = { Authorization: `Bearer ${token}` };
      const socket = new WebSocket(`${reviewUrl.replace('http', 'ws')}/api/stream`, { headers });
      await once(socket, 'open');
      sockets.push(socket);
      clients.push(reviewClient(reviewUrl, token));
    }
    return new Office(sockets, clients);
  }

  /** The request of that id, once all streams have shown it: nobody falls behind for what this process is slow at. */
  shown(id: string): Promise<Shown> {
    if (this.#failed) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#wanted.set(id, { resolve, reject });
      this.#offer(id);
    });
  }

  #offer(id: string): void {
    const known = this.#shown.get(id);
    const wanted = this.#wanted.get(id);
    if (known?.streams !== REVIEWERS || known.shown === null || wanted === undefined) return;
    this.#shown.delete(id);
    this.#wanted.delete(id);
    wanted.resolve(known.shown);
  }

  /** Resolves when this reviewer has read most of what was decided. */
  async caughtUp(reviewer: number): Promise<void> {
    while (this.#decided - (this.#told[reviewer % REVIEWERS] ?? 0) > BEHIND_MAX && this.#failed === null)
      await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Waits where that socket has as many under way as it may. */
  async overSocket(reviewer: number, { id: request, digest, revision }: Shown): Promise<void> {
    if (this.#failed) throw this.#failed;
    const line = this.#lines[reviewer % REVIEWERS] as Line;
    if (line.under_way === UNDER_WAY_MAX) await new Promise<void>((resolve) => line.waiting.push(resolve));
    else line.under_way += 1;
    const id = String(this.#next++);
    const decision = { id, type: 'decide', request, decision: 'approve', digest, revision, rationale: 'as agreed' };
    this.#sockets[reviewer % REVIEWERS]?.send(JSON.stringify(decision));
    await new Promise<void>((resolve, reject) => this.#under_way.set(id, { resolve, reject }));
    const next = line.waiting.shift();
    if (next) next();
    else line.under_way -= 1;
  }

  async overHttp(reviewer: number, { id, digest, revision }: Shown): Promise<void> {
    const client = this.#clients[reviewer % REVIEWERS] as ReviewClient;
    await client.decide(id, { decision: 'approve', digest, revision, rationale: 'as agreed' });
    this.#decided += 1;
  }

  close(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('close').terminate();
  }

  /** Most of what they are told is not parsed: this process is no part of what is measured. */
  #heard(data: Buffer, reviewer: number): void {
    if (data.subarray(0, RESULT.length).equals(RESULT)) {
      const [, id = '', ok] = /"id":"(\d+)","ok":(true|false)/.exec(data.toString('latin1', 0, 100)) ?? [];
      const one = this.#under_way.get(id);
      this.#under_way.delete(id);
      if (ok === 'true') one?.resolve();
      else one?.reject(new Error(`not counted: ${data.toString('utf8', 0, 400)}`));
      this.#decided += 1;
    } else if (data.subarray(0, DECIDED.length).equals(DECIDED)) {
      this.#told[reviewer] = (this.#told[reviewer] ?? 0) + 1;
    } else if (data.subarray(0, OPENED.length).equals(OPENED)) {
      const id = /"id":"(HP-\w+)"/.exec(data.toString('latin1', 0, 200))?.[1] ?? '';
      const known = this.#shown.get(id) ?? { shown: null, streams: 0 };
      this.#shown.set(id, known);
      known.streams += 1;
      if (reviewer === 0) {
        const { request } = JSON.parse(data.toString('utf8')) as { request: Shown };
        known.shown = { id, digest: request.digest, revision: request.revision };
      }
      this.#offer(id);
    }
  }
}
const DECIDED = Buffer.from('{"type":"request.decided"');
const RESULT = Buffer.from('{"type":"result"');
const OPENED = Buffer.from('{"type":"request.opened"');

/** Sends a statement that the policy holds; resolves when the agent has been told, and the reviewers. */
const held = async (office: Office, session: Raw, name: string): Promise<Waiting> => {
  session.send(query(`SELECT '${name}' FROM pg_class`));
  const answer = await session.message();
  const id = /HP-[0-9A-Z]+/.exec(answer?.fields.get('M') ?? '')?.[0];
  if (answer?.type !== 'N' || id === undefined) throw new Error(`it was not held: ${answer?.fields.get('M')}`);
  return { ...(await office.shown(id)), session, name };
};

/** Resolves when the agent has its result. */
const completed = async ({ session, name }: Waiting): Promise<void> => {
  const messages = await session.until('Z');
  if (!messages.some(({ type }) => type === 'C')) {
    const error = messages.find(({ type }) => type === 'E')?.fields;
    throw new Error(`${name} did not run: ${error?.get('M') ?? 'the connection ended'}`);
  }
};

/** What the first of all make the process load and compile is nobody's in particular. */
const warmUp = async (gateway: Weighed, office: Office): Promise<void> => {
  for (let number = 0; number < WARM_UP; number += 100) {
    const sessions = await logIn(gateway, 100);
    await each(sessions, async (session, n) => {
      const one = await held(office, session, `warm_${number}_${n}`);
      await office[n % 2 === 0 ? 'overSocket' : 'overHttp'](n, one);
      await completed(one);
    });
    const closed = Promise.all(sessions.map((session) => session.ended()));
    for (const session of sessions) session.stream.end();
    await closed;
  }
};

await main();
