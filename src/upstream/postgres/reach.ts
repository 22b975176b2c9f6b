// Is there code of somebody's own that planning a statement could run? EXPLAIN evaluates immutable and stable functions, whole trees of
// them: of views, policies, indexes, constraints, defaults. This question goes to the catalog with every name that the text has.
// It errs on one side: whatever could be in reach is, also where the server would choose a built-in function in the end.
//
// What is recorded in pg_depend is what the server itself would refuse to drop; built-in objects are not in it, so that functions of the
// stored trees are read from the trees.

/** From here on oids are of objects that were made after initdb (FirstNormalObjectId, access/transam.h). */
const OWN = 16384;

/** Operators that the grammar uses unnamed: IN, BETWEEN, LIKE, CASE, JOIN USING, ORDER BY and the like. */
export const IMPLIED_OPERATORS: readonly string[] = '= <> != < > <= >= ~~ !~~ ~~* !~~* ~ !~ ~* !~*'.split(' ');

const classes = (names: string): string =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => `'pg_catalog.${name}'::pg_catalog.regclass`)
    .join(', ');

/**
 * $1 oids of relations, $2 identifiers, $3 schemas of the path, $4 operators, $5 operators of the grammar, $6 names that may be called. Each row is JSON: {"code": what may
 * run}, or {"calls": a built-in function that planning may evaluate}.
 * Needs a search_path of pg_catalog alone.
 */
export const REACH = `
WITH RECURSIVE
near AS MATERIALIZED (
  SELECT oid FROM pg_namespace WHERE nspname = ANY ($3::name[]) OR nspname = ANY ($2::name[])
),
reach (class, id) AS (
  SELECT 'pg_class'::regclass::oid, oid FROM pg_class
   WHERE oid >= ${OWN} AND (oid = ANY ($1::oid[]) OR relname = ANY ($2::name[]) AND relnamespace IN (SELECT oid FROM near))
  UNION
  SELECT 'pg_type'::regclass::oid, oid FROM pg_type
   WHERE oid >= ${OWN} AND typname = ANY ($2::name[]) AND typnamespace IN (SELECT oid FROM near)
  UNION
  SELECT further.class, further.id FROM reach, LATERAL (
    -- What it is made of.
    SELECT d.refclassid, d.refobjid FROM pg_depend d
     WHERE d.classid = reach.class AND d.objid = reach.id AND d.refobjid >= ${OWN}
       AND reach.class IN (${classes('pg_class pg_type pg_rewrite pg_policy pg_attrdef pg_constraint pg_statistic_ext')})
       AND d.refclassid IN (${classes('pg_class pg_type pg_proc pg_operator pg_opclass pg_am pg_foreign_server pg_cast')})
    UNION ALL
    -- What belongs to it and is looked at by the planner.
    SELECT d.classid, d.objid FROM pg_depend d
     WHERE d.refclassid = reach.class AND d.refobjid = reach.id AND d.deptype IN ('a', 'i')
       AND reach.class IN (${classes('pg_class pg_type')})
       AND (d.classid IN (${classes('pg_class pg_rewrite pg_policy pg_attrdef pg_statistic_ext')})
         OR d.classid = 'pg_constraint'::regclass
            AND EXISTS (SELECT FROM pg_constraint WHERE pg_constraint.oid = d.objid AND contype = 'c'))
    UNION ALL
    SELECT 'pg_class'::regclass::oid, i.inhrelid FROM pg_inherits i
     WHERE reach.class = 'pg_class'::regclass AND i.inhparent = reach.id
  ) AS further (class, id)
),
-- Types of somebody's own that a value can have, or can come to have by itself.
types (id) AS (
  SELECT id FROM reach WHERE class = 'pg_type'::regclass
  UNION
  SELECT casttarget FROM pg_cast WHERE castcontext = 'i' AND casttarget >= ${OWN} AND castsource < ${OWN}
  UNION
  SELECT oid FROM pg_type WHERE oid >= ${OWN} AND typispreferred
),
trees (tree) AS (
  SELECT ev_action::text || ' ' || coalesce(ev_qual::text, '') FROM pg_rewrite JOIN reach ON class = 'pg_rewrite'::regclass AND id = oid
  UNION ALL
  SELECT coalesce(polqual::text, '') || ' ' || coalesce(polwithcheck::text, '') FROM pg_policy
    JOIN reach ON class = 'pg_policy'::regclass AND id = oid
  UNION ALL SELECT adbin::text FROM pg_attrdef JOIN reach ON class = 'pg_attrdef'::regclass AND id = oid
  UNION ALL SELECT conbin::text FROM pg_constraint JOIN reach ON class = 'pg_constraint'::regclass AND id = oid
  UNION ALL SELECT stxexprs::text FROM pg_statistic_ext JOIN reach ON class = 'pg_statistic_ext'::regclass AND id = oid
  UNION ALL SELECT typdefaultbin::text FROM pg_type JOIN reach ON class = 'pg_type'::regclass AND id = oid
  UNION ALL
  SELECT coalesce(indexprs::text, '') || ' ' || coalesce(indpred::text, '') FROM pg_index
    JOIN reach ON class = 'pg_class'::regclass AND id = indexrelid
  UNION ALL SELECT partexprs::text FROM pg_partitioned_table JOIN reach ON class = 'pg_class'::regclass AND id = partrelid
),
-- Built-in functions that planning may evaluate: of the trees, and those with a name that the text has.
called (name, schema) AS (
  SELECT proname, pronamespace FROM trees, LATERAL regexp_matches(tree, ':funcid ([0-9]+)', 'g') AS found, pg_proc
   WHERE oid = found[1]::oid AND oid < ${OWN} AND provolatile <> 'v'
  UNION
  SELECT proname, pronamespace FROM pg_proc WHERE proname = ANY ($6::name[]) AND oid < ${OWN} AND provolatile <> 'v'
),
code (class, id) AS (
  SELECT class, id FROM reach
   WHERE class IN (${classes('pg_proc pg_operator pg_opclass pg_am pg_foreign_server pg_cast')})
  UNION ALL
  SELECT 'pg_proc'::regclass, oid FROM pg_proc
   WHERE oid >= ${OWN} AND proname = ANY ($6::name[]) AND pronamespace IN (SELECT oid FROM near)
  UNION ALL
  -- Where a built-in operator of the name is as good, one that takes a type that nothing here has is not chosen.
  SELECT 'pg_operator'::regclass, oid FROM pg_operator
   WHERE oid >= ${OWN} AND oprnamespace IN (SELECT oid FROM near)
     AND (oprname = ANY ($4::name[])
       OR oprname = ANY ($5::name[])
          AND (oprleft < ${OWN} OR oprleft IN (SELECT id FROM types))
          AND (oprright < ${OWN} OR oprright IN (SELECT id FROM types)))
  UNION ALL
  SELECT 'pg_cast'::regclass, oid FROM pg_cast
   WHERE oid >= ${OWN}
     AND (castsource < ${OWN} OR castsource IN (SELECT id FROM reach WHERE class = 'pg_type'::regclass))
     AND (casttarget < ${OWN} OR casttarget IN (SELECT id FROM reach WHERE class = 'pg_type'::regclass))
  UNION ALL
  -- How a built-in type is compared by ORDER BY and GROUP BY: B-tree and hash.
  SELECT 'pg_opclass'::regclass, oid FROM pg_opclass
   WHERE oid >= ${OWN} AND opcdefault AND opcintype < ${OWN} AND opcmethod IN (403, 405)
  UNION ALL
  -- Text search runs the functions of whatever templates and parsers a configuration has.
  SELECT made.class, made.id
    FROM (SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser)
      AS made (class, id)
   WHERE made.id >= ${OWN}
     AND EXISTS (SELECT FROM called JOIN pg_proc ON proname = name
                  WHERE proargtypes::oid[] && ARRAY['regconfig'::regtype, 'regdictionary'::regtype]::oid[])
)
SELECT json_build_object('code', pg_describe_object(class, id, 0))::text FROM (SELECT DISTINCT class, id FROM code LIMIT 3) AS found
UNION ALL
SELECT json_build_object('calls', CASE WHEN nspname = 'pg_catalog' THEN '' ELSE nspname || '.' END || name)::text
  FROM called JOIN pg_namespace ON oid = schema
`;

/** Relations that this transaction has locked, which parsing does for every one that a statement names or comes to by a view or policy. */
export const LOCKED = `
SELECT relation::text FROM pg_locks
 WHERE locktype = 'relation' AND pid = pg_backend_pid() AND relation >= ${OWN}
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
`;

/** $1 names of relations. Rows are the JSON of `TableRow`; an index stands for its table, and a view is followed by what it reads. $2: the session's backend. $3: with sizes. */
export const TABLES = `
WITH RECURSIVE seen (asked, oid, named) AS (
  SELECT given.name, coalesce(i.indrelid, c.oid), true
    FROM unnest($1::text[]) AS given (name) JOIN pg_class AS c ON c.oid = to_regclass(given.name)
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
  UNION
  SELECT seen.asked, d.refobjid, false
    FROM seen JOIN pg_rewrite AS r ON r.ev_class = seen.oid AND r.ev_type = '1'
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> seen.oid
)
SELECT json_build_object(
  'asked', seen.asked,
  'named', seen.named,
  'name', quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  'kind', c.relkind,
  'rows', CASE WHEN c.relkind = 'p'
    THEN (SELECT CASE WHEN min(leaf.reltuples) >= 0 THEN sum(leaf.reltuples) END
            FROM pg_partition_tree(c.oid) AS t JOIN pg_class AS leaf ON leaf.oid = t.relid WHERE t.isleaf)
    ELSE CASE WHEN c.reltuples >= 0 AND c.relkind IN ('r', 'm') THEN c.reltuples END END,
  'bytes', CASE WHEN NOT $3::boolean THEN NULL
    WHEN c.relkind = 'p'
      THEN (SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(c.oid) AS t WHERE t.isleaf)
    WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) END,
  'sessions', used.sessions,
  'users', used.users,
  'triggers', ARRAY(SELECT tgname FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D' ORDER BY 1 LIMIT 20)
)::text
FROM seen JOIN pg_class AS c ON c.oid = seen.oid
JOIN pg_namespace AS n ON n.oid = c.relnamespace,
LATERAL (
  SELECT count(DISTINCT l.pid) AS sessions,
         (array_agg(DISTINCT a.usename) FILTER (WHERE a.usename IS NOT NULL))[1:3] AS users
    FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
   WHERE l.locktype = 'relation' AND l.relation = c.oid AND l.pid <> pg_backend_pid() AND l.pid IS DISTINCT FROM $2::int
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS used
ORDER BY seen.named, c.relname
LIMIT 100
`;
