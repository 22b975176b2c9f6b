// CPU of a statement never seen before, as the gate judges it: the analyser's door (inline or worker, whatever it takes), then the
// starter policy; beside it libpg-query's own parse of the same texts by its public API, which finds nothing and judges nothing.
// Every text differs, so that no cache answers. Whole process, so workers count; medians of rounds that take turns. Exits with 1
// where a goal is missed.
import { fileURLToPath } from 'node:url';
import { loadModule, parse } from 'libpg-query';
import { loadPolicy } from '../src/policy/load.ts';
import { PostgresAnalyser } from '../src/sql/postgres/analyser.ts';
import type { Analysis, AnalysisContext } from '../src/sql/findings.ts';

const ROUNDS = 7;
const context: AnalysisContext = {
  server_version: 15,
  database: 'app',
  role: 'app',
  search_path: '"$user", public',
  search_path_start: '"$user", public',
  prepared: () => null,
};

/** goal_us: docs/performance.md; null: printed beside the others, promised nowhere. */
const TEXTS: readonly (readonly [name: string, goal_us: number | null, runs: number, text: (n: number) => string])[] = [
  ['point read', 40, 2000, (n) => `SELECT abalance FROM pgbench_accounts WHERE aid = ${1e9 + n}`],
  [
    'update of a row',
    null,
    2000,
    (n) => `UPDATE pgbench_accounts SET abalance = abalance + 7 WHERE aid = ${1e9 + n} RETURNING abalance`,
  ],
  ["ORM's join", 250, 500, orm],
  ["ORM's join, larger", null, 200, (n) => `${orm(n)} FOR UPDATE OF posts NOWAIT /* ${'x'.repeat(50)} */`],
  ['insert of 1,000 rows', 25_000, 8, (n) => `INSERT INTO public.events (id, kind, at, payload) VALUES ${rows(n)}`],
  ['IN list of 11,000', 25_000, 8, (n) => `SELECT * FROM events WHERE id IN (${numbers(n, 11_000)})`],
  ["dump's batch of statements", 25_000, 4, (n) => batch(n)],
];

function orm(n: number): string {
  const columns = 'id user_id title body created_at updated_at published status category_id language'.split(' ');
  const list = (alias: string, count: number): string =>
    columns
      .slice(0, count)
      .map((c) => `"${alias}"."${c}" AS "${alias}_${c}"`)
      .join(', ');
  return `SELECT ${list('posts', 10)}, ${list('users', 8)} FROM "public"."posts" AS "posts" LEFT OUTER JOIN "public"."users" AS "users" ON "users"."id" = "posts"."user_id" WHERE "posts"."status" = 'published' AND "posts"."category_id" IN (1, 2, 3) AND lower("posts"."title") LIKE '%x%' ORDER BY "posts"."created_at" DESC LIMIT 20 OFFSET ${1e6 + n}`;
}

function rows(n: number): string {
  return Array.from(
    { length: 1000 },
    (_, i) =>
      `(${i + n}, 'page_view', '2026-01-01T00:00:00Z', '{"path": "/a/b/c", "user": ${i}, "ms": 12, "ok": true}')`,
  ).join(', ');
}

function numbers(n: number, count: number): string {
  return Array.from({ length: count }, (_, i) => 1_000_000 + n * count + i).join(', ');
}

function batch(n: number): string {
  return Array.from(
    { length: 1000 },
    (_, i) => `INSERT INTO public.events VALUES (${i + n}, 'page_view', '2026-01-01T00:00:00Z', '{"path": "/a/b/c"}');`,
  ).join('\n');
}

const analyser = await PostgresAnalyser.create();
const starter = fileURLToPath(new URL('../policies/starter.yaml', import.meta.url));
const loaded = await loadPolicy(starter, (engine, sql) =>
  engine === 'postgres' ? analyser.analyse(Buffer.from(sql).toString('latin1'), context) : null,
);
if ('errors' in loaded) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
const { policy } = loaded;
await loadModule();

const asked = {
  who: { id: 'bot', kind: 'agent', groups: ['agents'], sponsor: 'ada', authentication: 'scram-sha-256', address: '' },
  where: { engine: 'postgres', upstream: 'app', database: 'app', tags: {} },
  session: { in_transaction: false, application_name: '', role: 'app', role_is_local: false },
  now: Date.now(),
} as const;
const judge = (analysis: Analysis): void => {
  // A text that does not parse would be a fast one.
  if (analysis.error) throw new Error(analysis.error.message);
  if (policy.judge({ ...asked, analysis }).verdict !== 'allow') throw new Error('held: no ordinary statement');
};

const session = analyser.session(context);
console.log(`never seen before            bytes   CPU µs: libpg-query's parse   analysis   policy      all     goal`);
for (const [name, goal_us, runs, text] of TEXTS) {
  const parses: number[] = [];
  const analyses: number[] = [];
  const policies: number[] = [];
  const alls: number[] = [];
  let n = 0;
  const fresh = (): string[] => Array.from({ length: runs }, () => text(n++));
  for (let round = 0; round < ROUNDS; round += 1) {
    parses.push(await each(fresh(), (t) => parse(t)));
    const found: Analysis[] = [];
    analyses.push(
      await each(fresh(), async (t) => {
        const analysis = session.analyse(t);
        found.push(analysis instanceof Promise ? await analysis : analysis);
      }),
    );
    policies.push(await each(found, judge));
    alls.push(
      await each(fresh(), (t) => {
        const analysis = session.analyse(t);
        return analysis instanceof Promise ? analysis.then(judge) : judge(analysis);
      }),
    );
  }
  const all = median(alls);
  const missed = goal_us !== null && all > goal_us;
  if (missed) process.exitCode = 1;
  console.log(
    name.padEnd(26),
    String(text(n).length).padStart(7),
    print(median(parses), 30),
    print(median(analyses), 10),
    print(median(policies), 8),
    print(all, 8),
    goal_us === null ? '       -' : `${print(goal_us, 8)}${missed ? ' MISSED' : ''}`,
  );
}

const known = 'SELECT abalance FROM pgbench_accounts WHERE aid = 1';
// The second time it is kept.
await session.analyse(known);
await session.analyse(known);
const hits: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  // Strings of their own, as they come from the wire.
  const copies = Array.from({ length: 20_000 }, () => Buffer.from(known, 'latin1').toString('latin1'));
  hits.push(await each(copies, (t) => void session.analyse(t)));
}
console.log(`\nseen before: the findings from memory, ${known.length} bytes: ${median(hits).toFixed(2)} µs`);
await analyser.close();

/** Microseconds of user and system time of this process for each of the items. */
async function each<T>(items: readonly T[], run: (item: T) => unknown): Promise<number> {
  const started = process.cpuUsage();
  for (const item of items) {
    const result = run(item);
    if (result instanceof Promise) await result;
  }
  const used = process.cpuUsage(started);
  return (used.user + used.system) / items.length;
}

function print(us: number, width: number): string {
  return us.toFixed(us < 1000 ? 1 : 0).padStart(width);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
