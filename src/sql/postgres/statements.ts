// Every statement kind of PostgreSQL's grammar: its command tag, what it does, and how it is looked into. The reference for what
// Holdpoint makes of a statement; printed into docs/generated/statements.md. A test compares it with the grammar's list of kinds.
import type { Action } from '../findings.ts';
import type { Analyst } from './analyst.ts';
import type { Verb } from './behind.ts';
import { returns } from './bounds.ts';
import { constantText } from './expressions.ts';
import type { Frame, Visit } from './frame.ts';
import { qualified, quoteIdentifier } from './names.ts';
import type { Tree } from './parser.ts';
import { judgePlpgsql } from './plpgsql.ts';
import { judgeSetting } from './settings.ts';
import { OWN_HELP, OWN_SETTINGS, Refusal, refuse, strings, textOf, unwrap } from './tree.ts';

export interface StatementRow {
  /** The command tag's words. */
  readonly tag: string | ((node: Tree) => string);
  /** The actions it is known by; a visit may add others. For the documentation and for `rest`. */
  readonly actions: readonly Action[];
  /** The finding's action where the visit found nothing. */
  readonly rest: Action;
  readonly why: string;
  readonly visit: Visit;
  /** The server analyses it when it is parsed, which runs input functions of its literals; else only when it is executed. */
  readonly analysed_at_parse?: true;
}

export const STATEMENTS: Readonly<Record<string, StatementRow>> = {
  // ---- queries and data --------------------------------------------------------------------------------------------------
  SelectStmt: query('SELECT', 'read', 'Reads without a table.', select),
  InsertStmt: query('INSERT', 'write', 'Adds rows.', (a, n, f) => change(a, n, f, 'Adds rows.')),
  UpdateStmt: query('UPDATE', 'write', 'Changes rows.', (a, n, f) => change(a, n, f, 'Changes rows.')),
  DeleteStmt: query('DELETE', 'write', 'Removes rows.', (a, n, f) => change(a, n, f, 'Removes rows.')),
  MergeStmt: query('MERGE', 'write', 'Adds, changes or removes rows.', (a, n, f) =>
    change(a, n, f, 'Adds, changes or removes rows.'),
  ),
  CopyStmt: { ...plain('COPY', ['read', 'write', 'export', 'import', 'admin'], 'Copies rows in bulk.'), visit: copy },
  TruncateStmt: { ...plain('TRUNCATE TABLE', ['ddl', 'write'], 'Removes all rows of a table.'), visit: truncate },
  DeclareCursorStmt: query('DECLARE CURSOR', 'read', 'Opens a cursor.', (a, n, f) =>
    a.children(n, { ...f, later: true }),
  ),
  FetchStmt: {
    ...plain(
      (n) => (n['ismove'] === true ? 'MOVE' : 'FETCH'),
      ['read', 'code'],
      'Reads from a cursor that was judged when it was opened.',
    ),
    visit: (a, n) => a.prepared.fetch(textOf(n['portalname'])),
  },
  ClosePortalStmt: plain('CLOSE CURSOR', ['settings'], 'Closes a cursor.'),
  ExplainStmt: { ...plain('EXPLAIN', ['read'], 'Shows a plan.'), visit: explain, analysed_at_parse: true },
  PrepareStmt: { ...plain('PREPARE', ['settings'], 'Prepares a statement.'), visit: prepare },
  ExecuteStmt: { ...plain('EXECUTE', ['read'], 'Runs a prepared statement.'), visit: execute },
  DeallocateStmt: { ...plain('DEALLOCATE', ['settings'], 'Forgets a prepared statement.'), visit: deallocate },
  LockStmt: { ...plain('LOCK TABLE', ['transaction'], 'Locks a table.'), visit: lock },
  ReturnStmt: { ...plain('RETURN', ['read'], 'Returns a value.'), visit: (a, n, f) => a.children(n, f) },
  PLAssignStmt: plain('ASSIGN', ['unknown'], 'An assignment outside of a function.'),
  RawStmt: { ...plain('', ['unknown'], ''), visit: (a, n, f) => a.children(n, f) },
  SetOperationStmt: plain('SELECT', ['unknown'], 'A node of a later stage.'),

  // ---- session and transaction -------------------------------------------------------------------------------------------
  TransactionStmt: { ...plain(transactionTag, ['transaction'], 'Controls the transaction.'), visit: transaction },
  ConstraintsSetStmt: plain('SET CONSTRAINTS', ['transaction'], 'Sets when constraints are checked.'),
  VariableSetStmt: {
    ...plain(
      (n) => (textOf(n['kind']).startsWith('VAR_RESET') ? 'RESET' : 'SET'),
      ['settings', 'role', 'admin'],
      'Changes a setting.',
    ),
    visit: set,
  },
  VariableShowStmt: { ...plain('SHOW', ['settings'], 'Shows a setting.'), visit: show },
  DiscardStmt: {
    ...plain((n) => textOf(n['target']).replace('_', ' '), ['settings'], 'Resets parts of the session.'),
    visit: discard,
  },
  ListenStmt: plain('LISTEN', ['settings'], 'Listens on a channel.', channel),
  UnlistenStmt: plain('UNLISTEN', ['settings'], 'Stops listening.', channel),
  NotifyStmt: plain('NOTIFY', ['settings'], 'Notifies other sessions.', channel),

  // ---- code --------------------------------------------------------------------------------------------------------------
  DoStmt: { ...plain('DO', ['code'], 'Runs a block of code.'), visit: doBlock },
  CallStmt: { ...plain('CALL', ['code'], 'Runs a procedure.'), rest: 'read', visit: call, analysed_at_parse: true },
  LoadStmt: plain('LOAD', ['admin'], 'Loads a shared library into the server.'),
  CreateFunctionStmt: {
    ...plain(
      (n) => `CREATE ${n['is_procedure'] === true ? 'PROCEDURE' : 'FUNCTION'}`,
      ['ddl', 'code', 'admin'],
      'Creates a function.',
    ),
    visit: createFunction,
  },
  AlterFunctionStmt: ddl(
    (n) => `ALTER ${objectWord(n['objtype'])}`,
    'Alters a function.',
    (n) => names((n['func'] as Tree)['objname']),
  ),
  CreateTrigStmt: onTable('CREATE TRIGGER', 'Creates a trigger.', 'trigname', 'relation'),
  CreateEventTrigStmt: ddl('CREATE EVENT TRIGGER', 'Creates an event trigger.', named('trigname')),
  AlterEventTrigStmt: ddl('ALTER EVENT TRIGGER', 'Alters an event trigger.', named('trigname')),
  RuleStmt: { ...plain('CREATE RULE', ['ddl'], 'Creates a rule.'), visit: createRule },
  CreatePLangStmt: both(['ddl', 'admin'], 'CREATE LANGUAGE', 'Creates a procedural language.', named('plname')),
  CreateExtensionStmt: ddl('CREATE EXTENSION', 'Installs an extension.', named('extname')),
  AlterExtensionStmt: ddl('ALTER EXTENSION', 'Alters an extension.', named('extname')),
  AlterExtensionContentsStmt: onTables(
    'ALTER EXTENSION',
    'Changes what belongs to an extension.',
    named('extname'),
    (n) => rangeOf(textOf(n['objtype']), n['object']) ?? [],
  ),

  // ---- roles and privileges ----------------------------------------------------------------------------------------------
  GrantStmt: { ...plain(grantTag, ['grant'], 'Changes privileges.'), visit: grant },
  GrantRoleStmt: plain(
    (n) => `${grantTag(n)} ROLE`,
    ['role'],
    'Changes who is a member of a role.',
    (n) => accessNames(n['granted_roles']),
  ),
  AlterDefaultPrivilegesStmt: plain('ALTER DEFAULT PRIVILEGES', ['grant'], 'Changes privileges of future objects.'),
  CreateRoleStmt: plain('CREATE ROLE', ['role'], 'Creates a role.', named('role')),
  AlterRoleStmt: plain('ALTER ROLE', ['role'], 'Alters a role.', (n) => roleName(n['role'])),
  AlterRoleSetStmt: plain('ALTER ROLE', ['role'], 'Changes settings of a role.', (n) => roleName(n['role'])),
  DropRoleStmt: plain('DROP ROLE', ['role'], 'Drops roles.', (n) => roleNames(n['roles'])),
  DropOwnedStmt: both(['role', 'ddl'], 'DROP OWNED', 'Drops what a role owns.', (n) => roleNames(n['roles'])),
  ReassignOwnedStmt: both(['role', 'ddl'], 'REASSIGN OWNED', 'Changes the owner of all that a role owns.', (n) =>
    roleNames(n['roles']),
  ),
  AlterOwnerStmt: both(['ddl', 'grant'], (n) => `ALTER ${objectWord(n['objectType'])}`, 'Changes an owner.', objectOf),
  CreatePolicyStmt: onTable('CREATE POLICY', 'Creates a row security policy.', 'policy_name', 'table'),
  AlterPolicyStmt: onTable('ALTER POLICY', 'Alters a row security policy.', 'policy_name', 'table'),
  SecLabelStmt: { ...plain('SECURITY LABEL', ['ddl', 'grant'], 'Changes a security label.'), visit: securityLabel },
  CreateUserMappingStmt: both(
    ['ddl', 'role'],
    'CREATE USER MAPPING',
    'Maps a role to a foreign user.',
    named('servername'),
  ),
  AlterUserMappingStmt: both(
    ['ddl', 'role'],
    'ALTER USER MAPPING',
    'Alters the mapping of a role to a foreign user.',
    named('servername'),
  ),
  DropUserMappingStmt: both(
    ['ddl', 'role'],
    'DROP USER MAPPING',
    'Drops the mapping of a role to a foreign user.',
    named('servername'),
  ),

  // ---- server ------------------------------------------------------------------------------------------------------------
  AlterSystemStmt: plain('ALTER SYSTEM', ['admin'], "Changes the server's configuration.", (n) =>
    quoteIdentifier(textOf((n['setstmt'] as Tree)['name'])),
  ),
  CheckPointStmt: plain('CHECKPOINT', ['admin'], 'Forces a checkpoint.'),
  ClusterStmt: { ...plain('CLUSTER', ['admin', 'ddl'], 'Rewrites a table under an exclusive lock.'), visit: cluster },
  ReindexStmt: { ...plain('REINDEX', ['admin'], 'Rebuilds indexes.'), visit: maintain },
  VacuumStmt: {
    ...plain((n) => (n['is_vacuumcmd'] === true ? 'VACUUM' : 'ANALYZE'), ['read', 'admin'], 'Maintains tables.'),
    visit: vacuum,
  },
  CreatedbStmt: both(['ddl', 'admin'], 'CREATE DATABASE', 'Creates a database.', named('dbname')),
  AlterDatabaseStmt: both(['ddl', 'admin'], 'ALTER DATABASE', 'Alters a database.', named('dbname')),
  AlterDatabaseSetStmt: both(['ddl', 'admin'], 'ALTER DATABASE', 'Changes settings of a database.', named('dbname')),
  AlterDatabaseRefreshCollStmt: both(
    ['ddl', 'admin'],
    'ALTER DATABASE',
    'Refreshes a collation version.',
    named('dbname'),
  ),
  DropdbStmt: both(['ddl', 'admin'], 'DROP DATABASE', 'Drops a database.', named('dbname')),
  CreateTableSpaceStmt: both(['ddl', 'admin'], 'CREATE TABLESPACE', 'Creates a tablespace.', named('tablespacename')),
  DropTableSpaceStmt: both(['ddl', 'admin'], 'DROP TABLESPACE', 'Drops a tablespace.', named('tablespacename')),
  AlterTableSpaceOptionsStmt: both(
    ['ddl', 'admin'],
    'ALTER TABLESPACE',
    'Alters a tablespace.',
    named('tablespacename'),
  ),
  AlterTableMoveAllStmt: both(
    ['ddl', 'admin'],
    'ALTER TABLE',
    'Moves all tables to another tablespace.',
    named('new_tablespacename'),
  ),
  CreatePublicationStmt: onTables('CREATE PUBLICATION', 'Publishes changes of tables.', named('pubname'), published),
  AlterPublicationStmt: onTables('ALTER PUBLICATION', 'Changes what is published.', named('pubname'), published),
  CreateSubscriptionStmt: both(
    ['ddl', 'admin'],
    'CREATE SUBSCRIPTION',
    'Subscribes to another server.',
    named('subname'),
  ),
  AlterSubscriptionStmt: both(['ddl', 'admin'], 'ALTER SUBSCRIPTION', 'Alters a subscription.', named('subname')),
  DropSubscriptionStmt: both(['ddl', 'admin'], 'DROP SUBSCRIPTION', 'Drops a subscription.', named('subname')),
  CreateFdwStmt: both(
    ['ddl', 'admin'],
    'CREATE FOREIGN DATA WRAPPER',
    'Creates a foreign data wrapper.',
    named('fdwname'),
  ),
  AlterFdwStmt: both(
    ['ddl', 'admin'],
    'ALTER FOREIGN DATA WRAPPER',
    'Alters a foreign data wrapper.',
    named('fdwname'),
  ),
  CreateForeignServerStmt: ddl('CREATE SERVER', 'Defines a foreign server.', named('servername')),
  AlterForeignServerStmt: ddl('ALTER SERVER', 'Alters a foreign server.', named('servername')),
  ImportForeignSchemaStmt: ddl('IMPORT FOREIGN SCHEMA', 'Creates foreign tables.', named('local_schema')),

  // ---- relations ---------------------------------------------------------------------------------------------------------
  CreateStmt: { ...plain('CREATE TABLE', ['ddl', 'write'], 'Creates a table.'), visit: createTable },
  CreateForeignTableStmt: {
    ...plain('CREATE FOREIGN TABLE', ['ddl'], 'Creates a foreign table.'),
    visit: (a, n, f) => createTable(a, n['base'] as Tree, { ...f, kind: 'CreateStmt' }),
  },
  CreateTableAsStmt: {
    ...plain(
      (n) => `CREATE ${objectWord(n['objtype'])} AS`.replace('VIEW AS', 'VIEW'),
      ['ddl', 'write', 'read'],
      'Creates a table from a query.',
    ),
    visit: createTableAs,
    analysed_at_parse: true,
  },
  ViewStmt: { ...plain('CREATE VIEW', ['ddl'], 'Creates a view.'), visit: createView },
  RefreshMatViewStmt: relation('REFRESH MATERIALIZED VIEW', 'Runs the query of a materialized view again.'),
  CreateSeqStmt: {
    ...plain('CREATE SEQUENCE', ['ddl'], 'Creates a sequence.'),
    visit: (a, n, f) => {
      a.relations.creates(n['sequence'] as Tree, f, 'Creates a sequence.');
      a.children(n, { ...f, defines: true });
    },
  },
  AlterSeqStmt: relation('ALTER SEQUENCE', 'Alters a sequence.', 'sequence'),
  IndexStmt: { ...plain('CREATE INDEX', ['ddl'], 'Creates an index.'), visit: createIndex },
  AlterTableStmt: {
    ...plain((n) => `ALTER ${objectWord(n['objtype'])}`, ['ddl', 'grant'], 'Alters a table.'),
    visit: alterTable,
  },
  RenameStmt: {
    ...plain((n) => `ALTER ${objectWord(n['renameType'])}`, ['ddl', 'role'], 'Renames an object.'),
    visit: renameObject,
  },
  AlterObjectSchemaStmt: {
    ...plain((n) => `ALTER ${objectWord(n['objectType'])}`, ['ddl'], 'Moves an object to another schema.'),
    visit: relationOrObject('Moves an object to another schema.'),
  },
  AlterObjectDependsStmt: {
    ...plain((n) => `ALTER ${objectWord(n['objectType'])}`, ['ddl'], 'Changes what an object depends on.'),
    visit: relationOrObject('Changes what an object depends on.'),
  },
  DropStmt: {
    ...plain((n) => `DROP ${objectWord(n['removeType'])}`, ['ddl', 'write'], 'Drops an object.'),
    visit: drop,
  },
  CommentStmt: {
    ...plain('COMMENT', ['ddl'], 'Changes a comment.'),
    visit: (a, n, f) => concerns(a, textOf(n['objtype']), n['object'], f, 'Changes a comment.'),
  },
  CreateStatsStmt: onTables(
    'CREATE STATISTICS',
    'Creates statistics.',
    (n) => names(n['defnames']),
    (n) => ranges(n['relations']),
  ),
  AlterStatsStmt: ddl('ALTER STATISTICS', 'Alters statistics.', (n) => names(n['defnames'])),
  CreateSchemaStmt: { ...plain('CREATE SCHEMA', ['ddl'], 'Creates a schema.'), visit: createSchema },

  // ---- types, operators, the rest of the catalog -------------------------------------------------------------------------
  DefineStmt: ddl(
    (n) => `CREATE ${objectWord(n['kind'])}`,
    'Defines an object.',
    (n) => names(n['defnames']),
  ),
  CompositeTypeStmt: ddl('CREATE TYPE', 'Creates a type.', (n) => rangeName(n['typevar'])),
  CreateEnumStmt: ddl('CREATE TYPE', 'Creates a type.', (n) => names(n['typeName'])),
  CreateRangeStmt: ddl('CREATE TYPE', 'Creates a type.', (n) => names(n['typeName'])),
  AlterEnumStmt: ddl('ALTER TYPE', 'Alters a type.', (n) => names(n['typeName'])),
  AlterTypeStmt: ddl('ALTER TYPE', 'Alters a type.', (n) => names(n['typeName'])),
  CreateDomainStmt: ddl('CREATE DOMAIN', 'Creates a domain.', (n) => names(n['domainname'])),
  AlterDomainStmt: ddl('ALTER DOMAIN', 'Alters a domain.', (n) => names(n['typeName'])),
  AlterCollationStmt: ddl('ALTER COLLATION', 'Alters a collation.', (n) => names(n['collname'])),
  AlterOperatorStmt: ddl('ALTER OPERATOR', 'Alters an operator.', (n) =>
    strings((n['opername'] as Tree)['objname']).join('.'),
  ),
  CreateOpClassStmt: ddl('CREATE OPERATOR CLASS', 'Creates an operator class.', (n) => names(n['opclassname'])),
  CreateOpFamilyStmt: ddl('CREATE OPERATOR FAMILY', 'Creates an operator family.', (n) => names(n['opfamilyname'])),
  AlterOpFamilyStmt: ddl('ALTER OPERATOR FAMILY', 'Alters an operator family.', (n) => names(n['opfamilyname'])),
  CreateCastStmt: ddl('CREATE CAST', 'Creates a cast.', (n) => names((n['targettype'] as Tree)['names'])),
  CreateConversionStmt: ddl('CREATE CONVERSION', 'Creates a conversion.', (n) => names(n['conversion_name'])),
  CreateTransformStmt: ddl('CREATE TRANSFORM', 'Creates a transform.', named('lang')),
  CreateAmStmt: both(['ddl', 'admin'], 'CREATE ACCESS METHOD', 'Creates an access method.', named('amname')),
  AlterTSDictionaryStmt: ddl('ALTER TEXT SEARCH DICTIONARY', 'Alters a text search dictionary.', (n) =>
    names(n['dictname']),
  ),
  AlterTSConfigurationStmt: ddl('ALTER TEXT SEARCH CONFIGURATION', 'Alters a text search configuration.', (n) =>
    names(n['cfgname']),
  ),
  ReplicaIdentityStmt: {
    ...plain('ALTER TABLE', ['ddl'], 'Changes the replica identity.'),
    visit: (a, n, f) => a.children(n, f),
  },
};

// ---- making rows -----------------------------------------------------------------------------------------------------------

type Describe = (node: Tree) => string;

/** Adds its actions on one object, then looks into the node without reading the relations that it names. */
function plain(
  tag: StatementRow['tag'],
  actions: readonly Action[],
  why: string,
  object: Describe = () => '',
): StatementRow {
  const visit: Visit = (a, node, frame) => {
    if (!frame.planned) for (const action of actions) a.add(action, object(node), why);
    a.children(node, { ...frame, defines: true });
  };
  return { tag, actions, rest: actions[0]!, why, visit };
}

function both(actions: readonly Action[], tag: StatementRow['tag'], why: string, object: Describe): StatementRow {
  return plain(tag, actions, why, object);
}

function ddl(tag: StatementRow['tag'], why: string, object: Describe): StatementRow {
  return plain(tag, ['ddl'], why, object);
}

/** Something with a name of its own that belongs to the table in `field`. */
function onTable(tag: string, why: string, name: string, field: string): StatementRow {
  return onTables(tag, why, named(name), (node) => node[field] as Tree);
}

/** Something with a name of its own that concerns tables. */
function onTables(
  tag: string,
  why: string,
  object: Describe,
  tables: (node: Tree) => Tree | readonly Tree[],
): StatementRow {
  const row = ddl(tag, why, object);
  const visit: Visit = (a, node, frame) => {
    row.visit(a, node, frame);
    for (const table of [tables(node)].flat()) a.relations.defines(table, frame, why);
  };
  return { ...row, visit };
}

/** Alters the relation in `field`. */
function relation(tag: string, why: string, field = 'relation'): StatementRow {
  const visit: Visit = (a, node, frame) => {
    a.relations.defines(node[field] as Tree, frame, why);
    a.children(node, { ...frame, defines: true });
  };
  return { tag, actions: ['ddl'], rest: 'ddl', why, visit };
}

function query(tag: string, rest: Action, why: string, visit: Visit): StatementRow {
  return { tag, actions: [rest], rest, why, visit, analysed_at_parse: true };
}

function named(field: string): Describe {
  return (node) => quoteIdentifier(textOf(node[field]));
}

function names(list: unknown): string {
  return qualified(...strings(list));
}

function rangeName(range: unknown): string {
  const node = (range ?? {}) as Tree;
  const parts = [node['catalogname'], node['schemaname'], node['relname']].filter((part) => typeof part === 'string');
  return qualified(...parts);
}

/** The relations of a list that may hold other things too. */
function ranges(list: unknown): Tree[] {
  return ((list as unknown[] | undefined) ?? [])
    .map(unwrap)
    .flatMap(([kind, range]) => (kind === 'RangeVar' ? [range] : []));
}

/** The tables that a publication names; not those of its schemas. */
function published(node: Tree): Tree[] {
  return ((node['pubobjects'] as unknown[] | undefined) ?? []).flatMap((item) => {
    const table = unwrap(item)[1]['pubtable'] as { relation: Tree } | undefined;
    return table ? [table.relation] : [];
  });
}

function channel(node: Tree): string {
  return quoteIdentifier(textOf(node['conditionname']) || '*');
}

function roleName(role: unknown): string {
  const node = (role ?? {}) as Tree;
  return node['rolename'] === undefined
    ? textOf(node['roletype']).replace('ROLESPEC_', '').toLowerCase()
    : quoteIdentifier(node['rolename'] as string);
}

function roleNames(list: unknown): string {
  return ((list as unknown[] | undefined) ?? []).map((item) => roleName(unwrap(item)[1])).join(', ');
}

function accessNames(list: unknown): string {
  return ((list as unknown[] | undefined) ?? [])
    .map((item) => quoteIdentifier(textOf(unwrap(item)[1]['priv_name'])))
    .join(', ');
}

/** Name of the object in the fields `relation` or `object`. */
function objectOf(node: Tree): string {
  return node['relation'] === undefined ? objectName(node['object']) : rangeName(node['relation']);
}

function objectName(wrapped: unknown): string {
  const [kind, node] = unwrap(wrapped ?? {});
  if (kind === 'String') return quoteIdentifier(textOf(node['sval']));
  if (kind === 'List')
    return ((node['items'] as unknown[] | undefined) ?? [])
      .map(objectName)
      .filter((name) => name !== '')
      .join('.');
  if (kind === 'TypeName') return names(node['names']);
  if (kind === 'ObjectWithArgs') return names(node['objname']);
  if (kind === 'RangeVar') return rangeName(node);
  return '';
}

const OBJECT_WORDS: Readonly<Record<string, string>> = {
  OBJECT_MATVIEW: 'MATERIALIZED VIEW',
  OBJECT_FDW: 'FOREIGN DATA WRAPPER',
  OBJECT_FOREIGN_SERVER: 'SERVER',
  OBJECT_OPCLASS: 'OPERATOR CLASS',
  OBJECT_OPFAMILY: 'OPERATOR FAMILY',
  OBJECT_STATISTIC_EXT: 'STATISTICS',
  OBJECT_TSCONFIGURATION: 'TEXT SEARCH CONFIGURATION',
  OBJECT_TSDICTIONARY: 'TEXT SEARCH DICTIONARY',
  OBJECT_TSPARSER: 'TEXT SEARCH PARSER',
  OBJECT_TSTEMPLATE: 'TEXT SEARCH TEMPLATE',
  OBJECT_COLUMN: 'TABLE',
  OBJECT_TABCONSTRAINT: 'TABLE',
  OBJECT_DOMCONSTRAINT: 'DOMAIN',
  OBJECT_ATTRIBUTE: 'TYPE',
  OBJECT_LARGEOBJECT: 'LARGE OBJECT',
};

function objectWord(type: unknown): string {
  const name = textOf(type) || 'OBJECT_TABLE';
  return OBJECT_WORDS[name] ?? name.replace('OBJECT_', '').replaceAll('_', ' ');
}

// ---- queries and data --------------------------------------------------------------------------------------------------------

function select(a: Analyst, node: Tree, frame: Frame): void {
  const scope = a.withClause(node['withClause'], frame);
  if (node['lockingClause'] !== undefined) for (const range of rangesOf(node['fromClause'])) a.relations.locks(range);
  a.children(node, { ...frame, scope, defines: false }, ['withClause']);
}

/** Tables of a FROM clause, also in joins and subqueries. */
function rangesOf(from: unknown): readonly Tree[] {
  const stack: unknown[] = [...((from as unknown[] | undefined) ?? [])];
  const found: Tree[] = [];
  while (stack.length > 0) {
    const [kind, node] = unwrap(stack.pop() ?? {});
    if (kind === 'RangeVar') found.push(node);
    else if (kind === 'JoinExpr') stack.push(node['larg'], node['rarg']);
    else if (kind === 'RangeSubselect')
      stack.push(...((unwrap(node['subquery'])[1]['fromClause'] as unknown[] | undefined) ?? []));
  }
  return found;
}

function change(a: Analyst, node: Tree, frame: Frame, why: string): void {
  const scope = a.withClause(node['withClause'], { ...frame, defines: false });
  a.relations.writes(node['relation'] as Tree, frame, verbs(frame.kind, node), why);
  if (!frame.planned && changesAll(frame.kind, node)) a.found.writes_all_rows = true;
  if (!frame.planned && returns(node)) returning(a, node, frame);
  a.children(node, { ...frame, scope, defines: false }, ['withClause', 'relation']);
}

/** What it changed is shown, and so read; a row that is only added shows nothing that was there. */
function returning(a: Analyst, node: Tree, frame: Frame): void {
  a.found.returns_written ||= !a.found.isNested;
  const conflict = node['onConflictClause'] as Tree | undefined;
  if (frame.kind !== 'InsertStmt' || conflict?.['action'] === 'ONCONFLICT_UPDATE')
    a.relations.reads(node['relation'] as Tree, { ...frame, scope: null }, 'Returns rows that it changes.');
}

function verbs(kind: string, node: Tree): readonly Verb[] {
  if (kind === 'MergeStmt') return ['insert', 'update', 'delete'];
  if (kind === 'InsertStmt') return node['onConflictClause'] === undefined ? ['insert'] : ['insert', 'update'];
  return kind === 'UpdateStmt' ? ['update'] : ['delete'];
}

function changesAll(kind: string, node: Tree): boolean {
  if (kind === 'UpdateStmt' || kind === 'DeleteStmt') return !narrows(node['whereClause']);
  if (kind !== 'MergeStmt') return false;
  const joins = narrows(node['joinCondition']);
  return ((node['mergeWhenClauses'] as unknown[] | undefined) ?? []).some((item) => {
    const { commandType, matchKind, condition } = unwrap(item)[1];
    const changes = commandType === 'CMD_UPDATE' || commandType === 'CMD_DELETE';
    return changes && !joins && matchKind !== 'MERGE_WHEN_NOT_MATCHED_BY_TARGET' && !narrows(condition);
  });
}

/** Can a WHERE clause leave rows out? Not if it looks at no column, query, cursor or parameter: `WHERE true`, `WHERE 1 = 1`. */
function narrows(where: unknown): boolean {
  const stack: unknown[] = [where];
  while (stack.length > 0) {
    const item = stack.pop();
    if (typeof item !== 'object' || item === null) continue;
    for (const key in item) {
      if (key === 'ColumnRef' || key === 'SubLink' || key === 'CurrentOfExpr' || key === 'ParamRef') return true;
      stack.push((item as Tree)[key]);
    }
  }
  return false;
}

function truncate(a: Analyst, node: Tree, frame: Frame): void {
  for (const item of node['relations'] as unknown[]) {
    const [, range] = unwrap(item);
    a.relations.writes(
      range,
      frame,
      [node['behavior'] === 'DROP_CASCADE' ? 'truncate-cascade' : 'truncate'],
      'Removes all rows.',
    );
    a.relations.defines(range, frame, 'Removes all rows at once, without row triggers.');
  }
  a.found.writes_all_rows = true;
}

function copy(a: Analyst, node: Tree, frame: Frame): void {
  const range = node['relation'] as Tree | undefined;
  const outside = node['filename'] !== undefined || node['is_program'] === true;
  const place = node['is_program'] === true ? 'a program on the server' : 'a file of the server';
  const about = (action: Action, why: string): void =>
    range ? a.relations.about(action, range, why) : a.add(action, '', why);
  if (node['is_from'] === true) {
    if (range) a.relations.writes(range, frame, ['insert'], 'Adds rows in bulk.');
    if (outside) about('import', `Loads rows from ${place}.`);
    else a.found.copy_in = true;
  } else {
    if (range) a.relations.reads(range, frame);
    about('export', outside ? `Writes rows to ${place}.` : 'Rows leave the database in bulk through this connection.');
  }
  if (outside) a.add('admin', node['is_program'] === true ? 'program' : 'file', `Uses ${place}.`);
  a.children(node, frame, ['relation']);
}

function explain(a: Analyst, node: Tree, frame: Frame): void {
  let runs = false;
  for (const item of (node['options'] as unknown[] | undefined) ?? []) {
    const [, option] = unwrap(item);
    if (textOf(option['defname']).toLowerCase() === 'analyze')
      runs = option['arg'] === undefined || isTrue(option['arg']);
  }
  a.push(node['query'], '*', { ...frame, planned: frame.planned || !runs });
}

/** defGetBoolean's rule. */
function isTrue(wrapped: unknown): boolean {
  const [kind, node] = unwrap(wrapped);
  if (kind === 'Integer') return (node['ival'] ?? 0) !== 0;
  if (kind === 'Boolean') return node['boolval'] === true;
  return /^(true|on|1)$/i.test(textOf(node['sval']));
}

function prepare(a: Analyst, node: Tree, frame: Frame): void {
  a.prepared.prepare(textOf(node['name']), node['query'] as Tree);
  a.children(node, frame, ['query']);
}

function execute(a: Analyst, node: Tree, frame: Frame): void {
  a.prepared.execute(textOf(node['name']));
  a.children(node, frame);
}

function deallocate(a: Analyst, node: Tree): void {
  a.prepared.deallocate(node['name'] === undefined ? null : textOf(node['name']));
}

function lock(a: Analyst, node: Tree): void {
  for (const item of node['relations'] as unknown[]) {
    a.relations.about('transaction', unwrap(item)[1], 'Locks a table.');
  }
}

// ---- session and transaction -------------------------------------------------------------------------------------------------

type TransactionOp = 'begin' | 'commit' | 'rollback' | 'savepoint' | 'release' | 'rollback-to' | 'prepare-transaction';

const TRANSACTIONS: Readonly<Record<string, readonly [tag: string, op: TransactionOp | null]>> = {
  TRANS_STMT_BEGIN: ['BEGIN', 'begin'],
  TRANS_STMT_START: ['START TRANSACTION', 'begin'],
  TRANS_STMT_COMMIT: ['COMMIT', 'commit'],
  TRANS_STMT_ROLLBACK: ['ROLLBACK', 'rollback'],
  TRANS_STMT_SAVEPOINT: ['SAVEPOINT', 'savepoint'],
  TRANS_STMT_RELEASE: ['RELEASE', 'release'],
  TRANS_STMT_ROLLBACK_TO: ['ROLLBACK', 'rollback-to'],
  TRANS_STMT_PREPARE: ['PREPARE TRANSACTION', 'prepare-transaction'],
  TRANS_STMT_COMMIT_PREPARED: ['COMMIT PREPARED', null],
  TRANS_STMT_ROLLBACK_PREPARED: ['ROLLBACK PREPARED', null],
};

function transactionTag(node: Tree): string {
  return TRANSACTIONS[textOf(node['kind'])]?.[0] ?? 'TRANSACTION';
}

function transaction(a: Analyst, node: Tree, frame: Frame): void {
  const known = TRANSACTIONS[textOf(node['kind'])];
  if (!known) return a.unknownNode(frame);
  const [, op] = known;
  if (op === null || op === 'prepare-transaction')
    a.add('admin', '', 'Ends or revives a transaction that outlives its session.');
  a.add('transaction', '', 'Controls the transaction.');
  if (op !== null) a.effects.transaction(op);
  if (node['chain'] === true && op !== null) a.effects.transaction('begin');
}

function set(a: Analyst, node: Tree, frame: Frame): void {
  const kind = textOf(node['kind']);
  if (kind === 'VAR_RESET_ALL') {
    a.add('settings', '', 'Sets all settings back.');
    if (!frame.defines) a.effects.resetAll();
    return;
  }
  const name = textOf(node['name']);
  if (kind === 'VAR_SET_MULTI') {
    a.add('transaction', '', 'Sets how the transaction runs.');
    return a.children(node, frame);
  }
  const value =
    kind === 'VAR_SET_VALUE' ? settingText(name, node['args']) : kind === 'VAR_SET_CURRENT' ? undefined : null;
  if (name.toLowerCase().startsWith('holdpoint.')) return ownSet(a, name.toLowerCase(), value, frame);
  const { action, why, refused } = judgeSetting(name, value, frame.defines ? undefined : a.context);
  if (refused !== undefined && !frame.defines) refuse(refused);
  a.add(action, name.split('.').map(quoteIdentifier).join('.').toLowerCase(), why);
  // ALTER ROLE ... SET, CREATE FUNCTION ... SET change nothing of this session.
  if (!frame.defines) a.effects.set(name.toLowerCase(), value, node['is_local'] === true);
}

/** Settings whose values are lists of identifiers: SET quotes each. */
const LISTS = new Set(['search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries']);

function settingText(name: string, args: unknown): string | undefined {
  const values = ((args as unknown[] | undefined) ?? []).map(constantText);
  if (values.some((value) => typeof value !== 'string')) return undefined;
  return values.map((value) => (LISTS.has(name.toLowerCase()) ? quoteIdentifier(value!) : value!)).join(', ');
}

function ownSet(a: Analyst, name: string, value: string | null | undefined, frame: Frame): void {
  const which = OWN_SETTINGS.get(name);
  if (!which || value === undefined || !a.own.isDirect(frame)) throw new Refusal('0A000', OWN_HELP);
  a.own.list.push(
    value === null
      ? { op: 'reset', name: which, statement: a.found.statement }
      : { op: 'set', name: which, value, statement: a.found.statement },
  );
}

function show(a: Analyst, node: Tree, frame: Frame): void {
  const name = textOf(node['name']);
  if (!/^holdpoint\./i.test(name)) return a.add('settings', quoteIdentifier(name.toLowerCase()), 'Shows a setting.');
  const own = a.own.isDirect(frame) ? name.toLowerCase() : '';
  const which = OWN_SETTINGS.get(own);
  if (which) a.own.list.push({ op: 'show-setting', name: which, statement: a.found.statement });
  else if (own === 'holdpoint.requests') a.own.list.push({ op: 'show-requests', statement: a.found.statement });
  else if (own.startsWith('holdpoint.request.'))
    a.own.list.push({ op: 'show-request', id: name.slice('holdpoint.request.'.length), statement: a.found.statement });
  else throw new Refusal('0A000', OWN_HELP);
}

function discard(a: Analyst, node: Tree): void {
  a.add('settings', '', 'Resets parts of the session.');
  if (node['target'] === 'DISCARD_ALL') {
    a.effects.resetAll();
    a.effects.set('session_authorization', null, false);
    a.prepared.deallocate(null);
  }
  a.relations.forgetTemporary();
}

// ---- code --------------------------------------------------------------------------------------------------------------------

/** DO is code whatever is inside; what can be read of it is found too. */
function doBlock(a: Analyst, node: Tree, frame: Frame): void {
  let language = 'plpgsql';
  let body = '';
  let location: unknown;
  for (const item of node['args'] as unknown[]) {
    const [, option] = unwrap(item);
    const text = textOf(unwrap(option['arg'])[1]['sval']);
    if (option['defname'] === 'language') language = text.toLowerCase();
    else if (option['defname'] === 'as') [body, location] = [text, option['location']];
  }
  a.add('code', language, 'Runs a block of code.');
  if (language === 'plpgsql') judgePlpgsql(a, body, location);
  a.children(node, frame);
  a.effects.forget();
}

function call(a: Analyst, node: Tree, frame: Frame): void {
  const fn = node['funccall'] as Tree;
  const called = strings(fn['funcname']);
  a.code.calls(called, -1, fn['location']);
  if (!a.names.resolves) a.add('code', qualified(...called), 'Runs a procedure.', fn['location']);
  a.push(fn['args'], '*', frame);
  a.effects.forget();
}

function createFunction(a: Analyst, node: Tree, frame: Frame): void {
  const object = names(node['funcname']);
  a.add('ddl', object, 'Creates a function.');
  a.add('code', object, 'Stores code to be run later.');
  for (const item of (node['options'] as unknown[] | undefined) ?? []) {
    const [, option] = unwrap(item);
    const language = option['defname'] === 'language' ? textOf(unwrap(option['arg'])[1]['sval']).toLowerCase() : '';
    if (language === 'c' || language === 'internal') a.add('admin', object, 'Binds a function of a shared library.');
  }
  a.children(node, { ...frame, defines: true, planned: true });
}

function createRule(a: Analyst, node: Tree, frame: Frame): void {
  a.relations.defines(node['relation'] as Tree, frame, 'Creates a rule on a table.');
  // On a table of the session's own, too: what it does later, it does to others.
  const { name, temporary } = a.names.relation(node['relation'] as Tree);
  if (temporary) a.add('ddl', name, 'Creates a rule on a table.');
  // OLD and NEW are no tables.
  const scope = { name: 'old', outer: { name: 'new', outer: null } };
  a.children(node, { ...frame, scope, planned: true }, ['relation']);
}

// ---- privileges --------------------------------------------------------------------------------------------------------------

function grantTag(node: Tree): string {
  return node['is_grant'] === true ? 'GRANT' : 'REVOKE';
}

function grant(a: Analyst, node: Tree): void {
  const objects = (node['objects'] as unknown[] | undefined) ?? [];
  for (const item of objects) {
    const [kind, range] = unwrap(item);
    if (kind === 'RangeVar') a.relations.about('grant', range, 'Changes privileges.');
    else a.add('grant', objectName(item), 'Changes privileges.', range['location']);
  }
  if (objects.length === 0) a.add('grant', '', 'Changes privileges.');
}

// ---- server ------------------------------------------------------------------------------------------------------------------

function maintain(a: Analyst, node: Tree): void {
  const range = node['relation'] as Tree | undefined;
  const why = 'Rewrites a table or its indexes under a lock.';
  if (range) a.relations.about('admin', range, why);
  else a.add('admin', textOf(node['name']), why);
}

function cluster(a: Analyst, node: Tree): void {
  maintain(a, node);
  const range = node['relation'] as Tree | undefined;
  const why = 'Changes the order a table is kept in.';
  if (range) a.relations.about('ddl', range, why);
  else a.add('ddl', '', why);
}

function vacuum(a: Analyst, node: Tree, frame: Frame): void {
  if (node['rels'] === undefined) a.relations.analysesAll();
  for (const item of (node['rels'] as unknown[] | undefined) ?? [])
    a.relations.analyses((unwrap(item)[1]['relation'] ?? {}) as Tree, frame);
  for (const item of (node['options'] as unknown[] | undefined) ?? []) {
    const [, option] = unwrap(item);
    const on = option['arg'] === undefined || isTrue(option['arg']);
    if (on && option['defname'] === 'full') a.add('admin', '', 'Rewrites tables under an exclusive lock.');
  }
}

// ---- relations ---------------------------------------------------------------------------------------------------------------

/** What a definition holds. That of the session's own table runs unseen when the table is used, so it is looked at now. */
function definition(a: Analyst, range: Tree, frame: Frame): Frame {
  const own = a.names.relation(range).temporary;
  return { ...frame, defines: !own, later: frame.later || own };
}

const RELATED = 'Changes which tables are part of which.';

/** A foreign key puts triggers on the table it refers to. One of a temporary table can only refer to the session's own. */
function foreignKeys(a: Analyst, elements: unknown, range: Tree, frame: Frame): void {
  if (a.names.relation(range).temporary) return;
  for (const item of (elements as unknown[] | undefined) ?? []) {
    const [kind, element] = unwrap(item);
    if (kind === 'AlterTableCmd') foreignKeys(a, [element['def']], range, frame);
    else if (kind === 'ColumnDef') foreignKeys(a, element['constraints'], range, frame);
    const other = element['pktable'] as Tree | undefined;
    if (other === undefined) continue;
    const itself = other['relname'] === range['relname'] && other['schemaname'] === range['schemaname'];
    if (!itself) a.relations.defines(other, frame, 'Makes a foreign key refer to a table.');
  }
}

function createTable(a: Analyst, node: Tree, frame: Frame): void {
  const range = node['relation'] as Tree;
  const parents = (node['inhRelations'] as unknown[] | undefined) ?? [];
  a.relations.creates(range, frame, 'Creates a table.');
  // A temporary table that inherits shows its rows to those who read the parent.
  const shows = parents.some((parent) => !a.names.relation(unwrap(parent)[1]).temporary);
  if (shows) a.add('ddl', a.names.relation(range).name, 'Makes a table part of another.');
  for (const parent of parents) a.relations.defines(unwrap(parent)[1], frame, RELATED);
  foreignKeys(a, node['tableElts'], range, frame);
  a.children(node, definition(a, range, frame), ['relation', 'inhRelations']);
  if (!frame.planned) a.relations.temporary(range, true);
}

/** An index lives in its table's schema. */
function createIndex(a: Analyst, node: Tree, frame: Frame): void {
  const range = node['relation'] as Tree;
  a.relations.defines(range, frame, 'Creates an index on a table.');
  if (node['idxname'] !== undefined && !a.names.relation(range).temporary) {
    a.relations.defines({ ...range, relname: node['idxname'] }, frame, 'Creates an index.');
  }
  comparesOwn(a, range);
  a.children(node, definition(a, range, frame), ['relation']);
}

/** Indexes and constraints of the session's own table compare its rows as the types of its columns have it. */
function comparesOwn(a: Analyst, range: Tree): void {
  for (const { oid, schema } of a.names.relation(range).rows) {
    const type = schema === 'pg_temp' ? a.names.catalog?.behind(oid).row_type : null;
    if (type) a.code.usesType(type, range['location']);
  }
}

function createTableAs(a: Analyst, node: Tree, frame: Frame): void {
  const range = (node['into'] as Tree)['rel'] as Tree;
  a.relations.creates(range, frame, 'Creates a table from a query.');
  a.push(node['query'], '*', { ...frame, defines: false });
  if (!frame.planned) a.relations.temporary(range, true);
}

function createView(a: Analyst, node: Tree, frame: Frame): void {
  const range = node['view'] as Tree;
  a.relations.creates(range, frame, 'Creates a view.');
  // One of the session's own may hide a table that a policy names: it must be there to look into afterwards.
  if (!a.names.catalog) a.add('ddl', a.names.relation(range).name, 'Creates a view.', range['location']);
  a.push(node['query'], '*', { ...frame, defines: false, planned: true });
  a.relations.temporaryView(range);
}

function alterTable(a: Analyst, node: Tree, frame: Frame): void {
  const range = node['relation'] as Tree;
  a.relations.defines(range, frame, 'Alters a table.');
  for (const item of (node['cmds'] as unknown[] | undefined) ?? []) {
    const [, command] = unwrap(item);
    if (command['subtype'] === 'AT_ChangeOwner') a.relations.about('grant', range, 'Changes the owner.');
    // [NO] INHERIT, ATTACH and DETACH PARTITION.
    const [kind, other] = unwrap(command['def']);
    if (kind === 'RangeVar') a.relations.defines(other, frame, RELATED);
    else if (kind === 'PartitionCmd') a.relations.defines(other['name'] as Tree, frame, RELATED);
  }
  foreignKeys(a, node['cmds'], range, frame);
  comparesOwn(a, range);
  a.children(node, definition(a, range, frame), ['relation']);
}

function renameObject(a: Analyst, node: Tree, frame: Frame): void {
  if (node['renameType'] === 'OBJECT_ROLE')
    return a.add('role', quoteIdentifier(textOf(node['subname'])), 'Renames a role.');
  relationOrObject('Renames an object.')(a, node, frame);
}

function relationOrObject(why: string): Visit {
  return (a, node, frame) => {
    const range = node['relation'] as Tree | undefined;
    if (range === undefined) a.add('ddl', objectName(node['object']), why);
    else {
      a.relations.defines(range, frame, why);
      // Renamed or moved: the old name may mean another table now.
      a.relations.temporary(range, false);
    }
    a.children(node, { ...frame, defines: true }, ['relation', 'object']);
  };
}

const RELATION_TYPES = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_INDEX',
  'OBJECT_SEQUENCE',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
]);

/** They have names of their own, after that of their relation. */
const PARTS_OF_RELATIONS = new Set(['OBJECT_TABCONSTRAINT', 'OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_POLICY']);

/** The relation that a list of names is, or is part of; null: an object of another kind. */
function rangeOf(type: string, object: unknown): Tree | null {
  const part = type === 'OBJECT_COLUMN' || PARTS_OF_RELATIONS.has(type);
  if (!part && !RELATION_TYPES.has(type)) return null;
  const written = strings(unwrap(object)[1]['items']);
  const [relname, schemaname, catalogname] = written.slice(0, part ? -1 : undefined).toReversed();
  if (relname === undefined) return null;
  return { relname, ...(schemaname && { schemaname }), ...(catalogname && { catalogname }) };
}

/** Something is done to an object that a list of names is for. */
function concerns(a: Analyst, type: string, object: unknown, frame: Frame, why: string): void {
  const range = rangeOf(type, object);
  if (range === null || PARTS_OF_RELATIONS.has(type)) a.add('ddl', objectName(object), why);
  if (range !== null) a.relations.defines(range, frame, why);
}

function drop(a: Analyst, node: Tree, frame: Frame): void {
  const type = textOf(node['removeType']);
  const is_relation = RELATION_TYPES.has(type);
  for (const item of (node['objects'] as unknown[] | undefined) ?? []) {
    if (is_relation && a.relations.dropsNothing(rangeOf(type, item)!, frame)) continue;
    concerns(a, type, item, frame, is_relation ? 'Drops a table, view, index or sequence.' : 'Drops an object.');
    if (is_relation) a.relations.temporary(rangeOf(type, item)!, false);
    else a.relations.forgetTemporary();
  }
}

function securityLabel(a: Analyst, node: Tree, frame: Frame): void {
  const type = textOf(node['objtype']);
  const why = 'Changes a security label.';
  concerns(a, type, node['object'], frame, why);
  const range = rangeOf(type, node['object']);
  if (range === null) a.add('grant', objectName(node['object']), why);
  else a.relations.about('grant', range, why);
}

function createSchema(a: Analyst, node: Tree, frame: Frame): void {
  const schema = textOf(node['schemaname'] ?? (node['authrole'] as Tree | undefined)?.['rolename']);
  a.add('ddl', quoteIdentifier(schema), 'Creates a schema.');
  const elements = ((node['schemaElts'] as unknown[] | undefined) ?? []).map(unwrap);
  const made = new Set(elements.map(([kind, element]) => textOf((element[CREATED[kind] ?? ''] as Tree)?.['relname'])));
  for (const [kind, element] of elements) {
    const moved = { ...(inSchema(element, schema, made) as Tree) };
    // They and what hangs on tables are created in it, whatever else it has.
    for (const field of ['relation', 'view', 'sequence']) {
      const range = moved[field] as Tree | undefined;
      if (range?.['relname'] !== undefined) moved[field] = { schemaname: schema, ...range };
    }
    a.push({ [kind]: moved }, '*', { ...frame, defines: true });
  }
}

/** Elements of CREATE SCHEMA with a name of their own. */
const CREATED: Readonly<Record<string, string>> = {
  CreateStmt: 'relation',
  ViewStmt: 'view',
  CreateSeqStmt: 'sequence',
};

/** The new schema comes first in the path while its elements are made: what they create is found there. */
function inSchema(value: unknown, schema: string, made: ReadonlySet<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => inSchema(item, schema, made));
  const moved = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inSchema(item, schema, made)]));
  const name = moved['relname'];
  return typeof name === 'string' && made.has(name) ? { schemaname: schema, ...moved } : moved;
}
