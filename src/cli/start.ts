// `holdpoint start`, what `npm start` runs: the gateway and the console on this machine, before a PostgreSQL with sample data or before a
// server given with --upstream, and beside it before a MySQL or MariaDB given with --mysql-upstream; with an agent, its sponsor and a reviewer.
// Listens on 127.0.0.1 only; for anything more there is `serve`.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { stringify } from 'yaml';
import { type Config, loadConfig, OBSERVING } from '../config/config.ts';
import { addMysql } from '../identity/edit.ts';
import { makeScramVerifier } from '../identity/scram.ts';
import type { Guard } from '../review/ports.ts';
import { red } from '../telemetry/colour.ts';
import { createLog } from '../telemetry/log.ts';
import { check } from './check.ts';
import { banner, type Mysql, mysqlAddress, mysqlCommand } from './demo/banner.ts';
import { freePort } from './demo/cluster.ts';
import { DemoError, startDemoDatabase } from './demo/postgres.ts';
import { EXIT, Failure } from './failure.ts';
import { nextSignal } from './lifetime.ts';
import type { Deps } from './ports.ts';
import { VERSION } from './version.ts';

interface StartOptions {
  readonly data: string;
  readonly observe?: true;
  readonly upstream?: string;
  readonly mysqlUpstream?: string;
  readonly port: number;
  readonly mysqlPort: number;
  readonly consolePort: number;
}

/** A server that was given. */
interface Given {
  readonly url: string;
  readonly tls: string | null;
  /** How it is told about. */
  readonly text: string;
}

/** The PostgreSQL behind the gateway. */
interface Upstream extends Given {
  readonly note: string;
  readonly sample: boolean;
  stop(): Promise<void>;
  /** Resolves when it ends by itself. */
  readonly lost: Promise<string>;
}

/** How addresses of a kind say which TLS they want, as their own clients do, and what that is in the configuration; no mode that protects from nobody. */
interface Kind {
  readonly option: string;
  readonly tls: string;
  readonly modes: Readonly<Record<string, string>>;
  /** Environment variable of a password that the address does not have. */
  readonly password: string;
  /** Where the configuration finds it. */
  readonly password_file: string;
}

const POSTGRES: Kind = {
  option: '--upstream',
  tls: 'sslmode',
  modes: { disable: 'disable', require: 'require', 'verify-ca': 'verify-ca', 'verify-full': 'verify-full' },
  password: 'PGPASSWORD',
  password_file: 'upstream.password',
};
const MYSQL: Kind = {
  option: '--mysql-upstream',
  tls: 'ssl-mode',
  modes: { DISABLED: 'disable', REQUIRED: 'require', VERIFY_CA: 'verify-ca', VERIFY_IDENTITY: 'verify-full' },
  password: 'MYSQL_PWD',
  password_file: 'mysql-upstream.password',
};
const POLICY = fileURLToPath(new URL('../../policies/starter.yaml', import.meta.url));
const EXAMPLE = {
  postgres: 'npm start -- --upstream postgres://user@host:5432/db',
  mysql: 'npm start -- --mysql-upstream mysql://user@host:3306/db',
};

export function startCommand(deps: Deps): Command {
  return new Command('start')
    .alias('demo')
    .description('try it: gateway, console and a PostgreSQL with sample data on this machine')
    .option('--upstream <url>', 'guard this server instead of the sample one: postgres://user:password@host:5432/db')
    .option('--mysql-upstream <url>', 'guard this server too, MySQL or MariaDB: mysql://user:password@host:3306/db')
    .option('--observe', 'hold and deny nothing; record what would be')
    .option('--data <folder>', 'where everything is kept; a second start finds it', 'data')
    .option('--port <number>', "the agent's port; the next free one if it is taken", port, 6432)
    .option('--mysql-port <number>', 'the one before --mysql-upstream, likewise', port, 6033)
    .option('--console-port <number>', "the console's port; the next free one if it is taken", port, 8080)
    .argument('[words...]')
    .action(async (words: string[], options: StartOptions) => {
      refuseStrays(words);
      await start(deps, options);
    });
}

function refuseStrays(words: readonly string[]): void {
  const stray = words[0] ?? process.env['npm_config_upstream'] ?? process.env['npm_config_mysql_upstream'];
  if (stray === undefined) return;
  const example = /^(mysql|mariadb):/.test(stray) ? EXAMPLE.mysql : EXAMPLE.postgres;
  throw new Failure(
    `start takes no argument, and '${withoutPassword(stray)}' is one.\n` +
      `To guard your own database: ${example} (npm keeps flags that stand before --)`,
    EXIT.usage,
  );
}

async function start(deps: Deps, options: StartOptions): Promise<void> {
  const signal = nextSignal().then(() => null);
  const data = resolve(options.data);
  const dir = join(data, 'demo');
  await mkdir(dir, { recursive: true });
  const mysql = options.mysqlUpstream === undefined ? null : given(options.mysqlUpstream, MYSQL);
  const upstream = options.upstream === undefined ? await sampleDatabase(data) : givenDatabase(options.upstream);
  try {
    const password = await people(dir);
    const { config, notes } = await configure(deps, { dir, data, upstream, mysql, options });
    const [app] = config.postgres;
    const [beside] = config.mysql;
    if (app === undefined) throw new Error('no listener');
    const agent = `postgres://demo:${password}@${app.listen.host}:${app.listen.port}/${encodeURIComponent(app.upstream.database)}`;
    const { write, release } = waitingLines();
    const log = createLog({ format: 'short', write });
    const besideIt: Mysql | null =
      mysql === null || beside === undefined
        ? null
        : { text: mysql.text, password, ...beside.listen, database: beside.upstream.database, client: mysqlClient() };
    const hints: Guard[] = [{ engine: 'postgres', address: agent, command: null }];
    if (besideIt) hints.push({ engine: 'mysql', address: mysqlAddress(besideIt), command: mysqlCommand(besideIt) });
    const running = await deps.serve(config, { log, hints }).catch((error: unknown) => {
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
          mysql: besideIt,
          grace: `${running.review.url}/in/${running.oneTime('grace')}`,
          ada: `${running.review.url}/in/${running.oneTime('ada')}`,
          sample: upstream.sample,
          observing: config.mode === 'observe' ? red(OBSERVING) : null,
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

function givenDatabase(address: string): Upstream {
  return { ...given(address, POSTGRES), note: '', sample: false, stop: async () => {}, lost: new Promise(() => {}) };
}

/** What an address says of TLS becomes upstream_tls. */
function given(address: string, { option, tls: key, modes }: Kind): Given {
  const [url = '', query = ''] = address.split('?', 2);
  const settings = new URLSearchParams(query);
  const others = [...settings.keys()].filter((name) => name !== key);
  if (others.length > 0)
    throw new Failure(`${option} takes no ${others.join(', ')} in its address, only ${key}`, EXIT.usage);
  const asked = settings.get(key);
  const tls = asked === null ? null : modes[asked];
  if (tls === undefined)
    throw new Failure(`${key}=${asked} is not one of ${Object.keys(modes).join(', ')}`, EXIT.usage);
  return { url, tls, text: `${withoutPassword(url)}, yours` };
}

/** The client to show: the one that is here, and MariaDB's where both are, or none. */
function mysqlClient(): 'mysql' | 'mariadb' {
  const here = (name: string): boolean =>
    (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));
  return !here('mariadb') && here('mysql') ? 'mysql' : 'mariadb';
}

/** users.yaml and the agent's password, made by the first start and kept: people may add to them, and connection strings last. */
async function people(dir: string): Promise<string> {
  const users = join(dir, 'users.yaml');
  const secret = join(dir, 'agent.password');
  const there = existsSync(users) && existsSync(secret);
  const password = there ? await readFile(secret, 'utf8') : randomBytes(6).toString('hex');
  if (!there) {
    const entries = [
      { id: 'demo', kind: 'agent', groups: ['agents'], sponsor: 'ada', postgres: await makeScramVerifier(password) },
      { id: 'ada', kind: 'human', groups: ['team'], roles: ['reviewer'] },
      { id: 'grace', kind: 'human', groups: ['team'], roles: ['reviewer'] },
    ];
    await writeFile(users, `# Made by 'holdpoint start'.\n${stringify({ users: entries }, { lineWidth: 0 })}`, {
      mode: 0o600,
    });
    await writeFile(secret, password, { mode: 0o600 });
  }
  // One that an earlier release made has none.
  await addMysql(users, 'demo', password);
  return password;
}

/** Writes what this start serves as a configuration file and reads it as `serve` would. */
async function configure(
  deps: Deps,
  at: {
    readonly dir: string;
    readonly data: string;
    readonly upstream: Upstream;
    /** Guarded beside it; null: none. */
    readonly mysql: Given | null;
    readonly options: StartOptions;
  },
): Promise<{ readonly config: Config; readonly notes: readonly string[] }> {
  const { upstream, mysql, options } = at;
  const wanted: { readonly wanted: number; readonly got: number }[] = [];
  const local = async (port_wanted: number): Promise<string> => {
    const got = await freePort(port_wanted);
    wanted.push({ wanted: port_wanted, got });
    return `127.0.0.1:${got}`;
  };
  const text = stringify({
    data: at.data,
    policy: POLICY,
    postgres: [
      { name: NAME.postgres, listen: await local(options.port), ...(await guarded(at.dir, upstream, POSTGRES)) },
    ],
    mysql:
      mysql === null
        ? []
        : [{ name: NAME.mysql, listen: await local(options.mysqlPort), ...(await guarded(at.dir, mysql, MYSQL)) }],
    review: { listen: await local(options.consolePort) },
    identity: { users: 'users.yaml' },
    mode: options.observe ? 'observe' : 'enforce',
  });
  const file = join(at.dir, 'holdpoint.yaml');
  await writeFile(file, `# Written anew by each 'holdpoint start'.\n${text}`, { mode: 0o600 });
  const ports = wanted
    .filter((one) => one.wanted !== 0 && one.got !== one.wanted)
    .map((one) => `port ${one.wanted} is taken, ${one.got} it is`);
  const config = await loadConfig(file);
  const yours = [...(upstream.sample ? [] : [NAME.postgres]), ...(mysql === null ? [] : [NAME.mysql])];
  if (yours.length === 0) return { config, notes: ports };
  const found = (await check(file, deps)).filter(({ level, about }) => level !== 'ok' && yours.includes(about));
  return { config, notes: [...ports, ...found.map(({ text: what }) => what)] };
}

/** Names of the listeners. */
const NAME = { postgres: 'app', mysql: 'mysql' };

/** A listener's part about its server; the password goes into a file of its own. */
async function guarded(dir: string, { url: address, tls }: Given, kind: Kind): Promise<object> {
  const { url, password } = splitPassword(address, kind.password);
  if (password !== null) await writeFile(join(dir, kind.password_file), password, { mode: 0o600 });
  return {
    upstream: password === null ? url : url.replace('@', `:file:${kind.password_file}@`),
    ...(tls === null ? {} : { upstream_tls: { mode: tls } }),
    tags: { env: 'demo' },
  };
}

/** The address without its password, and the password, decoded; where the address has none, that of the environment. */
function splitPassword(url: string, variable = ''): { readonly url: string; readonly password: string | null } {
  const parts = /^([^:/]+:\/\/[^:@/]*):(.*)(@[^@]*)$/s.exec(url);
  if (parts === null) return { url, password: url.includes('@') ? (process.env[variable] ?? null) : null };
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
