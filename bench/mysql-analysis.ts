// CPU of a MySQL statement never seen before: lexer, findings, then the starter policy. Every text differs. Whole process; medians of
// rounds. Exits with 1 where a goal is missed.
import { fileURLToPath } from 'node:url';
import { loadPolicy } from '../src/policy/load.ts';
import type { Analysis } from '../src/sql/findings.ts';
import { analyseText } from '../src/sql/mysql/analysis.ts';
import type { MysqlContext } from '../src/sql/mysql/context.ts';

const ROUNDS = 7;
const CONTEXT: MysqlContext = {
  engine: 'mysql',
  version: 90704,
  database: 'app',
  role: '',
  sql_mode: 0,
  charset: 'utf8mb4',
  multi_statements: true,
  in_transaction: false,
  autocommit: true,
  prepared: () => null,
};

/** goal_us: docs/performance.md; null: printed beside the others, promised nowhere. */
const TEXTS: readonly (readonly [name: string, goal_us: number | null, runs: number, text: (n: number) => string])[] = [
  ['SELECT 1', 10, 20_000, (n) => `SELECT ${n}`],
  ["ORM's join", 120, 2000, orm],
  ['insert of 1,000 rows', 40_000, 40, (n) => `INSERT INTO events (id, kind, at, payload) VALUES ${rows(n)}`],
  ['10,000 parentheses', null, 20, (n) => `SELECT ${'('.repeat(10_000)}${n}${')'.repeat(10_000)}`],
];

function orm(n: number): string {
  const columns = 'id user_id title body created_at updated_at published status category_id language'.split(' ');
  const list = (alias: string, count: number): string =>
    columns
      .slice(0, count)
      .map((c) => `\`${alias}\`.\`${c}\` AS \`${alias}_${c}\``)
      .join(', ');
  return `SELECT ${list('posts', 10)}, ${list('users', 8)} FROM \`app\`.\`posts\` AS \`posts\` LEFT OUTER JOIN \`app\`.\`users\` AS \`users\` ON \`users\`.\`id\` = \`posts\`.\`user_id\` WHERE \`posts\`.\`status\` = 'published' AND \`posts\`.\`category_id\` IN (1, 2, 3) AND lower(\`posts\`.\`title\`) LIKE '%x%' ORDER BY \`posts\`.\`created_at\` DESC LIMIT 20 OFFSET ${1e6 + n}`;
}

function rows(n: number): string {
  return Array.from(
    { length: 1000 },
    (_, i) =>
      `(${i + n}, 'page_view', '2026-01-01 00:00:00', '{"path": "/a/b/c", "user": ${i}, "ms": 12, "ok": true}')`,
  ).join(', ');
}

const loaded = await loadPolicy(fileURLToPath(new URL('../policies/starter.yaml', import.meta.url)), () => null);
if ('errors' in loaded) throw new Error(loaded.errors.map(({ message }) => message).join('\n'));
const { policy } = loaded;
const ASKED = {
  who: {
    id: 'bot',
    kind: 'agent',
    groups: ['agents'],
    sponsor: 'ada',
    authentication: 'caching_sha2_password',
    address: '',
  },
  where: { engine: 'mysql', upstream: 'app', database: 'app', tags: {} },
  session: { in_transaction: false, application_name: '', role: '', role_is_local: false },
  now: Date.now(),
} as const;

const judge = (analysis: Analysis): void => {
  // A text that can't be read would be a fast one.
  if (analysis.error) throw new Error(analysis.error.message);
  if (policy.judge({ ...ASKED, analysis }).verdict !== 'allow') throw new Error('held: no ordinary statement');
};

console.log('never seen before            bytes   CPU µs: analysis   policy      all     goal');
for (const [name, goal_us, runs, text] of TEXTS) {
  const analyses: number[] = [];
  const policies: number[] = [];
  const alls: number[] = [];
  let n = 0;
  const fresh = (): string[] => Array.from({ length: runs }, () => text(n++));
  for (let round = 0; round < ROUNDS; round += 1) {
    const found: Analysis[] = [];
    analyses.push(each(fresh(), (t) => found.push(analyseText(t, CONTEXT))));
    policies.push(each(found, judge));
    alls.push(each(fresh(), (t) => judge(analyseText(t, CONTEXT))));
  }
  const all = median(alls);
  const missed = goal_us !== null && all > goal_us;
  if (missed) process.exitCode = 1;
  console.log(
    name.padEnd(26),
    String(text(n).length).padStart(7),
    print(median(analyses), 18),
    print(median(policies), 8),
    print(all, 8),
    goal_us === null ? '       -' : `${print(goal_us, 8)}${missed ? ' MISSED' : ''}`,
  );
}

/** Microseconds of user and system time of this process for each of the items. */
function each<T>(items: readonly T[], run: (item: T) => unknown): number {
  const started = process.cpuUsage();
  for (const item of items) run(item);
  const used = process.cpuUsage(started);
  return (used.user + used.system) / items.length;
}

function print(us: number, width: number): string {
  return us.toFixed(us < 1000 ? 1 : 0).padStart(width);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
