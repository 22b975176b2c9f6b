// False alarms: what tools do all day, each in its own process through a gateway with the starter policy before PostgreSQL 15, holds nothing
// and is refused nothing. Whatever is held is approved, so that a tool goes on and all that would be held is seen. Prints one table. A
// day of mixed work is drawn by the seed: seconds of it here, thousands of operations with HOLDPOINT_PROVE=1.
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RequestView } from '../../../src/review/client.ts';
import { PROVE, SEED } from '../../fuzz/random.ts';
import { sayDocumented } from '../drivers/documented.ts';
import { AGENT_PASSWORD, decide, startGateway, type TestGateway } from '../gateway.ts';
import { pgbouncerHere, startPgbouncer } from '../pgbouncer.ts';
import { available, startServer, type TestServer } from '../servers.ts';
import { startTap, type Tap } from '../tap.ts';
import { TOOLS, type Tool } from './tools.ts';

const run = promisify(execFile);

/** Longest that a tool may take, in ms. */
const TOOL_MS_MAX = PROVE ? 20 * 60_000 : 120_000;
/** Of each tool that has a day. */
const DAY_OPERATIONS = PROVE ? 1000 : 15;

/** What is shown of what a tool said before it failed. */
const FAULT_CHARS_MAX = 2000;

const OWNER = { user: 'app', password: 'app-secret', database: 'shop' };

/** Clients that can't be had here. */
const DOCUMENTED = [
  join(import.meta.dirname, '../drivers/startup/documented'),
  join(import.meta.dirname, 'documented'),
];

interface Row {
  readonly tool: string;
  readonly sent: number;
  readonly held: number;
  readonly refused: number;
}
const table: Row[] = [];

const version = ({ probe: [program, ...args] }: Tool): string | null => {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 ? (/\d+(\.\w+)+/.exec(stdout)?.[0] ?? '') : null;
};
const here = TOOLS.map((tool) => ({ tool, found: version(tool) }));

describe.skipIf(!available(15))('PostgreSQL 15', () => {
  let server: TestServer;
  let gateway: TestGateway;
  let clients: Tap;
  let servers: Tap;
  let temporary: string;
  let reviewer: { readonly held: RequestView[]; readonly ended: Promise<void> };

  beforeAll(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'holdpoint-ordinary-'));
    server = await startServer(15);
    const { user, password, database } = OWNER;
    const root = await server.admin(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'; CREATE ROLE reporting`);
    await root.query(`CREATE DATABASE ${database}`);
    const url = new URL(server.url);
    url.pathname = database;
    const shop = new pg.Client(url.href);
    await shop.connect();
    await shop.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'));
    await shop.query('ANALYZE');
    await shop.end();
    servers = await startTap(server.port);
    gateway = await startGateway({
      upstream: `postgres://${user}:${password}@127.0.0.1:${servers.port}/${database}`,
      reviewers: 20,
    });
    clients = await startTap(gateway.port);
    reviewer = approveAll(gateway);
  });
  afterAll(async () => {
    await clients?.close();
    await gateway?.stop();
    await servers?.close();
    await reviewer?.ended;
    await server?.stop();
    if (temporary) await rm(temporary, { recursive: true, force: true });
    console.log(printed());
  });

  const direct = () => ({ port: server.port, ...OWNER });
  const through = () => ({ port: clients.port, user: 'bot', password: AGENT_PASSWORD, database: OWNER.database });

  /** Runs it; throws with what it said if it does not end well. */
  const perform = async (
    [program = '', ...args]: readonly string[],
    { port, user, password, database }: ReturnType<typeof through>,
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PG'));
    const to = { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: user, PGPASSWORD: password, PGDATABASE: database };
    const { stdout } = await run(program, args, {
      env: {
        ...Object.fromEntries(own),
        ...to,
        // The taps read what is said.
        PGSSLMODE: 'disable',
        PGGSSENCMODE: 'disable',
        LC_ALL: 'C.UTF-8',
        TZ: 'Etc/UTC',
        TMPDIR: temporary,
        PYTHONDONTWRITEBYTECODE: '1',
        ...env,
      },
      maxBuffer: 256 * 1024 * 1024,
      timeout: TOOL_MS_MAX,
    });
    return stdout;
  };

  /** Nothing that is done meanwhile may be held or refused. */
  const unheld = async (tool: string, work: () => Promise<void>): Promise<void> => {
    const since = reviewer.held.length;
    clients.clear();
    servers.clear();
    let fault: string | undefined;
    await work().catch(
      (error: Error & { stderr?: string }) => (fault = (error.stderr ?? error.message).slice(-FAULT_CHARS_MAX)),
    );
    const held = reviewer.held.slice(since);
    const refused = clients.errors.filter((body) => !servers.errors.some((other) => same(other, body))).map(readable);
    const sent = clients.ran.length;
    table.push({ tool, sent, held: held.length, refused: refused.length });
    expect({ held: held.map(shown), refused, fault }).toEqual({ held: [], refused: [], fault: undefined });
    expect(sent).toBeGreaterThan(0);
  };

  for (const { tool, found } of here) {
    const { name, program, build, prepare, env } = tool;
    if (found === null) {
      test.skip(`${name}: not here; on Debian: apt-get install ${tool.packages.join(' ')}`, () => {});
      continue;
    }
    test(`${name} ${found}`, { timeout: TOOL_MS_MAX }, async () => {
      if (build) await perform(build, direct(), env);
      if (prepare) await perform(prepare, direct(), env);
      await unheld(`${name} ${found}`, async () => {
        const output = await perform(program, through(), env);
        // pg_dump draws a key for its \restrict by chance.
        const lines = (text: string) => text.split('\n').filter((line) => !/^\\(un)?restrict /.test(line));
        if (tool.same) expect(lines(output)).toEqual(lines(await perform(program, direct(), env)));
      });
    });
  }

  test('pg_dump as it is switches row_security off: that alone is held', { timeout: TOOL_MS_MAX }, async () => {
    const since = reviewer.held.length;
    await perform(['pg_dump', '--schema-only'], through());
    expect(reviewer.held.slice(since).map(({ statement }) => statement.text)).toEqual(['SET row_security = off']);
  });

  test.skipIf(!pgbouncerHere())('pgbouncer in session mode, which resets and checks', async () => {
    const { user, password } = through();
    const settings = ['server_reset_query = DISCARD ALL', 'server_check_query = SELECT 1', 'server_check_delay = 0'];
    const more = [...settings, 'default_pool_size = 1', 'server_tls_sslmode = disable'].join('\n');
    const bouncer = await startPgbouncer({ ...server, port: clients.port }, 'session', { user, password }, more);
    try {
      await unheld('pgbouncer in session mode', async () => {
        for (let client = 0; client < 3; client++) {
          const commands = ['SET work_mem = 5000', 'CREATE TEMP TABLE t (id int)', 'SELECT 1'];
          const to = { ...through(), port: bouncer.port, database: 'postgres' };
          await perform(['psql', '-X', ...commands.flatMap((command) => ['-c', command])], to);
        }
      });
      expect(clients.ran.filter((text) => text === 'DISCARD ALL').length).toBeGreaterThan(1);
    } finally {
      await bouncer.stop();
    }
  });

  for (const folder of DOCUMENTED) {
    for (const file of readdirSync(folder)) {
      const name = `${basename(file, '.txt')}, as documented`;
      test(name, async () => {
        await unheld(name, async () => {
          const bad = await sayDocumented(join(folder, file), clients.port, OWNER.database);
          if (bad.length > 0) throw new Error(bad.join('\n'));
        });
      });
    }
  }

  test('a day of mixed work', { timeout: TOOL_MS_MAX }, async () => {
    const days = here.flatMap(({ tool: { day, env }, found }) => (day && found !== null ? [{ day, env }] : []));
    const began = performance.now();
    await unheld('a day of mixed work', async () => {
      // At once, as they come in a day.
      const ends = await Promise.allSettled(
        days.map(({ day, env }, at) =>
          perform([...day, String(SEED + at), String(DAY_OPERATIONS)] as const, through(), env),
        ),
      );
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `a day: ${days.length * DAY_OPERATIONS} operations of ${days.length} tools, ${table.at(-1)?.sent} statements in ${seconds} s, HOLDPOINT_SEED=${SEED}`,
    );
  });
});

/** Approves what is held, as it comes, and keeps it. */
function approveAll(gateway: TestGateway): { readonly held: RequestView[]; readonly ended: Promise<void> } {
  const held: RequestView[] = [];
  const seen = new Set<string>();
  const approve = async (request: RequestView): Promise<void> => {
    if (request.state !== 'open' || seen.has(request.id)) return;
    seen.add(request.id);
    held.push(request);
    await decide(await gateway.inTurn(), request, 'approve');
  };
  const ended = (async () => {
    for await (const message of gateway.grace.stream()) {
      if (message.type === 'snapshot') for (const request of message.requests) await approve(request);
      else if ('request' in message && message.request) await approve(message.request);
    }
  })();
  return { held, ended };
}

/** The server's words; the gateway may have corrected the position in the text. */
function same(a: Buffer, b: Buffer): boolean {
  return withoutPosition(a) === withoutPosition(b);
}
function withoutPosition(body: Buffer): string {
  return body
    .toString('latin1')
    .split('\0')
    .filter((field) => !field.startsWith('P'))
    .join('\n');
}
function readable(body: Buffer): string {
  return body
    .toString('utf8')
    .split('\0')
    .filter((field) => /^[CMDH]/.test(field))
    .map((field) => field.slice(1))
    .join(' ');
}

function shown({ sentence, rule, statement, findings }: RequestView): string {
  const why = findings
    .filter(({ level }) => level !== 'low')
    .map(({ action, object, why: reason }) => `${action} ${object}: ${reason}`);
  return `${rule}: ${sentence} ${why.join('; ')} IN ${statement.text}`;
}

function printed(): string {
  const line = (tool: string, ...rest: readonly (string | number)[]): string =>
    [tool.padEnd(64), ...rest.map((cell) => String(cell).padStart(9))].join('');
  const rows = table.map(({ tool, sent, held, refused }) => line(tool, sent, held, refused));
  return [line('tool', 'sent', 'held', 'refused'), ...rows].join('\n');
}
