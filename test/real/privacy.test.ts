// What is private stands nowhere in clear: statements with a text of its own in every place where people put what is private are sent through a real
// gateway, allowed, denied, observed and held, as texts, parameters and data; then every file, line, event and answer is searched, in every spelling.
// HOLDPOINT_PROVE=1: every statement in every way; else all are denied, and some allowed, observed and held.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import mysql2 from 'mysql2/promise';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RequestView, ReviewClient } from '../../src/review/client.ts';
import { psql, until } from './clients.ts';
import { AGENT_PASSWORD, decide } from './gateway.ts';
import { available as mysqlAvailable, type Engine, ENGINES, startMysql, type TestMysql } from './mysql-servers.ts';
import { count, filled, leaksIn, sentinel } from './privacy/sentinel.ts';
import { MYSQL, POSTGRES } from './privacy/statements.ts';
import { type GatewayHome, gatewayHome, type GatewayProcess } from './process.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';
import { type ReceiverProcess, startReceiver } from './webhook-receiver.ts';

const proof = process.env['HOLDPOINT_PROVE'] === '1';
/** Of the statements, every so many'th goes that way: a held one needs a reviewer, and one that runs the server. */
const EVERY: Readonly<Record<string, number>> = proof
  ? {}
  : { '': 9, 'lane-deny': 3, 'lane-watch': 9, 'lane-hold': 30 };
/** Only what hangs takes so long. */
const STATEMENT_MS = 120_000;

/** Who sends decides what becomes of it; anybody else's is allowed. */
const LANES = ['lane-deny', 'lane-watch', 'lane-hold'] as const;
const POLICY = `version: 1
default: allow
rules:
  - {id: denied, when: 'session.application_name == "lane-deny"', then: deny}
  - {id: watched, when: 'session.application_name == "lane-watch"', then: hold, mode: observe}
  - {id: held, when: 'session.application_name == "lane-hold"', then: hold, ask: {permit: {for: 1h, uses: 9, rows: 100, writes: true}}}
`;

let receiver: ReceiverProcess;
let home: GatewayHome;
let gateway: GatewayProcess;

beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(async () => {
  await receiver?.stop();
});
afterEach(async () => {
  await home?.remove();
});

/** An agent's connection, which may end at any statement. */
interface Agent {
  /** Resolves when it is over, however. */
  send(sql: string): Promise<void>;
  /** With values that the driver sends beside it. */
  bound(sql: string, values: readonly (string | number | Buffer)[]): Promise<void>;
  close(): void;
}

async function begin(upstream: string, allowed: 'async' | 'sync'): Promise<void> {
  home = await gatewayHome({
    upstream,
    policy: POLICY,
    config: {
      audit: { allowed },
      limits: { requests_open_per_principal_max: 10_000, decisions_per_minute_max: 100_000 },
      chat: {
        webhooks: [
          {
            name: 'pager',
            url: receiver.url,
            secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
            allow_private: true,
            events: ['*'],
          },
        ],
      },
    },
  });
  gateway = await home.start();
}

/** Everything that is written or told of it, after it has ended; what the API says, before. */
async function searched(): Promise<{
  readonly leaks: readonly string[];
  readonly sealed: number;
  readonly types: ReadonlySet<string>;
}> {
  const leaks: string[] = [];
  // Who may not read texts.
  const petra = await gateway.token('petra');
  const grace = await gateway.token('grace');
  const answers: [string, string][] = [];
  for (const [token, path] of [
    [petra, '/api/requests?state=all'],
    [petra, '/api/permits'],
    [petra, '/api/sessions'],
    [petra, '/api/audit?limit=100'],
    [petra, '/api/policy'],
    [grace, '/api/policy'],
    [grace, '/api/health'],
  ] as const) {
    const response = await fetch(`${gateway.reviewUrl}${path}`, { headers: { authorization: `Bearer ${token}` } });
    answers.push([path, await response.text()]);
  }
  for (const [path, text] of answers) leaks.push(...leaksIn(`GET ${path}`, Buffer.from(text)));
  await gateway.kill('SIGTERM');
  const data = join(home.dir, 'data');
  const files = (await readdir(data, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  for (const { parentPath, name } of files) leaks.push(...leaksIn(name, await readFile(join(parentPath, name))));
  leaks.push(...leaksIn('standard output', Buffer.from(gateway.lines.join('\n'))));
  leaks.push(...leaksIn('standard error', Buffer.from(gateway.errors())));
  for (const { body } of receiver.arrived) leaks.push(...leaksIn('webhook', Buffer.from(body)));
  const records = await home.records();
  const types = new Set(records.map(({ type }) => type));
  // It is there, sealed: else nothing was looked for.
  const sealed = records.filter(
    (record) => leaksIn('', Buffer.from(JSON.stringify(record.sealed ?? null))).length > 0,
  ).length;
  return { leaks: [...new Set(leaks)], sealed, types };
}

/** Does what reviewers do with it, with words of theirs, until its answer is there. */
async function reviewed(what: string, sent: Promise<void>, grace: ReviewClient, ada: ReviewClient): Promise<void> {
  let over = false;
  void sent.then(() => {
    over = true;
  });
  const known = new Set<string>();
  const deadline = Date.now() + STATEMENT_MS;
  await until(async () => {
    if (Date.now() > deadline) throw new Error(`no answer in ${STATEMENT_MS} ms to ${what}`);
    const { requests } = await grace.list({ state: 'open' });
    for (const request of requests.filter(({ id }) => !known.has(id))) {
      known.add(request.id);
      await act(acts++, request, grace, ada).catch(() => undefined);
    }
    return over;
  });
  await sent;
}

/** Of reviewers: each time something else. */
let acts = 0;
async function act(n: number, request: RequestView, grace: ReviewClient, ada: ReviewClient): Promise<void> {
  if (n % 3 === 0) {
    await grace.ask(request.id, `why ${sentinel()}?`);
    await ada.answer(request.id, `because ${sentinel()}`);
  }
  const { id, digest, revision } = request;
  if (n % 5 === 0) await ada.withdraw(id, sentinel());
  else if (n % 5 === 1) await decide(grace, request, 'deny', sentinel());
  else if (n % 5 === 2 && request.permit !== null)
    await grace.decide(id, {
      decision: 'approve',
      digest,
      revision,
      rationale: sentinel(),
      permit: { for: '1h', uses: 2, rows: 10 },
    });
  else await decide(grace, request, 'approve', sentinel());
}

/** Each template in each way. */
async function sendAll(templates: readonly string[], connect: (lane: string) => Promise<Agent>): Promise<void> {
  for (const lane of ['', ...LANES]) {
    const [grace, ada] = [await gateway.reviewer('grace'), await gateway.reviewer('ada')];
    let agent = await connect(lane === '' ? sentinel() : lane);
    for (const [n, template] of templates.entries()) {
      if (n % (EVERY[lane] ?? 1) !== 0) continue;
      await reviewed(
        template,
        agent.send(filled(template)).then(() => agent.send('ROLLBACK')),
        grace,
        ada,
      );
      // Settings and doubts of one are not those of the next.
      if (n % 10 === 9) {
        agent.close();
        agent = await connect(lane === '' ? sentinel() : lane);
      }
    }
    agent.close();
  }
}

/** With values beside the text. */
async function sendBound(
  statements: readonly (readonly [string, ...(string | Buffer)[]])[],
  connect: (lane: string) => Promise<Agent>,
): Promise<void> {
  const [grace, ada] = [await gateway.reviewer('grace'), await gateway.reviewer('ada')];
  for (const lane of ['', ...LANES]) {
    const agent = await connect(lane === '' ? sentinel() : lane);
    for (const [sql, ...values] of statements) await reviewed(sql, agent.bound(sql, values), grace, ada);
    agent.close();
  }
}

/** Nothing of it is in clear, and all of it was there to be found. */
async function told(name: string, statements: number): Promise<void> {
  const { leaks, sealed, types } = await searched();
  console.log(
    `${name}: ${statements} statements, ${count()} private texts so far, sealed in ${sealed} records, ${leaks.length} in clear`,
  );
  expect(leaks.slice(0, 20)).toEqual([]);
  expect(sealed).toBeGreaterThan(statements / 4);
  for (const type of proof ? ALL_TYPES : TYPES) expect([type, types.has(type)]).toEqual([type, true]);
}

const TYPES = [
  'session.opened',
  'statements',
  'statement.denied',
  'statement.observed',
  'request.opened',
  'request.decided',
];
const ALL_TYPES = [
  ...TYPES,
  'statement.refused',
  'request.asked',
  'request.answered',
  'request.withdrawn',
  'request.executed',
  'request.failed',
];

describe('PostgreSQL', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(NEWEST);
    await server.admin(`CREATE ROLE plain LOGIN PASSWORD 'p'; CREATE ROLE reporter;
      CREATE TABLE people (id int PRIMARY KEY, name text UNIQUE, notes text, card bigint, salary bigint);
      INSERT INTO people VALUES (1, 'someone', '', 1, 1); GRANT ALL ON people TO plain`);
  });
  afterAll(async () => {
    await server?.stop();
  });

  const connect = async (application_name: string): Promise<Agent> => {
    let client: pg.Client;
    const again = async (): Promise<void> => {
      client = new pg.Client({ connectionString: gateway.agentUrl, application_name });
      client.on('error', () => {});
      await client.connect();
    };
    await again();
    const over = async (result: Promise<unknown>): Promise<void> => {
      const error = await result.then(
        () => null,
        (one: pg.DatabaseError) => one,
      );
      if (error !== null && !error.severity?.startsWith('ERROR')) await again();
    };
    return {
      send: (sql) => over(client.query(sql)),
      bound: (text, values) =>
        over(
          client.query({
            text,
            values: [...values],
            name: text.includes('name =') ? 'a name' : undefined,
          } as pg.QueryConfig),
        ),
      close: () => client.connection.stream.destroy(),
    };
  };

  test('statements, parameters, COPY, words of people, passwords, names of programs', {
    timeout: 600_000,
  }, async () => {
    await begin(server.url.replace(/\/\/[^@]+@/, '//plain:p@'), 'sync');
    await sendAll(POSTGRES, connect);
    await sendBound(
      [
        [
          'SELECT $1::text, $2::bytea, $3::jsonb',
          sentinel(),
          Buffer.from(sentinel()),
          JSON.stringify({ a: sentinel() }),
        ],
        ['SELECT * FROM people WHERE name = $1 AND card = $2', sentinel(), '770077007700123456'],
        ['INSERT INTO people (id, name, notes) VALUES (1, $1, $2)', sentinel(), sentinel()],
        ['SELECT $1::int', sentinel()],
        ['UPDATE people SET notes = $1 WHERE name = $2', sentinel(), sentinel()],
      ],
      connect,
    );
    const rows = `${sentinel()}\n${sentinel()}\n`;
    for (const copied of ['COPY people (name) FROM STDIN', 'COPY people (card) FROM STDIN'])
      await psql(gateway.agentUrl, ['-c', copied], { input: rows });
    await told('PostgreSQL', POSTGRES.length);
  });
});

describe.each(ENGINES.filter(mysqlAvailable))('%s', (engine: Engine) => {
  let server: TestMysql;
  beforeAll(async () => {
    server = await startMysql(engine);
    await server.sql(`CREATE DATABASE app; USE app;
      CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(200) UNIQUE, notes TEXT, card BIGINT);
      INSERT INTO people VALUES (1, 'someone', '', 1);
      CREATE USER plain@'%' IDENTIFIED BY 'p'; GRANT ALL ON app.* TO plain@'%'`);
  });
  afterAll(async () => {
    await server?.stop();
  });

  const connect = async (program_name: string): Promise<Agent> => {
    let client: mysql2.Connection;
    const again = async (): Promise<void> => {
      client = await mysql2.createConnection({
        host: '127.0.0.1',
        port: gateway.port,
        user: 'bot',
        password: AGENT_PASSWORD,
        database: 'app',
        connectAttributes: { program_name },
      });
      client.on('error', () => {});
    };
    await again();
    const over = async (result: Promise<unknown>): Promise<void> => {
      const error = await result.then(
        () => null,
        (one: { readonly fatal?: boolean }) => one,
      );
      if (error?.fatal) await again();
    };
    return {
      send: (sql) => over(client.query(sql)),
      bound: (sql, values) => over(client.execute(sql, [...values])),
      close: () => client.destroy(),
    };
  };

  test('statements, parameters, words of people, passwords, names of programs', { timeout: 600_000 }, async () => {
    await begin(`mysql://plain:p@127.0.0.1:${server.port}/app`, 'async');
    await sendAll(MYSQL, connect);
    await sendBound(
      [
        ['SELECT ?, ?', sentinel(), Buffer.from(sentinel())],
        ['SELECT * FROM people WHERE name = ? AND card = ?', sentinel(), '770077007700123456'],
        ['INSERT INTO people (id, name, notes) VALUES (1, ?, ?)', sentinel(), sentinel()],
        ['INSERT INTO people (id, card) VALUES (2, ?)', sentinel()],
        ['UPDATE people SET notes = ? WHERE name = ?', sentinel(), sentinel()],
      ],
      connect,
    );
    await told(engine, MYSQL.length);
  });
});
