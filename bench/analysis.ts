// CPU of a statement never seen before: parse, findings, shape. `tsx bench/analysis.ts`; goals 40 us / 250 us / 25 ms.
// Every text differs in one literal, so that no cache answers; medians of five rounds.
import { analyseText } from '../src/sql/postgres/analysis.ts';
import { PostgresAnalyser } from '../src/sql/postgres/analyser.ts';
import { Parser } from '../src/sql/postgres/parser.ts';
import type { AnalysisContext } from '../src/sql/findings.ts';

const context: AnalysisContext = {
  server_version: 18,
  database: 'app',
  role: 'app',
  search_path: '"$user", public',
  prepared: () => undefined,
};
const columns = 'id user_id title body created_at updated_at published status category_id language'.split(' ');

const TEXTS: readonly [name: string, goal_us: number, runs: number, text: (n: number) => string][] = [
  ['60 B', 40, 2000, (n) => `SELECT abalance FROM pgbench_accounts WHERE aid = ${1e9 + n}`],
  ['1 KB as an ORM writes it', 250, 500, (n) => orm(n)],
  [
    '100 KB insert of 1,000 rows',
    25_000,
    8,
    (n) => `INSERT INTO public.events (id, kind, at, payload) VALUES ${rows(n)}`,
  ],
];

/** A text that does not parse would be a fast one. */
function analysed(text: string): void {
  const { error } = analyseText(parser, text, context);
  if (error) throw new Error(error.message);
}

function orm(n: number): string {
  const list = (alias: string): string => columns.map((c) => `"${alias}"."${c}" AS "${alias}_${c}"`).join(', ');
  return `SELECT ${list('posts')}, ${list('users').split(', ').slice(0, 6).join(', ')} FROM "public"."posts" AS "posts" LEFT OUTER JOIN "public"."users" AS "users" ON "users"."id" = "posts"."user_id" WHERE "posts"."status" = 'published' AND "posts"."category_id" IN (1, 2, 3) AND lower("posts"."title") LIKE '%x%' ORDER BY "posts"."created_at" DESC LIMIT 20 OFFSET ${n}`;
}

function rows(n: number): string {
  return Array.from(
    { length: 1000 },
    (_, i) =>
      `(${i + n}, 'page_view', '2026-01-01T00:00:00Z', '{"path": "/a/b/c", "user": ${i}, "ms": 12, "ok": true}')`,
  ).join(', ');
}

const parser = await Parser.create();
console.log('never seen before              bytes      goal us   parse us   all us');
for (const [name, goal_us, runs, text] of TEXTS) {
  const parse: number[] = [];
  const all: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const texts = Array.from({ length: runs }, (_, i) => text(round * runs + i));
    parse.push(each(texts, (t) => parser.parse(t)));
    all.push(each(texts, (t) => analysed(t)));
  }
  const print = (us: number, width: number): string => us.toFixed(1).padStart(width);
  console.log(
    name.padEnd(28),
    String(text(0).length).padStart(8),
    print(goal_us, 12),
    print(median(parse), 10),
    print(median(all), 9),
  );
}

const analyser = await PostgresAnalyser.create();
const session = analyser.session(context);
const known = 'SELECT abalance FROM pgbench_accounts WHERE aid = 1000000000';
await session.analyse(known);
const copies = Array.from({ length: 2000 }, () => Buffer.from(known, 'latin1').toString('latin1'));
const hits = [0, 1, 2, 3, 4].map(() =>
  each(
    copies.map((c) => Buffer.from(c, 'latin1').toString('latin1')),
    (t) => void session.analyse(t),
  ),
);
console.log(
  `seen before (cache hit)            ${known.length}          1.0            ${median(hits).toFixed(2).padStart(12)}`,
);
await analyser.close();

/** Microseconds of CPU for each text. */
function each(texts: readonly string[], run: (text: string) => unknown): number {
  const started = process.cpuUsage();
  for (const text of texts) run(text);
  const used = process.cpuUsage(started);
  return (used.user + used.system) / texts.length;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
