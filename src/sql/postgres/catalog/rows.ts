// What Holdpoint reads of a database's own catalog: one query that answers with a text of JSON documents, and the types of what is in it.
// Only what users made is in it (oids from 16384 on); built-in things are in the generated tables.
// Every name and operator of the query is qualified: run under a search_path of an agent's choice, it must not run an agent's code.
// Source: manual 53, "System Catalogs".

/** First oid of what is not built in (FirstNormalObjectId). */
export const FIRST_USER_OID = 16384;

/** 0: there is none. A function: its oid if users made it, else its name. */
type Oid = number;
export type FunctionReference = Oid | string;

export interface CatalogRows {
  /** search_path while it was read, pg_catalog: what stored expressions print without a schema is found in it, or in pg_temp. */
  readonly path: string;
  /** Every schema but other sessions' temporary ones; this session's own, if it has one, is `pg_temp`. */
  readonly schemas: readonly string[];
  readonly relations: readonly RelationRow[];
  /** [parent, child]: inheritance and partitions. */
  readonly inherits: readonly (readonly [Oid, Oid])[];
  /** [relation, type]: columns of types that users made. */
  readonly columns: readonly (readonly [Oid, Oid])[];
  /** [relation, as CREATE VIEW's query]. Here and below a text that is null could not be read: a table that it is about is locked. */
  readonly views: readonly (readonly [Oid, string | null])[];
  readonly triggers: readonly TriggerRow[];
  /** [relation, pg_rewrite.ev_type (1 SELECT, 2 UPDATE, 3 INSERT, 4 DELETE), as CREATE RULE] but those that make views. */
  readonly rules: readonly (readonly [Oid, string, string | null])[];
  /** [relation, pg_policy.polcmd (r a w d *), expression], where row security is on. */
  readonly policies: readonly (readonly [Oid, string, string | null])[];
  /** [relation, expression that a write runs]: defaults, generated columns, CHECKs, indexes, keys of partitions. */
  readonly expressions: readonly (readonly [Oid, string | null])[];
  /** [relation, operator class that users made] of its indexes. */
  readonly indexes: readonly (readonly [Oid, Oid])[];
  /** [relation, function that a constraint of it compares with]: exclusion, foreign keys. */
  readonly compared: readonly (readonly [Oid, FunctionReference])[];
  /** [referenced table, referencing table, confdeltype, confupdtype]. */
  readonly foreign_keys: readonly (readonly [Oid, Oid, string, string])[];
  /** [foreign table, handler's symbol, does it name a program]. */
  readonly foreign_tables: readonly (readonly [Oid, string, boolean])[];
  readonly functions: readonly FunctionRow[];
  /** [aggregate, one of its functions]. */
  readonly aggregates: readonly (readonly [Oid, FunctionReference])[];
  readonly types: readonly TypeRow[];
  /** [domain, expression of a CHECK or of its default]. */
  readonly checks: readonly (readonly [Oid, string | null])[];
  readonly operators: readonly OperatorRow[];
  readonly casts: readonly CastRow[];
  /** [operator class, type, function]. */
  readonly operator_classes: readonly (readonly [Oid, Oid, FunctionReference])[];
  /** [event, function]. */
  readonly event_triggers: readonly (readonly [string, FunctionReference])[];
}

export interface RelationRow {
  readonly oid: Oid;
  /** `pg_temp` for the session's own. */
  readonly schema: string;
  readonly name: string;
  /** pg_class.relkind: r p v m f S i I t c */
  readonly kind: string;
}

export interface TriggerRow {
  readonly relation: Oid;
  readonly function: FunctionReference;
  /** pg_trigger.tgtype: 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE. */
  readonly type: number;
  /** As CREATE TRIGGER, for its WHEN; null: the table is locked. */
  readonly text: string | null;
}

export interface FunctionRow {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  /** pg_proc.prokind: f p a w */
  readonly kind: string;
  readonly language: string;
  readonly owner: string;
  readonly definer: boolean;
  /** It returns a set of rows. */
  readonly set: boolean;
  readonly extension: string | null;
  readonly arguments: number;
  readonly defaults: number;
  readonly variadic: boolean;
  /** Oids of the arguments' and the result's types, built-in ones too. */
  readonly types: readonly Oid[];
  /** prosrc; of C functions their symbol. */
  readonly source: string;
  /** sql and plpgsql: as CREATE FUNCTION, null: a table that it is about is locked; else null. */
  readonly definition: string | null;
  /** Its body was parsed when it was made (BEGIN ATOMIC, RETURN): names in it are bound. */
  readonly bound: boolean;
  /** SET clauses: `name=value`. */
  readonly config: readonly string[];
}

export interface TypeRow {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  /** pg_type.typtype: b c d e p r m */
  readonly kind: string;
  /** Of a composite type: pg_class.oid, for its columns. */
  readonly relation: Oid;
  /** Types that it is made of: of elements, of bounds, under a domain. */
  readonly parts: readonly Oid[];
  /** Functions that convert and compare its values, of those that users made. */
  readonly functions: readonly Oid[];
}

export interface OperatorRow {
  readonly schema: string;
  readonly name: string;
  readonly functions: readonly FunctionReference[];
}

export interface CastRow {
  readonly source: Oid;
  readonly target: Oid;
  readonly function: FunctionReference;
  /** pg_cast.castcontext: e only when it is written, a on assignment, i anywhere. */
  readonly context: string;
}

const USER = String(FIRST_USER_OID);
const OPERATOR = String.raw` (=|<>|>=|&|\|\|) `;
const FUNCTIONS =
  'json_agg|json_build_object|json_build_array|json_array_length|current_setting|array_to_json|to_json|string_to_array|array_remove|starts_with|set_config';

/** Writes out what a search_path could change: operators, types, relations and functions. */
const qualify = (sql: string): string =>
  sql
    .replaceAll(new RegExp(OPERATOR, 'g'), ' OPERATOR(pg_catalog.$1) ')
    .replaceAll(/::(\w+|"char")/g, '::pg_catalog.$1')
    .replaceAll(/(?<![.\w'"])(pg_(?!catalog\b)\w+)/g, 'pg_catalog.$1')
    .replaceAll(new RegExp(String.raw`(?<![.\w])(${FUNCTIONS})\(`, 'g'), 'pg_catalog.$1(')
    .replaceAll(/\s+/g, ' ')
    .trim();

/** In an order of its own: the same catalog is the same text, whatever order the server reads it in. */
const all = (from: string, value: string): string =>
  `COALESCE((SELECT json_agg(${value} ORDER BY ${value}::text COLLATE pg_catalog."C") FROM (${from}) AS x), '[]'::json)`;
const rows = (sql: string): string => all(sql, 'x');
const lists = (columns: string, rest: string): string => all(`SELECT json_build_array(${columns}) AS y ${rest}`, 'x.y');
/** A function as FunctionReference. */
const called = (oid: string): string =>
  `(CASE WHEN ${oid}::oid >= ${USER}::oid THEN to_json(${oid}::oid::int8) ELSE (SELECT to_json(named.proname::text) FROM pg_proc AS named WHERE named.oid = ${oid}::oid) END)`;
const oids = (...columns: string[]): string => `ARRAY[${columns.map((column) => `${column}::oid::int8`).join(', ')}]`;
const schema = (oid: string): string =>
  `(CASE WHEN ${oid} = pg_my_temp_schema() THEN 'pg_temp'::text ELSE (SELECT s.nspname::text FROM pg_namespace AS s WHERE s.oid = ${oid}) END)`;
/** Which schemas are read: all but other sessions' temporary ones and TOAST's, or only that of this session's own temporary objects. */
interface Scope {
  /** A schema is one of them. */
  readonly ours: (oid: string) => string;
  /** The relation is in one of them, where it is there at all. */
  readonly relation: (oid: string) => string;
  /** And what no schema has. */
  readonly rest: boolean;
}
const ALL: Scope = {
  ours: (oid) =>
    `(${oid} = pg_my_temp_schema() OR NOT (SELECT starts_with(s.nspname::text, 'pg_temp_'::text) OR starts_with(s.nspname::text, 'pg_toast'::text) FROM pg_namespace AS s WHERE s.oid = ${oid}))`,
  relation: (oid) =>
    `NOT EXISTS (SELECT FROM pg_class AS q WHERE q.oid = ${oid} AND q.relpersistence = 't'::"char" AND q.relnamespace <> pg_my_temp_schema())`,
  rest: true,
};
const TEMPORARY: Scope = {
  ours: (oid) => `${oid} = pg_my_temp_schema()`,
  // As a value, which takes less to plan than a join does, and that is what most of the time goes to here.
  relation: (oid) => `(SELECT q.relnamespace = pg_my_temp_schema() FROM pg_class AS q WHERE q.oid = ${oid})`,
  rest: false,
};

/**
 * To print an expression the server takes a lock (ACCESS SHARE) on each table that it is about, or whose row type it makes: not behind
 * somebody who has one of them for himself, or waits for it. Oids of those tables and their row types.
 */
const LOCKED = `ARRAY(SELECT u.oid FROM pg_locks AS l LEFT JOIN pg_class AS c ON c.oid = l.relation, LATERAL pg_catalog.unnest(ARRAY[l.relation, c.reltype]) AS u (oid)
  WHERE l.mode = 'AccessExclusiveLock'::text AND NOT COALESCE(l.pid = pg_backend_pid(), false)
    AND (l.database = 0::oid OR l.database = (SELECT b.oid FROM pg_database AS b WHERE b.datname = pg_catalog.current_database())))`;
/** The text of an object of this catalog; null: something that it depends on is locked. */
const unlocked = (catalog: string, oid: string, text: string, counts = 'true'): string =>
  `CASE WHEN NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = ${catalog}::regclass AND d.objid = ${oid} AND d.refobjid = ANY (safe.locked) AND ${counts}) THEN ${text} END`;
const of = (catalog: string): string => `'pg_catalog.${catalog}'`;

const partsOf = ({ ours, relation, rest }: Scope): Readonly<Record<keyof CatalogRows, string>> => ({
  path: `to_json(current_setting('search_path'::text))`,
  schemas: all(`SELECT ${schema('n.oid')} AS y FROM pg_namespace AS n WHERE ${ours('n.oid')}`, 'x.y'),
  relations: rows(
    `SELECT c.oid::int8 AS oid, ${schema('c.relnamespace')} AS schema, c.relname AS name, c.relkind AS kind FROM pg_class AS c WHERE c.oid >= ${USER}::oid AND ${ours('c.relnamespace')}`,
  ),
  inherits: lists('i.inhparent::int8, i.inhrelid::int8', `FROM pg_inherits AS i WHERE ${relation('i.inhrelid')}`),
  columns: lists(
    'a.attrelid::int8, a.atttypid::int8',
    `FROM pg_attribute AS a WHERE a.attrelid >= ${USER}::oid AND a.atttypid >= ${USER}::oid AND NOT a.attisdropped AND ${relation('a.attrelid')}`,
  ),
  views: lists(
    `c.oid::int8, ${unlocked(of('pg_rewrite'), 'r.oid', 'pg_get_viewdef(c.oid)')}`,
    `FROM pg_class AS c JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename = '_RETURN'::name WHERE c.oid >= ${USER}::oid AND c.relkind = 'v'::"char" AND ${ours('c.relnamespace')}`,
  ),
  triggers: rows(
    `SELECT t.tgrelid::int8 AS relation, ${called('t.tgfoid')} AS function, t.tgtype AS type, CASE WHEN t.tgqual IS NULL THEN pg_get_triggerdef(t.oid) ELSE ${unlocked(of('pg_trigger'), 't.oid', 'pg_get_triggerdef(t.oid)')} END AS text FROM pg_trigger AS t WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'::"char" AND ${relation('t.tgrelid')}`,
  ),
  rules: lists(
    `r.ev_class::int8, r.ev_type, ${unlocked(of('pg_rewrite'), 'r.oid', 'pg_get_ruledef(r.oid)')}`,
    `FROM pg_rewrite AS r WHERE r.oid >= ${USER}::oid AND r.rulename <> '_RETURN'::name AND r.ev_enabled <> 'D'::"char" AND ${relation('r.ev_class')}`,
  ),
  policies: lists(
    `p.polrelid::int8, p.polcmd, ${unlocked(of('pg_policy'), 'p.oid', 'pg_get_expr(e.tree, p.polrelid)')}`,
    `FROM pg_policy AS p, LATERAL (VALUES (p.polqual), (p.polwithcheck)) AS e (tree) WHERE e.tree IS NOT NULL AND ${relation('p.polrelid')}`,
  ),
  expressions: lists(
    // What names no column needs no table to be printed.
    `e.relation::int8, ${unlocked('e.catalog', 'e.oid', 'pg_get_expr(e.tree, CASE WHEN e.plain THEN 0::oid ELSE e.relation END)', '(NOT e.plain OR d.refobjid <> e.relation)')}`,
    `FROM (SELECT d.adrelid, d.adbin, a.attgenerated = ''::"char", ${of('pg_attrdef')}, d.oid FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
      UNION ALL SELECT k.conrelid, k.conbin, false, ${of('pg_constraint')}, k.oid FROM pg_constraint AS k WHERE k.contype = 'c'::"char" AND k.conrelid <> 0::oid AND k.oid >= ${USER}::oid
      UNION ALL SELECT i.indrelid, i.indexprs, false, ${of('pg_class')}, i.indexrelid FROM pg_index AS i WHERE i.indexprs IS NOT NULL AND i.indrelid >= ${USER}::oid
      UNION ALL SELECT i.indrelid, i.indpred, false, ${of('pg_class')}, i.indexrelid FROM pg_index AS i WHERE i.indpred IS NOT NULL AND i.indrelid >= ${USER}::oid
      UNION ALL SELECT p.partrelid, p.partexprs, false, ${of('pg_class')}, p.partrelid FROM pg_partitioned_table AS p WHERE p.partexprs IS NOT NULL
      UNION ALL SELECT s.stxrelid, s.stxexprs, false, ${of('pg_statistic_ext')}, s.oid FROM pg_statistic_ext AS s WHERE s.stxexprs IS NOT NULL) AS e (relation, tree, plain, catalog, oid) WHERE ${relation('e.relation')}`,
  ),
  indexes: lists(
    'i.indrelid::int8, o.oid::int8',
    `FROM pg_index AS i, LATERAL pg_catalog.unnest(i.indclass) AS o (oid) WHERE i.indrelid >= ${USER}::oid AND o.oid >= ${USER}::oid AND ${relation('i.indrelid')}`,
  ),
  foreign_keys: lists(
    'k.confrelid::int8, k.conrelid::int8, k.confdeltype, k.confupdtype',
    `FROM pg_constraint AS k WHERE k.contype = 'f'::"char" AND ${relation('k.conrelid')}`,
  ),
  compared: lists(
    `k.conrelid::int8, ${called('o.oprcode')}`,
    `FROM pg_constraint AS k, LATERAL pg_catalog.unnest(k.conexclop || k.conpfeqop || k.conppeqop || k.conffeqop) AS u (oid) JOIN pg_operator AS o ON o.oid = u.oid WHERE o.oid >= ${USER}::oid AND ${relation('k.conrelid')}`,
  ),
  foreign_tables: lists(
    `f.ftrelid::int8, COALESCE(h.prosrc, ''::text), (SELECT COALESCE(json_agg(o.text)::text, ''::text) FROM pg_catalog.unnest(f.ftoptions) AS o (text) WHERE starts_with(o.text, 'program='::text)) <> ''::text`,
    `FROM pg_foreign_table AS f JOIN pg_foreign_server AS s ON s.oid = f.ftserver JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw LEFT JOIN pg_proc AS h ON h.oid = w.fdwhandler WHERE ${relation('f.ftrelid')}`,
  ),
  functions: rows(
    `SELECT p.oid::int8 AS oid, ${schema('p.pronamespace')} AS schema, p.proname AS name, p.prokind AS kind, l.lanname AS language,
      pg_get_userbyid(p.proowner) AS owner, p.prosecdef AS definer, p.proretset AS set, e.extname AS extension, p.pronargs AS arguments, p.pronargdefaults AS defaults,
      p.provariadic <> 0::oid AS variadic, array_to_json(p.proargtypes::oid[]::int8[] || p.prorettype::oid::int8 || COALESCE(p.proallargtypes::int8[], ARRAY[]::int8[])
      || COALESCE((SELECT ARRAY[g.aggtranstype::oid::int8, g.aggmtranstype::oid::int8] FROM pg_aggregate AS g WHERE g.aggfnoid::oid = p.oid), ARRAY[]::int8[])) AS types,
      p.prosrc AS source, p.prosqlbody IS NOT NULL AS bound, COALESCE(p.proconfig, ARRAY[]::text[]) AS config,
      CASE WHEN p.prokind <> 'a'::"char" AND (l.lanname = 'sql'::name OR l.lanname = 'plpgsql'::name) THEN
        CASE WHEN p.prosqlbody IS NULL AND p.proargdefaults IS NULL THEN pg_get_functiondef(p.oid) ELSE ${unlocked(of('pg_proc'), 'p.oid', 'pg_get_functiondef(p.oid)')} END END AS definition
      FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
      LEFT JOIN (pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid) ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'::"char"
      WHERE p.oid >= ${USER}::oid AND ${ours('p.pronamespace')}`,
  ),
  aggregates: lists(
    `a.aggfnoid::oid::int8, ${called('f.oid')}`,
    `FROM pg_aggregate AS a, LATERAL pg_catalog.unnest(ARRAY[a.aggtransfn::oid, a.aggfinalfn::oid, a.aggcombinefn::oid, a.aggserialfn::oid, a.aggdeserialfn::oid, a.aggmtransfn::oid, a.aggminvtransfn::oid, a.aggmfinalfn::oid]) AS f (oid)
      WHERE a.aggfnoid::oid >= ${USER}::oid AND f.oid <> 0::oid AND (SELECT ${ours('p.pronamespace')} FROM pg_proc AS p WHERE p.oid = a.aggfnoid::oid)`,
  ),
  types: rows(
    `SELECT t.oid::int8 AS oid, ${schema('t.typnamespace')} AS schema, t.typname AS name, t.typtype AS kind, t.typrelid::int8 AS relation,
      array_remove(${oids('t.typelem', 't.typbasetype', 'COALESCE(r.rngsubtype, 0::oid)')}, 0::int8) AS parts,
      (SELECT COALESCE(json_agg(f.oid), '[]'::json) FROM pg_catalog.unnest(${oids('t.typinput', 't.typoutput', 't.typreceive', 't.typsend', 't.typmodin', 't.typmodout', 't.typanalyze', 't.typsubscript', 'COALESCE(r.rngcanonical, 0::oid)', 'COALESCE(r.rngsubdiff, 0::oid)')}) AS f (oid) WHERE f.oid >= ${USER}::int8) AS functions
      FROM pg_type AS t LEFT JOIN pg_range AS r ON r.rngtypid = t.oid OR r.rngmultitypid = t.oid WHERE t.oid >= ${USER}::oid AND ${ours('t.typnamespace')}`,
  ),
  checks: lists(
    `k.type::int8, ${unlocked('k.catalog', 'k.oid', 'pg_get_expr(k.tree, 0::oid)')}`,
    `FROM (SELECT c.contypid, c.conbin, ${of('pg_constraint')}, c.oid FROM pg_constraint AS c WHERE c.contypid >= ${USER}::oid
      UNION ALL SELECT t.oid, t.typdefaultbin, ${of('pg_type')}, t.oid FROM pg_type AS t WHERE t.oid >= ${USER}::oid) AS k (type, tree, catalog, oid) WHERE k.tree IS NOT NULL AND (SELECT ${ours('t.typnamespace')} FROM pg_type AS t WHERE t.oid = k.type)`,
  ),
  operators: rows(
    `SELECT ${schema('o.oprnamespace')} AS schema, o.oprname AS name, (SELECT json_agg(${called('f.oid')}) FROM pg_catalog.unnest(ARRAY[o.oprcode::oid, o.oprrest::oid, o.oprjoin::oid,
        (SELECT r.oprcode::oid FROM pg_operator AS r WHERE r.oid = o.oprnegate), (SELECT r.oprcode::oid FROM pg_operator AS r WHERE r.oid = o.oprcom)]) AS f (oid) WHERE f.oid <> 0::oid) AS functions
      FROM pg_operator AS o WHERE o.oid >= ${USER}::oid AND o.oprcode::oid <> 0::oid AND ${ours('o.oprnamespace')}`,
  ),
  casts: rows(
    `SELECT c.castsource::int8 AS source, c.casttarget::int8 AS target, ${called('c.castfunc')} AS function, c.castcontext AS context FROM pg_cast AS c WHERE c.oid >= ${USER}::oid AND c.castfunc <> 0::oid AND ${rest}`,
  ),
  operator_classes: lists(
    `o.oid::int8, o.opcintype::int8, ${called('p.amproc')}`,
    `FROM pg_opclass AS o JOIN pg_amproc AS p ON p.amprocfamily = o.opcfamily WHERE o.oid >= ${USER}::oid AND ${rest}`,
  ),
  event_triggers: lists(
    `t.evtevent, ${called('t.evtfoid')}`,
    `FROM pg_event_trigger AS t WHERE t.evtenabled <> 'D'::"char" AND ${rest}`,
  ),
});

/** Between the parts of the answer. JSON has no such character, neither in strings nor between them. */
const BETWEEN_PARTS = '\x1e';

/**
 * One row with one text, for readParts. Some 50 ms for a thousand tables. pg_get_viewdef and pg_get_ruledef look for `=` in the
 * search_path, so the query sets that for itself and puts it back, each step after the one before: OFFSET keeps them apart. If it fails
 * in between, the end of the transaction puts it back.
 */
const queryOf = (scope: Scope): string =>
  qualify(
    `SELECT done.text FROM (
     SELECT pg_catalog.concat_ws(pg_catalog.chr(${BETWEEN_PARTS.charCodeAt(0)}), ${Object.values(partsOf(scope)).join(', ')}) AS text, was.path AS path
     FROM (SELECT current_setting('search_path'::text) AS path OFFSET 0) AS was,
       LATERAL (SELECT set_config('search_path'::text, 'pg_catalog'::text, true) AS path, ${LOCKED} AS locked WHERE was.path IS NOT NULL OFFSET 0) AS safe
     WHERE safe.path IS NOT NULL OFFSET 0) AS done
   WHERE set_config('search_path'::text, done.path, true) IS NOT NULL`,
  );

export const CATALOG_QUERY = queryOf(ALL);

/** The same of what is in the session's own schema for temporary objects, and nothing else. */
export const TEMPORARY_QUERY = queryOf(TEMPORARY);

/** Reads an answer to CATALOG_QUERY part by part, some 10 ms for the largest of a thousand tables. Throws on what is none. */
export function* readParts(answer: string): Generator<void, CatalogRows> {
  const names = Object.keys(partsOf(ALL));
  const parts = answer.split(BETWEEN_PARTS);
  if (parts.length !== names.length) throw new Error('the answer is no catalog');
  const read: Record<string, unknown> = {};
  for (const [i, name] of names.entries()) {
    read[name] = JSON.parse(parts[i] ?? '') as unknown;
    yield;
  }
  return read as unknown as CatalogRows;
}

/** Its answer is another one as soon as a transaction has ended that could have changed the catalog. */
export const SNAPSHOT_QUERY = qualify('SELECT pg_current_snapshot()::text');

/** Catalogs that CATALOG_QUERY reads. */
const WATCHED =
  `namespace class attribute rewrite trigger policy attrdef partitioned_table statistic_ext constraint index inherits foreign_table foreign_server
  foreign_data_wrapper proc aggregate type range operator cast opclass amproc event_trigger extension language`.split(
    /\s+/,
  );
/** What hangs on temporary relations comes and goes all day, and is not read. */
const ofLasting = (oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_class AS q WHERE q.oid = ${oid} AND q.relpersistence = 't'::"char")`;
const OF_WATCHED: Readonly<Record<string, string>> = {
  // Most rows by far: only those of columns that are read, which a column enters and leaves by another row or another type.
  attribute: `WHERE c.atttypid >= ${USER}::oid AND ${ofLasting('c.attrelid')}`,
  class: `WHERE c.relpersistence <> 't'::"char"`,
  type: `WHERE c.typnamespace <> ALL (ARRAY(SELECT n.oid FROM pg_namespace AS n WHERE starts_with(n.nspname::text, 'pg_temp_'::text)))`,
  attrdef: `WHERE ${ofLasting('c.adrelid')}`,
  constraint: `WHERE ${ofLasting('c.conrelid')}`,
  index: `WHERE ${ofLasting('c.indrelid')}`,
  rewrite: `WHERE ${ofLasting('c.ev_class')}`,
};

/**
 * Its answer is another one whenever a row of those catalogs is: every new row version has a place of its own and the number of the
 * transaction that made it.
 */
export const FINGERPRINT_QUERY = qualify(
  `SELECT json_build_array(${WATCHED.map(
    (name) =>
      `(SELECT json_build_array(pg_catalog.count(*), pg_catalog.sum(pg_catalog.hash_record_extended(ROW(c.ctid, c.xmin), 0::int8))) FROM pg_${name} AS c ${OF_WATCHED[name] ?? ''})`,
  ).join(', ')})::text`,
);
