// The drivers for MySQL and MariaDB that the table of drivers.test.ts is about. A table alone: test/run.ts reads it too.
import { join } from 'node:path';
import { mysqlClient } from '../../mysql-servers.ts';
import { at, BUILT, type Driver, node, PYTHON } from '../drivers.ts';

export const SCENARIOS = [
  'ordinary',
  'prepared',
  'infile',
  'transaction',
  'cancel',
  'approve',
  'deny',
  'send again',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

export interface MysqlDriver extends Driver<Scenario> {
  /** It shows the number of an error alone. */
  readonly sqlstate?: false;
  /** It has a call that executes a statement with many rows of parameters. */
  readonly many?: true;
}

const MARIADB_JAR = '/usr/share/java/mariadb-java-client.jar';
const KILL = 'KILL QUERY on another connection';
/** The drivers for Python that have no prepared statements of their own. */
const BY_HAND = { prepared: 'SQL PREPARE', cancel: KILL } as const;

const python = (modules: readonly string[], packages: readonly string[], file: string, ...args: readonly string[]) =>
  ({
    probe: [PYTHON, '-c', `import ${modules.join(', ')}`],
    packages,
    program: [PYTHON, at(file), ...args],
    sqlstate: false,
    many: true,
  }) as const;
const php = (extension: string, file: string) =>
  ({
    probe: ['php', '-r', `exit(extension_loaded('${extension}') ? 0 : 1);`],
    packages: ['php-cli', 'php-mysql'],
    program: ['php', '-d', 'mysqli.allow_local_infile=1', at(file)],
    placeholder: '?',
    none: {},
  }) as const;
const perl = (driver: string) =>
  ({
    name: `Perl DBD::${driver}`,
    probe: ['perl', `-MDBD::${driver}`, '-e', '1'],
    packages: [`libdbd-${driver.toLowerCase()}-perl`],
    program: ['perl', at('dbd_mysql.pl'), driver],
    placeholder: '?',
    none: {},
    by: { cancel: KILL },
  }) as const;
const PY_MYSQL = [
  ['pymysql', 'cryptography'],
  ['python3-pymysql', 'python3-cryptography'],
] as const;
const MYSQL_CLIENT = [['MySQLdb'], ['python3-mysqldb']] as const;

export const DRIVERS: readonly MysqlDriver[] = [
  {
    name: 'mariadb',
    probe: ['mariadb', '--version'],
    packages: ['mariadb-client'],
    ...node('mysql_cli.ts', '/usr/bin/mariadb'),
    placeholder: '@v',
    none: {},
    by: { prepared: 'SQL PREPARE', cancel: 'Ctrl-C' },
  },
  {
    // test/run.ts fetches it with the server.
    name: 'mysql',
    probe: [...mysqlClient(), '--version'],
    packages: [],
    ...node('mysql_cli.ts', ...mysqlClient()),
    placeholder: '@v',
    none: {},
    by: { prepared: 'SQL PREPARE', cancel: 'Ctrl-C' },
  },
  {
    name: 'mysql2 (npm)',
    probe: [process.execPath, '-e', "import('mysql2')"],
    packages: [],
    ...node('mysql_2.ts'),
    placeholder: '?',
    none: {},
    by: { cancel: KILL },
  },
  {
    name: 'mariadb (npm)',
    probe: [process.execPath, '-e', "import('mariadb')"],
    packages: [],
    ...node('mariadb.ts'),
    placeholder: '?',
    none: {},
    by: { cancel: KILL },
    many: true,
  },
  { name: 'PyMySQL', ...python(...PY_MYSQL, 'py_mysql.py'), placeholder: '%s', none: {}, by: BY_HAND },
  { name: 'mysqlclient', ...python(...MYSQL_CLIENT, 'mysql_client.py'), placeholder: '%s', none: {}, by: BY_HAND },
  {
    name: 'SQLAlchemy, PyMySQL',
    ...python(
      ['sqlalchemy', ...PY_MYSQL[0]],
      ['python3-sqlalchemy', ...PY_MYSQL[1]],
      'sql_alchemy_mysql.py',
      'pymysql',
    ),
    placeholder: ':v',
    none: {},
    by: BY_HAND,
  },
  {
    name: 'SQLAlchemy, mysqlclient',
    ...python(
      ['sqlalchemy', ...MYSQL_CLIENT[0]],
      ['python3-sqlalchemy', ...MYSQL_CLIENT[1]],
      'sql_alchemy_mysql.py',
      'mysqldb',
    ),
    placeholder: ':v',
    none: {},
    by: BY_HAND,
  },
  {
    name: 'MariaDB Connector/J',
    probe: ['sh', '-c', `command -v javac && test -f ${MARIADB_JAR}`],
    packages: ['libmariadb-java', 'default-jdk-headless'],
    build: [
      'javac',
      '-cp',
      MARIADB_JAR,
      '-sourcepath',
      at('.'),
      '-d',
      join(BUILT, 'jdbc-mariadb'),
      at('JdbcMariadb.java'),
    ],
    program: ['java', '-XX:TieredStopAtLevel=1', '-cp', `${MARIADB_JAR}:${join(BUILT, 'jdbc-mariadb')}`, 'JdbcMariadb'],
    placeholder: '?',
    none: {},
    many: true,
  },
  { name: 'PHP mysqli', ...php('mysqli', 'mysqli.php'), by: { cancel: KILL } },
  { name: 'PHP PDO', ...php('pdo_mysql', 'pdo_mysql.php'), by: { cancel: KILL } },
  perl('mysql'),
  perl('MariaDB'),
  {
    name: 'Ruby mysql2',
    probe: ['ruby', '-e', "require 'mysql2'"],
    packages: ['ruby-mysql2'],
    program: ['ruby', at('ruby_mysql2.rb')],
    placeholder: '?',
    none: {},
    by: { cancel: KILL },
  },
];
