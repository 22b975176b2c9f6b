// CPU of a statement never seen before, as the gate judges it: the analyser's door (inline or worker, whatever it takes), then the
// starter policy; for PostgreSQL beside libpg-query's own parse of the same texts by its public API, which finds nothing and judges
// nothing. Every text differs, so that no cache answers. Whole process, so workers count; medians of rounds in which the engines take
// turns. Exits with 1 where a goal is missed.
import { fileURLToPath } from 'node:url';
import { loadModule, parse } from 'libpg-query';
import { loadPolicy } from '../src/policy/load.ts';
import type { Analysis, AnalysisContext } from '../src/sql/findings.ts';
import { MysqlAnalyser } from '../src/sql/mysql/analyser.ts';
import { defaultContext } from '../src/sql/mysql/context.ts';
import { PostgresAnalyser } from '../src/sql/postgres/analyser.ts';
import { median } from './peers.ts';

const ROUNDS = 7;
/** A machine that is busy with others takes longer than CPU tells. */
const DEADLINE_MS = 60_000;
const CONTEXT: AnalysisContext = {
  server_version: 15,
  database: 'app',
  role: 'app',
  search_path: '"$user", public',
  search_path_start: '"$user", public',
  prepared: () => null,
};

const ENGINES = ['postgres', 'mysql'] as const;
type Engine = (typeof ENGINES)[number];

interface Text {
  readonly name: string;
  /** Texts in a round. */
  readonly runs: number;
  /** µs, docs/performance.md; null: printed beside the others, promised nowhere; absent: that engine is not asked. */
  readonly goals: Partial<Record<Engine, number | null>>;
  readonly text: (n: number, engine: Engine) => string;
}

const TEXTS: readonly Text[] = [
  { name: 'SELECT 1', runs: 5000, goals: { postgres: 40, mysql: 10 }, text: (n) => `SELECT ${n}` },
  {
    name: 'point read',
    runs: 2000,
    goals: { postgres: 40, mysql: null },
    text: (n) => `SELECT abalance FROM pgbench_accounts WHERE aid = ${1e9 + n}`,
  },
  {
    name: 'update of a row',
    runs: 2000,
    goals: { postgres: null, mysql: null },
    text: (n) => `UPDATE pgbench_accounts SET abalance = abalance + 7 WHERE aid = ${1e9 + n}`,
  },
  { name: "ORM's join", runs: 500, goals: { postgres: 250, mysql: 120 }, text: orm },
  {
    name: "ORM's join, larger",
    runs: 200,
    goals: { postgres: null, mysql: null },
    text: (n, engine) => `${orm(n, engine)} FOR UPDATE /* ${'x'.repeat(80)} */`,
  },
  {
    name: 'insert of 1,000 rows',
    runs: 8,
    goals: { postgres: 25_000, mysql: 40_000 },
    text: (n) => `INSERT INTO events (id, kind, at, payload) VALUES ${rows(n)}`,
  },
  {
    name: 'IN list of 11,000',
    runs: 8,
    goals: { postgres: 25_000, mysql: null },
    text: (n) => `SELECT * FROM events WHERE id IN (${numbers(n, 11_000)})`,
  },
  { name: "dump's batch of statements", runs: 4, goals: { postgres: 25_000, mysql: null }, text: batch },
  // PostgreSQL's own grammar gives up.
  {
    name: '10,000 parentheses',
    runs: 8,
    goals: { mysql: null },
    text: (n) => `SELECT ${'('.repeat(10_000)}${n}${')'.repeat(10_000)}`,
  },
];

function orm(n: number, engine: Engine): string {
  const quote = engine === 'postgres' ? '"' : '`';
  const schema = engine === 'postgres' ? 'public' : 'app';
  const columns = 'id user_id title body created_at updated_at published status category_id language'.split(' ');
  const list = (alias: string, count: number): string =>
    columns
      .slice(0, count)
      .map((c) => `"${alias}"."${c}" AS "${alias}_${c}"`)
      .join(', ');
  const text = `SELECT ${list('posts', 10)}, ${list('users', 8)} FROM "${schema}"."posts" AS "posts" LEFT OUTER JOIN "${schema}"."users" AS "users" ON "users"."id" = "posts"."user_id" WHERE "posts"."status" = 'published' AND "posts"."category_id" IN (1, 2, 3) AND lower("posts"."title") LIKE '%x%' ORDER BY "posts"."created_at" DESC LIMIT 20 OFFSET ${1e6 + n}`;
  return text.replaceAll('"', quote);
}

function rows(n: number): string {
  return Array.from(
    { length: 1000 },
    (_, i) =>
      `(${i + n}, 'page_view', '2026-01-01 00:00:00', '{"path": "/a/b/c", "user": ${i}, "ms": 12, "ok": true}')`,
  ).join(', ');
}

function numbers(n: number, count: number): string {
  return Array.from({ length: count }, (_, i) => 1_000_000 + n * count + i).join(', ');
}

function batch(n: number): string {
  return Array.from(
    { length: 1000 },
    (_, i) => `INSERT INTO events VALUES (${i + n}, 'page_view', '2026-01-01 00:00:00', '{"path": "/a/b/c"}');`,
  ).join('\n');
}

const analyser = await PostgresAnalyser.create({ deadline_ms: DEADLINE_MS });
const loaded = await loadPolicy(fileURLToPath(new URL('../policies/starter.yaml', import.meta.url)));
if ('errors' in loaded) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
const { policy } = loaded;
await loadModule();

const who = { id: 'bot', kind: 'agent', groups: ['agents'], sponsor: 'ada', authentication: '', address: '' } as const;
const session = { in_transaction: false, application_name: '', role: 'app', role_is_local: false };
const judge = (engine: Engine, analysis: Analysis): void => {
  // A text that can't be read would be a fast one.
  if (analysis.error) throw new Error(analysis.error.message);
  const where = { engine, upstream: 'app', database: 'app', tags: {} };
  const { verdict, rule } = policy.judge({ analysis, who, where, session, now: Date.now() });
  if (verdict !== 'allow') throw new Error(`held by ${rule}: no ordinary statement`);
};

const SESSIONS = {
  postgres: analyser.session(CONTEXT),
  mysql: new MysqlAnalyser().session(defaultContext('mysql')),
} as const;
const PARSE: Partial<Record<Engine, (text: string) => Promise<unknown>>> = { postgres: parse };

type Step = 'parse' | 'analysis' | 'policy' | 'all';

console.log(`never seen before           engine     bytes   CPU µs: parse   analysis   policy      all     goal`);
for (const { name, runs, goals, text } of TEXTS) {
  const asked = ENGINES.filter((engine) => engine in goals);
  const taken = new Map(
    asked.map((engine): [Engine, Record<Step, number[]>] => [engine, { parse: [], analysis: [], policy: [], all: [] }]),
  );
  let n = 0;
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [engine, times] of taken) {
      const fresh = (): string[] => Array.from({ length: runs }, () => text(n++, engine));
      const parsed = PARSE[engine];
      if (parsed) times.parse.push(await each(fresh(), parsed));
      const found: Analysis[] = [];
      times.analysis.push(
        await each(fresh(), (t) => {
          const analysis = SESSIONS[engine].analyse(t);
          if (!(analysis instanceof Promise)) return found.push(analysis);
          return analysis.then((late) => found.push(late));
        }),
      );
      times.policy.push(await each(found, (analysis) => judge(engine, analysis)));
      times.all.push(
        await each(fresh(), (t) => {
          const analysis = SESSIONS[engine].analyse(t);
          return analysis instanceof Promise ? analysis.then((late) => judge(engine, late)) : judge(engine, analysis);
        }),
      );
    }
  for (const [engine, times] of taken) {
    const goal = goals[engine] ?? null;
    const all = median(times.all);
    const missed = goal !== null && all > goal;
    if (missed) process.exitCode = 1;
    console.log(
      name.padEnd(27),
      engine.padEnd(9),
      String(text(n, engine).length).padStart(6),
      print(times.parse.length > 0 ? median(times.parse) : null, 15),
      print(median(times.analysis), 10),
      print(median(times.policy), 8),
      print(all, 8),
      `${print(goal, 8)}${missed ? ' MISSED' : ''}`,
    );
  }
}

const known = 'SELECT abalance FROM pgbench_accounts WHERE aid = 1';
// The second time it is kept.
await SESSIONS.postgres.analyse(known);
await SESSIONS.postgres.analyse(known);
const hits: number[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  // Strings of their own, as they come from the wire.
  const copies = Array.from({ length: 20_000 }, () => Buffer.from(known, 'latin1').toString('latin1'));
  hits.push(await each(copies, (t) => void SESSIONS.postgres.analyse(t)));
}
console.log(`\nseen before: postgres's findings from memory, ${known.length} bytes: ${median(hits).toFixed(2)} µs`);
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

function print(us: number | null, width: number): string {
  return (us === null ? '-' : us.toFixed(us < 1000 ? 1 : 0)).padStart(width);
}
