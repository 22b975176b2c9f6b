// What every kind of node means that is not a statement: 'walk' (nothing of its own, look inside), 'never' (only the server's later
// stages make it: seeing one is `unknown`), or a rule. A test compares the table with the grammar's list of kinds.
import type { Analyst } from './analyst.ts';
import { NOWHERE, type Frame, type Visit } from './frame.ts';
import { foldCase, quoteIdentifier } from './names.ts';
import { callNames, isSystemUser, NEWER_CALLS, typeNames } from './newer.ts';
import type { Tree } from './parser.ts';
import { judgeSetting } from './settings.ts';
import { refuse, strings, unwrap } from './tree.ts';

export const EXPRESSIONS: Readonly<Record<string, 'walk' | 'never' | Visit>> = {
  ...all(
    'walk',
    `A_ArrayExpr A_Indices A_Star AccessPriv Alias AlterTableCmd ATAlterConstraint BitString BoolExpr Boolean BooleanTest
     CTECycleClause CTESearchClause CaseWhen CoalesceExpr CollateClause ColumnDef CommonTableExpr
     CreateOpClassItem CurrentOfExpr DefElem Float FunctionParameter GroupingFunc GroupingSet InferClause Integer
     JsonAggConstructor JsonArgument JsonBehavior JsonExpr JsonFormat JsonIsPredicate
     JsonKeyValue JsonOutput JsonReturning JsonTable
     JsonTableColumn JsonTablePathSpec JsonValueExpr List MergeWhenClause MinMaxExpr MultiAssignRef NamedArgExpr
     NullTest ObjectWithArgs OnConflictClause ParamRef PartitionBoundSpec PartitionRangeDatum
     PartitionSpec PublicationObjSpec RangeSubselect RangeTableFunc RangeTableFuncCol ResTarget
     ReturningClause ReturningOption RoleSpec RowExpr SQLValueFunction SetToDefault StatsElem String TriggerTransition
     PartitionCmd PublicationTable TypeCast VacuumRelation WindowDef XmlExpr XmlSerialize`,
  ),
  ...all(
    'never',
    `Aggref AlternativeSubPlan ArrayCoerceExpr ArrayExpr CallContext CaseTestExpr CoerceToDomain CoerceToDomainValue CoerceViaIO
     CollateExpr ConvertRowtypeExpr DistinctExpr FieldSelect FieldStore FromExpr FuncExpr InferenceElem InlineCodeBlock IntList
     JsonConstructorExpr JsonTablePath JsonTablePathScan JsonTableSiblingJoin MergeAction NextValueExpr NullIfExpr OidList
     OnConflictExpr OpExpr Param Query RTEPermissionInfo RangeTblEntry RangeTblFunction RangeTblRef RelabelType ReturningExpr
     RowCompareExpr RowMarkClause ScalarArrayOpExpr SortGroupClause SubPlan SubscriptingRef TableFunc TableSampleClause
     TargetEntry Var WindowClause WindowFunc WindowFuncRunCondition WithCheckOption`,
  ),
  A_Const: (a, node) => {
    if (node['sval'] !== undefined) a.found.literal = true;
  },
  A_Expr: (a, node, frame) => {
    // IN, LIKE and NULLIF print the operator they stand for; BETWEEN prints itself.
    const between = BETWEENS.has(node['kind'] as string);
    for (const name of between ? ['<=', '>=', '<', '>'].map((one) => [one]) : [strings(node['name'])])
      a.code.operator(name, node['location']);
    a.children(node, frame, ['name']);
  },
  A_Indirection: (a, node, frame) => {
    // (x).f is also how f(x) may be written.
    for (const name of strings(node['indirection'])) a.code.attribute(name, -1);
    a.children(node, frame);
  },
  ColumnRef: (a, node) => {
    const names = strings(node['fields']);
    if (names.length > 1) a.code.attribute(names.at(-1)!, node['location']);
  },
  // CASE x WHEN y, x IN (SELECT), USING and NATURAL compare with whatever = the path finds.
  CaseExpr: (a, node, frame) => {
    if (node['arg'] !== undefined) a.code.operator(['='], node['location']);
    a.children(node, frame);
  },
  FuncCall: functionCall,
  IndexElem: indexed,
  PartitionElem: indexed,
  IntoClause: (a, node, frame) => a.relations.creates(node['rel'] as Tree, frame, 'Creates a table.'),
  JoinExpr: (a, node, frame) => {
    if (node['usingClause'] !== undefined || node['isNatural'] === true) a.code.operator(['='], -1);
    a.children(node, frame);
  },
  Constraint: (a, node, frame) => {
    // EXCLUDE (column WITH operator, ...)
    for (const item of (node['exclusions'] as { List?: { items?: unknown[] } }[] | undefined) ?? []) {
      const [, operator] = unwrap(item.List?.items?.[1] ?? {});
      a.code.operator(strings(operator['items']), node['location']);
    }
    // foreignKeys() in statements.ts names the other table.
    a.children(node, frame, ['pktable']);
  },
  // Names an alias of the FROM clause.
  LockingClause: () => {},
  RangeVar: (a, node, frame) => {
    if (!frame.defines) a.relations.reads(node, frame);
  },
  RangeFunction: (a, node, frame) => {
    const [item] = (node['functions'] as [{ List: { items: [{ FuncCall?: Tree }] } }] | undefined) ?? [];
    const call = item?.List.items[0].FuncCall ?? {};
    if (isSystemUser(call, a.context.server_version))
      a.relations.reads({ relname: 'system_user', location: call['location'] }, frame);
    a.children(node, frame);
  },
  RangeTableSample: (a, node, frame) => {
    a.code.calls(strings(node['method']), -1, node['location']);
    a.children(node, frame, ['method']);
  },
  SortBy: (a, node, frame) => {
    const operator = strings(node['useOp']);
    if (operator.length > 0) a.code.operator(operator, node['location']);
    a.children(node, frame, ['useOp']);
  },
  SubLink: (a, node, frame) => {
    if (node['subLinkType'] === 'ARRAY_SUBLINK') a.found.folds = true;
    const operator = strings(node['operName']);
    if (operator.length > 0) a.code.operator(operator, node['location']);
    else if (node['subLinkType'] === 'ANY_SUBLINK') a.code.operator(['='], node['location']);
    a.children(node, frame, ['operName']);
  },
  ...Object.fromEntries(NEWER_CALLS.map(({ kind }) => [kind, newerCall])),
  JsonArrayAgg: (a, node, frame) => {
    a.found.folds = true;
    newerCall(a, node, frame);
  },
  JsonObjectAgg: folding,
  JsonArrayQueryConstructor: folding,
  // Takes a definition, no rows. One of the session's own is written with what it took.
  TableLikeClause: (a, node, frame) => {
    if (!frame.defines) a.relations.analyses(node['relation'] as Tree, frame);
  },
  TypeName: (a, node, frame) => {
    const names = typeNames(strings(node['names']), a.context.server_version);
    if (!frame.defines && names.length > 0) a.code.type(names, node['location']);
    a.children(node, frame, ['names']);
  },
  WithClause: (a, node, frame) => {
    a.withClause(node, frame);
  },
};

function all(rule: 'walk' | 'never', kinds: string): Record<string, 'walk' | 'never'> {
  return Object.fromEntries(
    kinds
      .trim()
      .split(/\s+/)
      .map((kind) => [kind, rule]),
  );
}

const BETWEENS = new Set(['AEXPR_BETWEEN', 'AEXPR_NOT_BETWEEN', 'AEXPR_BETWEEN_SYM', 'AEXPR_NOT_BETWEEN_SYM']);

function indexed(a: Analyst, node: Tree, frame: Frame): void {
  const names = strings(node['opclass']);
  if (names.length > 0 && !frame.defines) a.code.operatorClass(names, node['location']);
  a.children(node, frame, ['opclass']);
}

function folding(a: Analyst, node: Tree, frame: Frame): void {
  a.found.folds = true;
  a.children(node, frame);
}

/** A call syntax of later majors; before them it is a call like any other. */
function newerCall(a: Analyst, node: Tree, frame: Frame): void {
  for (const { name, kind, first, count, where } of NEWER_CALLS) {
    if (kind !== frame.kind || a.context.server_version >= first || where?.(node) === false) continue;
    a.code.calls([name], count, node['location'] ?? (node['constructor'] as Tree | undefined)?.['location']);
  }
  a.children(node, frame);
}

function functionCall(a: Analyst, node: Tree, frame: Frame): void {
  // A column, or RangeFunction's.
  if (isSystemUser(node, a.context.server_version)) return;
  const args = (node['args'] as unknown[] | undefined) ?? [];
  const spread = node['func_variadic'] === true || node['agg_within_group'] === true;
  const names = callNames(strings(node['funcname']), a.context.server_version);
  if (names.length === 2 && names[0] === 'holdpoint') {
    const given = args.map((arg) => parameterNumber(arg) ?? constantText(arg));
    return a.own.call(names[1] as string, given, node, frame);
  }
  // FROM unnest(a, b) is several calls of one argument each.
  const count = spread || names.join('.') === 'unnest' ? -1 : args.length;
  const parameters = args.filter((arg) => unwrap(arg)[0] === 'ParamRef').length;
  const bare = a.code.calls(names, count, node['location'], parameters);
  if (bare !== null) SPECIAL[bare]?.(a, args, node, frame);
  a.children(node, frame, ['funcname']);
}

/** Built-in functions whose arguments decide what they do. */
const SPECIAL: Readonly<Record<string, (a: Analyst, args: readonly unknown[], node: Tree, frame: Frame) => void>> = {
  set_config: setConfig,
  nextval: sequence,
  setval: sequence,
  pg_notify: (a, args, node) => {
    if (args.some((arg) => looksAtData(arg, a.found.isNested)))
      a.add('export', 'pg_catalog.pg_notify', 'Sends data of tables to whoever listens.', node['location']);
  },
  query_to_xml: sqlText,
  query_to_xmlschema: sqlText,
  query_to_xml_and_xmlschema: sqlText,
  ts_stat: sqlText,
  ts_rewrite: (a, args) => {
    if (args.length === 2) sqlText(a, args.slice(1));
  },
};

function sqlText(a: Analyst, args: readonly unknown[]): void {
  const text = constantText(args[0]);
  if (text !== undefined && text !== null) a.inner(text, locationOf(args[0]));
}

function sequence(a: Analyst, args: readonly unknown[], node: Tree, frame: Frame): void {
  // It is volatile: nothing calls it while a plan is made.
  if (frame.planned) return;
  const written = constantText(castToRegclass(args[0]) ?? args[0]);
  const parts = typeof written === 'string' ? sequenceName(written) : null;
  if (!parts) a.add('write', '', 'Advances or sets a sequence.', node['location']);
  else a.relations.writes({ ...parts, location: node['location'] }, NOWHERE, [], 'Advances or sets a sequence.');
}

/** What nextval's argument is cast from, as defaults print it; undefined: it is another expression. */
function castToRegclass(wrapped: unknown): unknown {
  const [kind, node] = unwrap(wrapped);
  if (kind !== 'TypeCast' || strings((node['typeName'] as Tree)['names']).at(-1) !== 'regclass') return undefined;
  return node['arg'];
}

/** 'a.b', '"A"."b"' as nextval reads it. */
function sequenceName(written: string): { schemaname?: string; relname: string } | null {
  const parts = [...written.matchAll(/"((?:[^"]|"")*)"|[^".]+/g)].map(
    (m) => m[1]?.replaceAll('""', '"') ?? foldCase(m[0]),
  );
  if (parts.length === 1) return { relname: parts[0]! };
  return parts.length === 2 ? { schemaname: parts[0]!, relname: parts[1]! } : null;
}

function setConfig(a: Analyst, args: readonly unknown[], node: Tree, frame: Frame): void {
  const name = constantText(args[0]) ?? a.own.settingOfWhere(node);
  const given = constantText(args[1]);
  // Inside a larger query it may run never, or once for each row.
  const value = a.own.isPlainSelectOf(node) ? (given ?? undefined) : undefined;
  const local = constantBoolean(args[2]);
  if (typeof name !== 'string') {
    a.add(
      'code',
      'pg_catalog.set_config',
      'Changes a setting whose name the text does not tell.',
      node['location'],
      true,
    );
    a.effects.forget();
    return;
  }
  const lower = name.toLowerCase();
  if (lower.startsWith('holdpoint.')) {
    a.own.set(lower, value, parameterNumber(args[1]), node);
    return;
  }
  const { action, why, refused } = judgeSetting(name, given ?? undefined, a.context);
  if (refused !== undefined) refuse(refused);
  a.add(action, quoteIdentifier(lower), why, node['location']);
  if (frame.defines || frame.planned || frame.later)
    a.add(
      'code',
      'pg_catalog.set_config',
      'Kept to change a setting later, when nobody sees it.',
      node['location'],
      true,
    );
  a.effects.set(lower, local === undefined ? undefined : value, local === true);
}

/** A literal's text as the server would store it; null: NULL; undefined: not a constant. Folds casts to text and ||. */
export function constantText(wrapped: unknown): string | null | undefined {
  const pieces: string[] = [];
  const stack: unknown[] = [wrapped];
  while (stack.length > 0) {
    const [kind, node] = unwrap(stack.pop());
    if (kind === 'TypeCast' && isText(node['typeName'] as Tree)) stack.push(node['arg']);
    else if (kind === 'A_Expr' && node['kind'] === 'AEXPR_OP' && strings(node['name']).join('.') === '||') {
      stack.push(node['rexpr'], node['lexpr']);
    } else if (kind === 'A_Const' && node['sval'] !== undefined)
      pieces.push(((node['sval'] as Tree)['sval'] as string | undefined) ?? '');
    else if (kind === 'A_Const' && node['ival'] !== undefined)
      pieces.push(`${((node['ival'] as Tree)['ival'] as number | undefined) ?? 0}`);
    else if (kind === 'A_Const' && node['fval'] !== undefined) pieces.push((node['fval'] as Tree)['fval'] as string);
    else if (kind === 'A_Const' && node['isnull'] === true && pieces.length === 0 && stack.length === 0) return null;
    else return undefined;
  }
  return pieces.join('');
}

/** A type that keeps a text as it is: varchar(4) cuts it, char loses blanks, name is short, regclass prints another one. */
function isText({ names, typmods, arrayBounds }: Tree): boolean {
  return typmods === undefined && arrayBounds === undefined && TEXT_TYPES.has(strings(names).join('.'));
}
const TEXT_TYPES = new Set(['text', 'pg_catalog.text', 'varchar', 'pg_catalog.varchar', 'unknown']);

function constantBoolean(wrapped: unknown): boolean | undefined {
  let [kind, node] = unwrap(wrapped);
  if (kind === 'TypeCast') [kind, node] = unwrap(node['arg']);
  if (kind !== 'A_Const') return undefined;
  if (node['boolval'] !== undefined) return (node['boolval'] as Tree)['boolval'] === true;
  const text = constantText({ A_Const: node });
  return typeof text === 'string' ? /^(t|tr|tru|true|y|ye|yes|on|1)$/i.test(text.trim()) : undefined;
}

function parameterNumber(wrapped: unknown): number | undefined {
  let [kind, node] = unwrap(wrapped);
  if (kind === 'TypeCast') [kind, node] = unwrap(node['arg']);
  return kind === 'ParamRef' ? ((node['number'] as number | undefined) ?? 0) : undefined;
}

function locationOf(wrapped: unknown): unknown {
  const [, node] = unwrap(wrapped);
  return node['location'];
}

/** Does an argument hold a column or a query, or in the body of a function a parameter? */
function looksAtData(wrapped: unknown, nested: boolean): boolean {
  const stack: unknown[] = [wrapped];
  while (stack.length > 0) {
    const item = stack.pop();
    if (typeof item !== 'object' || item === null) continue;
    for (const key in item) {
      if (key === 'ColumnRef' || key === 'SubLink' || (nested && key === 'ParamRef')) return true;
      stack.push((item as Tree)[key]);
    }
  }
  return false;
}
