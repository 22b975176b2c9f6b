// The tools whose ordinary work must pass: how each is started and what it must find on the machine. A table alone: test/run.ts reads it
// too, to bring up what is missing.
import { resolve } from 'node:path';

export interface Tool {
  readonly name: string;
  /** Succeeds where the tool is there; its output has the version. */
  readonly probe: readonly [string, ...string[]];
  /** Debian's, that bring it. */
  readonly packages: readonly string[];
  /** Run before the program, if it is compiled. */
  readonly build?: readonly [string, ...string[]];
  /** Does everything once and ends with 0. It finds the gateway in libpq's environment variables. */
  readonly program: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** `program day SEED COUNT` does as many operations, drawn by the seed. */
  readonly day?: readonly [string, ...string[]];
  /** Run on the server itself, before: what is DDL. */
  readonly prepare?: readonly [string, ...string[]];
  /** It only reads: what it prints must be what it prints without a gateway. */
  readonly same?: true;
}

const at = (file: string): string => resolve(import.meta.dirname, 'programs', file);
/** Debian's: another python3 may come first in PATH and has no drivers. */
const PYTHON = '/usr/bin/python3';

const python = (module: string, file: string, packages: readonly string[]) =>
  ({
    probe: [PYTHON, '-c', `import ${module}; print(${module}.__version__)`],
    packages,
    program: [PYTHON, at(file), 'tour'],
    day: [PYTHON, at(file), 'day'],
  }) as const;

export const TOOLS: readonly Tool[] = [
  {
    name: 'psql, what \\d and its like ask',
    probe: ['psql', '--version'],
    packages: ['postgresql-client'],
    program: ['psql', '-X', '-f', at('psql.sql')],
  },
  {
    name: 'psql, completion by Tab',
    probe: ['sh', '-c', `psql --version && test -x ${PYTHON}`],
    packages: ['postgresql-client', 'python3'],
    program: [PYTHON, at('psql_completion.py')],
  },
  {
    // Without the switch it sends SET row_security = off, which a rule of the starter policy holds.
    name: 'pg_dump --schema-only --enable-row-security',
    probe: ['pg_dump', '--version'],
    packages: ['postgresql-client'],
    program: ['pg_dump', '--schema-only', '--enable-row-security'],
    same: true,
  },
  {
    name: 'SQLAlchemy',
    ...python('sqlalchemy', 'sql_alchemy.py', ['python3-sqlalchemy', 'python3-psycopg2']),
  },
];
