// How PostgreSQL's catalog is read and what an operator is told of it.
import type { CatalogReading, CatalogSnapshot, OwnCatalogReading } from '../../catalog.ts';
import { isPrinted } from '../behind.ts';
import { qualified } from '../names.ts';
import { Catalog } from './catalog.ts';
import { Overlay } from './overlay.ts';
import {
  CATALOG_QUERY,
  type CatalogRows,
  FINGERPRINT_QUERY,
  readParts,
  SNAPSHOT_QUERY,
  TEMPORARY_QUERY,
} from './rows.ts';

/** Names of opaque functions that are listed. */
const NAMES_MAX = 5;

export const READING: CatalogReading & OwnCatalogReading = {
  fresh_ms: 1000,
  last_ms: 10_000,
  snapshot: SNAPSHOT_QUERY,
  changed: (before, now) => (before === now ? null : now),
  fingerprint: FINGERPRINT_QUERY,
  rows: CATALOG_QUERY,
  temporary_rows: TEMPORARY_QUERY,
  isWhole: (catalog) => catalog instanceof Catalog && isWhole(catalog.rows),
  make,
  over,
  steps,
  hasTemporary: (catalog) => catalog instanceof Catalog && hasTemporary(catalog.rows),
  temporary: (catalog) => (catalog instanceof Catalog ? temporary(catalog.rows) : []),
  describe: (catalog) => (catalog instanceof Catalog ? describe(catalog.rows) : ''),
};

function* steps(rows: string): Generator<void, Catalog> {
  return new Catalog(yield* readParts(rows));
}

function make(rows: string): Catalog {
  return atOnce(steps(rows));
}

function over(rows: string, shared: CatalogSnapshot): Catalog {
  if (!(shared instanceof Catalog)) throw new Error('no catalog of PostgreSQL');
  return new Overlay(atOnce(readParts(rows)), shared);
}

function atOnce<Result>(making: Generator<void, Result>): Result {
  for (;;) {
    const { done, value } = making.next();
    if (done) return value;
  }
}

function isWhole({ views, rules, policies, expressions, checks, triggers, functions }: CatalogRows): boolean {
  return (
    [views, rules, policies, expressions, checks].every((rows) => rows.every((row) => row.at(-1) !== null)) &&
    triggers.every(({ text }) => text !== null) &&
    functions.every((row) => row.definition !== null || !isPrinted(row))
  );
}

function hasTemporary({ relations, types, functions, operators }: CatalogRows): boolean {
  return [relations, types, functions, operators].some((rows) => rows.some(({ schema }) => schema === 'pg_temp'));
}

function temporary({ relations }: CatalogRows): readonly { readonly name: string; readonly id: number }[] {
  return relations.flatMap(({ schema, name, oid }) => (schema === 'pg_temp' ? [{ name, id: oid }] : []));
}

function describe({ relations, functions }: CatalogRows): string {
  const tables = relations.filter(({ kind }) => 'rpfvm'.includes(kind)).length;
  const own = functions.filter((row) => !isPrinted(row) && row.kind !== 'a' && row.extension === null);
  const names = own.slice(0, NAMES_MAX).map(({ schema, name }) => qualified(schema, name));
  const more = own.length > NAMES_MAX ? ` and ${own.length - NAMES_MAX} more` : '';
  const unseen = own.length === 0 ? '' : `; can not look into ${own.length} (${names.join(', ')}${more})`;
  return `${tables} tables and views, ${functions.length} functions${unseen}`;
}
