// `holdpoint policy check | test | explain`: a policy file's faults, its own examples, and what it says of a statement.
// Nothing here reaches a database or the gateway.
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { z } from 'zod';
import { type Engine, runExamples } from '../policy/examples.ts';
import { type LoadedPolicy, loadPolicy } from '../policy/load.ts';
import { formatPolicyError } from '../policy/source.ts';
import type { PolicyError, PolicyQuestion } from '../policy/types.ts';
import { askLines } from '../policy/words.ts';
import { analyseWithSession, type Explained, type ExplainedSession } from '../sql/explain.ts';
import type { Analysis } from '../sql/findings.ts';
import { analyseMysqlWithSession } from '../sql/mysql/explain.ts';
import { PostgresAnalyser } from '../sql/postgres/analyser.ts';
import { refusedAnalysis } from '../sql/postgres/analysis.ts';
import { explanationJson, explanationText } from './explanation.ts';
import { EXIT, Failure } from './failure.ts';
import { readLines } from './lines.ts';

const STARTER = fileURLToPath(new URL('../../policies/starter.yaml', import.meta.url));
const OUTPUT_CHARACTERS = 65_536;

/** PostgreSQL's analysis of texts. */
export interface PostgresAnalysis {
  /** As a session in these circumstances would send it. */
  readonly analyse: (sql: Uint8Array, session: ExplainedSession) => Promise<Explained>;
  readonly close: () => Promise<void>;
}

export interface PolicyCommandOptions {
  /** Loads the analyser; called by the commands that need it, which close it. */
  readonly postgres?: () => Promise<PostgresAnalysis>;
  readonly stdin?: AsyncIterable<Buffer | string> & { readonly isTTY?: boolean };
  /** Writes to standard output; resolves when more may be written. */
  readonly write?: (text: string) => Promise<void>;
  readonly complain?: (text: string) => void;
}

/** Options replace what the commands reach outside with, for tests. */
export function policyCommand(options: PolicyCommandOptions = {}): Command {
  const io: Io = {
    postgres: options.postgres ?? postgresAnalysis,
    stdin: options.stdin ?? process.stdin,
    write: options.write ?? writeOut,
    complain: options.complain ?? ((text) => void process.stderr.write(`${text}\n`)),
  };
  return new Command('policy')
    .description('check, test and explain a policy file')
    .addCommand(
      new Command('check')
        .description('load a policy file and tell its faults; exit status 1 if there are any')
        .argument('<file>')
        .option('--json', 'one JSON object')
        .action((file: string, { json }: { json?: true }) => check(io, file, json ?? false)),
    )
    .addCommand(
      new Command('test')
        .description("run a policy file's own examples; exit status 1 if one fails or there are none")
        .argument('<file>')
        .option('--json', 'one JSON line for each example')
        .action((file: string, { json }: { json?: true }) => test(io, file, json ?? false)),
    )
    .addCommand(
      new Command('explain')
        .description('say what a policy does with a statement; without one, with each JSON line of standard input')
        .argument('[sql]', 'a statement, or several as one message')
        .addOption(
          new Option('--engine <engine>', 'whose SQL it is')
            .choices(['postgres', 'mysql', 'mariadb'])
            .makeOptionMandatory(),
        )
        .option('--policy <file>', 'policy file (default: the starter policy)', STARTER)
        .option('--upstream <url>', 'resolve names with a live catalog')
        .option('--json', 'JSON for a statement given as argument too')
        .addHelpText('after', EXPLAIN_HELP)
        .action((sql: string | undefined, given: ExplainOptions) => explain(io, sql, given)),
    );
}

const EXPLAIN_HELP = `
A line of standard input: {"id": any, "sql": text | "sql_hex": bytes, "params": [...], "session": {...}, "as": {...}},
with session {server_version, database, role, in_transaction, earlier: [sql]}, of PostgreSQL also search_path, of MySQL
and MariaDB sql_mode and charset, and as {id, kind, groups, sponsor}, all optional; params change nothing. One line comes
out for each, in order.

Exit status: 0; 1 for a fault, or a line without a statement; 2 when an input line was not JSON.
Examples:
  holdpoint policy explain --engine postgres "COPY customers TO STDOUT"
  holdpoint policy explain --engine mariadb "SELECT * FROM customers INTO OUTFILE '/tmp/x'"
  echo '{"id": 1, "sql": "DROP TABLE t"}' | holdpoint policy explain --engine postgres`;

type Io = Required<PolicyCommandOptions>;

interface ExplainOptions {
  readonly engine: Engine;
  readonly policy: string;
  readonly upstream?: string;
  readonly json?: true;
}

async function check(io: Io, file: string, json: boolean): Promise<void> {
  const result = await loadPolicy(file);
  const [errors, warnings] = 'errors' in result ? [result.errors, []] : [[], result.warnings];
  if (errors.length > 0) process.exitCode = EXIT.failed;
  const asks = 'policy' in result ? result.policy.asks.map(({ rule, ask }) => ({ rule, asks: askLines(ask) })) : [];
  if (json) {
    const loaded = 'policy' in result ? { rules: result.policy.rules, hash: result.policy.hash, asks } : {};
    await io.write(`${JSON.stringify({ ok: errors.length === 0, path: file, ...loaded, errors, warnings })}\n`);
    return;
  }
  for (const error of errors) io.complain(formatPolicyError(error));
  for (const warning of warnings)
    io.complain(formatPolicyError({ ...warning, message: `warning: ${warning.message}` }));
  if (!('policy' in result)) return;
  await io.write(`${file}: ${result.policy.rules} rules, hash ${result.policy.hash.slice(0, 8)}\n`);
  for (const { rule, asks: lines } of asks)
    await io.write(`  ${rule.padEnd(22)}asks ${lines.join(`\n${' '.repeat(2 + 22 + 5)}`)}\n`);
}

async function test(io: Io, file: string, json: boolean): Promise<void> {
  const policy = await loadOrFail(file);
  const results = await withPostgres(io, (postgres) =>
    runExamples(policy, async (engine, sql) => {
      const { analyse } = engine === 'postgres' ? forPostgres(postgres) : forMysql(engine);
      return (await analyse(Buffer.from(sql), {})).analysis;
    }),
  );
  const count = (outcome: string) => results.filter((result) => result.outcome === outcome).length;
  for (const { path, ...result } of results) {
    const { outcome, rule, expected, engine, sql, asks } = result;
    const who = asks === '' ? '' : `  [${asks}]`;
    const row = `${outcome.padEnd(8)}${rule.padEnd(22)}${expected.padEnd(8)}${engine.padEnd(10)}${oneLine(sql)}${who}`;
    await io.write(json ? `${JSON.stringify(result)}\n` : `${row}\n`);
    if (outcome === 'failed') io.complain(formatPolicyError(policy.error(path, result.detail)));
  }
  if (count('passed') === 0) io.complain(`${file} has no example that could be run`);
  if (!json) await io.write(`${count('passed')} passed, ${count('failed')} failed\n`);
  if (count('failed') > 0 || count('passed') === 0) process.exitCode = EXIT.failed;
}

async function explain(io: Io, sql: string | undefined, given: ExplainOptions): Promise<void> {
  if (given.upstream !== undefined)
    throw new Failure(
      '--upstream: names are not yet resolved with a live catalog; leave it out, and a name that needs one is `unresolved`',
    );
  const policy = await loadOrFail(given.policy);
  const run = (engine: EngineAnalysis): Promise<void> =>
    sql === undefined
      ? explainLines(io, policy, engine)
      : explainArgument(io, policy, engine, sql, given.json ?? false);
  if (given.engine === 'postgres') await withPostgres(io, (postgres) => run(forPostgres(postgres)));
  else await run(forMysql(given.engine));
}

/** An engine's analysis of texts, of a session as a line describes it. */
interface EngineAnalysis {
  readonly engine: Engine;
  readonly analyse: (sql: Uint8Array, session: Described) => Promise<Explained> | Explained;
}

const forPostgres = ({ analyse }: PostgresAnalysis): EngineAnalysis => ({
  engine: 'postgres',
  analyse: (sql, { server_version, database, search_path, role, in_transaction, earlier }) =>
    analyse(sql, {
      ...given({ database, search_path, role, in_transaction, earlier }),
      ...(server_version === undefined ? {} : { server_version: Number.parseInt(String(server_version), 10) }),
    }),
});

const forMysql = (engine: 'mysql' | 'mariadb'): EngineAnalysis => ({
  engine,
  analyse: (sql, session) => analyseMysqlWithSession(engine, Buffer.from(sql).toString('latin1'), given(session)),
});

type Given<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without the keys that have no value. */
const given = <T extends object>(all: T): Given<T> =>
  Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Given<T>;

async function explainArgument(
  io: Io,
  policy: LoadedPolicy,
  engine: EngineAnalysis,
  sql: string,
  json: boolean,
): Promise<void> {
  const bytes = Buffer.from(sql);
  const input = LINE.parse({});
  const { analysis, ...state } = await engine.analyse(bytes, input.session);
  const explained = policy.explain(question(engine.engine, analysis, input, state));
  const rules = policy.file.rules.map(({ id }) => id);
  const text = json
    ? JSON.stringify(explanationJson(null, analysis, explained))
    : explanationText(bytes, analysis, explained, rules);
  await io.write(`${text}\n`);
}

async function explainLines(io: Io, policy: LoadedPolicy, engine: EngineAnalysis): Promise<void> {
  if (io.stdin.isTTY) throw new Failure('give a statement as argument, or JSON lines on standard input', EXIT.usage);
  let out = '';
  for await (const { number, text } of readLines(io.stdin)) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      io.complain(`line ${number} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = EXIT.usage;
      continue;
    }
    out += `${JSON.stringify(await explainLine(io, policy, engine, number, value))}\n`;
    if (out.length >= OUTPUT_CHARACTERS) {
      await io.write(out);
      out = '';
    }
  }
  await io.write(out);
}

async function explainLine(
  io: Io,
  policy: LoadedPolicy,
  engine: EngineAnalysis,
  number: number,
  value: unknown,
): Promise<unknown> {
  const parsed = LINE.safeParse(value);
  const input = parsed.success ? parsed.data : LINE.parse({});
  const bytes = input.sql_hex === undefined ? input.sql : Buffer.from(input.sql_hex, 'hex');
  if (!parsed.success || bytes === undefined) {
    const [issue] = parsed.success ? [] : parsed.error.issues;
    const why = issue ? `${issue.path.join('.')}: ${issue.message}` : 'neither sql nor sql_hex';
    io.complain(`line ${number}: ${why}`);
    process.exitCode ??= EXIT.failed;
    const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : null;
    const analysis = unreadable(why);
    const state = { in_transaction: false, role: null, role_is_local: false };
    return explanationJson(id, analysis, policy.explain(question(engine.engine, analysis, LINE.parse({}), state)));
  }
  const exact = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  const { analysis, ...state } = await engine.analyse(exact, input.session);
  return explanationJson(input.id, analysis, policy.explain(question(engine.engine, analysis, input, state)));
}

// `params` are accepted and change nothing, nor do the keys of the other engine: search_path, sql_mode and charset.
const LINE = z.object({
  id: z.unknown().default(null),
  sql: z.string().optional(),
  sql_hex: z
    .string()
    .regex(/^([0-9a-f]{2})*$/i, 'not hex')
    .optional(),
  session: z
    .object({
      server_version: z.union([z.number(), z.string().regex(/^\d+/, 'not a version')]),
      database: z.string(),
      search_path: z.string(),
      sql_mode: z.string(),
      charset: z.string(),
      role: z.string(),
      in_transaction: z.boolean(),
      earlier: z.array(z.string()),
    })
    .partial()
    .prefault({}),
  as: z
    .object({
      id: z.string().default('agent'),
      kind: z.enum(['agent', 'human']).default('agent'),
      groups: z.array(z.string()).default([]),
      sponsor: z.string().nullable().default(null),
    })
    .prefault({}),
});
type Input = z.output<typeof LINE>;
type Described = Input['session'];

/** What stands for a listener's login and for its database. */
const ASSUMED = {
  postgres: { authentication: 'scram-sha-256', database: 'postgres' },
  mysql: { authentication: 'caching_sha2_password', database: 'app' },
  mariadb: { authentication: 'caching_sha2_password', database: 'app' },
} as const;

function question(
  engine: Engine,
  analysis: Analysis,
  { session, as }: Input,
  state: Pick<Explained, 'in_transaction' | 'role' | 'role_is_local'>,
): PolicyQuestion {
  const { authentication, database } = ASSUMED[engine];
  return {
    analysis,
    who: { ...as, authentication, address: '127.0.0.1' },
    where: { engine, upstream: 'explain', database: session.database ?? database, tags: {} },
    session: { application_name: '', ...state },
    now: Date.now(),
  };
}

/** A line that carries no statement is told as one that does not parse: one line out for each line in. */
function unreadable(why: string): Analysis {
  return refusedAnalysis('', { sqlstate: '22023', message: why, position: 0 }, null);
}

async function postgresAnalysis(): Promise<PostgresAnalysis> {
  const analyser = await PostgresAnalyser.create();
  return {
    analyse: (sql, session) => analyseWithSession(analyser, Buffer.from(sql).toString('latin1'), session),
    close: () => analyser.close(),
  };
}

async function withPostgres<Result>(io: Io, use: (postgres: PostgresAnalysis) => Promise<Result>): Promise<Result> {
  const postgres = await io.postgres();
  try {
    return await use(postgres);
  } finally {
    await postgres.close();
  }
}

async function loadOrFail(file: string): Promise<LoadedPolicy> {
  const result = await loadPolicy(file);
  if ('errors' in result) throw new Failure(allErrors(result.errors));
  return result.policy;
}

const allErrors = (errors: readonly PolicyError[]): string => errors.map(formatPolicyError).join('\n');

const oneLine = (sql: string): string => {
  const line = sql.replace(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
};

/** Waits until the reader has taken it, so that a slow one bounds memory. */
function writeOut(text: string): Promise<void> {
  if (!process.stdout.listeners('error').includes(leaveUnread)) process.stdout.on('error', leaveUnread);
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}

/** `... | head`: nobody reads any more, which is no fault. */
function leaveUnread(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
}
