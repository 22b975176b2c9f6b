// Compares what the analysis says of a statement with what pgaudit logged when a server ran it. Every disagreement is of a kind that is
// listed here with its reason, or it is unexplained. It must not copy a statement into what it prints.
import { analyseWithSession } from '../../src/sql/explain.ts';
import { ACTIONS, type Action, type Analysis } from '../../src/sql/findings.ts';
import type { PostgresAnalyser } from '../../src/sql/postgres/analyser.ts';

/** A statement of the regression suite and pgaudit's words for it. */
export interface Labelled {
  readonly sql: string;
  readonly classes: readonly string[];
  /** Command tags; '???' stands for a view, or a check of rights on a table of an inheritance tree. */
  readonly commands: readonly string[];
  /** `schema.name` as the server resolved them. */
  readonly relations: readonly string[];
  /** Classes of the statements that functions and triggers ran meanwhile. */
  readonly inner: readonly string[];
}

export interface Judged {
  readonly row: Labelled;
  readonly analysis: Analysis;
  readonly kinds: readonly string[];
  readonly actions: ReadonlySet<Action>;
}

/** A way to differ that is known, and why it is right, or what it needs. */
interface Reason {
  readonly what: string;
  readonly why: string;
}

interface Kind<Of> extends Reason {
  readonly covers: (of: Of) => boolean;
}

/** One question put to every statement it applies to. */
export interface Answer {
  readonly about: string;
  readonly applies: number;
  readonly agrees: number;
  readonly reasons: readonly Reason[];
  /** What differs, described for the reader of a failed test; under null what no reason covers. */
  readonly differs: ReadonlyMap<Reason | null, readonly string[]>;
}

export interface Comparison {
  readonly all: readonly Judged[];
  /** All but those that are refused or do not parse. */
  readonly parsed: readonly Judged[];
  readonly texts: Answer;
  readonly classes: readonly Answer[];
  /** pgaudit's relations, and those of the analysis; `agrees` counts what both name from the text alone. */
  readonly theirs: Answer;
  readonly ours: Answer;
  /** Named by both once the session's state is known. */
  readonly by_state: { readonly temporary: number; readonly search_path: number };
  /** Statements without any relation that only one side names. */
  readonly whole: number;
}

/** Compares all statements, judged for one version. */
export async function compare(analyser: PostgresAnalyser, all: readonly Judged[]): Promise<Comparison> {
  const parsed = all.filter(({ analysis }) => analysis.error === null);
  return {
    all,
    parsed,
    texts: answer(TEXT_RULE, all),
    classes: CLASS_RULES.map((rule) => answer(rule, parsed)),
    ...(await compareRelations(analyser, parsed)),
  };
}

/** Everything that no reason covers, and the reasons that cover nothing any more. */
export function open({ texts, classes, theirs, ours }: Comparison): string[] {
  return [texts, ...classes, theirs, ours].flatMap(({ about, reasons, differs }) => [
    ...(differs.get(null) ?? []).map((text) => `${about}: ${text}`),
    ...reasons.filter((reason) => !differs.has(reason)).map(({ what }) => `${about}: nothing is "${what}"`),
  ]);
}

/** As `holdpoint policy explain` judges it. pgaudit leaves passwords out: a literal takes their place. */
export async function judge(
  analyser: PostgresAnalyser,
  row: Labelled,
  server_version: number,
  state: State = { search_path: 'public', temporary: [] },
): Promise<Judged> {
  const sql = `${temporaryTables(state.temporary)}${row.sql.replace(REDACTED, "'x'")}`;
  const { analysis } = await analyseWithSession(analyser, Buffer.from(sql, 'utf8').toString('latin1'), {
    server_version,
    database: 'regression',
    role: 'postgres',
    search_path: state.search_path,
  });
  return {
    row,
    analysis,
    kinds: analysis.statements.map((statement) => statement.kind),
    actions: new Set(analysis.findings.map((finding) => finding.action)),
  };
}
export const REDACTED = '<REDACTED>';

/** What earlier statements of the same test had made of the session. */
interface State {
  readonly search_path: string;
  /** Names of temporary tables. */
  readonly temporary: readonly string[];
}

function temporaryTables(names: readonly string[]): string {
  return names.map((name) => `CREATE TEMPORARY TABLE "${name}" ();`).join('');
}

// ---- texts -------------------------------------------------------------------------------------------------------------------

const TEXT_RULE: Rule = {
  about: 'is parsed',
  applies: () => true,
  agrees: ({ analysis }) => analysis.error === null,
  kinds: [
    {
      what: 'refused',
      why: 'Turns standard_conforming_strings off, which Holdpoint refuses: text would be read differently afterwards.',
      covers: ({ analysis, row }) =>
        analysis.error?.sqlstate === '0A000' && /^set standard_conforming_strings/i.test(row.sql),
    },
    {
      what: 'not parsed',
      why: 'Written for standard_conforming_strings = off, with a backslash before a quote; with the setting on, PostgreSQL does not parse it either.',
      covers: ({ analysis, row }) => analysis.error?.sqlstate === '42601' && /\\'/.test(row.sql),
    },
  ],
};

// ---- classes -----------------------------------------------------------------------------------------------------------------

interface Rule {
  readonly about: string;
  readonly applies: (judged: Judged) => boolean;
  readonly agrees: (judged: Judged) => boolean;
  readonly kinds: readonly Kind<Judged>[];
}

const does = ({ actions }: Judged, ...wanted: readonly Action[]): boolean =>
  wanted.some((action) => actions.has(action));
const labelled = ({ row }: Judged, ...classes: readonly string[]): boolean =>
  classes.some((name) => row.classes.includes(name));

const CLASS_RULES: readonly Rule[] = [
  {
    about: 'nothing is `unknown`: a node or function that the tables lack',
    applies: () => true,
    agrees: (judged) => !does(judged, 'unknown'),
    kinds: [],
  },
  {
    about: 'DDL has `ddl`, `grant` or `role`',
    applies: (judged) => labelled(judged, 'DDL'),
    agrees: (judged) => does(judged, 'ddl', 'grant', 'role'),
    kinds: [
      {
        what: "a temporary table of the session's own",
        why: 'Nobody else sees it, and it ends with the session: a `write`, as agents need to live with it. A view or a child of a lasting table is `ddl`, temporary or not.',
        covers: ({ row, analysis }) =>
          analysis.writes.length > 0 &&
          analysis.writes.every((relation) => relation.startsWith('pg_temp.')) &&
          row.relations
            .map(plain)
            .every((relation) => relation.startsWith('pg_temp.') || analysis.reads.map(plain).includes(relation)),
      },
    ],
  },
  {
    about: 'ROLE has `grant` or `role`',
    applies: (judged) => labelled(judged, 'ROLE'),
    agrees: (judged) => does(judged, 'grant', 'role'),
    kinds: [],
  },
  {
    about: 'WRITE has `write`, `ddl`, `code` or `admin`, never only `read`',
    applies: (judged) => labelled(judged, 'WRITE'),
    agrees: (judged) => does(judged, 'write', 'ddl', 'code', 'admin'),
    kinds: [
      {
        what: 'planned, not run',
        why: 'EXPLAIN without ANALYZE writes nothing; pgaudit logs the rights that were checked for the plan.',
        covers: ({ row, kinds }) =>
          kinds.every((kind) => kind === 'EXPLAIN') && !/^\s*explain\s*(\([^)]*)?\banaly[sz]e\b/i.test(row.sql),
      },
    ],
  },
  {
    about: 'FUNCTION has `code`',
    applies: (judged) => labelled(judged, 'FUNCTION'),
    agrees: (judged) => does(judged, 'code'),
    kinds: [
      {
        what: 'trigger, default, check or domain of a table that is written',
        why: 'The text names the table only; what hangs on it is in the catalog.',
        covers: ({ kinds }) => kinds.every((kind) => ['INSERT', 'UPDATE', 'COPY'].includes(kind)),
      },
      {
        what: 'function in the query of a view',
        why: 'The text names the view only; its query is in the catalog.',
        covers: ({ row, kinds }) =>
          row.commands.includes('???') &&
          kinds.every((kind) => kind === 'SELECT' || kind === 'REFRESH MATERIALIZED VIEW'),
      },
    ],
  },
  {
    about: '`ddl`, `grant` and `role` are DDL or ROLE',
    applies: (judged) => does(judged, 'ddl', 'grant', 'role'),
    agrees: (judged) => labelled(judged, 'DDL', 'ROLE'),
    kinds: [
      {
        what: 'SET ROLE, SET SESSION AUTHORIZATION',
        why: 'pgaudit files all of SET under MISC.',
        covers: ({ kinds }) => kinds.includes('SET'),
      },
      {
        what: 'TRUNCATE',
        why: 'pgaudit files it under WRITE; it takes all rows at once, past row triggers, so it is `ddl` besides `write`.',
        covers: ({ kinds }) => kinds.includes('TRUNCATE TABLE'),
      },
      {
        what: 'inside a block of code',
        why: 'pgaudit logs the DDL that a DO block runs as a statement of its own.',
        covers: ({ row, kinds }) => kinds.includes('DO') && row.inner.includes('DDL'),
      },
      {
        what: 'failed before it made anything',
        why: 'pgaudit had logged the query or function that ran first, and never the table.',
        covers: ({ row, kinds }) =>
          kinds.every((kind) => kind.startsWith('CREATE ')) && !row.commands.some((tag) => tag.startsWith('CREATE ')),
      },
    ],
  },
  {
    about: '`write` is WRITE or DDL',
    applies: (judged) => does(judged, 'write'),
    agrees: (judged) => labelled(judged, 'WRITE', 'DDL'),
    kinds: [
      {
        what: 'nextval, setval',
        why: 'They change a sequence; pgaudit logs the SELECT around them.',
        covers: ({ analysis }) => analysis.functions.some((name) => /^pg_catalog\.(nextval|setval)$/.test(name)),
      },
      {
        what: 'large objects',
        why: 'Functions make and change them; pgaudit logs the SELECT around them.',
        covers: ({ analysis }) => analysis.functions.some((name) => name.startsWith('pg_catalog.lo_')),
      },
      {
        what: 'inside a block of code',
        why: 'pgaudit logs what a DO block runs as statements of their own.',
        covers: ({ row, kinds }) => kinds.includes('DO') && row.inner.includes('WRITE'),
      },
      {
        what: 'MERGE that does nothing',
        why: 'All its branches are DO NOTHING; it counts as one that writes.',
        covers: ({ row, kinds }) => kinds.includes('MERGE') && /\bdo nothing\b/i.test(row.sql),
      },
    ],
  },
];

function answer(rule: Rule, all: readonly Judged[]): Answer {
  const applies = all.filter((judged) => rule.applies(judged));
  const differs = applies.filter((judged) => !rule.agrees(judged));
  return {
    about: rule.about,
    applies: applies.length,
    agrees: applies.length - differs.length,
    reasons: rule.kinds,
    differs: sorted(rule.kinds, differs, ({ row }) => row.sql),
  };
}

/** Puts each difference where its reason is. */
function sorted<Of>(kinds: readonly Kind<Of>[], all: readonly Of[], describe: (one: Of) => string): Answer['differs'] {
  const differs = new Map<Reason | null, string[]>();
  for (const one of all) {
    const kind = kinds.find((candidate) => candidate.covers(one)) ?? null;
    differs.set(kind, [...(differs.get(kind) ?? []), describe(one)]);
  }
  return differs;
}

/** How often pgaudit's class and our action meet. */
export function matrix(all: readonly Judged[]): [string, number, number[]][] {
  return ['READ', 'WRITE', 'FUNCTION', 'ROLE', 'DDL', 'MISC'].map((name) => {
    const members = all.filter((judged) => labelled(judged, name));
    return [name, members.length, ACTIONS.map((action) => members.filter((judged) => does(judged, action)).length)];
  });
}

// ---- relations ---------------------------------------------------------------------------------------------------------------

/** A relation that one side names and the other does not. */
interface Mention {
  readonly relation: string;
  readonly judged: Judged;
  readonly suite: Suite;
}

/** What the suite's own statements define, by bare names: several tests share one schema, and names come again. */
class Suite {
  readonly #queries = new Map<string, Set<string>>();
  readonly #trees = new Map<string, Set<string>>();

  constructor(all: readonly Judged[]) {
    for (const { analysis, kinds, row } of all) {
      if (kinds.some((kind) => QUERIES_KEPT.has(kind)))
        for (const name of analysis.writes) link(this.#queries, name, analysis.reads);
      if (/\b(inherits?|partition)\b/i.test(row.sql))
        for (const name of analysis.writes) link(this.#trees, name, analysis.writes);
    }
  }

  /** Is a relation behind one of those: what a view's or rule's query reads? */
  isBehind(relation: string, from: readonly string[]): boolean {
    return reach(from, [this.#queries]).has(bare(relation));
  }

  /** The same, or of one tree of parents, children and partitions? */
  isAround(relation: string, from: readonly string[]): boolean {
    return reach(from, [this.#queries, this.#trees]).has(bare(relation));
  }
}
const QUERIES_KEPT = new Set(['CREATE VIEW', 'CREATE MATERIALIZED VIEW', 'CREATE RULE', 'CREATE SCHEMA']);

function link(graph: Map<string, Set<string>>, from: string, to: readonly string[]): void {
  const known = graph.get(bare(from)) ?? new Set();
  graph.set(bare(from), known);
  for (const name of to) known.add(bare(name));
}

function reach(from: readonly string[], graphs: readonly Map<string, Set<string>>[]): Set<string> {
  const found = new Set<string>();
  const waiting = from.map(bare);
  while (waiting.length > 0) {
    const name = waiting.pop()!;
    for (const next of graphs.flatMap((graph) => [...(graph.get(name) ?? [])])) {
      if (found.has(next) || from.some((start) => bare(start) === next)) continue;
      found.add(next);
      waiting.push(next);
    }
  }
  return found;
}

const SUB_OBJECTS =
  /^((CREATE|ALTER) (TABLE|INDEX|PUBLICATION)|(CREATE|DROP) (TRIGGER|RULE)|CREATE (POLICY|STATISTICS)|COMMENT)$/;
const KEPT = /^(CREATE (VIEW|MATERIALIZED VIEW|RULE|SCHEMA|TABLE AS|PROCEDURE)|PREPARE)$/;
const MADE_BY_QUERY = /^(EXPLAIN|CREATE TABLE AS|CREATE MATERIALIZED VIEW)$/;
const MAINTENANCE = /^(TRUNCATE TABLE|ANALYZE|VACUUM)$/;

/** pgaudit names it, the analysis of the text does not. */
const MISSING: readonly Kind<Mention>[] = [
  {
    what: 'base table of a view or rule',
    why: 'The text names the view; a statement of the suite defines it over this table. Needs the catalog.',
    covers: ({ relation, judged, suite }) => suite.isBehind(relation, named(judged)),
  },
  {
    what: 'partition, child or parent',
    why: 'The text names another table of the tree that a statement of the suite builds. Needs the catalog.',
    covers: ({ relation, judged, suite }) => suite.isAround(relation, named(judged)),
  },
  {
    what: 'base table of a built-in view',
    why: 'pg_roles stands for pg_authid and so on; the view is what rights are asked for.',
    covers: ({ relation, judged }) =>
      relation.startsWith('pg_catalog.') &&
      judged.row.commands.includes('???') &&
      judged.analysis.reads.some((name) => /^(pg_catalog|information_schema)\./.test(name)),
  },
  {
    what: 'index or sequence made along',
    why: 'Of a primary key, a constraint, a serial or identity column, or an index without a name: the server names it.',
    covers: ({ relation, judged }) =>
      does(judged, 'ddl', 'write') &&
      judged.row.commands.some((tag) => tag === 'CREATE INDEX' || tag === 'CREATE SEQUENCE') &&
      (/_(pkey|key|excl|idx|seq)\d*$/.test(relation) || judged.row.sql.includes(bare(relation))),
  },
  {
    what: 'dropped along',
    why: 'Indexes, sequences, partitions and dependents of what is dropped, and all of a schema or an owner. Needs the catalog.',
    covers: ({ judged: { row, kinds } }) =>
      kinds.every((kind) => kind.startsWith('DROP ') || (kind === 'ALTER TABLE' && /\bdrop\b/i.test(row.sql))),
  },
  {
    what: 'base table of a view from elsewhere',
    why: 'The statement that defines the view is not in the collection. Needs the catalog.',
    covers: ({ judged: { row, kinds } }) => row.commands.includes('???') && kinds.every((kind) => kind === 'SELECT'),
  },
  {
    what: 'inside a function',
    why: 'The function is not built in, so the statement is `code`, unresolved, and held.',
    covers: ({ judged }) => judged.analysis.findings.some((f) => f.action === 'code' && f.unresolved === true),
  },
];

/** The analysis names it, pgaudit does not. */
const EXTRA: readonly Kind<Mention>[] = [
  {
    what: 'another table that DDL concerns',
    why: "pgaudit names what is made or altered; not the parent or partition, the table of an index, trigger, rule, policy, comment or column's new name, the one referred to or published.",
    covers: ({ relation, judged }) =>
      judged.kinds.some((kind) => SUB_OBJECTS.test(kind)) && writes(judged).includes(relation),
  },
  {
    what: 'query that is kept, not run',
    why: 'Of a view, rule, procedure or prepared statement, or one WITH NO DATA: pgaudit logs it when it runs.',
    covers: ({ relation, judged }) =>
      judged.kinds.some((kind) => KEPT.test(kind)) &&
      (!writes(judged).includes(relation) || judged.kinds.includes('PREPARE')),
  },
  {
    what: 'TRUNCATE, ANALYZE, VACUUM',
    why: 'pgaudit names no relation.',
    covers: ({ judged }) => judged.kinds.some((kind) => MAINTENANCE.test(kind)) && judged.row.relations.length === 0,
  },
  {
    what: 'inside code or SQL text',
    why: 'DO blocks and built-in functions that take SQL text: what can be read of it counts; pgaudit logs it as statements of their own.',
    covers: ({ judged }) => does(judged, 'code') && (judged.kinds.includes('DO') || judged.row.inner.length > 0),
  },
  {
    what: 'sequence',
    why: 'nextval and setval name it in a literal.',
    covers: ({ judged: { row, analysis } }) =>
      /\b(nextval|setval)\s*\(/i.test(row.sql) && analysis.functions.some((name) => /\.(nextval|setval)$/.test(name)),
  },
  {
    what: 'nothing to drop, nothing made',
    why: 'IF EXISTS, IF NOT EXISTS, failed, or under EXPLAIN: pgaudit logs objects that came or went.',
    covers: ({ relation, judged }) =>
      /\bif (not )?exists\b/i.test(judged.row.sql) ||
      (judged.kinds.some((kind) => MADE_BY_QUERY.test(kind)) && writes(judged).includes(relation)),
  },
  {
    what: 'dropped by the planner',
    why: 'A sub-query whose result nobody uses: the server never asks for rights on its table.',
    covers: ({ relation, judged }) =>
      judged.row.commands.includes('SELECT') && reads(judged).includes(relation) && judged.row.relations.length > 1,
  },
];

async function compareRelations(
  analyser: PostgresAnalyser,
  all: readonly Judged[],
): Promise<Pick<Comparison, 'theirs' | 'ours' | 'by_state' | 'whole'>> {
  const suite = new Suite(all);
  const count = { theirs: 0, ours: 0, agrees: 0, whole: 0, temporary: 0, search_path: 0 };
  const missing: Mention[] = [];
  const extra: Mention[] = [];
  for (const judged of all) {
    const theirs = [...new Set(judged.row.relations.map(plain))];
    const ours = named(judged);
    const proven = await inOtherStates(analyser, judged, theirs);
    const unnamed = theirs.filter((name) => !ours.includes(name) && !proven.includes(name));
    const besides = ours.filter(
      (name) => !theirs.includes(name) && !proven.some((other) => bare(other) === bare(name)),
    );
    missing.push(...unnamed.map((relation) => ({ relation, judged, suite })));
    extra.push(...besides.map((relation) => ({ relation, judged, suite })));
    count.theirs += theirs.length;
    count.ours += ours.length;
    count.agrees += ours.filter((name) => theirs.includes(name)).length;
    for (const name of proven) count[name.startsWith('pg_temp.') ? 'temporary' : 'search_path'] += 1;
    if (unnamed.length === 0 && besides.length === 0) count.whole += 1;
  }
  const describe = ({ relation, judged }: Mention): string => `${relation}: ${judged.row.sql}`;
  const answered = (about: string, applies: number, kinds: readonly Kind<Mention>[], mentions: readonly Mention[]) => ({
    about,
    applies,
    agrees: count.agrees,
    reasons: kinds,
    differs: sorted(kinds, mentions, describe),
  });
  return {
    theirs: answered('pgaudit names it, the analysis of the text does not', count.theirs, MISSING, missing),
    ours: answered('the analysis names it, pgaudit does not', count.ours, EXTRA, extra),
    by_state: { temporary: count.temporary, search_path: count.search_path },
    whole: count.whole,
  };
}

/** Those of pgaudit's relations that the analysis names, too, once it knows the search_path or temporary tables that the session had. */
async function inOtherStates(
  analyser: PostgresAnalyser,
  judged: Judged,
  theirs: readonly string[],
): Promise<readonly string[]> {
  const ours = named(judged);
  const elsewhere = theirs.filter((name) => !ours.includes(name) && ours.includes(`public.${bare(name)}`));
  const temporary = elsewhere.filter((name) => name.startsWith('pg_temp.')).map(bare);
  // A temporary table may be gone after COMMIT, or when a prepared statement runs: there the lasting one is named on purpose.
  const may_be_gone = judged.analysis.effects.some(({ type }) => type === 'transaction' || type === 'prepare');
  const proven: string[] = [];
  for (const schema of new Set(elsewhere.map((name) => name.split('.')[0]!))) {
    const state = schema === 'pg_temp' ? { search_path: 'public', temporary } : { search_path: `"${schema}"` };
    const now = named(await judge(analyser, judged.row, 15, { temporary: [], ...state }));
    const found = elsewhere.filter((name) => name.startsWith(`${schema}.`) && now.includes(name));
    proven.push(...found.filter((name) => may_be_gone || !now.includes(`public.${bare(name)}`)));
  }
  return proven;
}

function named(judged: Judged): string[] {
  return [...new Set([...reads(judged), ...writes(judged)])];
}

function reads({ analysis }: Judged): string[] {
  return analysis.reads.map(plain);
}

function writes({ analysis }: Judged): string[] {
  return analysis.writes.map(plain);
}

/** Without quotes; temporary schemas by one name. */
function plain(relation: string): string {
  return relation.replaceAll('"', '').replace(/^pg_temp_\d+\./, 'pg_temp.');
}

function bare(relation: string): string {
  return plain(relation).split('.').at(-1)!;
}
