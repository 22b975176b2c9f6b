// What a held statement would touch, asked of the server on a connection beside the session's: EXPLAIN where nothing but built-in functions
// can be reached by planning it, else what table statistics say. The twin of postgres/impact.ts.
// It must never execute the statement, run code of the database, wait long for a lock, or repeat the server's words: they may hold values.
import type {
  AskedStatement,
  Impact,
  MysqlImpactQuestion,
  Planner,
  RowsImpact,
  TableImpact,
} from '../../sql/impact.ts';
import { type Fault, inTurn, unknown } from '../planner.ts';
import { UpstreamError } from './error.ts';
import type { MysqlTarget } from './login.ts';
import { Refused, type Row, Side } from './side.ts';

/** How long the side connection waits for a lock (the servers know whole seconds), and one of its statements runs: longer, to tell which it was. */
const LOCK_TIMEOUT_S = 1;
const STATEMENT_TIMEOUT_MS = 1500;
/** From the login to the answer, in ms; the login has its own time before. */
const LOOK_TIMEOUT_MS = 5000;
/** Statements of one message that are planned; tables that are looked at; sessions' users that are named. */
const PLANNED_MAX = 10;
const TABLES_MAX = 50;
const USERS_MAX = 3;

/** The question, and the login upstream of whoever sent the statement. */
export interface Asked extends MysqlImpactQuestion {
  readonly target: () => Promise<MysqlTarget>;
}

/** One connection at a time, in the order of the questions. */
export const createPlanner = ({ fault }: { readonly fault: Fault }): Planner<Asked> =>
  inTurn(async (question, closing) => look(await question.target(), question, closing), codeOf, fault);

const codeOf = (error: unknown): string =>
  error instanceof Refused || error instanceof UpstreamError ? `error ${error.errno}` : 'a fault of Holdpoint';

const look = async (target: MysqlTarget, question: MysqlImpactQuestion, closing: AbortSignal): Promise<Impact> => {
  const side = await Side.open(target);
  const giveUp = (): void => side.destroy();
  const timer = setTimeout(giveUp, LOOK_TIMEOUT_MS);
  closing.addEventListener('abort', giveUp);
  try {
    const { engine } = side.server;
    await side.ask(`SET SESSION ${LOCKS}`);
    const tables = await tablesOf(side, question);
    await side.ask(`SET SESSION ${STATEMENT_TIMEOUT[engine]}`);
    const plans = await planned(side, question, tables);
    const rows = question.statements.flatMap((asked) => plans.rows.get(asked.statement) ?? counted(asked, tables));
    return {
      rows,
      tables: tables.map(({ impact }) => ({ ...impact, by: plans.by.get(impact.name) ?? [] })),
      notes: plans.notes,
    };
  } finally {
    clearTimeout(timer);
    closing.removeEventListener('abort', giveUp);
    await side.close();
  }
};

const LOCKS = `lock_wait_timeout = ${LOCK_TIMEOUT_S}, innodb_lock_wait_timeout = ${LOCK_TIMEOUT_S}`;
/** Of planning alone: MariaDB 10.11 itself ends with a signal 11 where the time is up while it reads information_schema (ha_maria::drop_table). */
const STATEMENT_TIMEOUT = {
  mysql: `max_execution_time = ${STATEMENT_TIMEOUT_MS}`,
  mariadb: `max_statement_time = ${STATEMENT_TIMEOUT_MS / 1000}`,
} as const;

// ---- by EXPLAIN

interface Plans {
  /** By statement. */
  readonly rows: Map<number, RowsImpact[]>;
  /** By table: names of indexes, '' for the whole of it. */
  readonly by: Map<string, readonly string[]>;
  readonly notes: string[];
}

const planned = async (side: Side, question: MysqlImpactQuestion, tables: readonly Known[]): Promise<Plans> => {
  const plans: Plans = { rows: new Map(), by: new Map(), notes: [] };
  const asked = question.statements.filter(({ explain }) => explain !== null);
  if (asked.length === 0) {
    if (question.unplannable !== null) plans.notes.push(unknown(question.unplannable));
    return plans;
  }
  const why = unaskable(question, asked, tables);
  if (why !== null) {
    plans.notes.push(unknown(why));
    return plans;
  }
  try {
    await side.ask(`SET SESSION sql_mode = '${question.sql_mode}'`);
    await side.ask(`SET NAMES ${question.charset}`);
    if (question.database !== null) await side.ask(`USE ${quoted(question.database)}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    plans.notes.push(unknown(refusal(error.errno)));
    return plans;
  }
  for (const one of asked) {
    // Both servers refuse to plan what writes in a transaction that may only read.
    const reads = one.targets.length === 0;
    try {
      await side.ask(reads ? 'START TRANSACTION READ ONLY' : 'START TRANSACTION');
      read(await side.ask(Buffer.from(EXPLAIN[side.server.engine] + one.explain, 'latin1')), side, one, tables, plans);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      plans.notes.push(unknown(refusal(error.errno)));
    }
    await side.ask('ROLLBACK');
  }
  return plans;
};

/** Columns of the table: the same on both from here on, but that MySQL has `partitions` before the fourth. */
const EXPLAIN = { mysql: 'EXPLAIN FORMAT=TRADITIONAL ', mariadb: 'EXPLAIN EXTENDED ' } as const;

const unaskable = (
  question: MysqlImpactQuestion,
  asked: readonly AskedStatement[],
  tables: readonly Known[],
): string | null => {
  if (question.unplannable !== null) return question.unplannable;
  if (question.sql_mode === null || !/^[\w,]*$/.test(question.sql_mode) || !/^\w+$/.test(question.charset))
    return "the session's sql_mode or character set is not known.";
  if (asked.length > PLANNED_MAX) return `it has more than ${PLANNED_MAX} statements.`;
  const view = question.sees_views ? undefined : tables.find(({ type }) => !type.endsWith('BASE TABLE'));
  return view ? `${view.impact.name} is a view, whose functions planning might run.` : null;
};

/** What the server says of a statement that it does not plan, where a reviewer may make something of it. */
const REFUSALS: Readonly<Record<number, string>> = {
  1146: 'it names a table that other connections do not see: a temporary one, or none.',
  1054: 'it names a column that is not there.',
  1044: "the gateway's login lacks a right that it needs: the server would refuse it, too.",
  1142: "the gateway's login lacks a right that it needs: the server would refuse it, too.",
  1143: "the gateway's login lacks a right that it needs: the server would refuse it, too.",
  1205: 'somebody holds a lock that forbids reading a table it names.',
  1969: `the server needed more than ${STATEMENT_TIMEOUT_MS} ms for it.`,
  3024: `the server needed more than ${STATEMENT_TIMEOUT_MS} ms for it.`,
};

const refusal = (errno: number): string => REFUSALS[errno] ?? `the server did not plan it: error ${errno}.`;

const DOES: Readonly<Record<string, RowsImpact['does']>> = {
  INSERT: 'inserts',
  REPLACE: 'inserts',
  UPDATE: 'updates',
  DELETE: 'deletes',
};
/** Queries whose rows are those of the statement; each is multiplied out, and they are added up. */
const OUTERMOST: ReadonlySet<string> = new Set(['SIMPLE', 'PRIMARY', 'UNION', 'UPDATE', 'DELETE']);

/** Takes names and numbers from a plan; conditions stay in it. */
const read = (
  lines: readonly Row[],
  { server: { engine } }: Side,
  { statement, explain, targets, rows_max }: AskedStatement,
  tables: readonly Known[],
  plans: Plans,
): void => {
  const queries = new Map<string, number>();
  for (const line of lines) {
    const [id, select_type, table] = line;
    const [type, , key, , , rows, filtered] = line.slice(engine === 'mysql' ? 4 : 3);
    const known = tables.find(({ bare }) => bare === table);
    if (known && (key ?? type) !== null)
      plans.by.set(known.impact.name, [...new Set([...(plans.by.get(known.impact.name) ?? []), key ?? ''])]);
    if (!OUTERMOST.has(select_type ?? '') || rows === null || rows === undefined) continue;
    const count = Number(rows) * (Number(filtered ?? 100) / 100);
    queries.set(id ?? '', (queries.get(id ?? '') ?? 1) * count);
  }
  if (queries.size === 0) return;
  const total = Math.round([...queries.values()].reduce((sum, count) => sum + count, 0));
  const does =
    DOES[/^\W*(\w+)/.exec(explain ?? '')?.[1]?.toUpperCase() ?? ''] ?? (targets.length > 0 ? null : 'returns');
  if (does === null) return;
  const object = does === 'returns' ? '' : (targets[0] ?? '');
  // The plan does not count LIMIT.
  const count = does === 'returns' ? Math.min(total, rows_max ?? Infinity) : total;
  plans.rows.set(statement, [{ statement, does, object, rows: count, bytes: null, from: 'plan' }]);
};

// ---- by statistics

interface Known {
  /** Without its database. */
  readonly bare: string;
  /** As information_schema.tables has it. */
  readonly type: string;
  readonly impact: TableImpact;
}

const tablesOf = async (side: Side, question: MysqlImpactQuestion): Promise<readonly Known[]> => {
  const { statements } = question;
  const writing = new Set(statements.flatMap(({ targets }) => targets));
  const names = [...new Set([...writing, ...statements.flatMap(({ reads }) => reads)])].slice(0, TABLES_MAX);
  if (names.length === 0) return [];
  const list = names.map((name) => `(${literal(name.slice(0, name.indexOf('.')))}, ${literal(bare(name))})`).join(', ');
  const rows = await side.ask(`${TABLES} WHERE (TABLE_SCHEMA, TABLE_NAME) IN (${list})`);
  const triggers = await side.ask(`${TRIGGERS} WHERE (EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE) IN (${list})`);
  const sessions = await sessionsOf(side, question, list);
  return rows.map(([schema, table, type, count, bytes]) => {
    const name = `${schema}.${table}`;
    const of = (found: readonly Row[]): string[] =>
      found.flatMap((row) => (row[0] === schema && row[1] === table && row[2] !== null ? [row[2] as string] : []));
    const users = of(sessions);
    return {
      bare: table ?? '',
      type: type ?? '',
      impact: {
        name,
        rows: count === null ? null : Number(count),
        bytes: bytes === null ? null : Number(bytes),
        by: [],
        lock: null,
        sessions: users.length,
        users: [...new Set(users)].slice(0, USERS_MAX),
        triggers: writing.has(name) ? of(triggers) : [],
      },
    };
  });
};

const TABLES =
  'SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES';
const TRIGGERS = 'SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS';

/** Who else has a table in an open transaction; MariaDB does not tell. */
const sessionsOf = async (side: Side, { server_pid }: MysqlImpactQuestion, list: string): Promise<readonly Row[]> => {
  if (side.server.engine === 'mariadb') return [];
  try {
    return await side.ask(
      `SELECT DISTINCT l.OBJECT_SCHEMA, l.OBJECT_NAME, t.PROCESSLIST_USER, t.PROCESSLIST_ID FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID WHERE t.PROCESSLIST_ID NOT IN (${server_pid}, ${side.threadId}) AND (l.OBJECT_SCHEMA, l.OBJECT_NAME) IN (${list})`,
    );
  } catch (error) {
    if (error instanceof Refused) return [];
    throw error;
  }
};

const bare = (name: string): string => name.slice(name.indexOf('.') + 1);
const quoted = (name: string): string => `\`${name.replaceAll('`', '``')}\``;
/** Whatever sql_mode says of quotes and backslashes. */
const literal = (text: string): string => `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`;

/** A statement that takes whole tables, where there is no plan of it. */
const counted = ({ statement, whole, targets }: AskedStatement, tables: readonly Known[]): RowsImpact[] => {
  if (whole === null) return [];
  return tables.flatMap(({ impact: { name, rows } }) =>
    rows === null || !targets.includes(name)
      ? []
      : [{ statement, does: whole, object: name, rows, bytes: null, from: 'statistics' as const }],
  );
};
