// What a random client of the refusals proof may say, and where it says it: two databases of one server with the same tables, one behind
// the gateway, one alone. No statement may depend on anything that the two do not share, the order of rows on disk for example.
//
// How the server alone is made to raise an error exactly where Holdpoint refuses (postgres.md, "refused": a statement that fails
// while it is parsed stands in the refused one's place):
// - a text that the policy denies whatever the session's settings are (`refused`) is replaced by REFUSED, in the same message. Its error is
//   one of parse analysis, so that a failed block answers it with 25P02, as it would have answered the original;
//   a Query with one such statement is refused whole, so it is replaced whole.
// - `d` is public.d or evil.d as search_path has it, and the policy denies evil. In the database behind the gateway both have
//   the column `trap`; in the other one evil.d lacks it: the server itself raises the error at Parse, at Bind (which analyses anew when
//   search_path has changed) or in a Query, wherever the name comes to mean evil.d. No model of search_path is needed.
// - where a person denies (the policy holds instead), each message that was refused is replaced, and evil.d is the same in both.
// - where Holdpoint refuses by design what the server could do (a name in a batch behind a ROLLBACK of the batch; a portal bound under
//   another search_path), the message that was refused is replaced: REFUSED for a text, a missing name for Bind and Execute.

export interface Text {
  readonly sql: string;
  /** Denied by the policy under any settings. */
  readonly refused: boolean;
  /** It is SQL. A Query with a statement that is not fails as a whole, whatever else it says. */
  readonly parses: boolean;
}

export const policy = (then: 'deny' | 'hold'): string => `version: 1
default: allow
unparsed: deny
unknown: deny
unresolved: deny
code: deny
lists:
  evil: [evil.*, public.forbidden]
rules:
  - id: evil
    when: stmt.touches("evil")
    then: ${then}
`;
/** How an agent is told of it: by which rule, or by a person. */
export const REFUSED_BY = /^denied by (?:policy: rule "(\w+)"|reviewer-\d+:)/;
/** What an agent that waits is told. */
export const WAITS = /request HP-/;

export const REFUSED = 'SELECT holdpoint_refused';
export const MISSING = 'holdpoint_refused';
/** Errors of the server alone that stand for a refusal. */
export const STANDS_FOR_REFUSAL = /^(column|prepared statement|portal) "(holdpoint_refused|trap)"/;

/** `trap`: evil.d has the column. */
export const schema = (trap: boolean): string => `
  CREATE TABLE public.a (id int PRIMARY KEY, v text NOT NULL CHECK (v <> 'bad'));
  CREATE TABLE public.b (id int PRIMARY KEY, a int NOT NULL REFERENCES public.a DEFERRABLE INITIALLY DEFERRED);
  CREATE TABLE public.forbidden (id int);
  CREATE SCHEMA evil;
  CREATE TABLE public.d (id int, trap int);
  CREATE TABLE evil.d (id int${trap ? ', trap int' : ''});
  CREATE SEQUENCE public.sq;
  GRANT USAGE ON SCHEMA evil TO reader;
  GRANT SELECT ON public.a, public.d, evil.d TO reader;
  ${FILL}`;

/** Empty tables to what every sequence starts with. */
const FILL = `
  INSERT INTO public.a VALUES (1, 'one'), (2, 'two'), (3, 'three');
  INSERT INTO public.b VALUES (1, 1);
  INSERT INTO public.d VALUES (1, 10), (2, 20);
  INSERT INTO public.forbidden VALUES (1);
  INSERT INTO evil.d (id) VALUES (1);
  SELECT setval('public.sq', 1)`;
const TABLES = ['public.a', 'public.b', 'public.d', 'public.forbidden', 'evil.d'];
/** Quick; dead rows stay, so now and then REMAKE is due. */
export const REFILL = `${TABLES.map((table) => `DELETE FROM ${table}`).join('; ')}; ${FILL}`;
export const REMAKE = `TRUNCATE ${TABLES.join(', ')}; ${FILL}`;
export const CONTENTS = `
  SELECT 'a', id, v FROM public.a UNION ALL SELECT 'b', id, a::text FROM public.b UNION ALL SELECT 'd', id, trap::text FROM public.d
  UNION ALL SELECT 'forbidden', id, '' FROM public.forbidden UNION ALL SELECT 'evil', id, '' FROM evil.d
  UNION ALL SELECT 'sq', last_value::int, is_called::text FROM public.sq
  UNION ALL SELECT 'prepared', 0, gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY 1, 2, 3`;

/** Names of SQL PREPARE that a sequence with EXECUTE starts with. */
export const PREPARES = [
  'PREPARE q1 (int) AS SELECT v FROM public.a WHERE id >= $1 ORDER BY id',
  'PREPARE q2 AS SELECT trap FROM d ORDER BY id',
];

/** An isolation level must come before any snapshot. A Parse takes one, which a Sync of Holdpoint's own takes back. */
export const SET_TRANSACTION = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ';

const texts = (refused: boolean, ...all: readonly string[]): readonly Text[] =>
  all.map((sql) => ({ sql, refused, parses: true }));

/** One table for each sort of statement; the generator weighs the sorts. */
export const SORTS = {
  read: texts(
    false,
    'SELECT 1 AS one',
    'SELECT id, v FROM public.a ORDER BY id',
    'SELECT id FROM public.a WHERE id > $1 ORDER BY id',
    'SELECT count(*) FROM public.b',
    'SELECT generate_series(1, 4) AS n',
    'SHOW search_path',
    "SELECT nextval('public.sq')",
    'SELECT id FROM public.a ORDER BY id FOR UPDATE',
    '',
    '/* nothing */',
  ),
  write: texts(
    false,
    "INSERT INTO public.a VALUES (4, 'four')",
    "INSERT INTO public.a VALUES (5, 'five') RETURNING id",
    "INSERT INTO public.a VALUES ($1, 'given')",
    "UPDATE public.a SET v = v || '+' WHERE id = 2",
    "WITH u AS (UPDATE public.a SET v = 'all' RETURNING id) SELECT id FROM u ORDER BY id",
    'DELETE FROM public.a WHERE id = 3',
    'DELETE FROM public.a WHERE id = 1',
    'INSERT INTO public.b VALUES (2, 4)',
    'INSERT INTO public.b VALUES (3, 9)',
    "WITH w AS (INSERT INTO public.a VALUES (6, 'six') RETURNING id) SELECT id FROM w",
    'INSERT INTO public.d VALUES (3, 30)',
  ),
  fail: texts(
    false,
    'SELECT 1/0',
    'SELECT 6 / (id - 2) AS q FROM public.a ORDER BY id',
    'SELECT nosuch',
    "SELECT 'x'::int",
    "INSERT INTO public.a VALUES (1, 'again')",
    "INSERT INTO public.a VALUES (7, 'bad')",
    'SELECT FROM nowhere.nothing',
  ),
  unparsed: texts(false, 'SELEC 1', 'SELECT (1', "SELECT 'x").map((text) => ({ ...text, parses: false })),
  control: texts(
    false,
    'BEGIN',
    'BEGIN',
    'START TRANSACTION ISOLATION LEVEL SERIALIZABLE',
    'BEGIN READ ONLY',
    'COMMIT',
    'COMMIT',
    'ROLLBACK',
    'END',
    'COMMIT AND CHAIN',
    'ROLLBACK AND CHAIN',
    'SAVEPOINT s',
    'SAVEPOINT t',
    'ROLLBACK TO s',
    'ROLLBACK TO SAVEPOINT t',
    'RELEASE s',
    SET_TRANSACTION,
    'SET CONSTRAINTS ALL IMMEDIATE',
  ),
  settings: texts(
    false,
    'SET search_path = evil, public',
    'SET search_path = public',
    'SET LOCAL search_path = evil, public',
    'SET LOCAL search_path = public',
    'RESET search_path',
    "SELECT set_config('search_path', 'evil, public', true)",
    "SELECT set_config('search_path', 'evil, public', false)",
    "SET client_encoding = 'UTF8'",
    'SET LOCAL ROLE reader',
    'SET ROLE reader',
    'RESET ROLE',
    'RESET ALL',
  ),
  /** Behind another statement of its pipeline it is refused where Holdpoint has asked for settings, and not where the first one committed. */
  discard: texts(false, 'DISCARD ALL'),
  dynamic: texts(
    false,
    'SELECT trap FROM d ORDER BY id',
    'SELECT trap FROM d WHERE id = $1',
    'INSERT INTO d (trap) VALUES (1)',
    'UPDATE d SET trap = 7',
    'DELETE FROM d WHERE trap = 10',
  ),
  cursor: texts(
    false,
    'DECLARE c CURSOR FOR SELECT id, v FROM public.a ORDER BY id',
    'DECLARE c CURSOR WITH HOLD FOR SELECT id FROM public.a ORDER BY id',
    'DECLARE c SCROLL CURSOR FOR SELECT 6 / (id - 2) FROM public.a ORDER BY id',
    'FETCH 1 FROM c',
    'FETCH 2 FROM c',
    'FETCH BACKWARD 1 FROM c',
    'MOVE 1 IN c',
    'CLOSE c',
    'CLOSE ALL',
  ),
  copyOut: texts(
    false,
    'COPY (SELECT id, v FROM public.a ORDER BY id) TO STDOUT',
    'COPY (SELECT id FROM public.a ORDER BY id) TO STDOUT (FORMAT csv)',
    'COPY (SELECT 6 / (id - 2) FROM public.a ORDER BY id) TO STDOUT',
  ),
  execute: texts(false, 'EXECUTE q1(2)', 'EXECUTE q1(0)', 'EXECUTE q2', "EXECUTE q1('x')"),
  refused: texts(
    true,
    'SELECT id FROM public.forbidden',
    'INSERT INTO public.forbidden VALUES (2)',
    'UPDATE public.forbidden SET id = 3',
    'DELETE FROM public.forbidden',
    'TRUNCATE public.forbidden',
    'DROP TABLE public.forbidden',
    'WITH w AS (DELETE FROM public.forbidden RETURNING id) INSERT INTO public.a SELECT id + 7, $1 FROM w',
    'COPY public.forbidden TO STDOUT',
    'COPY public.forbidden FROM STDIN',
    'DECLARE c CURSOR FOR SELECT id FROM public.forbidden',
    'PREPARE q3 AS SELECT id FROM public.forbidden',
    'CREATE TABLE public.copied AS SELECT id FROM public.forbidden',
    'EXPLAIN ANALYZE DELETE FROM public.forbidden',
    'LOCK TABLE public.forbidden',
    'SELECT trap FROM evil.d',
  ),
} as const satisfies Readonly<Record<string, readonly Text[]>>;
export type Sort = keyof typeof SORTS;

/** What is copied into public.a: good rows, a broken one, one that violates a constraint. */
export const COPY_DATA = ['7\tseven\n', '8\teight\n', 'x\tno number\n', '1\tagain\n', '8\te'] as const;
