// What the session itself costs for one query, without any socket: framing, the statement's look-up, verdict from memory, reply tracking,
// audit entry; for both protocols. The client and the server are objects that swallow bytes.
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Desk, Permits } from '../src/approval/types.ts';
import { openAuditLog } from '../src/audit/log.ts';
import { DEFAULT_LIMITS } from '../src/config/config.ts';
import { createGate } from '../src/gate/gate.ts';
import { mysqlEngine } from '../src/gate/mysql.ts';
import { postgresEngine } from '../src/gate/postgres.ts';
import { RuleCounts } from '../src/gate/counts.ts';
import { LiveSessions } from '../src/gate/sessions.ts';
import { loadPolicy } from '../src/policy/load.ts';
import type { Gate, SessionFacts } from '../src/session/gate.ts';
import { MysqlSession } from '../src/session/mysql/session.ts';
import { reading } from '../src/session/postgres/facts.ts';
import { OWN_BIND, OWN_CLOSE, OWN_PARSE } from '../src/session/postgres/replies.ts';
import { PostgresSession } from '../src/session/postgres/session.ts';
import type { MysqlUpstream, Upstream, UpstreamEvents } from '../src/session/upstream.ts';
import { READING } from '../src/sql/postgres/catalog/reading.ts';
import { MysqlAnalyser } from '../src/sql/mysql/analyser.ts';
import { PostgresAnalyser } from '../src/sql/postgres/analyser.ts';
import { CLIENT } from '../src/wire/mysql/capabilities.ts';
import { COM } from '../src/wire/mysql/commands.ts';
import { packets } from '../src/wire/mysql/frame.ts';
import { command } from '../src/wire/mysql/messages.ts';
import { STATUS_FLAGS } from '../src/wire/mysql/replies.ts';
import { resultSet } from '../src/wire/mysql/results.ts';
import {
  bind,
  dataRowOfText,
  execute,
  parse,
  query,
  readyForQuery,
  rowDescriptionOfText,
  SYNC,
} from '../src/wire/postgres/messages.ts';
import { median } from './peers.ts';
import { execution } from './point-select.ts';

const ROUNDS = 5;
const QUERIES = 200_000;
const NEW_QUERIES = 20_000;
const QUERIES_A_TURN = 32;
const SQL = 'SELECT abalance FROM pgbench_accounts WHERE aid = ';

const dir = await mkdtemp(join(tmpdir(), 'holdpoint-bench-'));
const audit = await openAuditLog({ dir, node: 'bench' });
const analyser = await PostgresAnalyser.create();
const loaded = await loadPolicy(new URL('../policies/starter.yaml', import.meta.url).pathname);
if ('errors' in loaded) throw new Error('the starter policy does not load');
const fault = (what: string, error?: unknown): void => {
  throw new Error(what, { cause: error });
};
const gateOf = (engine: 'postgres' | 'mysql'): Gate =>
  createGate({
    engine: engine === 'postgres' ? postgresEngine(analyser, READING) : mysqlEngine(new MysqlAnalyser()),
    policy: () => loaded.policy,
    desk: {} as Desk,
    permits: {} as Permits,
    audit,
    allowed: 'async',
    role: async () => 'bench',
    token: () => null,
    isGood: () => null,
    who: ({ user: id }) => ({
      id,
      kind: 'agent',
      groups: [],
      sponsor: 'ada',
      authentication: '',
      address: '127.0.0.1',
    }),
    where: ({ database }) => ({ engine, upstream: 'app', database, tags: {} }),
    catalog: () => null,
    console: () => null,
    held_bytes_max: DEFAULT_LIMITS.held_bytes_max,
    impact: null,
    // What is measured here is the cost, not the brake on it.
    analysis_ms_per_s_max: 1e9,
    counts: new RuleCounts(),
    sessions: new LiveSessions(() => {}),
    fault,
  });
const opened = (gate: Gate, engine: 'postgres' | 'mysql', server_version: number, facts: SessionFacts) =>
  gate.open(
    {
      login: { user: 'bench', authentication: '', address: '127.0.0.1' },
      application_name: 'bench',
      database: 'app',
      listener: 'app',
      engine,
      upstream_user: 'bench',
      server_version,
      server_pid: 1,
      end: () => {},
    },
    facts,
  );

let written = 0;
const swallow = (bytes: Buffer): boolean => {
  written += bytes.length;
  return true;
};
const newClient = (): Duplex =>
  Object.assign(new EventEmitter(), {
    write: swallow,
    pause: () => {},
    resume: () => {},
    end: () => {},
    destroy: () => {},
  }) as unknown as Duplex;

/** `server` says its bytes as the server's. */
const newUpstream = (): { upstream: object; server: (bytes: Buffer) => void } => {
  let events: UpstreamEvents | null = null;
  const upstream = {
    user: 'bench',
    listen: (listener: UpstreamEvents) => {
      events = listener;
    },
    write: swallow,
    pause: () => {},
    resume: () => {},
    cancel: () => {},
    end: () => {},
    destroy: () => {},
  };
  return { upstream, server: (bytes) => events?.data(bytes) };
};

const measure = async (what: string, queries: number, one: (number: number) => void): Promise<void> => {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let count = 0; count < queries; count++) {
      one(round * queries + count);
      // What came in one turn is handled at its end; the log's own writes belong to the cost.
      if (count % QUERIES_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const { user, system } = process.cpuUsage(before);
    if (round > 0) times.push((user + system) / queries);
  }
  console.log(`${what.padEnd(60)} ${median(times).toFixed(2).padStart(7)} µs`);
};

const postgres = async (): Promise<void> => {
  const message = (type: string, body = ''): Buffer => {
    const bytes = Buffer.alloc(5 + body.length);
    bytes.write(type, 0, 'latin1');
    bytes.writeInt32BE(4 + body.length, 1);
    bytes.write(body, 5, 'latin1');
    return bytes;
  };
  const gate = gateOf('postgres');
  const client = newClient();
  const { upstream, server } = newUpstream();
  const session = new PostgresSession(
    client,
    { ...upstream, processId: 1, serverVersion: 18, parameters: new Map() } as unknown as Upstream,
    DEFAULT_LIMITS,
    { fault, closed: () => {} },
  );
  const ready = session.ready();
  const { names, ops } = reading(18, 'user-schema', null);
  const values = names.map((setting) => SETTINGS[setting] ?? '0');
  const shows = ops.map((op) => {
    if (op === OWN_PARSE) return message('1');
    if (op === OWN_BIND) return message('2');
    if (op === OWN_CLOSE) return message('3');
    return Buffer.concat([dataRowOfText([values.shift() ?? '']), message('C', 'SHOW\0')]);
  });
  server(Buffer.concat([...shows, readyForQuery(0x49)]));
  await ready;
  session.start(await opened(gate, 'postgres', 18, session.facts), Buffer.alloc(0));
  const to = (bytes: Buffer): void => void client.emit('data', bytes);
  const name = 'P_0';
  to(Buffer.concat([parse(name, `${SQL}$1;`), SYNC]));
  server(Buffer.concat([message('1'), readyForQuery(0x49)]));
  const request = Buffer.concat([bind('', name), message('D', 'P\0'), execute(''), SYNC]);
  const reply = Buffer.concat([
    message('2'),
    rowDescriptionOfText(['abalance']),
    dataRowOfText(['0']),
    message('C', 'SELECT 1\0'),
    readyForQuery(0x49),
  ]);
  await measure('postgres: prepared, verdict from memory', QUERIES, () => {
    to(request);
    server(reply);
  });
  const simple = reply.subarray(5);
  await measure('postgres: simple, the same text', QUERIES, () => {
    to(query(`${SQL}1;`));
    server(simple);
  });
  await measure('postgres: simple, never seen: parse, findings, policy', NEW_QUERIES, (number) => {
    to(query(`${SQL}${number};`));
    server(simple);
  });
  session.close({ severity: 'FATAL', sqlstate: '57P01', message: 'done' });
  await gate.close();
};

/** What a server says to the session's own questions. */
const SETTINGS: Readonly<Record<string, string>> = {
  search_path: '"$user", public',
  role: 'none',
  session_authorization: 'bench',
  standard_conforming_strings: 'on',
  client_encoding: 'UTF8',
};

const mysql = async (): Promise<void> => {
  const version = 101_119;
  const gate = gateOf('mysql');
  const client = newClient();
  const { upstream, server } = newUpstream();
  const capabilities = { flags: CLIENT.PROTOCOL_41 | CLIENT.TRANSACTIONS, mariadb: 0 };
  const format = { deprecateEof: false, optionalMetadata: false, extendedMetadata: false };
  const session = new MysqlSession(
    client,
    {
      ...upstream,
      server: { engine: 'mariadb', version, version_text: '10.11.19-MariaDB', capabilities, collation: 45 },
      threadId: 1,
      capabilities,
      status: STATUS_FLAGS.AUTOCOMMIT,
    } as unknown as MysqlUpstream,
    DEFAULT_LIMITS,
    { fault, kill: () => 'unknown', changeUser: () => {}, closed: () => {} },
  );
  const ready = session.ready(2);
  const result = (row: readonly string[]): Buffer =>
    resultSet(
      1,
      row.map((_, index) => `column${index}`),
      [row],
      STATUS_FLAGS.AUTOCOMMIT,
      format,
    );
  server(result(['STRICT_TRANS_TABLES', 'utf8mb4', 'app', 'NONE', '28800', 'sql_mode', '0', '0', '0']));
  await ready;
  session.admit(await opened(gate, 'mysql', version, session.facts));
  session.start(Buffer.alloc(0));
  const to = (bytes: Buffer): void => void client.emit('data', bytes);
  const reply = result(['0']);
  to(packets(0, command(COM.STMT_PREPARE, `${SQL}?`)));
  const definition = reply.subarray(5, reply.indexOf(0xfe, 5) - 4);
  const eof = Buffer.of(0xfe, 0, 0, STATUS_FLAGS.AUTOCOMMIT, 0);
  const made = Buffer.of(0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0);
  const described = [made, definition.subarray(4), eof, definition.subarray(4), eof];
  server(Buffer.concat(described.map((payload, index) => packets(1 + index, payload))));
  await measure('mysql: prepared, verdict from memory', QUERIES, (number) => {
    to(execution(1, number));
    server(reply);
  });
  await measure('mysql: text, the same one', QUERIES, () => {
    to(packets(0, command(COM.QUERY, `${SQL}1`)));
    server(reply);
  });
  await measure('mysql: text, never seen: parse, findings, policy', NEW_QUERIES, (number) => {
    to(packets(0, command(COM.QUERY, `${SQL}${number}`)));
    server(reply);
  });
  session.close({ severity: 'FATAL', sqlstate: '57P01', message: 'done' });
  await gate.close();
};

console.log(`CPU of the process for each query without sockets, audit included, medians of ${ROUNDS} rounds`);
await postgres();
await mysql();
if (written === 0) throw new Error('nothing passed');
await analyser.close();
await audit.close();
await rm(dir, { recursive: true, force: true });
