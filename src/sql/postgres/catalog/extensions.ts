// Functions in C say nothing of what they do; of well-known extensions it is known. An extension that is not listed is opaque, and so is
// a C function that belongs to none.
// Source: manual F, "Additional Supplied Modules and Extensions"; the extensions' own documentation.
import type { FunctionClassName } from '../functions.ts';

interface ExtensionRow {
  /** Of its C functions. */
  readonly class: FunctionClassName;
  /** Others, by symbol without a version. */
  readonly but?: Readonly<Record<string, FunctionClassName>>;
}

const READ: ExtensionRow = { class: 'read' };
const ADMIN: ExtensionRow = { class: 'admin' };

export const EXTENSIONS: Readonly<Record<string, ExtensionRow>> = {
  ...all(
    READ,
    `bloom btree_gin btree_gist citext cube dict_int dict_xsyn earthdistance fuzzystrmatch hstore intarray isn ltree
     pg_trgm pgcrypto plpgsql seg sslinfo tsm_system_rows tsm_system_time unaccent uuid-ossp vector
     autoinc insert_username moddatetime postgis pg_uuidv7 semver ip4r prefix rum hll h3`,
  ),
  ...all(
    ADMIN,
    `amcheck pageinspect pg_buffercache pg_freespacemap pg_prewarm pg_surgery pg_visibility pg_walinspect pgrowlocks old_snapshot
     pgstattuple pg_logicalinspect`,
  ),
  pg_stat_statements: { class: 'read', but: { pg_stat_statements_reset: 'admin' } },
  adminpack: { class: 'file-read' },
  file_fdw: READ,
  postgres_fdw: {
    class: 'admin',
    but: { postgres_fdw_handler: 'read', postgres_fdw_validator: 'read', postgres_fdw_get_connections: 'read' },
  },
  tcn: { class: 'notify' },
  lo: { class: 'large-object-write' },
  // They change rows of tables that their arguments name.
  refint: { class: 'code' },
  // They run SQL that their arguments give.
  dblink: { class: 'code', but: { dblink_get_connections: 'read', dblink_error_message: 'read' } },
  tablefunc: { class: 'code', but: { normal_rand: 'read' } },
  xml2: { class: 'read', but: { xpath_table: 'code' } },
};

/** The class of a C function of an extension, by its symbol (any function may be renamed); null: opaque. */
export function extensionClass(extension: string, symbol: string): FunctionClassName | null {
  const row = EXTENSIONS[extension];
  // pg_stat_statements_reset_1_7: the symbol of that version.
  return row ? (row.but?.[symbol.replace(/(_\d+)+$/, '')] ?? row.class) : null;
}

function all(row: ExtensionRow, names: string): Record<string, ExtensionRow> {
  return Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, row]),
  );
}
