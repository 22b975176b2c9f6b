// What is read of a MySQL or MariaDB server's own catalog, and the questions that read it: the whole server, since a name can have any
// database in front. They are constant, and understood by both flavours and under every sql_mode: what differs stands in version comments.
// Only columns for which the server opens no table are asked for, so that on MySQL nothing waits for a lock, and on MariaDB (which reads a
// table's or view's definition under a lock that only DDL's last step excludes) nothing does either: lock_wait_timeout is 0, and what could
// not be read in that moment is left out and read again.

import { createHash } from 'node:crypto';
import type { MysqlContext } from '../context.ts';

export type Kind = 'table' | 'view' | 'sequence';

/** Null texts: the account may not see them, or they could not be read just then. */
export interface CatalogRows {
  /** 0: names of databases and tables are told apart by their case. */
  readonly lower_case: number;
  readonly engine: MysqlContext['engine'];
  readonly tables: readonly TableRow[];
  readonly views: ReadonlyMap<string, string | null>;
  readonly triggers: readonly TriggerRow[];
  readonly routines: readonly RoutineRow[];
  /** Null: the server has none, since its own table of them can't be read. */
  readonly events: readonly EventRow[] | null;
  readonly foreign_keys: readonly ForeignKeyRow[];
  /** Names of loadable functions; null: they can't be seen. */
  readonly loadable: readonly string[] | null;
  /** Sources that could not be read just then. */
  readonly torn: number;
  /** What the account was given: database, as a pattern of LIKE, % for the server as a whole; or one table, by its names. */
  readonly rights: readonly (readonly [database: string, table: string | null, right: string])[];
}

export interface TableRow {
  readonly schema: string;
  readonly name: string;
  readonly kind: Kind;
  /** '' for none; null: DDL was at work on it. */
  readonly engine: string | null;
}

export interface TriggerRow {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly event: 'INSERT' | 'UPDATE' | 'DELETE';
  /** Null: the account may not see it. */
  readonly source: Source | null;
  readonly sql_mode: string;
}

export interface EventRow {
  readonly schema: string;
  readonly name: string;
  readonly source: Source | null;
  readonly sql_mode: string;
}

/** What a routine, trigger or event runs. */
export interface Source {
  readonly text: string;
  /** It is the whole CREATE statement; else the body alone. */
  readonly whole: boolean;
}

export interface RoutineRow {
  readonly schema: string;
  readonly name: string;
  readonly type: 'FUNCTION' | 'PROCEDURE' | 'PACKAGE' | 'PACKAGE BODY';
  /** 'SQL', or MySQL's other languages. */
  readonly language: string;
  /** Null: the account may not see it. */
  readonly source: Source | null;
  readonly sql_mode: string;
}

export interface ForeignKeyRow {
  /** The table that refers. */
  readonly schema: string;
  readonly table: string;
  /** The table that is referred to. */
  readonly to_schema: string;
  readonly to_table: string;
  readonly deleted: string;
  readonly updated: string;
}

/** Between two questions, and between their answers; between the lines of one. No line has either: JSON writes them otherwise. */
export const BETWEEN = '\x1e';
export const LINE = '\n';
/** For an answer, where the account has no right to ask. */
export const DENIED = 'denied';

const OTHERS = `NOT IN ('information_schema', 'performance_schema')`;
const ACCOUNT = `CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')`;

interface Part {
  /** Columns, of text or NULL. */
  readonly columns: readonly string[];
  /** From FROM on. */
  readonly from: string;
}

const PARTS = {
  server: { columns: ['CAST(@@lower_case_table_names AS CHAR)', 'VERSION()'], from: '' },
  rights: {
    columns: ['r.d', 'r.t', 'r.p'],
    from: `FROM (SELECT '%' AS d, NULL AS t, u.PRIVILEGE_TYPE AS p FROM information_schema.USER_PRIVILEGES AS u WHERE u.GRANTEE = ${ACCOUNT}
      UNION ALL SELECT s.TABLE_SCHEMA, NULL, s.PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES AS s WHERE s.GRANTEE = ${ACCOUNT}
      UNION ALL SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES AS t WHERE t.GRANTEE = ${ACCOUNT}) AS r`,
  },
  tables: {
    columns: ['t.TABLE_SCHEMA', 't.TABLE_NAME', 't.TABLE_TYPE', 't.ENGINE'],
    from: `FROM information_schema.TABLES AS t WHERE t.TABLE_SCHEMA ${OTHERS}`,
  },
  views: {
    columns: ['v.TABLE_SCHEMA', 'v.TABLE_NAME', `NULLIF(v.VIEW_DEFINITION, '')`],
    from: `FROM information_schema.VIEWS AS v WHERE v.TABLE_SCHEMA ${OTHERS}`,
  },
  triggers: {
    columns: [
      't.EVENT_OBJECT_SCHEMA',
      't.EVENT_OBJECT_TABLE',
      't.TRIGGER_NAME',
      't.EVENT_MANIPULATION',
      't.ACTION_STATEMENT',
      'CAST(t.SQL_MODE AS CHAR)',
      'CAST(t.CREATED AS CHAR)',
    ],
    from: 'FROM information_schema.TRIGGERS AS t',
  },
  routines: {
    columns: [
      'r.ROUTINE_SCHEMA',
      'r.ROUTINE_NAME',
      'r.ROUTINE_TYPE',
      `COALESCE(NULLIF(r.EXTERNAL_LANGUAGE, ''), r.ROUTINE_BODY)`,
      'r.ROUTINE_DEFINITION',
      'CAST(r.SQL_MODE AS CHAR)',
      'CAST(r.LAST_ALTERED AS CHAR)',
    ],
    from: 'FROM information_schema.ROUTINES AS r',
  },
  events: {
    columns: [
      'e.EVENT_SCHEMA',
      'e.EVENT_NAME',
      'e.EVENT_DEFINITION',
      'CAST(e.SQL_MODE AS CHAR)',
      'CAST(e.LAST_ALTERED AS CHAR)',
    ],
    from: 'FROM information_schema.EVENTS AS e',
  },
  foreign_keys: {
    columns: [
      'k.CONSTRAINT_SCHEMA',
      'k.TABLE_NAME',
      'k.UNIQUE_CONSTRAINT_SCHEMA',
      'k.REFERENCED_TABLE_NAME',
      'k.DELETE_RULE',
      'k.UPDATE_RULE',
    ],
    from: 'FROM information_schema.REFERENTIAL_CONSTRAINTS AS k',
  },
  loadable: {
    columns: ['f.n'],
    from: `FROM (SELECT /*!80000 UDF_NAME */ /*M! name */ AS n FROM /*!80000 performance_schema.user_defined_functions */ /*M! mysql.func */) AS f`,
  },
} as const satisfies Record<string, Part>;

const parts = Object.entries(PARTS) as readonly (readonly [keyof typeof PARTS, Part])[];

/**
 * Cheap, and no other answer as long as nothing can have changed: how many statements that change a catalog have begun since the server
 * started; which connections run one now, and since which second; whether the account sees the connections of others. And the time in
 * steps, for what is done without a statement (a repaired file, rows of mysql.proc).
 */
export const SNAPSHOT_QUESTIONS = [
  `SHOW GLOBAL STATUS WHERE Variable_name REGEXP '^Com_(create|drop|alter|rename|install|uninstall|import|grant|revoke)'`,
  `SELECT p.ID, UNIX_TIMESTAMP() - p.TIME FROM information_schema.PROCESSLIST AS p
    WHERE p.ID <> CONNECTION_ID() AND p.COMMAND NOT IN ('Sleep', 'Daemon', 'Binlog Dump', 'Binlog Dump GTID')`,
  `SELECT FLOOR(UNIX_TIMESTAMP() / 10), (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES AS u WHERE u.GRANTEE = ${ACCOUNT} AND u.PRIVILEGE_TYPE = 'PROCESS')`,
].join(BETWEEN);

/**
 * CatalogReading.changed. A statement that has begun by the time of an answer is done when its connection no longer runs one that began
 * then: until it is, the catalog may change any time.
 */
export function changed(before: string, now: string): string | null {
  const [began = '', running = '', time = ''] = now.split(BETWEEN);
  const [began_then, running_then = '', time_then] = before.split(BETWEEN);
  if (began !== began_then || time !== time_then || !SEES_OTHERS.test(time)) return now;
  if (running_then === '') return null;
  const since = new Map(linesOf(running).map((line) => JSON.parse(line) as [string, string]));
  const left = linesOf(running_then).filter((line) => {
    const [id, second] = JSON.parse(line) as [string, string];
    return Number(since.get(id) ?? Infinity) <= Number(second) + 1;
  });
  return [began, left.join(LINE), time].join(BETWEEN);
}

const SEES_OTHERS = /,"1"\]$/;

function linesOf(answer: string): readonly string[] {
  return answer === '' ? [] : answer.split(LINE);
}

/** One line of JSON for each row. */
export const CATALOG_QUESTIONS = parts
  .map(([, { columns, from }]) => `SELECT JSON_ARRAY(${columns.join(', ')}) ${from}`)
  .join(BETWEEN);

/**
 * information_schema prints a body with its literals unescaped: what one hides could be read as code, and code as a literal. Only a body
 * without quotes and backslashes is there word for word; SHOW CREATE has all others.
 */
const NOT_EXACT = /['"\\]/;

/** Asks for the routines, triggers and events of these answers whose bodies are not there word for word; '': there are none. */
export function sourceQuestions(answer: string): string {
  return sourcesOf(answer).join(BETWEEN);
}

function sourcesOf(answer: string): readonly string[] {
  const answers = answer.split(BETWEEN);
  const rows = (name: keyof typeof PARTS): Columns[] =>
    rowsOf(answers[parts.findIndex(([other]) => other === name)] ?? '') ?? [];
  const exact = (body: string | null | undefined): boolean => typeof body !== 'string' || !NOT_EXACT.test(body);
  return [
    ...rows('routines').flatMap((row) => (exact(row[4]) ? [] : [show(row[2], row[0], row[1], row)])),
    ...rows('triggers').flatMap((row) => (exact(row[4]) ? [] : [show('TRIGGER', row[0], row[2], row)])),
    ...rows('events').flatMap((row) => (exact(row[2]) ? [] : [show('EVENT', row[0], row[1], row)])),
  ];
}

/** The column of SHOW CREATE that has the text. */
function createdIn(question: string): number {
  return question.startsWith('SHOW CREATE EVENT ') ? 3 : 2;
}

type Columns = readonly (string | null)[];

type Text = string | null | undefined;

/** The row that it is about, as a comment: another one is another question, so an answer can be kept. */
function show(type: Text, schema: Text, name: Text, row: Columns): string {
  const quoted = (text: Text): string => `\`${(text ?? '').replaceAll('`', '``')}\``;
  const version = createHash('sha256').update(JSON.stringify(row)).digest('hex');
  return `SHOW CREATE ${type ?? ''} ${quoted(schema)}.${quoted(name)} /* ${version} */`;
}

function rowsOf(answer: string): Columns[] | null {
  return answer === DENIED ? null : linesOf(answer).map((line) => JSON.parse(line) as Columns);
}

/** Reads the answers to CATALOG_QUESTIONS, one after the other, and those to the questions that followed. Throws on what is none. */
export function* readParts(answer: string, sources: string): Generator<void, CatalogRows> {
  const answers = answer.split(BETWEEN);
  if (answers.length !== parts.length) throw new Error('the answer is no catalog');
  const read = new Map<string, readonly Columns[] | null>();
  for (const [index, [name]] of parts.entries()) {
    read.set(name, rowsOf(answers[index]!));
    yield;
  }
  const of = (name: keyof typeof PARTS): readonly Columns[] => {
    const rows = read.get(name);
    if (!rows) throw new Error(`the account may not ask for ${name}`);
    return rows;
  };
  const text = (value: string | null | undefined): string => value ?? '';
  const asked = sourcesOf(answer);
  const shown = sources === '' ? [] : sources.split(BETWEEN);
  if (asked.length !== shown.length) throw new Error('the answers are none to these questions');
  const whole = new Map(
    asked.map((question, index) => [question, rowsOf(shown[index]!)?.[0]?.[createdIn(question)] ?? null]),
  );
  const torn = [...whole.values()].filter((created) => created === null).length;
  yield;
  const source = (question: string, body: string | null | undefined): Source | null => {
    if (typeof body !== 'string') return null;
    const created = whole.get(question);
    // What could not be read just then is no text that anybody can read.
    return created === undefined ? { text: body, whole: false } : { text: created ?? '', whole: true };
  };
  const [[lower_case, version] = []] = of('server');
  return {
    lower_case: Number(lower_case),
    torn,
    engine: /mariadb/i.test(text(version)) ? 'mariadb' : 'mysql',
    rights: of('rights').map(([database, table, right]) => [text(database), table ?? null, text(right)]),
    tables: of('tables').map(([schema, name, type, engine]) => ({
      schema: text(schema),
      name: text(name),
      kind: kindOf(text(type)),
      engine: kindOf(text(type)) === 'view' ? '' : (engine ?? null),
    })),
    views: new Map(of('views').map(([schema, name, query]) => [`${text(schema)}\0${text(name)}`, query ?? null])),
    triggers: of('triggers').map((row) => ({
      schema: text(row[0]),
      table: text(row[1]),
      name: text(row[2]),
      event: text(row[3]) as TriggerRow['event'],
      source: source(show('TRIGGER', row[0], row[2], row), row[4]),
      sql_mode: text(row[5]),
    })),
    routines: of('routines').map((row) => ({
      schema: text(row[0]),
      name: text(row[1]),
      type: text(row[2]) as RoutineRow['type'],
      language: text(row[3]).toUpperCase(),
      source: source(show(row[2], row[0], row[1], row), row[4]),
      sql_mode: text(row[5]),
    })),
    events:
      read.get('events')?.map((row) => ({
        schema: text(row[0]),
        name: text(row[1]),
        source: source(show('EVENT', row[0], row[1], row), row[2]),
        sql_mode: text(row[3]),
      })) ?? null,
    foreign_keys: of('foreign_keys').map(([schema, table, to_schema, to_table, deleted, updated]) => ({
      schema: text(schema),
      table: text(table),
      to_schema: text(to_schema),
      to_table: text(to_table),
      deleted: text(deleted),
      updated: text(updated),
    })),
    loadable: read.get('loadable')?.map(([name]) => text(name)) ?? null,
  };
}

/** MariaDB's tables with history are tables. */
function kindOf(type: string): Kind {
  return type.includes('VIEW') ? 'view' : type === 'SEQUENCE' ? 'sequence' : 'table';
}
