// `holdpoint start`, what `npm start` runs: the gateway and the console on this machine, before a PostgreSQL with sample data or before a
// server given with --upstream, with an agent, its sponsor and a reviewer. Listens on 127.0.0.1 only; for anything more there is `serve`.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { stringify } from 'yaml';
import { type Config, loadConfig } from '../config/config.ts';
import { makeScramVerifier } from '../identity/scram.ts';
import { createLog } from '../telemetry/log.ts';
import { check } from './check.ts';
import { banner } from './demo/banner.ts';
import { freePort } from './demo/cluster.ts';
import { DemoError, startDemoDatabase } from './demo/postgres.ts';
import { EXIT, Failure } from './failure.ts';
import { nextSignal } from './lifetime.ts';
import type { Deps } from './ports.ts';
import { VERSION } from './version.ts';

interface StartOptions {
  readonly data: string;
  readonly upstream?: string;
  readonly port: number;
  readonly consolePort: number;
}

/** What stands behind the gateway, and how it is told about. */
interface Upstream {
  readonly url: string;
  readonly tls: string | null;
  readonly text: string;
  readonly note: string;
  readonly sample: boolean;
  stop(): Promise<void>;
  /** Resolves when it ends by itself. */
  readonly lost: Promise<string>;
}

const TLS_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
const POLICY = fileURLToPath(new URL('../../policies/starter.yaml', import.meta.url));
const HINT =
  'To guard your own database: npm start -- --upstream postgres://user@host:5432/db (npm keeps flags that stand before --)';

export function startCommand(deps: Deps): Command {
  return new Command('start')
    .alias('demo')
    .description('try it: gateway, console and a PostgreSQL with sample data on this machine')
    .option('--upstream <url>', 'guard this server instead of the sample one: postgres://user:password@host:5432/db')
    .option('--data <folder>', 'where everything is kept; a second start finds it', 'data')
    .option('--port <number>', "the agent's port; the next free one if it is taken", port, 6432)
    .option('--console-port <number>', "the console's port; the next free one if it is taken", port, 8080)
    .argument('[words...]')
    .action(async (words: string[], options: StartOptions) => {
      refuseStrays(words);
      await start(deps, options);
    });
}

function refuseStrays(words: readonly string[]): void {
  const swallowed = process.env['npm_config_upstream'];
  const stray = words[0] ?? swallowed;
  if (stray === undefined) return;
  throw new Failure(`start takes no argument, and '${withoutPassword(stray)}' is one.\n${HINT}`, EXIT.usage);
}

async function start(deps: Deps, options: StartOptions): Promise<void> {
  const signal = nextSignal().then(() => null);
  const data = resolve(options.data);
  const dir = join(data, 'demo');
  await mkdir(dir, { recursive: true });
  const upstream = options.upstream === undefined ? await sampleDatabase(data) : givenDatabase(options.upstream);
  try {
    const password = await people(dir);
    const { config, notes } = await configure({ dir, data, upstream, options });
    const [app] = config.postgres;
    if (app === undefined) throw new Error('no listener');
    const agent = `postgres://demo:${password}@${app.listen.host}:${app.listen.port}/${encodeURIComponent(app.upstream.database)}`;
    const { write, release } = waitingLines();
    const log = createLog({ format: 'short', write });
    const running = await deps.serve(config, { log, agentHint: agent }).catch((error: unknown) => {
      release();
      throw error;
    });
    try {
      process.stdout.write(
        banner({
          version: VERSION,
          database: { text: upstream.text, note: upstream.note },
          policy: { ...running.policy, path: fromHere(running.policy.path).replace(/^\.\//, '') },
          log: fromHere(running.log),
          agent,
          grace: `${running.review.url}/in/${running.oneTime('grace')}`,
          ada: `${running.review.url}/in/${running.oneTime('ada')}`,
          sample: upstream.sample,
          notes,
        }),
      );
      release();
      const fault = await Promise.race([signal, upstream.lost]);
      process.stdout.write(fault === null ? '\n  Stopping\n' : `\n  ${fault}; stopping\n`);
      if (fault !== null) process.exitCode = EXIT.failed;
    } finally {
      await running.stop();
    }
  } finally {
    await upstream.stop();
  }
  process.stdout.write('  Stopped. The next start finds its data.\n');
  // All that must last is closed; the clock of a request that is still open must not keep the process.
  process.exit();
}

/** Lines wait until `release`: how to connect stands first. */
function waitingLines(): { readonly write: (line: string) => void; readonly release: () => void } {
  let waiting: string[] | null = [];
  return {
    write: (line) => void (waiting?.push(line) ?? process.stdout.write(line)),
    release: () => {
      process.stdout.write((waiting ?? []).join(''));
      waiting = null;
    },
  };
}

async function sampleDatabase(data: string): Promise<Upstream> {
  const database = await startDemoDatabase({ dir: join(data, 'postgres') }).catch((error: unknown) => {
    throw error instanceof DemoError ? new Failure(error.message) : error;
  });
  const major = database.version.split('.')[0] ?? '';
  return {
    url: database.url,
    tls: null,
    text: `PostgreSQL ${major}, started here with sample data`,
    note: `ready in ${(database.ready_ms / 1000).toFixed(1)} s`,
    sample: true,
    stop: () => database.stop(),
    lost: database.ended.then(() => 'the sample database ended by itself'),
  };
}

/** libpq's sslmode stands in many a connection string; it becomes upstream_tls. The modes that protect from nobody are refused. */
function givenDatabase(given: string): Upstream {
  const [url = '', query = ''] = given.split('?', 2);
  const settings = new URLSearchParams(query);
  const tls = settings.get('sslmode');
  const others = [...settings.keys()].filter((name) => name !== 'sslmode');
  if (others.length > 0)
    throw new Failure(`--upstream takes no ${others.join(', ')} in its address, only sslmode`, EXIT.usage);
  if (tls !== null && !(TLS_MODES as readonly string[]).includes(tls)) {
    throw new Failure(`sslmode=${tls} is not one of ${TLS_MODES.join(', ')}`, EXIT.usage);
  }
  return {
    url,
    tls,
    text: `${withoutPassword(url)}, yours`,
    note: '',
    sample: false,
    stop: async () => {},
    lost: new Promise(() => {}),
  };
}

/** users.yaml and the agent's password, made by the first start and kept: people may add to them, and connection strings last. */
async function people(dir: string): Promise<string> {
  const users = join(dir, 'users.yaml');
  const secret = join(dir, 'agent.password');
  if (existsSync(users) && existsSync(secret)) return await readFile(secret, 'utf8');
  const password = randomBytes(6).toString('hex');
  const entries = [
    { id: 'demo', kind: 'agent', groups: ['agents'], sponsor: 'ada', postgres: await makeScramVerifier(password) },
    { id: 'ada', kind: 'human', groups: ['team'], roles: ['reviewer'] },
    { id: 'grace', kind: 'human', groups: ['team'], roles: ['reviewer'] },
  ];
  await writeFile(users, `# Made by 'holdpoint start'.\n${stringify({ users: entries }, { lineWidth: 0 })}`, {
    mode: 0o600,
  });
  await writeFile(secret, password, { mode: 0o600 });
  return password;
}

/** Writes what this start serves as a configuration file and reads it as `serve` would. */
async function configure(at: {
  readonly dir: string;
  readonly data: string;
  readonly upstream: Upstream;
  readonly options: StartOptions;
}): Promise<{ readonly config: Config; readonly notes: readonly string[] }> {
  const agents = await freePort(at.options.port);
  const reviewers = await freePort(at.options.consolePort);
  const wanted = [
    { wanted: at.options.port, got: agents },
    { wanted: at.options.consolePort, got: reviewers },
  ];
  const { url, password } = splitPassword(at.upstream.url);
  if (password !== null) await writeFile(join(at.dir, 'upstream.password'), password, { mode: 0o600 });
  const text = stringify({
    data: at.data,
    policy: POLICY,
    postgres: [
      {
        name: 'app',
        listen: `127.0.0.1:${agents}`,
        upstream: password === null ? url : url.replace('@', ':file:upstream.password@'),
        ...(at.upstream.tls === null ? {} : { upstream_tls: { mode: at.upstream.tls } }),
        tags: { env: 'demo' },
      },
    ],
    review: { listen: `127.0.0.1:${reviewers}` },
    identity: { users: 'users.yaml' },
  });
  const file = join(at.dir, 'holdpoint.yaml');
  await writeFile(file, `# Written anew by each 'holdpoint start'.\n${text}`, { mode: 0o600 });
  const ports = wanted
    .filter((one) => one.wanted !== 0 && one.got !== one.wanted)
    .map((one) => `port ${one.wanted} is taken, ${one.got} it is`);
  const config = await loadConfig(file);
  if (at.upstream.sample) return { config, notes: ports };
  const found = (await check(file)).filter(({ level, about }) => level !== 'ok' && about === 'app');
  return { config, notes: [...ports, ...found.map(({ text: what }) => what)] };
}

/** The address without its password, and the password, decoded; PGPASSWORD where the address has none. */
function splitPassword(url: string): { readonly url: string; readonly password: string | null } {
  const parts = /^([^:/]+:\/\/[^:@/]*):(.*)(@[^@]*)$/s.exec(url);
  if (parts === null) return { url, password: url.includes('@') ? (process.env['PGPASSWORD'] ?? null) : null };
  const [, before = '', password = '', after = ''] = parts;
  try {
    return { url: before + after, password: decodeURIComponent(password) };
  } catch {
    return { url: before + after, password };
  }
}

function withoutPassword(url: string): string {
  return splitPassword(url).url;
}

function fromHere(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : `./${short}`;
}

function port(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535');
  return number;
}
