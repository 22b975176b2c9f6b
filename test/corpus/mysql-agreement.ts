// Compares what the analysis says of a statement with the class that a MySQL or MariaDB server gave it (EVENT_NAME of its
// performance_schema). It must not copy a statement into what it prints.
import type { Action } from '../../src/sql/findings.ts';
import { analyseText } from '../../src/sql/mysql/analysis.ts';
import type { MysqlContext } from '../../src/sql/mysql/context.ts';
import { modeOf } from '../../src/sql/mysql/modes.ts';

/** A statement of the suites and what the servers made of it: EVENT_NAME and error number, by server. */
export type Labelled = { readonly sql: string } & Readonly<Record<string, string | number | null>>;

export interface Server {
  readonly name: string;
  readonly engine: MysqlContext['engine'];
  readonly version: number;
  readonly event: string;
  readonly sql_mode: string;
}

export const SERVERS: readonly Server[] = [
  {
    name: 'MySQL 9.7',
    engine: 'mysql',
    version: 90704,
    event: 'event',
    sql_mode: 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES',
  },
  {
    name: 'MariaDB 10.11',
    engine: 'mariadb',
    version: 101119,
    event: 'maria1011_event',
    sql_mode: 'STRICT_TRANS_TABLES',
  },
  {
    name: 'MariaDB 11.8',
    engine: 'mariadb',
    version: 110802,
    event: 'maria118_event',
    sql_mode: 'STRICT_TRANS_TABLES',
  },
];

export interface Comparison {
  readonly server: Server;
  /** Statements that the server accepted as syntax. */
  readonly accepted: number;
  /** Of these, those of our kind, by the table below. */
  readonly agree: number;
  readonly unknown: number;
  /** By rule: how many statements it applies to. */
  readonly rules: ReadonlyMap<string, number>;
  /** Described for the reader of a failed test, without the statement's text. */
  readonly disagree: readonly string[];
}

/** Events that our kind may be, by the first of its words that has a row; `*`: any. Without the leading `sql/`. */
const EVENTS: readonly (readonly [kind: RegExp, events: RegExp])[] = (
  [
    // Nothing but comments.
    ['', 'empty_query'],
    ['SELECT', 'select'],
    ['(INSERT|REPLACE)', '$1(_select)?'],
    ['(UPDATE|DELETE)', '$1(_multi)?'],
    ['EXPLAIN( ANALYZE)?', '(select|(insert|replace)(_select)?|(update|delete)(_multi)?|explain_other|show_explain)'],
    ['ANALYZE', '(select|(insert|replace)(_select)?|(update|delete)(_multi)?)'],
    ['DESCRIBE', 'show_fields'],
    ['(CREATE|DROP|ALTER) DATABASE', '$1_db(_upgrade)?'],
    ['(CREATE|DROP|ALTER) (TABLESPACE|LOGFILE GROUP)', 'alter_tablespace'],
    ['ALTER VIEW', 'create_view'],
    ['ALTER USER', 'alter_user(_default_role)?'],
    ['CREATE FUNCTION SONAME', 'create_udf'],
    ['(CREATE|ALTER|DROP) (.+)', '$1_$2'],
    ['ALTER INSTANCE', 'alter_instance'],
    ['TRUNCATE TABLE', 'truncate'],
    ['LOAD (DATA|XML)', 'load'],
    ['LOAD INDEX', 'preload_keys'],
    ['IMPORT TABLE', 'import'],
    ['CALL', 'call_procedure'],
    ['(GRANT|REVOKE)( PROXY)?', '$1'],
    ['GRANT ROLE', 'grant_roles?'],
    ['REVOKE ROLE', 'revoke_roles?'],
    ['REVOKE ALL', 'revoke_all'],
    ['SET PASSWORD', 'set_(password|option)'],
    ['SET ROLE', 'set_(role|option)'],
    ['SET DEFAULT ROLE', '(alter_user_default_role|set_option)'],
    ['SET( TRANSACTION)?', 'set_option'],
    ['CHANGE REPLICATION SOURCE', 'change_(replication_source|master)'],
    ['CHANGE REPLICATION FILTER', 'change_repl_filter'],
    ['START (REPLICA|TRANSACTION)', '(replica_start|start_(all_)?slaves?|begin)'],
    ['STOP REPLICA', '(replica_stop|stop_(all_)?slaves?)'],
    ['(START|STOP) GROUP_REPLICATION', 'group_replication_$1'],
    ['(BEGIN NOT ATOMIC|IF|CASE|LOOP|WHILE|REPEAT|FOR)', 'compound_sql'],
    ['PREPARE', 'prepare_sql'],
    ['EXECUTE', 'execute_sql'],
    ['EXECUTE IMMEDIATE', 'execute_immediate'],
    ['DEALLOCATE PREPARE', 'dealloc_sql'],
    ['USE', 'change_db'],
    ['HANDLER (OPEN|READ|CLOSE)', 'ha_$1'],
    ['(ANALYZE|CHECK|CHECKSUM|OPTIMIZE|REPAIR|RENAME) TABLE', '$1(_table)?'],
    ['(CHECK|REPAIR) VIEW', '$1'],
    ['CACHE INDEX', 'assign_to_keycache'],
    ['PURGE BINARY LOGS', 'purge(_before_date)?'],
    ['RESET( PERSIST)?', 'reset'],
    ['BACKUP (STAGE|LOCK)', 'backup(_lock)?'],
    ['SHOW CREATE (TABLE|VIEW|SEQUENCE)', 'show_create_table'],
    ['SHOW CREATE (DATABASE|SCHEMA)', 'show_create_db'],
    ['SHOW CREATE (FUNC|PROC)(TION|EDURE)', 'show_create_$1'],
    ['SHOW (COLUMNS|FIELDS)', 'show_fields'],
    ['SHOW (INDEX|INDEXES|KEYS)', 'show_keys'],
    ['SHOW (DATABASES|SCHEMAS)', 'show_databases'],
    ['SHOW (BINARY|MASTER) LOGS', 'show_binlogs'],
    ['SHOW CHARACTER SET', 'show_charsets'],
    ['SHOW COLLATION', 'show_collations'],
    ['SHOW ENGINE', 'show_engine_status'],
    ['SHOW (REPLICA|REPLICAS|SLAVE|SLAVES)( STATUS)?', 'show_(replica|slave)_status'],
    ['SHOW MASTER STATUS', 'show_binlog_status'],
    ['SHOW (.+)', 'show_$1'],
    ['XA (.+)', 'xa_$1'],
    ['(.+)', '$1'],
  ] as const
).map(([kind, events]) => [new RegExp(`^${kind}$`), new RegExp(events, 'i')] as const);

/** Could the server have called a statement of this kind so? */
export function isOfKind(kind: string, event: string): boolean {
  const row = EVENTS.find(([kinds]) => kinds.test(kind));
  if (!row) return false;
  const words = row[0].exec(kind)!;
  const wanted = row[1].source.replace(/\$(\d)/g, (_, n: string) => words[Number(n)] ?? '');
  return new RegExp(`^${wanted.replaceAll(' ', '_')}$`, 'i').test(event.replace(/^sql\//, ''));
}

/** What a class of the server must have at least one of. */
const RULES: readonly (readonly [
  rule: string,
  event: RegExp,
  actions: readonly Action[],
  also?: (row: Labelled) => boolean,
])[] = [
  [
    'DDL',
    /^sql\/(create|alter|drop)_(table|index|view|db|procedure|function|trigger|event|sequence|package|library|udf|server|tablespace|spatial_reference_system|resource_group|db_upgrade|instance)$|^sql\/(rename_table|truncate)$/,
    ['ddl', 'admin'],
  ],
  [
    'account management',
    /^sql\/((create|alter|drop|rename)_(user|role)|alter_user_default_role|set_password|set_role)$/,
    ['role'],
  ],
  ['grant', /^sql\/(grant|revoke)/, ['grant', 'role']],
  [
    'SET GLOBAL',
    /^sql\/set_option$/,
    ['admin'],
    ({ sql }) => /^\s*set\s+(@@)?(global|persist)\b/i.test(sql) && !/transaction/i.test(sql),
  ],
  ['PREPARE', /^sql\/prepare_sql$/, ['settings', 'code']],
];

/** Compares with one server. */
export function compare(rows: readonly Labelled[], server: Server): Comparison {
  const context: MysqlContext = {
    engine: server.engine,
    version: server.version,
    database: 'test',
    role: '',
    sql_mode: modeOf(server.sql_mode),
    charset: 'utf8mb4',
    multi_statements: false,
    in_transaction: false,
    autocommit: true,
    prepared: () => null,
  };
  const rules = new Map<string, number>();
  const disagree: string[] = [];
  let [accepted, agree, unknown] = [0, 0, 0];
  for (const [index, row] of rows.entries()) {
    const event = row[server.event];
    if (typeof event !== 'string' || event === 'sql/error') continue;
    accepted += 1;
    const analysis = analyseText(Buffer.from(row.sql, 'utf8').toString('latin1'), context);
    const actions = new Set(analysis.findings.map(({ action }) => action));
    if (actions.has('unknown')) unknown += 1;
    const kind = analysis.error ? analysis.error.message : analysis.statements.map((one) => one.kind).join(';');
    if (isOfKind(kind, event)) agree += 1;
    else disagree.push(`row ${index}: ${event} is ${kind}`);
    for (const [rule, events, wanted, also] of RULES) {
      if (!events.test(event) || (also && !also(row))) continue;
      rules.set(rule, (rules.get(rule) ?? 0) + 1);
      if (!wanted.some((action) => actions.has(action)) && !isTemporary(row, event))
        disagree.push(`row ${index}: ${event} has ${[...actions].join(', ')}`);
    }
  }
  return { server, accepted, agree, unknown, rules, disagree };
}

/** A table of the session's own is a write, as on PostgreSQL. */
function isTemporary({ sql }: Labelled, event: string): boolean {
  return event.endsWith('_table') && /\btemporary\b/i.test(sql);
}
