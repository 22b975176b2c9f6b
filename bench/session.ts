// What the session itself costs for one prepared query, without any socket: framing, Bind lookup, verdict from memory,
// reply tracking, audit entry. The client and the server are objects that swallow bytes.
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Desk } from '../src/approval/types.ts';
import { openAuditLog } from '../src/audit/log.ts';
import { DEFAULT_LIMITS } from '../src/config/config.ts';
import { createGate } from '../src/gate/gate.ts';
import { postgresEngine } from '../src/gate/postgres.ts';
import { loadPolicy } from '../src/policy/load.ts';
import { reading } from '../src/session/postgres/facts.ts';
import { OWN_BIND, OWN_CLOSE, OWN_PARSE } from '../src/session/postgres/replies.ts';
import { PostgresSession } from '../src/session/postgres/session.ts';
import type { Upstream, UpstreamEvents } from '../src/session/upstream.ts';
import { READING } from '../src/sql/postgres/catalog/reading.ts';
import { PostgresAnalyser } from '../src/sql/postgres/analyser.ts';
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

const ROUNDS = 5;
const QUERIES = 200_000;

const message = (type: string, body = ''): Buffer => {
  const bytes = Buffer.alloc(5 + body.length);
  bytes.write(type, 0, 'latin1');
  bytes.writeInt32BE(4 + body.length, 1);
  bytes.write(body, 5, 'latin1');
  return bytes;
};

/** What a server says to the session's own questions. */
const SETTINGS: Readonly<Record<string, string>> = {
  search_path: '"$user", public',
  role: 'none',
  session_authorization: 'bench',
  standard_conforming_strings: 'on',
  client_encoding: 'UTF8',
};

const dir = await mkdtemp(join(tmpdir(), 'holdpoint-bench-'));
const audit = await openAuditLog({ dir, node: 'bench' });
const analyser = await PostgresAnalyser.create();
const loaded = await loadPolicy(new URL('../policies/starter.yaml', import.meta.url).pathname);
if ('errors' in loaded) throw new Error('the starter policy does not load');
const gate = createGate({
  engine: postgresEngine(analyser, READING),
  policy: () => loaded.policy,
  desk: {} as Desk,
  audit,
  allowed: 'async',
  role: () => 'bench',
  who: (id) => ({
    id,
    kind: 'agent',
    groups: [],
    sponsor: 'ada',
    authentication: 'scram-sha-256',
    address: '127.0.0.1',
  }),
  where: ({ database }) => ({ engine: 'postgres', upstream: 'app', database, tags: {} }),
  catalog: () => null,
  console: () => null,
  held_bytes_max: DEFAULT_LIMITS.held_bytes_max,
  impact: null,
  // What is measured here is the cost, not the brake on it.
  analysis_ms_per_s_max: 1e9,
  fault: (what, error) => {
    throw new Error(what, { cause: error });
  },
});

let written = 0;
const client = Object.assign(new EventEmitter(), {
  write: (bytes: Buffer) => {
    written += bytes.length;
    return true;
  },
  pause: () => {},
  resume: () => {},
  end: () => {},
}) as unknown as Duplex;
let events: UpstreamEvents | null = null;
const upstream = {
  processId: 1,
  serverVersion: 18,
  parameters: new Map(),
  user: 'bench',
  listen: (listener: UpstreamEvents) => {
    events = listener;
  },
  write: (bytes: Buffer) => {
    written += bytes.length;
    return true;
  },
  pause: () => {},
  resume: () => {},
  cancel: () => {},
  end: () => {},
  destroy: () => {},
} as unknown as Upstream;
const limits = { ...DEFAULT_LIMITS };
const session = new PostgresSession(client, upstream, limits, { fault: () => {}, closed: () => {} });
const ready = session.ready();
const { names, ops } = reading(18, 'user-schema', null);
const values = names.map((setting) => SETTINGS[setting] ?? '0');
const shows = ops.map((op) => {
  if (op === OWN_PARSE) return message('1');
  if (op === OWN_BIND) return message('2');
  if (op === OWN_CLOSE) return message('3');
  return Buffer.concat([dataRowOfText([values.shift() ?? '']), message('C', 'SHOW\0')]);
});
const from = (bytes: Buffer): void => events?.data(bytes);
from(Buffer.concat([...shows, readyForQuery(0x49)]));
await ready;
session.start(
  await gate.open(
    {
      user: 'bench',
      authentication: 'scram-sha-256',
      address: '127.0.0.1',
      application_name: 'bench',
      database: 'postgres',
      listener: 'app',
      engine: 'postgres',
      upstream_user: 'bench',
      server_version: 18,
      server_pid: 1,
    },
    session.facts,
  ),
  Buffer.alloc(0),
);
const to = (bytes: Buffer): void => void client.emit('data', bytes);
const name = 'P_0';
to(Buffer.concat([parse(name, 'SELECT abalance FROM pgbench_accounts WHERE aid = $1;'), SYNC]));
from(Buffer.concat([message('1'), readyForQuery(0x49)]));
const request = Buffer.concat([bind('', name), message('D', 'P\0'), execute(''), SYNC]);
const reply = Buffer.concat([
  message('2'),
  rowDescriptionOfText(['abalance']),
  dataRowOfText(['0']),
  message('C', 'SELECT 1\0'),
  readyForQuery(0x49),
]);
const measure = async (what: string, queries: number, one: (number: number) => void): Promise<void> => {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let count = 0; count < queries; count++) {
      one(round * queries + count);
      // The log's own writes belong to the cost.
      if (count % 2000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const { user, system } = process.cpuUsage(before);
    if (round > 0) times.push((user + system) / queries);
  }
  times.sort((x, y) => x - y);
  console.log(`${what.padEnd(50)} ${(times[ROUNDS >> 1] ?? 0).toFixed(2).padStart(7)} µs`);
};

console.log(`CPU of the process for each query without sockets, audit included, medians of ${ROUNDS} rounds`);
await measure('prepared, verdict from memory', QUERIES, () => {
  to(request);
  from(reply);
});
const simple = Buffer.concat([reply.subarray(5)]);
await measure('simple, the same text', QUERIES, () => {
  to(query('SELECT abalance FROM pgbench_accounts WHERE aid = 1;'));
  from(simple);
});
await measure('simple, never seen: parse, findings, policy', 20_000, (number) => {
  to(query(`SELECT abalance FROM pgbench_accounts WHERE aid = ${number};`));
  from(simple);
});
if (written === 0) throw new Error('nothing passed');
session.close({ severity: 'FATAL', sqlstate: '57P01', message: 'done' });
await gate.close();
await analyser.close();
await audit.close();
await rm(dir, { recursive: true, force: true });
