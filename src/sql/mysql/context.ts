// What the analysis must know of a MySQL or MariaDB session to read a text as its server does.
import type { CatalogSnapshot } from '../catalog.ts';
import type { Analysis } from '../findings.ts';

export interface MysqlContext {
  readonly engine: 'mysql' | 'mariadb';
  /** Of the server, as its own version comments write it: 90700, 101119. */
  readonly version: number;
  /** Current database; null: none; undefined: unknown. */
  readonly database: string | null | undefined;
  /** The login's or SET ROLE's role, '' for none; for findings only. */
  readonly role: string;
  /** The session's sql_mode as a set of bits (modes.ts); null while unknown: texts are read under every mode. */
  readonly sql_mode: number | null;
  /** character_set_client */
  readonly charset: string;
  /** CLIENT_MULTI_STATEMENTS is on. Off: what follows a `;` is a syntax error at the server. */
  readonly multi_statements: boolean;
  readonly in_transaction: boolean;
  readonly autocommit: boolean;
  /** The database's own catalog, to look names up in. Null or absent: none. */
  readonly catalog?: CatalogSnapshot | null;
  /** There should be a catalog, and it can't be read. Absent: no. */
  readonly blind?: boolean;
  /** Tables that are certain to be temporary ones of the session: database, NUL, name. Absent: none. */
  readonly temporaries?: ReadonlySet<string>;
  /** Analyses of statements prepared by SQL PREPARE, for EXECUTE. Null: there is none of that name. Undefined: it can't be told. */
  readonly prepared: (name: string) => Analysis | null | undefined;
}

/** A fresh session of the newest supported server of its kind, where nothing else is known. */
export const defaultContext = (engine: MysqlContext['engine']): MysqlContext => ({
  engine,
  version: engine === 'mysql' ? 90_700 : 101_100,
  database: 'app',
  role: '',
  sql_mode: 0,
  charset: 'utf8mb4',
  multi_statements: true,
  in_transaction: false,
  autocommit: true,
  prepared: () => undefined,
});
