// How a MySQL or MariaDB server's catalog is read and what an operator is told of it.
import type { CatalogReading } from '../../catalog.ts';
import { Catalog } from './catalog.ts';
import {
  BETWEEN,
  CATALOG_QUESTIONS,
  changed,
  DENIED,
  LINE,
  readParts,
  SNAPSHOT_QUESTIONS,
  sourceQuestions,
  type TableRow,
} from './rows.ts';

/** Names that are listed. */
const NAMES_MAX = 5;
/** The server's own, which come with it. */
const SYSTEM: ReadonlySet<string> = new Set(['mysql', 'sys']);

export const READING: CatalogReading = {
  fresh_ms: 1000,
  last_ms: 10_000,
  snapshot: SNAPSHOT_QUESTIONS,
  changed,
  fingerprint: null,
  rows: CATALOG_QUESTIONS,
  more: sourceQuestions,
  isWhole: (catalog) => catalog instanceof Catalog && isWhole(catalog),
  steps,
  describe: (catalog) => (catalog instanceof Catalog ? describe(catalog) : ''),
};

/** What questions and answers are made of. */
export const SEPARATORS = { questions: BETWEEN, rows: LINE, denied: DENIED };

function* steps(rows: string, more: string): Generator<void, Catalog> {
  return new Catalog(yield* readParts(rows, more));
}

function isWhole(catalog: Catalog): boolean {
  const { torn, tables } = catalog.rows;
  const isRead = (row: TableRow): boolean =>
    row.engine !== null && (row.kind !== 'view' || catalog.queryOf(row) !== null || !catalog.seesQueries(row.schema));
  return torn === 0 && tables.every(isRead);
}

function describe(catalog: Catalog): string {
  const { tables, triggers, routines, events, loadable } = catalog.rows;
  const users = <Row extends { readonly schema: string }>(rows: readonly Row[]): readonly Row[] =>
    rows.filter(({ schema }) => !SYSTEM.has(schema));
  const databasesOf = (rows: readonly TableRow[]): readonly string[] => [...new Set(rows.map(({ schema }) => schema))];
  const databases = databasesOf(users(tables));
  const named = ({ schema, name }: { readonly schema: string; readonly name: string }): string => `${schema}.${name}`;
  const unseen = [
    listed(
      users(tables)
        .filter((row) => row.kind === 'view' && catalog.queryOf(row) === null)
        .map(named),
      'can not look into views',
      'SHOW VIEW and SELECT',
    ),
    listed(
      users(routines)
        .filter(({ source }) => source === null)
        .map(named),
      'can not look into routines',
      'SHOW_ROUTINE (MySQL), SHOW CREATE ROUTINE or SELECT on mysql.proc (MariaDB)',
    ),
    listed(
      users(triggers)
        .filter(({ source }) => source === null)
        .map(named),
      'can not look into triggers (writes to their tables are held):',
      'TRIGGER',
    ),
    listed(
      databasesOf(users(tables).filter((row) => row.kind === 'table' && !catalog.seesTriggers(row))),
      'can not see triggers, whose doings count for nothing, of tables in',
      'TRIGGER',
    ),
    listed(
      databases.filter((database) => !catalog.seesEvents(database)),
      'can not see events of',
      'EVENT',
    ),
    loadable === null ? '; can not see loadable functions (right needed: SELECT on mysql.func)' : '',
  ];
  return (
    `${users(tables).length} tables and views, ${users(routines).length} routines, ${users(triggers).length} triggers ` +
    `and ${users(events ?? []).length} events in ${databases.length} databases${unseen.join('')}`
  );
}

function listed(names: readonly string[], what: string, right: string): string {
  if (names.length === 0) return '';
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return `; ${what} ${names.slice(0, NAMES_MAX).join(', ')}${more} (right needed: ${right})`;
}
