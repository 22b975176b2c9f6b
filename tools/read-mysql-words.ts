// Prints src/sql/mysql/generated/{words,variables}.ts from what real servers say of their own words, functions and variables. Give it a
// MySQL and a MariaDB that may be written to, as a user with all rights, and the programs that they run, whose texts hold the names of
// their functions:
//   tsx tools/read-mysql-words.ts mysql://root@127.0.0.1:3306 /usr/sbin/mysqld mysql://root@127.0.0.1:3307 /usr/sbin/mariadbd
import { readFileSync, writeFileSync } from 'node:fs';
import mysql from 'mysql2/promise';

/** The function is not there, is not there but for a built-in of a like name, and no database is chosen to have it. */
const NO_FUNCTION = new Set([1305, 1630, 1046]);
const ER_PARSE_ERROR = 1064;
const ER_INCORRECT_GLOBAL_LOCAL_VAR = 1238;
const LINE = 138;

const [mysql_url, mysqld, mariadb_url, mariadbd] = process.argv.slice(2);
if (!mysql_url || !mysqld || !mariadb_url || !mariadbd) throw new Error('two servers and their programs are needed');
const servers = { MYSQL: await mysql.createConnection(mysql_url), MARIADB: await mysql.createConnection(mariadb_url) };

const names = new Set([mysqld, mariadbd].flatMap(namesIn));
for (const server of Object.values(servers)) {
  for (const word of await column(server, 'SELECT word FROM information_schema.keywords'))
    names.add(word.toUpperCase());
  await server.query('CREATE DATABASE IF NOT EXISTS words');
  await server.query('USE words');
}
for (const name of await column(servers.MARIADB, 'SELECT function FROM information_schema.sql_functions'))
  names.add(name);
const asked = [...names].filter((name) => /^[A-Z_][A-Z0-9_]*$/.test(name)).toSorted();

let words = `// Words of MySQL and MariaDB as the servers take them, printed by tools/read-mysql-words.ts; do not edit.
// \`native\`: a built-in function also when its name is quoted. \`keywords\`: what no function of a user's can be called, unquoted and right
// before its parenthesis. \`gap\`: of these, what is the name of a user's function where a space comes before the parenthesis and
// IGNORE_SPACE is off. \`reserved\`: what no alias can be unquoted.

export interface Words {
  readonly native: string;
  readonly keywords: string;
  readonly gap: string;
  readonly reserved: string;
}
`;
const EMPTY = { native: [] as string[], keywords: [] as string[], gap: [] as string[], reserved: [] as string[] };
const variables = { session: new Set<string>(), global: new Set<string>() };
for (const [flavour, server] of Object.entries(servers)) {
  words += `\nexport const ${flavour}_WORDS: Words = {\n`;
  for (const [group, found] of Object.entries(await wordsOf(server))) words += `  ${group}: \`\n${lines(found)}\n\`,\n`;
  words += '};\n';
  await variablesOf(server);
  await server.end();
}
const folder = new URL('../src/sql/mysql/generated/', import.meta.url);
writeFileSync(new URL('words.ts', folder), words);
writeFileSync(
  new URL('variables.ts', folder),
  `// System variables of MySQL and MariaDB as the servers list them, printed by tools/read-mysql-words.ts; do not edit.

/** A session has its own value, which it may be able to set. */
export const SESSION_VARIABLES = \`
${lines([...variables.session])}
\`;

/** The server alone has one. */
export const GLOBAL_VARIABLES = \`
${lines([...variables.global].filter((name) => !variables.session.has(name)))}
\`;
`,
);

/** Texts of a program in capitals, and their ends: a linker keeps one text for two where one ends with the other. */
function namesIn(program: string): string[] {
  const texts = readFileSync(program, 'latin1').match(/(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{1,40}(?=\0)/g) ?? [];
  return texts.flatMap((text) => Array.from({ length: text.length - 1 }, (_, at) => text.slice(at)));
}

async function wordsOf(server: mysql.Connection): Promise<Record<keyof typeof EMPTY, string[]>> {
  const found = structuredClone(EMPTY);
  for (const name of asked) {
    const is = async (text: string): Promise<boolean> =>
      !NO_FUNCTION.has(await errno(server, `EXPLAIN SELECT ${text}`));
    const refused = async (text: string): Promise<boolean> =>
      (await errno(server, `EXPLAIN SELECT ${text}`)) === ER_PARSE_ERROR;
    if (await is(`\`${name}\`(1, 2)`)) found.native.push(name);
    else if (await is(`${name}()`)) {
      found.keywords.push(name);
      if (!(await is(`${name} ()`))) found.gap.push(name);
    }
    if ((await refused(`1 AS ${name}`)) || (await refused(`1 FROM (SELECT 1) ${name}`))) found.reserved.push(name);
  }
  return found;
}

async function variablesOf(server: mysql.Connection): Promise<void> {
  for (const name of await column(server, 'SHOW VARIABLES')) {
    const own = (await errno(server, `SET SESSION ${name} = @@SESSION.${name}`)) !== ER_INCORRECT_GLOBAL_LOCAL_VAR;
    variables[own ? 'session' : 'global'].add(name.toLowerCase());
  }
}

/** The first column. */
async function column(server: mysql.Connection, sql: string): Promise<string[]> {
  const [rows] = await server.query<mysql.RowDataPacket[]>(sql);
  return rows.map((row) => String(Object.values(row)[0]));
}

/** Of the error that a text raises; 0: none. */
async function errno(server: mysql.Connection, sql: string): Promise<number> {
  return server.query(sql).then(
    () => 0,
    (error: unknown) => (error instanceof Error && 'errno' in error ? Number(error.errno) : Number.NaN),
  );
}

function lines(list: readonly string[]): string {
  const out: string[] = [''];
  for (const word of list.map((one) => one.toLowerCase()).toSorted()) {
    if (out.at(-1)!.length + word.length >= LINE) out.push('');
    out[out.length - 1] += out.at(-1) === '' ? word : ` ${word}`;
  }
  return out.join('\n');
}
