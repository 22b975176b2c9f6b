// The SQLSTATE of a text that does not parse. libpg-query gives the server's message and no state; nearly all are 42601, and these rows
// are the rest. From the ereport calls of PostgreSQL 15 to 18's gram.y and scan.l.

interface Row {
  readonly sqlstate: string;
  readonly message: RegExp;
  /** The same words have another state elsewhere. */
  readonly file?: string;
}

const ROWS: readonly Row[] = [
  { sqlstate: '0A000', message: /^UNENCRYPTED PASSWORD is no longer supported$/ },
  { sqlstate: '0A000', message: /^CREATE SCHEMA IF NOT EXISTS cannot include schema elements$/ },
  { sqlstate: '0A000', message: /^current database cannot be changed$/ },
  { sqlstate: '0A000', message: /^MATCH PARTIAL not yet implemented$/ },
  { sqlstate: '0A000', message: /^a column list with .+ is only supported for ON DELETE actions$/ },
  { sqlstate: '0A000', message: /^CREATE EXTENSION \.\.\. FROM is no longer supported$/ },
  { sqlstate: '0A000', message: /^CREATE OR REPLACE CONSTRAINT TRIGGER is not supported$/ },
  { sqlstate: '0A000', message: /^CREATE ASSERTION is not yet implemented$/ },
  { sqlstate: '0A000', message: /^aggregates cannot have output arguments$/ },
  { sqlstate: '0A000', message: /^WITH CHECK OPTION not supported on recursive views$/ },
  { sqlstate: '0A000', message: /^UNIQUE predicate is not yet implemented$/ },
  { sqlstate: '0A000', message: /^an ordered-set aggregate with a VARIADIC direct argument must / },
  {
    sqlstate: '0A000',
    message: /constraints cannot be (marked|altered to be) (DEFERRABLE|NOT VALID|NO INHERIT|NOT ENFORCED|ENFORCED)$/,
  },
  { sqlstate: '22023', message: /^column number must be in range from 1 to / },
  { sqlstate: '22023', message: /^precision for type float must be / },
  { sqlstate: '22023', message: /^unrecognized partitioning strategy / },
  { sqlstate: '22025', message: /^invalid Unicode escape$/, file: 'scan.l' },
  { sqlstate: '42710', message: /^(modulus|remainder) for hash partition provided more than once$/ },
  {
    sqlstate: '42P20',
    message: /^frame (start cannot be UNBOUNDED FOLLOWING|starting from |end cannot be UNBOUNDED PRECEDING)/,
  },
  { sqlstate: '42939', message: /^role name .+ is reserved$| cannot be used as a role name here$/ },
];

/** `file` is the server's source file that libpg-query names. */
export const parseSqlstate = (message: string, file: string): string =>
  ROWS.find((row) => row.message.test(message) && (row.file === undefined || file.endsWith(row.file)))?.sqlstate ??
  '42601';
