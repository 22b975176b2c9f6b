// The tools whose ordinary work must pass: how each is started and what it must find on the machine. A table alone: test/run.ts reads it
// too, to bring up what is missing.
import { join, resolve } from 'node:path';
import { BUILT, type Program, PYTHON } from '../drivers/drivers.ts';

/** Its probe's output has the version. Its program does everything once and ends with 0; it finds the gateway in libpq's environment variables. */
export interface Tool extends Program {
  /** `program day SEED COUNT` does as many operations, drawn by the seed. */
  readonly day?: readonly [string, ...string[]];
  /** Run on the server itself, before: what is DDL. */
  readonly prepare?: readonly [string, ...string[]];
  /** It only reads: what it prints must be what it prints without a gateway. */
  readonly same?: true;
}

const at = (file: string): string => resolve(import.meta.dirname, 'programs', file);

const JARS = ['postgresql', 'HikariCP', 'slf4j-api', 'slf4j-nop'].map((name) => `/usr/share/java/${name}.jar`);
const JAVA = ['java', '-XX:TieredStopAtLevel=1', '-cp', [...JARS, join(BUILT, 'tour')].join(':'), 'Tour'] as const;

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
    name: "psql, an agent's day in plain SQL, and again",
    probe: ['psql', '--version'],
    packages: ['postgresql-client'],
    program: ['psql', '-X', '-f', at('agent.sql'), '-f', at('agent.sql')],
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
  {
    name: 'Alembic',
    probe: [PYTHON, '-c', 'import alembic; print(alembic.__version__)'],
    packages: ['alembic', 'python3-sqlalchemy', 'python3-psycopg2'],
    program: [PYTHON, at('alembic_shop/run.py')],
  },
  {
    name: 'Django',
    ...python('django', 'django_shop', ['python3-django', 'python3-psycopg2']),
    prepare: [PYTHON, at('django_shop'), 'prepare'],
  },
  {
    name: 'Rails (ActiveRecord)',
    probe: ['ruby', '-e', "require 'active_record'; puts ActiveRecord.version"],
    packages: ['ruby-activerecord', 'ruby-pg'],
    program: ['ruby', at('rails.rb'), 'tour'],
    day: ['ruby', at('rails.rb'), 'day'],
  },
  {
    name: 'JDBC and HikariCP',
    probe: [
      'sh',
      '-c',
      `command -v javac && ls ${JARS.join(' ')} && dpkg-query -W -f 'version \${Version}' libpostgresql-jdbc-java`,
    ],
    packages: ['libpostgresql-jdbc-java', 'libhikaricp-java', 'libslf4j-java', 'default-jdk-headless'],
    build: ['javac', '-cp', JARS.join(':'), '-d', join(BUILT, 'tour'), at('Tour.java')],
    program: [...JAVA, 'tour'],
    day: [...JAVA, 'day'],
  },
  {
    name: 'psycopg 3, psycopg2, asyncpg and their pools',
    probe: [PYTHON, '-c', 'import psycopg_pool, psycopg2, asyncpg, psycopg; print(psycopg.__version__)'],
    packages: ['python3-psycopg', 'python3-psycopg-pool', 'python3-psycopg2', 'python3-asyncpg'],
    program: [PYTHON, at('psycopgs.py'), 'tour'],
    day: [PYTHON, at('psycopgs.py'), 'day'],
  },
  {
    name: 'node-postgres and postgres (porsager) and their pools',
    probe: [process.execPath, '-p', "require('pg/package.json').version"],
    packages: [],
    program: [process.execPath, '--import', 'tsx', at('node_pools.ts'), 'tour'],
    day: [process.execPath, '--import', 'tsx', at('node_pools.ts'), 'day'],
  },
  {
    name: 'Doctrine DBAL and ORM',
    probe: ['dpkg-query', '-W', '-f', '${Version}', 'php-doctrine-orm', 'php-pgsql'],
    packages: ['php-cli', 'php-pgsql', 'php-doctrine-dbal', 'php-doctrine-orm'],
    program: ['php', at('doctrine.php'), 'tour'],
    day: ['php', at('doctrine.php'), 'day'],
  },
  {
    name: 'Sequel',
    probe: ['ruby', '-e', "require 'sequel'; require 'pg'; puts Sequel.version"],
    packages: ['ruby-sequel', 'ruby-pg'],
    program: ['ruby', at('sequel.rb')],
  },
  {
    name: 'DBIx::Class with Schema::Loader',
    probe: ['perl', '-MDBD::Pg', '-MDBIx::Class::Schema::Loader', '-e', 'print DBIx::Class->VERSION'],
    packages: ['libdbix-class-perl', 'libdbix-class-schema-loader-perl', 'libdbd-pg-perl'],
    program: ['perl', at('dbix_class.pl')],
  },
  {
    name: 'pgcli, what it completes from and its \\d commands',
    probe: ['pgcli', '--version'],
    packages: ['pgcli'],
    program: [PYTHON, at('pgcli_reads.py')],
  },
];
