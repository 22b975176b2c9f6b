// `holdpoint policy check | test | explain`: a policy file's faults, its own examples, and what it says of a statement.
// Nothing here reaches a database or the gateway.
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { z } from 'zod';
import type { Analyse } from '../policy/examples.ts';
import { runExamples } from '../policy/examples.ts';
import { type LoadedPolicy, loadPolicy } from '../policy/load.ts';
import { formatPolicyError } from '../policy/source.ts';
import type { PolicyError, PolicyQuestion } from '../policy/types.ts';
import type { Analysis } from '../sql/findings.ts';
import { explanationJson, explanationText } from './explanation.ts';
import { EXIT, Failure } from './failure.ts';
import { readLines } from './lines.ts';

const STARTER = fileURLToPath(new URL('../../policies/starter.yaml', import.meta.url));
const OUTPUT_CHARACTERS = 65_536;

/** `earlier` statements were sent before on the same session; all else as the interface describes it. */
export interface ExplainSession {
  readonly server_version: number;
  readonly database: string;
  readonly role: string;
  readonly search_path: string;
  readonly earlier: readonly Uint8Array[];
}

/** PostgreSQL's analysis of a text, as a session in these circumstances would send it. */
export type PostgresAnalysis = (sql: Uint8Array, session: ExplainSession) => Analysis | Promise<Analysis>;

export interface PolicyCommandOptions {
  /** Loads the analyser: called once, by the commands that need it. */
  readonly postgres: () => Promise<PostgresAnalysis>;
  readonly stdin?: AsyncIterable<Buffer | string> & { readonly isTTY?: boolean };
  /** Writes to standard output; resolves when more may be written. */
  readonly write?: (text: string) => Promise<void>;
  readonly complain?: (text: string) => void;
}

export function policyCommand(options: PolicyCommandOptions): Command {
  const io: Io = {
    postgres: options.postgres,
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
A line of standard input: {"id": any, "sql": text | "sql_hex": bytes, "session": {...}, "as": {...}}, with
session {server_version, database, search_path, role, in_transaction, earlier: [sql]} and as {id, kind, groups, sponsor},
all optional. One line comes out for each, in order.

Exit status: 0; 1 for a fault, or a line without a statement; 2 when an input line was not JSON.
Examples:
  holdpoint policy explain --engine postgres "COPY customers TO STDOUT"
  echo '{"id": 1, "sql": "DROP TABLE t"}' | holdpoint policy explain --engine postgres`;

type Io = Required<PolicyCommandOptions>;

interface ExplainOptions {
  readonly engine: 'postgres' | 'mysql' | 'mariadb';
  readonly policy: string;
  readonly upstream?: string;
  readonly json?: true;
}

async function check(io: Io, file: string, json: boolean): Promise<void> {
  const result = await loadPolicy(file);
  const [errors, warnings] = 'errors' in result ? [result.errors, []] : [[], result.warnings];
  if (errors.length > 0) process.exitCode = EXIT.failed;
  if (json) {
    const loaded = 'policy' in result ? { rules: result.policy.rules, hash: result.policy.hash } : {};
    await io.write(`${JSON.stringify({ ok: errors.length === 0, path: file, ...loaded, errors, warnings })}\n`);
    return;
  }
  for (const error of errors) io.complain(formatPolicyError(error));
  for (const warning of warnings)
    io.complain(formatPolicyError({ ...warning, message: `warning: ${warning.message}` }));
  if ('policy' in result)
    await io.write(`${file}: ${result.policy.rules} rules, hash ${result.policy.hash.slice(0, 8)}\n`);
}

async function test(io: Io, file: string, json: boolean): Promise<void> {
  const policy = await loadOrFail(file);
  const results = await runExamples(policy, await exampleAnalyser(io));
  const count = (outcome: string) => results.filter((result) => result.outcome === outcome).length;
  for (const { path, ...result } of results) {
    if (json) await io.write(`${JSON.stringify(result)}\n`);
    else
      await io.write(
        `${result.outcome.padEnd(8)}${result.rule.padEnd(22)}${result.expected.padEnd(8)}${oneLine(result.sql)}\n`,
      );
    if (result.outcome === 'failed') io.complain(formatPolicyError(policy.error(path, result.detail)));
  }
  if (count('skipped') > 0) io.complain(`${count('skipped')} skipped: this release analyses PostgreSQL only`);
  if (!json) await io.write(`${count('passed')} passed, ${count('failed')} failed\n`);
  if (count('passed') === 0) io.complain(`${file} has no example that could be run`);
  if (count('failed') > 0 || count('passed') === 0) process.exitCode = EXIT.failed;
}

async function explain(io: Io, sql: string | undefined, given: ExplainOptions): Promise<void> {
  if (given.engine !== 'postgres')
    throw new Failure(
      `--engine ${given.engine}: comes with MySQL support, which is not in this release; use --engine postgres`,
    );
  if (given.upstream !== undefined)
    throw new Failure(
      '--upstream: names are not yet resolved with a live catalog; leave it out, and a name that needs one is `unresolved`',
    );
  const policy = await loadOrFail(given.policy);
  const analyse = await io.postgres();
  if (sql === undefined) return explainLines(io, policy, analyse);

  const bytes = Buffer.from(sql);
  const input = LINE.parse({});
  const analysis = await analyse(bytes, sessionOf(input));
  const explained = policy.explain(question(analysis, input));
  if (given.json) return io.write(`${JSON.stringify(explanationJson(null, analysis, explained))}\n`);
  const rules = policy.file.rules.map(({ id }) => id);
  return io.write(`${explanationText(bytes, analysis, explained, rules)}\n`);
}

async function explainLines(io: Io, policy: LoadedPolicy, analyse: PostgresAnalysis): Promise<void> {
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
    out += `${JSON.stringify(await explainLine(io, policy, analyse, number, value))}\n`;
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
  analyse: PostgresAnalysis,
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
    return explanationJson(id, analysis, policy.explain(question(analysis, LINE.parse({}))));
  }
  const analysis = await analyse(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, sessionOf(input));
  return explanationJson(input.id, analysis, policy.explain(question(analysis, input)));
}

// `params`, `sql_mode` and `charset` are accepted and change nothing here: no fact of PostgreSQL depends on them.
const LINE = z.object({
  id: z.unknown().default(null),
  sql: z.string().optional(),
  sql_hex: z
    .string()
    .regex(/^([0-9a-f]{2})*$/i, 'not hex')
    .optional(),
  session: z
    .object({
      server_version: z.union([z.number(), z.string().regex(/^\d+/, 'not a version')]).default(18),
      database: z.string().default('app'),
      search_path: z.string().default('"$user", public'),
      role: z.string().optional(),
      in_transaction: z.boolean().default(false),
      earlier: z.array(z.string()).default([]),
    })
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

function sessionOf({ session, as }: Input): ExplainSession {
  return {
    server_version: Math.trunc(Number.parseFloat(String(session.server_version))),
    database: session.database,
    role: session.role ?? as.id,
    search_path: session.search_path,
    earlier: session.earlier.map((sql) => Buffer.from(sql)),
  };
}

function question(analysis: Analysis, { session, as }: Input): PolicyQuestion {
  return {
    analysis,
    who: { ...as, authentication: 'scram-sha-256', address: '127.0.0.1' },
    where: { engine: 'postgres', upstream: 'explain', database: session.database, tags: {} },
    session: { in_transaction: session.in_transaction, application_name: '', role: session.role ?? as.id },
    now: Date.now(),
  };
}

/** A line that carries no statement is told as one that does not parse: one line out for each line in. */
function unreadable(why: string): Analysis {
  return {
    statements: [],
    findings: [],
    reads: [],
    writes: [],
    functions: [],
    effects: [],
    own: [],
    forward: null,
    position_shift: [],
    shape: '',
    reason: null,
    session_bound: false,
    error: { sqlstate: '22023', message: why, position: 0 },
  };
}

async function exampleAnalyser(io: Io): Promise<Analyse> {
  const analyse = await io.postgres();
  const session = sessionOf(LINE.parse({}));
  return (engine, sql) => (engine === 'postgres' ? analyse(Buffer.from(sql), session) : null);
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
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}
