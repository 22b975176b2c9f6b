// The table lock that a statement takes on what it names as its target, by the command's words. For a reviewer to read: nothing is
// judged by it. Source: manual 13.3.1 "Table-Level Locks" and the page of each command; a test runs the rows on real servers.
import { LOCK_MODES, type LockMode } from '../impact.ts';

/** The first pattern that fits the command's words (upper case, names as `x`, literals as `?`) counts. */
type Rows = readonly (readonly [RegExp, LockMode])[];

const ALWAYS = (mode: LockMode): Rows => [[/^/, mode]];
const UNLESS_CONCURRENTLY = (mode: LockMode, concurrently: LockMode): Rows => [
  [/\bCONCURRENTLY\b/, concurrently],
  [/^/, mode],
];

const BY_KIND: Readonly<Record<string, Rows>> = {
  // What a SELECT writes, it writes in its WITH.
  SELECT: ALWAYS('ROW EXCLUSIVE'),
  INSERT: ALWAYS('ROW EXCLUSIVE'),
  UPDATE: ALWAYS('ROW EXCLUSIVE'),
  DELETE: ALWAYS('ROW EXCLUSIVE'),
  MERGE: ALWAYS('ROW EXCLUSIVE'),
  COPY: [
    [/^COPY (\S+ )+?FROM\b/, 'ROW EXCLUSIVE'],
    [/^/, 'ACCESS SHARE'],
  ],
  'TRUNCATE TABLE': ALWAYS('ACCESS EXCLUSIVE'),
  'DROP TABLE': ALWAYS('ACCESS EXCLUSIVE'),
  'DROP VIEW': ALWAYS('ACCESS EXCLUSIVE'),
  'DROP MATERIALIZED VIEW': ALWAYS('ACCESS EXCLUSIVE'),
  'DROP INDEX': UNLESS_CONCURRENTLY('ACCESS EXCLUSIVE', 'SHARE UPDATE EXCLUSIVE'),
  'CREATE INDEX': UNLESS_CONCURRENTLY('SHARE', 'SHARE UPDATE EXCLUSIVE'),
  REINDEX: UNLESS_CONCURRENTLY('SHARE', 'SHARE UPDATE EXCLUSIVE'),
  VACUUM: [
    [/^VACUUM (\( .*)?FULL\b/, 'ACCESS EXCLUSIVE'],
    [/^/, 'SHARE UPDATE EXCLUSIVE'],
  ],
  ANALYZE: ALWAYS('SHARE UPDATE EXCLUSIVE'),
  CLUSTER: ALWAYS('ACCESS EXCLUSIVE'),
  'REFRESH MATERIALIZED VIEW': UNLESS_CONCURRENTLY('ACCESS EXCLUSIVE', 'EXCLUSIVE'),
  'CREATE TRIGGER': ALWAYS('SHARE ROW EXCLUSIVE'),
  'CREATE POLICY': ALWAYS('ACCESS EXCLUSIVE'),
  'ALTER POLICY': ALWAYS('ACCESS EXCLUSIVE'),
  'CREATE RULE': ALWAYS('ACCESS EXCLUSIVE'),
  COMMENT: ALWAYS('SHARE UPDATE EXCLUSIVE'),
  'LOCK TABLE': [
    ...LOCK_MODES.map((mode) => [new RegExp(`\\bIN ${mode} MODE\\b`), mode] as const),
    [/^/, 'ACCESS EXCLUSIVE'],
  ],
};

/** Actions of ALTER TABLE, each by itself; the strongest counts. "An ACCESS EXCLUSIVE lock is acquired unless explicitly noted." */
const ALTER_TABLE: Rows = [
  [/^ALTER (COLUMN )?\S+ (SET STATISTICS|SET \(|RESET \()/, 'SHARE UPDATE EXCLUSIVE'],
  [/^ADD (CONSTRAINT \S+ )?FOREIGN KEY\b/, 'SHARE ROW EXCLUSIVE'],
  [/^VALIDATE CONSTRAINT\b/, 'SHARE UPDATE EXCLUSIVE'],
  [/^(DISABLE|ENABLE) (REPLICA |ALWAYS )?TRIGGER\b/, 'SHARE ROW EXCLUSIVE'],
  [/^(CLUSTER ON|SET WITHOUT CLUSTER)\b/, 'SHARE UPDATE EXCLUSIVE'],
  [/^(SET|RESET) \( (FILLFACTOR|PARALLEL_WORKERS|AUTOVACUUM_\w+|TOAST)\b/, 'SHARE UPDATE EXCLUSIVE'],
  [/^ATTACH PARTITION\b/, 'SHARE UPDATE EXCLUSIVE'],
  [/^DETACH PARTITION \S+ CONCURRENTLY\b/, 'SHARE UPDATE EXCLUSIVE'],
  [/^/, 'ACCESS EXCLUSIVE'],
];

/** `words`: the statement's tokens, spelled as `Rows` wants them. Null: none that this table knows. */
export function lockOf(kind: string, words: readonly string[]): LockMode | null {
  if (kind !== 'ALTER TABLE') return first(BY_KIND[kind] ?? [], words);
  const modes = alterActions(words).map((action) => LOCK_MODES.indexOf(first(ALTER_TABLE, action) as LockMode));
  return LOCK_MODES[Math.max(...modes)] ?? null;
}

function first(rows: Rows, words: readonly string[]): LockMode | null {
  const text = words.join(' ');
  return rows.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}

const BEFORE_NAME = new Set(['ALTER', 'TABLE', 'IF', 'EXISTS', 'ONLY']);

/** What follows the table's name, cut at commas outside of parentheses. */
function alterActions(words: readonly string[]): string[][] {
  let at = words.findIndex((word) => !BEFORE_NAME.has(word)) + 1;
  while (words[at] === '.') at += 2;
  if (words[at] === '*') at += 1;
  const actions: string[][] = [[]];
  let depth = 0;
  for (const word of words.slice(at)) {
    if (word === '(') depth += 1;
    if (word === ')') depth -= 1;
    if (word === ',' && depth === 0) actions.push([]);
    else actions.at(-1)?.push(word);
  }
  return actions;
}
