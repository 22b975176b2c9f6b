// The drivers that the table of drivers.test.ts is about: how each is started, what it must find on the machine, what it lacks. A table
// alone: test/run.ts reads it too, to bring up what is missing.
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

export const SCENARIOS = [
  'ordinary',
  'prepared',
  'copy',
  'transaction',
  'listen',
  'cancel',
  'approve',
  'deny',
  'send again',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What a test starts and may have to bring up. */
export interface Program {
  readonly name: string;
  /** Program and arguments that succeed where it is there. */
  readonly probe: readonly [string, ...string[]];
  /** Debian's, that bring it; none: npm brings it. */
  readonly packages: readonly string[];
  /** Run before the program, if it is compiled. */
  readonly build?: readonly [string, ...string[]];
  readonly program: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Driver<S extends string = Scenario> extends Program {
  /** Prints its version, where the program can't tell. */
  readonly version?: readonly [string, ...string[]];
  /** Of the one parameter of a statement. */
  readonly placeholder: '$1' | '?' | '%s' | ':v' | '@v';
  /** What the driver itself has no call for, with the reason as it stands in the table. */
  readonly none: Partial<Readonly<Record<S, string>>>;
  /** Its COPY goes in only. */
  readonly copyOut?: false;
  /** A cancel ends its connection too. */
  readonly cancelEnds?: true;
  /** How it does what it has no call of its own for, or which part of it. */
  readonly by?: Partial<Readonly<Record<S, string>>>;
}

/** A file of programs/. */
export const at = (file: string): string => resolve(import.meta.dirname, 'programs', file);
/** Debian's: another python3 may come first in PATH and has no drivers. */
export const PYTHON = '/usr/bin/python3';
const JDBC_JAR = '/usr/share/java/postgresql.jar';
/** What is compiled lies here. */
export const BUILT = join(tmpdir(), `holdpoint-test-${userInfo().uid}`, 'drivers');
const GO = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(BUILT, 'go'), GOFLAGS: '' };

export const node = (file: string, ...args: readonly string[]): Pick<Program, 'program'> => ({
  program: [process.execPath, '--import', 'tsx', at(file), ...args],
});
const python = (module: string, file: string): Pick<Driver, 'probe' | 'packages' | 'program'> => ({
  probe: [PYTHON, '-c', `import ${module}`],
  packages: [`python3-${module}`],
  program: [PYTHON, at(file)],
});
const go = (source: string, name: string, packages: readonly string[]) =>
  ({
    probe: ['sh', '-c', `command -v go && test -d /usr/share/gocode/src/${source}`],
    packages: ['golang-go', ...packages],
    build: ['go', 'build', '-o', join(BUILT, name), at('go/loop.go'), at(`go/${name}.go`)],
    program: [join(BUILT, name)],
  }) as const;

export const DRIVERS: readonly Driver[] = [
  {
    name: 'psql',
    probe: ['psql', '--version'],
    packages: ['postgresql-client'],
    ...node('psql.ts'),
    placeholder: ':v',
    none: {},
    cancelEnds: true,
    by: { prepared: 'SQL PREPARE', cancel: 'Ctrl-C' },
  },
  {
    name: 'node-postgres',
    probe: [process.execPath, '-e', "import('pg')"],
    packages: [],
    ...node('node_postgres.ts'),
    placeholder: '$1',
    none: { copy: 'another package (pg-copy-streams)' },
  },
  {
    name: 'postgres (porsager)',
    probe: [process.execPath, '-e', "import('postgres')"],
    packages: [],
    ...node('porsager.ts'),
    placeholder: '$1',
    none: {},
  },
  { name: 'psycopg 3', ...python('psycopg', 'psycopg_3.py'), placeholder: '%s', none: {} },
  {
    name: 'psycopg2',
    ...python('psycopg2', 'psycopg_2.py'),
    placeholder: '%s',
    none: {},
    by: { prepared: 'SQL PREPARE' },
  },
  { name: 'asyncpg', ...python('asyncpg', 'async_pg.py'), placeholder: '$1', none: {} },
  {
    name: 'SQLAlchemy',
    ...python('sqlalchemy', 'sql_alchemy.py'),
    packages: ['python3-sqlalchemy', 'python3-psycopg2'],
    placeholder: ':v',
    none: {},
    by: { prepared: 'psycopg2', copy: 'psycopg2', listen: 'psycopg2', cancel: 'psycopg2' },
  },
  {
    name: 'JDBC',
    probe: ['sh', '-c', `command -v javac && test -f ${JDBC_JAR}`],
    packages: ['libpostgresql-jdbc-java', 'default-jdk-headless'],
    build: ['javac', '-cp', JDBC_JAR, '-sourcepath', at('.'), '-d', join(BUILT, 'jdbc'), at('Jdbc.java')],
    program: ['java', '-XX:TieredStopAtLevel=1', '-cp', `${JDBC_JAR}:${join(BUILT, 'jdbc')}`, 'Jdbc'],
    placeholder: '?',
    none: {},
  },
  {
    name: 'PHP PDO',
    probe: ['php', '-r', "exit(extension_loaded('pdo_pgsql') ? 0 : 1);"],
    packages: ['php-cli', 'php-pgsql'],
    program: ['php', at('pdo.php')],
    placeholder: '?',
    none: { cancel: 'PDO has no cancel' },
  },
  {
    name: 'Ruby pg',
    probe: ['ruby', '-e', "require 'pg'"],
    packages: ['ruby-pg'],
    program: ['ruby', at('ruby_pg.rb')],
    placeholder: '$1',
    none: {},
  },
  {
    name: 'Perl DBD::Pg',
    probe: ['perl', '-MDBD::Pg', '-e', '1'],
    packages: ['libdbd-pg-perl'],
    program: ['perl', at('dbd_pg.pl')],
    placeholder: '?',
    none: {},
  },
  {
    name: 'Go lib/pq',
    ...go('github.com/lib/pq', 'lib_pq', ['golang-github-lib-pq-dev']),
    env: GO,
    version: ['dpkg-query', '-W', '-f', '${Version}', 'golang-github-lib-pq-dev'],
    placeholder: '$1',
    none: {},
    copyOut: false,
    cancelEnds: true,
    by: { copy: 'in only' },
  },
  {
    name: 'Go pgx',
    ...go('github.com/jackc/pgx/v4', 'pgx', ['golang-github-jackc-pgx-v4-dev']),
    env: GO,
    version: ['dpkg-query', '-W', '-f', '${Version}', 'golang-github-jackc-pgx-v4-dev'],
    placeholder: '$1',
    none: {},
    cancelEnds: true,
  },
];
