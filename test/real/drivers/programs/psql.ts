// psql as a program of ../program.ts: one psql that reads a script from a pipe, where a mark ends what a verb made it say.
// Ctrl-C ends a psql whose script is no terminal.
import { spawn, execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type Answer, nextLine, serve, text } from './loop.ts';

const MARK = '--done--\n';
const ERROR = /^(?:psql: |\S*:\d+: )*(?:error: .*?)?(?:ERROR|FATAL): {2}(\w{5}): (.*)$/m;

class Refused extends Error {
  readonly sqlstate: string;
  constructor(sqlstate: string, message: string) {
    super(message);
    this.sqlstate = sqlstate;
  }
}

let child: ChildProcess | undefined;
const said = { out: '', err: '' };
let wake = (): void => {};
/** A notification is printed after whatever statement came first. */
const heard: string[][] = [];
const NOTIFICATION = /^Asynchronous notification "(.*?)" with payload "(.*?)" received.*\n/gm;

const done = (): boolean => child?.exitCode !== null || (said.out.endsWith(MARK) && said.err.endsWith(MARK));

/** What it wrote to standard output. */
const run = async (script: string): Promise<string> => {
  said.out = said.err = '';
  child?.stdin?.write(`${script}\n\\echo ${MARK}\\warn ${MARK}`);
  while (!done()) await new Promise<void>((resolve) => (wake = resolve));
  const error = ERROR.exec(said.err);
  if (error) throw new Refused(error[1] ?? '', error[2] ?? '');
  for (const [, channel = '', payload = ''] of said.out.matchAll(NOTIFICATION)) heard.push([channel, payload]);
  return said.out.replace(MARK, '').replaceAll(NOTIFICATION, '');
};

const rows = (out: string): ReturnType<typeof text> =>
  text(
    out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t')),
  );

const query = async (sql: string): Promise<Answer> => rows(await run(`${sql};`));

await serve(
  execFileSync('psql', ['--version'], { encoding: 'utf8' }).split(' ')[2]?.trim() ?? '',
  {
    async connect(port, user = '', password, database = '') {
      // Else it would keep what it writes to a pipe until much of it has come together.
      child = spawn('stdbuf', ['-oL', 'psql', '-X', '-q', '-A', '-t', '-F', '\t', '-v', 'VERBOSITY=verbose'], {
        env: {
          ...process.env,
          PGHOST: '127.0.0.1',
          PGPORT: port,
          PGUSER: user,
          PGPASSWORD: password,
          PGDATABASE: database,
        },
      });
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
    // As \set does it: psql 15 can bind nothing.
    param: (sql = '', value = '') => run(`\\set v ${value}\n${sql};`).then(rows),
    async prepared(sql = '', ...values) {
      const executed = values.map((value) => `EXECUTE by_hand(${value});`).join('\n');
      return rows(await run(`PREPARE by_hand(int) AS ${sql};\n${executed}\nDEALLOCATE by_hand;`));
    },
    begin: () => query('BEGIN'),
    commit: () => query('COMMIT'),
    rollback: () => query('ROLLBACK'),
    copyin: (table = '', column = '', ...lines) =>
      run([`\\copy ${table} (${column}) from stdin`, ...lines, '\\.'].join('\n')).then(rows),
    copyout: (table = '') => run(`\\copy ${table} to stdout`).then(rows),
    listen: (channel = '') => query(`LISTEN ${channel}`),
    async notified() {
      while (heard.length === 0) await run('SELECT 1;');
      return text([heard.shift() ?? []]);
    },
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
  (error) => (error instanceof Refused ? { sqlstate: error.sqlstate, message: error.message } : null),
);
