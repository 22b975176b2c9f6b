// The command-line clients `mysql` and `mariadb`, as the arguments start them, as a program of ../program.ts: one client that reads a script
// from a pipe, where a mark ends what a verb made it say.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Answer, nextLine, serve, text } from './loop.ts';

const [program = '', ...first] = process.argv.slice(2);
const MARK = '--done--\n';
const ERROR = /^ERROR (\d+) \((\w{5})\)(?: at line \d+)?: (.*)$/m;

/** In clear: MariaDB's would send the password as it is where it is not told that there is no TLS; MySQL's would not ask for the key. */
const MARIADB = ['--skip-ssl'];
const MYSQL = ['--ssl-mode=DISABLED', '--get-server-public-key', '--commands', '--system-command'];

class Refused extends Error {
  readonly errno: number;
  readonly sqlstate: string;
  constructor(errno: number, sqlstate: string, message: string) {
    super(message);
    this.errno = errno;
    this.sqlstate = sqlstate;
  }
}

let child: ChildProcess | undefined;
const said = { out: '', err: '' };
let wake = (): void => {};

const done = (): boolean => child?.exitCode !== null || (said.out.endsWith(MARK) && said.err.endsWith(MARK));

/** What it says of a Ctrl-C, between rows. */
const INTERRUPTED = /\n?Ctrl-C -- query killed\..*\n|\^C -- query aborted\n/;

/** Rows that it wrote to standard output. */
const run = async (script: string): Promise<Answer> => {
  said.out = said.err = '';
  child?.stdin?.write(`${script}\n\\! echo ${MARK.trimEnd()} && echo ${MARK.trimEnd()} >&2\n`);
  while (!done()) await new Promise<void>((resolve) => (wake = resolve));
  const error = ERROR.exec(said.err);
  if (error) throw new Refused(Number(error[1]), error[2] ?? '', error[3] ?? '');
  if (child?.exitCode !== null) throw new Error(`it ended: ${said.err}`);
  return rows(said.out.slice(0, -MARK.length).replace(INTERRUPTED, ''));
};

const rows = (out: string): ReturnType<typeof text> =>
  text(
    out
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t').map((value) => (value === 'NULL' ? null : value))),
  );

const query = (sql: string): Promise<Answer> => run(`${sql};`);

await serve(
  /(?:Ver|Distrib) (\d+\.\d+\.\d+)/.exec(execFileSync(program, [...first, '--version'], { encoding: 'utf8' }))?.[1] ??
    '',
  {
    async connect(port, user = '', password, database = '') {
      const options = [
        '--no-defaults',
        '--batch',
        '--skip-column-names',
        '--unbuffered',
        // Else it ends with the first error.
        '--force',
        '--local-infile=1',
        '--binary-as-hex',
        '--default-character-set=utf8mb4',
        '--host=127.0.0.1',
        `--port=${port}`,
        `--user=${user}`,
        ...(program.endsWith('mariadb') ? MARIADB : MYSQL),
      ];
      child = spawn(program, [...first, ...options, database], { env: { ...process.env, MYSQL_PWD: password } });
      for (const stream of ['out', 'err'] as const) {
        child[`std${stream}`]?.setEncoding('utf8').on('data', (part: string) => {
          said[stream] += part;
          wake();
        });
      }
      child.on('close', () => wake());
      await run('');
    },
    query: (sql = '') => query(sql),
    param: (sql = '', value = '') => run(`SET @v = ${value};\n${sql};`),
    async prepared(sql = '', ...values) {
      await query(`PREPARE by_hand FROM '${sql}'`);
      const executed = values.map((value) => `SET @v = ${value};\nEXECUTE by_hand USING @v;`).join('\n');
      return run(`${executed}\nDEALLOCATE PREPARE by_hand;`);
    },
    async blob(insert = '', select = '', data = '') {
      await query(insert.replace('@v', `0x${data}`));
      const answer = (await query(select)) as { readonly rows: readonly (readonly string[])[] };
      return text(answer.rows.map((row) => row.map((value) => value.replace(/^0x/, '').toLowerCase())));
    },
    multi: (sql = '') => run(`delimiter //\n${sql}//\ndelimiter ;`),
    begin: () => query('START TRANSACTION'),
    commit: () => query('COMMIT'),
    rollback: () => query('ROLLBACK'),
    autocommit: (on = '') => query(`SET autocommit = ${on}`),
    async cancel(sql = '') {
      void nextLine().then(() => child?.kill('SIGINT'));
      return query(sql);
    },
    async close() {
      if (child?.exitCode !== null) return;
      child.stdin?.end();
      await once(child, 'close');
    },
  },
  (error) =>
    error instanceof Refused ? { sqlstate: error.sqlstate, errno: error.errno, message: error.message } : null,
);
