// What a held statement would touch, asked of the server on a connection beside the session's: EXPLAIN without ANALYZE where nothing but
// built-in functions can be reached by planning it, else what table statistics say.
// It must never execute the statement, run code of the database, wait for a lock, or repeat the server's words: they may hold values.
import type {
  AskedStatement,
  Impact,
  ImpactQuestion,
  LockMode,
  Planner,
  RowsImpact,
  TableImpact,
} from '../../sql/impact.ts';
import { type Fault, inTurn, nothing, unknown } from '../planner.ts';
import { UpstreamError } from './error.ts';
import type { UpstreamTarget } from './connect.ts';
import { IMPLIED_OPERATORS, LOCKED, REACH, TABLES } from './reach.ts';
import { Refused, Side } from './side.ts';

/** How long the side connection waits for a lock, and one of its statements runs, in ms. */
export const LOCK_TIMEOUT_MS = 100;
export const STATEMENT_TIMEOUT_MS = 1000;
/** From the login to the answer, in ms; the login has its own time before. */
export const LOOK_TIMEOUT_MS = 5000;
/** Statements of one message that are planned; relations that are looked at. */
export const PLANNED_MAX = 10;
export const TABLES_MAX = 50;
const PARAMETERS_MAX = 1000;
/** Nodes of one plan that are read. */
const NODES_MAX = 10_000;

/** The question, and the login upstream of whoever sent the statement; null: there is none of the gateway's own (relay). */
export interface Asked extends ImpactQuestion {
  readonly target: () => Promise<UpstreamTarget | null>;
}

export interface PlannerOptions {
  /** A built-in function that can run nothing but itself. */
  readonly isPlain: (name: string, major: number) => boolean;
  readonly fault: Fault;
}

/** One connection at a time, in the order of the questions. */
export const createPlanner = ({ isPlain, fault }: PlannerOptions): Planner<Asked> =>
  inTurn(
    async (question, closing) => {
      const to = await question.target();
      if (!to) return nothing('the gateway has no login of its own here (auth: relay).');
      return look(to, question, isPlain, closing);
    },
    sqlstateOf,
    fault,
  );

const sqlstateOf = (error: unknown): string =>
  error instanceof Refused || error instanceof UpstreamError ? `SQLSTATE ${error.sqlstate}` : 'a fault of Holdpoint';

const look = async (
  target: UpstreamTarget,
  question: ImpactQuestion,
  isPlain: PlannerOptions['isPlain'],
  closing: AbortSignal,
): Promise<Impact> => {
  const side = await Side.open(target, question.database);
  const giveUp = (): void => side.destroy();
  const timer = setTimeout(giveUp, LOOK_TIMEOUT_MS);
  closing.addEventListener('abort', giveUp);
  try {
    const plans = await planned(side, question, isPlain);
    const tables = await tablesOf(side, question, plans);
    const rows = question.statements.flatMap((asked) => plans.rows.get(asked.statement) ?? counted(asked, tables));
    const seen = new Map(tables.map(({ table }) => [table.name, table]));
    return { rows, tables: [...seen.values()], notes: plans.notes };
  } finally {
    clearTimeout(timer);
    closing.removeEventListener('abort', giveUp);
    await side.close();
  }
};

// ---- by EXPLAIN

interface Plans {
  /** By statement. */
  readonly rows: Map<number, RowsImpact[]>;
  /** By relation: names of indexes, '' for the whole of it. */
  readonly by: Map<string, Set<string>>;
  readonly notes: string[];
}

/** Without JIT: what is asked of the catalog is short, and compiling it would take a second. */
const BEGIN = `BEGIN READ ONLY; SET LOCAL jit = off; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}; SET LOCAL search_path = pg_catalog, pg_temp`;
const OWN_PATH = 'pg_catalog, pg_temp';
const SET = 'SELECT pg_catalog.set_config($1, $2, true)';
const EXPLAIN = 'EXPLAIN (VERBOSE, FORMAT JSON) ';
const EXPLAIN_GENERIC = 'EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) ';
const GENERIC_SINCE = 16;

const planned = async (side: Side, question: ImpactQuestion, isPlain: PlannerOptions['isPlain']): Promise<Plans> => {
  const plans: Plans = { rows: new Map(), by: new Map(), notes: [] };
  const asked = question.statements.filter(({ explain }) => explain !== null);
  if (asked.length === 0) return plans;
  const why = unaskable(question, asked);
  if (why !== null) {
    plans.notes.push(unknown(why));
    return plans;
  }
  for (const one of asked) {
    try {
      await side.run(BEGIN);
      const reason = await explain(side, question, one, isPlain, plans);
      if (reason !== null) plans.notes.push(unknown(reason));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      plans.notes.push(unknown(refusal(error.sqlstate)));
    }
    await side.run('ROLLBACK');
  }
  return plans;
};

const unaskable = (question: ImpactQuestion, asked: readonly AskedStatement[]): string | null => {
  if (question.unplannable !== null) return question.unplannable;
  if (question.role === '' || question.search_path === null) return "the session's role or search_path is not known.";
  if (asked.length > PLANNED_MAX) return `it has more than ${PLANNED_MAX} statements.`;
  return question.parameters.length > PARAMETERS_MAX ? `it has more than ${PARAMETERS_MAX} parameters.` : null;
};

/** What the server says of a statement that it does not plan, where a reviewer may make something of it. */
const REFUSALS: Readonly<Record<string, string>> = {
  '42P01': 'it names a table that other connections do not see: a temporary one, one of the open transaction, or none.',
  '42703': 'it names a column that other connections do not see: one of the open transaction, or none.',
  '42501': 'the role lacks a right that it needs: the server would refuse it, too.',
  '55P03': 'somebody holds a lock that forbids reading a table it names.',
  '57014': `the server needed more than ${STATEMENT_TIMEOUT_MS} ms for it.`,
};

const refusal = (sqlstate: string): string => REFUSALS[sqlstate] ?? `the server did not plan it: SQLSTATE ${sqlstate}.`;

/** In an open transaction. Null: told; else why not. Rejects with Refused. */
const explain = async (
  side: Side,
  question: ImpactQuestion,
  asked: AskedStatement,
  isPlain: PlannerOptions['isPlain'],
  plans: Plans,
): Promise<string | null> => {
  const text = asked.explain as string;
  const [current] = await side.ask('SELECT current_user::text');
  if (current !== question.role && !(await takes(side, question.role)))
    return "the session's role can't be taken here.";
  const path = (to: string) => side.ask(SET, ['search_path', to]);
  await path(question.search_path as string);
  const schemas = await side.ask('SELECT pg_catalog.unnest(pg_catalog.current_schemas(true))::pg_catalog.text');
  await path(OWN_PATH);
  const reach = (relations: readonly string[]) => codeInReach(side, question, schemas, relations, isPlain);

  // Before the server parses it: parsing runs the input functions of types.
  const before = (await reach([])) ?? (await typesOf(side, question));
  if (typeof before === 'string') return before;
  await path(question.search_path as string);
  const types = await side.describe(text, before);
  const known = question.parameters.length >= question.parameters_named;
  if (types.some((oid) => oid >= FIRST_OWN_OID)) return 'a parameter has a type that is not built in.';
  await path(OWN_PATH);
  // Now its relations are locked, each that a view or policy leads to as well: what they are made of stays.
  const after = await reach(await side.ask(LOCKED));
  if (after !== null) return after;
  await path(question.search_path as string);
  if (known) {
    const values = question.parameters.slice(0, types.length).map(({ value }) => value);
    read(await side.ask(EXPLAIN + text, values, types), asked, plans);
    return null;
  }
  if (side.serverVersion < GENERIC_SINCE) return 'its parameters are not known yet.';
  const values = types.map(() => null);
  read(await side.ask(EXPLAIN_GENERIC + text, values, types), asked, plans);
  plans.notes.push('Planned for any values: its parameters are not known yet.');
  return null;
};

const takes = (side: Side, role: string): Promise<boolean> =>
  side.ask(SET, ['role', role]).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Refused) return false;
      throw error;
    },
  );

const FIRST_OWN_OID = 16384;

/** Null: none; else what it is. */
const codeInReach = async (
  side: Side,
  { identifiers, calls, operators }: ImpactQuestion,
  schemas: readonly string[],
  relations: readonly string[],
  isPlain: PlannerOptions['isPlain'],
): Promise<string | null> => {
  const named = operators.filter((operator) => !IMPLIED_OPERATORS.includes(operator));
  const lists = [relations, identifiers, schemas, named, IMPLIED_OPERATORS, calls];
  const rows = await side.ask(REACH, lists.map(arrayText));
  for (const row of rows) {
    const found = JSON.parse(row) as { readonly code?: string; readonly calls?: string };
    if (found.code !== undefined) return `EXPLAIN might run code of the database: ${found.code}.`;
    if (found.calls !== undefined && !isPlain(found.calls, side.serverVersion))
      return `EXPLAIN might run ${found.calls}, which can run others.`;
  }
  return null;
};

/** Oids of the parameters' types, 0 where the server chooses; or why not. */
const typesOf = async (side: Side, { parameters }: ImpactQuestion): Promise<readonly number[] | string> => {
  const names = [...new Set(parameters.map(({ type }) => type))];
  const found = await side.ask(
    "SELECT typname || ' ' || oid FROM pg_type WHERE typname = ANY ($1::name[]) AND typnamespace = 'pg_catalog'::regnamespace",
    [arrayText(names)],
  );
  const oids = new Map(found.map((row) => row.split(' ') as [string, string]));
  const types: number[] = [];
  for (const { type } of parameters) {
    const oid = Number(type === 'unspecified' ? 0 : (oids.get(type) ?? /^oid (\d+)$/.exec(type)?.[1]));
    if (Number.isNaN(oid) || oid >= FIRST_OWN_OID) return 'a parameter has a type that is not built in.';
    types.push(oid);
  }
  return types;
};

/** An array as its input function reads it. */
const arrayText = (items: readonly string[]): string =>
  `{${items.map((item) => `"${item.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Plan Rows'?: number;
  readonly 'Plan Width'?: number;
  readonly 'Parent Relationship'?: string;
  readonly Operation?: string;
  readonly 'Relation Name'?: string;
  readonly Schema?: string;
  readonly 'Index Name'?: string;
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
}

const OPERATIONS: Readonly<Record<string, RowsImpact['does']>> = {
  Insert: 'inserts',
  Update: 'updates',
  Delete: 'deletes',
  Merge: 'merges',
};

/** Takes names and numbers from plans; conditions and outputs, which hold literals, stay in them. */
const read = (lines: readonly string[], asked: AskedStatement, plans: Plans): void => {
  // Rules make several plans of a statement, or none.
  const rows = plansIn(lines.join('\n')).flatMap((top) => rowsIn(top, asked, plans));
  plans.rows.set(asked.statement, rows);
};

const plansIn = (json: string): PlanNode[] => {
  try {
    return (JSON.parse(json) as { readonly Plan?: PlanNode }[]).flatMap(({ Plan }) => Plan ?? []);
  } catch {
    // The parser's own words would quote the plan.
    throw new UpstreamError('08P01', 'the plan is not JSON');
  }
};

const rowsIn = (top: PlanNode, { statement, into }: AskedStatement, plans: Plans): RowsImpact[] => {
  const rows: RowsImpact[] = [];
  const returns = top['Node Type'] !== 'ModifyTable' || top.Output !== undefined;
  if (returns) {
    const count = top['Plan Rows'] ?? 0;
    rows.push({
      statement,
      does: into === null ? 'returns' : 'inserts',
      object: into ?? '',
      rows: count,
      bytes: count * (top['Plan Width'] ?? 0),
      from: 'plan',
    });
  }
  const nodes: [node: PlanNode, table: string][] = [[top, '']];
  for (let at = 0; at < nodes.length && at < NODES_MAX; at += 1) {
    const [node, outer] = nodes[at] as [PlanNode, string];
    const table = relationOf(node) ?? outer;
    const does = node['Node Type'] === 'ModifyTable' ? OPERATIONS[node.Operation ?? ''] : undefined;
    if (does) {
      const count = node.Plans?.find((plan) => plan['Parent Relationship'] === 'Outer')?.['Plan Rows'] ?? 0;
      rows.push({ statement, does, object: table, rows: count, bytes: null, from: 'plan' });
    } else if (node['Index Name'] !== undefined) add(plans.by, table, node['Index Name']);
    else if (node['Node Type'] === 'Seq Scan' || node['Node Type'] === 'Sample Scan') add(plans.by, table, '');
    for (const plan of node.Plans ?? []) nodes.push([plan, table]);
  }
  return rows;
};

/** A Bitmap Index Scan names its index alone: the table is that of the Bitmap Heap Scan above. */
const relationOf = (node: PlanNode): string | null => {
  const name = node['Relation Name'];
  return name === undefined ? null : `${quoted(node.Schema ?? '')}.${quoted(name)}`;
};

/** As quote_ident writes it, but for keywords. */
const quoted = (name: string): string => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

const add = (map: Map<string, Set<string>>, key: string, value: string): void => {
  const known = map.get(key);
  if (known) known.add(value);
  else map.set(key, new Set([value]));
};

// ---- by statistics

interface TableRow {
  readonly asked: string;
  /** Named itself; else a view that is named leads to it. */
  readonly named: boolean;
  readonly name: string;
  readonly kind: string;
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly sessions: number;
  readonly users: readonly string[] | null;
  readonly triggers: readonly string[];
}

interface Known {
  /** The name that the question has for it; '' where it is not named. */
  readonly asked: string;
  readonly table: TableImpact;
}

const tablesOf = async (side: Side, question: ImpactQuestion, plans: Plans): Promise<Known[]> => {
  const locks = new Map<string, LockMode>();
  for (const { targets, lock } of question.statements) if (lock) for (const name of targets) locks.set(name, lock);
  const writing = new Set(question.statements.flatMap(({ targets }) => targets));
  const names = [
    ...new Set([...writing, ...question.statements.flatMap(({ reads }) => reads), ...plans.by.keys()]),
  ].slice(0, TABLES_MAX);
  if (names.length === 0) return [];
  const found = await rowsOf(side, names, question.server_pid).catch(async (error: unknown) => {
    if (!(error instanceof Refused)) throw error;
    // Somebody has a table for himself: then without sizes.
    plans.notes.push(`Sizes of tables are not known: ${refusal(error.sqlstate)}`);
    return rowsOf(side, names, question.server_pid, false).catch((again: unknown) => {
      if (again instanceof Refused) return [];
      throw again;
    });
  });
  return found.map(({ asked, named, name, rows, bytes, sessions, users, triggers }) => ({
    asked: named ? asked : '',
    table: {
      name,
      rows,
      bytes,
      by: [...(plans.by.get(name) ?? plans.by.get(asked) ?? [])],
      lock: (named ? locks.get(asked) : undefined) ?? (writing.has(asked) ? null : 'ACCESS SHARE'),
      sessions,
      users: users ?? [],
      triggers: named && writing.has(asked) ? triggers : [],
    },
  }));
};

const rowsOf = async (side: Side, names: readonly string[], pid: number, sizes = true): Promise<TableRow[]> => {
  await side.run(BEGIN);
  try {
    const rows = await side.ask(TABLES, [arrayText(names), String(pid), String(sizes)]);
    return rows.map((row) => JSON.parse(row) as TableRow);
  } finally {
    await side.run('ROLLBACK');
  }
};

/** A statement that takes whole tables, where there is no plan of it. */
const counted = ({ statement, whole, targets }: AskedStatement, tables: readonly Known[]): RowsImpact[] => {
  if (whole === null) return [];
  return tables.flatMap(({ asked, table }) =>
    table.rows === null || !targets.includes(asked)
      ? []
      : [
          {
            statement,
            does: whole,
            object: whole === 'returns' ? '' : table.name,
            rows: table.rows,
            bytes: whole === 'returns' ? table.bytes : null,
            from: 'statistics' as const,
          },
        ],
  );
};
