// What a session costs in memory while nothing happens on it: thousands of idle ones before a stand-in for a server (no real one has so
// many connections here), the same ones held, and some hundred real ones held on PostgreSQL, approved and run. Plain TCP on both legs.
// A figure is what the gateway's process grew by, after a full collection, divided by the sessions.
import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeScramVerifier } from '../src/identity/scram.ts';
import { type ReviewClient, reviewClient, signIn } from '../src/review/client.ts';
import { query } from '../src/wire/postgres/messages.ts';
import { decide, writeGateway } from '../test/real/gateway.ts';
import type { Raw } from '../test/real/raw.ts';
import { startServer } from '../test/real/servers.ts';
import { each, logIn } from './agents.ts';
import { type Memory, PASSWORD, root, standIn, stop, type Weighed, weighed, withDescriptors } from './peers.ts';

const SESSIONS = Number(process.env['HOLDPOINT_BENCH_SESSIONS'] ?? 9000);
const REAL_SESSIONS = 200;
/** KB that an idle pair of connections, and one that is held, may cost. */
const IDLE_KB_MAX = 10;
const HELD_KB_MAX = 20;
/** Opened and closed before anything is weighed: what the first sessions make the process load and compile is nobody's in particular. */
const WARM_UP = 500;
const REVIEWER_PASSWORD = 'a-long-enough-password';
/** Each may decide so often a minute. */
const REVIEWERS = ['reviewer-0', 'reviewer-1', 'reviewer-2', 'reviewer-3'];

const main = async (): Promise<void> => {
  withDescriptors(2 * SESSIONS + 500);
  console.log(`Node ${process.version}, memory in KB (1000 bytes) for each session, plain TCP on both legs`);
  await manyOnStandIn();
  await someOnPostgres();
};

const manyOnStandIn = async (): Promise<void> => {
  const upstream = await standIn(await makeScramVerifier(PASSWORD));
  try {
    await withGateway(`postgres://bench:${PASSWORD}@127.0.0.1:${upstream.port}/postgres`, async (gateway) => {
      await warmUp(gateway);
      const before = await gateway.weigh();
      const sessions = await logIn(gateway, SESSIONS);
      const idle = await gateway.weigh();
      await each(sessions, (session) => ran(session, 'SELECT 1'));
      const used = await gateway.weigh();
      await each(sessions, (session, number) => held(session, number));
      const holding = await gateway.weigh();
      console.log(
        `\n${SESSIONS} sessions, the upstream is a stand-in; the process before them: ${mb(before)} MB resident`,
      );
      head();
      row('logged in', before, idle, SESSIONS, IDLE_KB_MAX);
      row('idle after a query each', before, used, SESSIONS, IDLE_KB_MAX);
      row('all held', before, holding, SESSIONS, HELD_KB_MAX);
      for (const session of sessions) session.destroy();
    });
  } finally {
    await stop(upstream);
  }
};

const someOnPostgres = async (): Promise<void> => {
  const server = await startServer(15, { max_connections: String(REAL_SESSIONS + 20) });
  const count = (): number =>
    Number(
      execFileSync('psql', [server.url, '-Atc', "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'held\\_%'"]),
    );
  try {
    await withGateway(server.url, async (gateway) => {
      await warmUp(gateway);
      const before = await gateway.weigh();
      const sessions = await logIn(gateway, REAL_SESSIONS);
      await each(sessions, (session) => ran(session, 'SELECT 1'));
      const idle = await gateway.weigh();
      const requests: string[] = [];
      await each(sessions, async (session, number) => requests.push(await held(session, number)));
      const holding = await gateway.weigh();
      if (count() !== 0) throw new Error('a held statement reached the server');
      const answers = Promise.all(sessions.map((session) => session.until('Z')));
      const signIns = await Promise.all(REVIEWERS.map((user) => signedIn(gateway, user)));
      await each(requests, async (id, number) => {
        const reviewer = signIns[number % signIns.length] as ReviewClient;
        await decide(reviewer, await reviewer.get(id), 'approve');
      });
      const done = (await answers).filter((messages) => messages.some(({ type }) => type === 'C')).length;
      console.log(`\n${REAL_SESSIONS} sessions on PostgreSQL 15; the process before them: ${mb(before)} MB resident`);
      head();
      row('idle after a query each', before, idle, REAL_SESSIONS, IDLE_KB_MAX);
      row('all held', before, holding, REAL_SESSIONS, HELD_KB_MAX);
      console.log(
        `  held ${requests.length}, none had reached the server; approved ${requests.length}, completed ${done}, tables made ${count()}`,
      );
      if (requests.length !== REAL_SESSIONS || done !== REAL_SESSIONS || count() !== REAL_SESSIONS)
        throw new Error('not every held statement ran once');
      for (const session of sessions) session.destroy();
    });
  } finally {
    await server.stop();
  }
};

const withGateway = async (upstream: string, use: (gateway: Weighed) => Promise<void>): Promise<void> => {
  const starter = await readFile(join(root, 'policies/starter.yaml'), 'utf8');
  // Long enough that nobody's wait ends while it is weighed.
  const policy = starter.replace('when: stmt.does("ddl")\n', '$&    ask: {wait: 10m}\n');
  const config = {
    limits: { connections_max: SESSIONS + WARM_UP, requests_open_per_principal_max: 10_000, heartbeat_ms: 3_600_000 },
  };
  const { dir, file } = await writeGateway(
    { upstream, policy, config, reviewers: REVIEWERS.length },
    REVIEWER_PASSWORD,
  );
  const gateway = await weighed(file);
  try {
    await use(gateway);
  } finally {
    await stop(gateway);
    await rm(dir, { recursive: true, force: true });
  }
};

const signedIn = async ({ reviewUrl }: Weighed, user: string): Promise<ReviewClient> =>
  reviewClient(reviewUrl, (await signIn(reviewUrl, { user, password: REVIEWER_PASSWORD })).token);

const warmUp = async (gateway: Weighed): Promise<void> => {
  for (let number = 0; number < WARM_UP; number += 100) {
    const sessions = await logIn(gateway, 100);
    await each(sessions, (session) => ran(session, 'SELECT 1'));
    await each(sessions.slice(0, 10), (session) => held(session, number));
    const closed = Promise.all(sessions.map((session) => session.ended()));
    for (const session of sessions) session.stream.end();
    await closed;
  }
};

const ran = async (session: Raw, sql: string): Promise<void> => {
  session.send(query(sql));
  const messages = await session.until('Z');
  if (!messages.some(({ type }) => type === 'C')) throw new Error(`${sql} did not run`);
};

/** Sends a statement that the policy holds; resolves with the request's id when the client has been told it. */
const held = async (session: Raw, number: number): Promise<string> => {
  session.send(query(`CREATE TABLE held_${number} (id int)`));
  const answer = await session.message();
  const id = /HP-[0-9A-Z]+/.exec(answer?.fields.get('M') ?? '')?.[0];
  if (answer?.type !== 'N' || id === undefined) throw new Error(`it was not held: ${answer?.fields.get('M')}`);
  return id;
};

const mb = ({ rss }: Memory): string => (rss / 1e6).toFixed(0);

const head = (): void => console.log('                              resident      heap   buffers   must');

/** What counts is the larger of the two views: pages that were free before make the resident one too small where sessions are few. */
const row = (what: string, before: Memory, now: Memory, sessions: number, kb_max: number): void => {
  const kb = (pick: (memory: Memory) => number): number => (pick(now) - pick(before)) / 1000 / sessions;
  const resident = kb(({ rss }) => rss);
  const heap = kb(({ heapUsed }) => heapUsed);
  const buffers = kb(({ external }) => external);
  const counts = Math.max(resident, heap + buffers);
  console.log(
    `  ${what.padEnd(26)}${[resident, heap, buffers].map((value) => value.toFixed(1).padStart(10)).join('')}   <= ${kb_max}: ${counts <= kb_max ? 'holds' : 'MISSED'}`,
  );
};

await main();
