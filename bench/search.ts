// How long a search of the audit log takes, by id, principal, table and day: in a log that this makes (valid lines, chained, with leaf hashes), of so
// many records. `npm run bench search [records] [folder]`: 1,000,000 records, or as many as are named; ten millions need 6 GB and some minutes.
// Prints what the log is made of, what its indexes cost, and for each search the median of five and the slowest; goal: a second, of 10 million.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs';
import { createHash, hash, randomBytes } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import { findNewest } from '../src/audit/search/find.ts';
import { makeIndex, missingIndexes } from '../src/audit/search/indexes.ts';
import { type Query, Sought } from '../src/audit/search/query.ts';
import { segmentsOf } from '../src/audit/scan.ts';
import { realFs } from '../src/audit/files.ts';

const RECORDS = Number(process.argv[2] ?? 1_000_000);
const SEGMENT_BYTES = 64 * 1024 * 1024;
const ROUNDS = 5;
const GOAL_MS = 1000;
const LIMIT = 100;
const DAYS = 30;
const FROM_MS = Date.UTC(2026, 9, 1);
const AGENTS = 300;
const TABLES = 400;
/** Of a hundred steps of the log; the rest are blocks of allowed statements. */
const STORIES = { session: 8, request: 1, denied: 1, signed_in: 1 };
const BYTES_EACH = 700;

const parent = process.argv[3] ?? tmpdir();
mkdirSync(parent, { recursive: true });
const { bavail, bsize } = statfsSync(parent);
if (bavail * bsize < RECORDS * BYTES_EACH) {
  console.error(
    `${parent} has no room for ${RECORDS} records, which take about ${Math.ceil((RECORDS * BYTES_EACH) / 1e9)} GB`,
  );
  process.exit(1);
}
const folder = mkdtempSync(join(parent, 'audit-search-'));
let state = createHash('sha256').update(`${RECORDS}`).digest().readUInt32LE(0);

async function run(): Promise<void> {
  const started = performance.now();
  const made = await makeLog();
  const segments = await segmentsOf(realFs, folder);
  console.log(
    `${made.records} records in ${segments.length} files, ${gb(made.bytes)}, ${Math.round(made.bytes / made.records)} bytes each; ` +
      `${made.entries} allowed statements in ${made.blocks} blocks, ${made.requests} requests; made in ${seconds(started)}`,
  );

  const indexing = performance.now();
  const cpu = process.cpuUsage();
  const { segments: missing, bytes } = await missingIndexes(folder);
  for (const segment of missing) await makeIndex(folder, segment);
  const size = missing.reduce(
    (sum, segment) => sum + statSync(`${folder}/index/${String(segment).padStart(8, '0')}.index`).size,
    0,
  );
  const { user, system } = process.cpuUsage(cpu);
  const each = (user + system) / 1e6 / Math.max(1, missing.length);
  console.log(
    `indexes of ${missing.length} full files: ${gb(size)} (${((100 * size) / Math.max(1, bytes)).toFixed(1)} %), made in ${seconds(indexing)}, ${each.toFixed(1)} s of CPU each; the newest file, ${gb(made.bytes - bytes)}, has none and is read`,
  );

  const day = FROM_MS + 12 * 86_400_000;
  const rows: readonly (readonly [string, Query])[] = [
    ['a request by its id, an old one', { id: made.old_request }],
    ['a request by its id, of the newest file', { id: made.new_request }],
    ['an id that is nowhere', { id: 'HP-00000000' }],
    ['a session by its id', { session: made.session }],
    ['a principal that came once', { who: 'once-bot' }],
    ['the busiest principal', { who: 'agent-0' }],
    ['the rarest table', { object: `table_${TABLES - 1}` }],
    ['the busiest table', { object: 'public.table_0' }],
    ['a name that no statement has', { object: 'nowhere_to_be_found' }],
    ['a day', { from_ms: day, to_ms: day + 86_400_000 }],
    ['a principal, on a table, on a day', { who: 'agent-3', object: 'table_5', from_ms: day, to_ms: day + 86_400_000 }],
    ['denied by a rule, on a day', { verdict: 'denied', from_ms: day, to_ms: day + 86_400_000 }],
    ['a principal, denied, ever', { who: 'agent-7', verdict: 'denied' }],
  ];
  console.log(
    `\nthe newest ${LIMIT}, in this process                     found   median    slowest  of ${ROUNDS}, ms (goal ${GOAL_MS})`,
  );
  for (const [name, query] of rows) {
    const times: number[] = [];
    let found = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const begun = performance.now();
      found = (await findNewest(folder, new Sought(query), LIMIT)).found.length;
      times.push(performance.now() - begun);
    }
    report(name, found, times);
  }

  const main = join(dirname(fileURLToPath(import.meta.url)), '../dist/main.js');
  if (!existsSync(main)) return;
  console.log('\nthe whole command, `holdpoint audit search`; its first line is the start of any command');
  const search = ['audit', 'search', '--dir', folder];
  const commands: readonly (readonly [string, readonly string[]])[] = [
    ['--version', ['--version']],
    ['--request, an old one', [...search, '--request', made.old_request]],
    ['--who once-bot', [...search, '--who', 'once-bot']],
    ['--table public.table_0', [...search, '--table', 'public.table_0']],
    ['--day', [...search, '--day', new Date(day).toISOString().slice(0, 10)]],
  ];
  for (const [name, given] of commands) {
    const times: number[] = [];
    let found = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const begun = performance.now();
      const text = execFileSync(process.execPath, [main, ...given], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      found = text.split('\n').length - 1;
      times.push(performance.now() - begun);
    }
    report(name, found, times, null);
  }
}

function report(name: string, found: number, times: readonly number[], goal: number | null = GOAL_MS): void {
  const sorted = times.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const slowest = sorted.at(-1) ?? 0;
  const late = goal !== null && median > goal ? '  MISSED' : '';
  if (late !== '') process.exitCode = 1;
  console.log(
    `${name.padEnd(46)} ${String(found).padStart(8)} ${median.toFixed(0).padStart(8)} ${slowest.toFixed(0).padStart(10)}${late}`,
  );
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(0)} s`;
}

function gb(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

// --- a log as a gateway writes it, without a gateway

interface Made {
  records: number;
  bytes: number;
  blocks: number;
  entries: number;
  requests: number;
  old_request: string;
  new_request: string;
  session: string;
}

async function makeLog(): Promise<Made> {
  const made: Made = {
    records: 0,
    bytes: 0,
    blocks: 0,
    entries: 0,
    requests: 0,
    old_request: '',
    new_request: '',
    session: '',
  };
  const writer = new SegmentWriter();
  const sealed = {
    key: '2026-10',
    key_id: '0a1b2c3d',
    commitment: 'ab'.repeat(32),
    text: randomBytes(300).toString('base64'),
  };
  const add = async (type: string, clear: object, more: object = {}): Promise<void> => {
    const time = FROM_MS + Math.floor((made.records / RECORDS) * DAYS * 86_400_000);
    made.bytes += await writer.add(type, time, clear, more);
    made.records++;
  };
  const live: { id: string; who: object; name: string; where: { upstream: string; database: string } }[] = [];
  let count = 0;
  const openSession = async (name: string): Promise<void> => {
    const id = `sa2a-${(count++).toString(36).padStart(7, '0')}-1`;
    const who = {
      id: name,
      kind: 'agent',
      groups: ['agents'],
      sponsor: `person-${count % 40}`,
      authentication: 'scram-sha-256',
      address: `10.0.${count % 9}.7`,
    };
    const where = { upstream: `db-${count % 3}`, database: 'shop' };
    live.push({ id, who, name, where });
    if (count === 1000) made.session = id;
    await add('session.opened', {
      session: id,
      who,
      where: { engine: 'postgres', ...where, tags: { env: 'prod' } },
      application_name: 'agent',
      upstream_user: 'gateway',
      server_version: 18,
      server_pid: count,
    });
  };
  await openSession('once-bot');
  while (made.records < RECORDS) {
    const step = random(100);
    if (live.length < 40 || step < STORIES.session) {
      await openSession(`agent-${skewed(AGENTS)}`);
      const gone = live.length > 60 ? live.splice(random(live.length), 1)[0] : undefined;
      if (gone) await add('session.closed', { session: gone.id, who: gone.name, why: 'client left' });
      continue;
    }
    const session = live[random(live.length)] ?? live[0];
    if (session === undefined) continue;
    const { id, who, name, where } = session;
    const table = `table_${skewed(TABLES)}`;
    const findings = [
      { action: 'write', object: `public.${table}`, why: 'It changes rows of it.', statement: 0, start: 12, end: 20 },
    ];
    const shape = `DELETE FROM ${table} WHERE created < ?`;
    const held = {
      session: id,
      who,
      where,
      shape,
      findings,
      rule: 'writes',
      policy: 'bf58718e6a803bdfb5147c2ef46d6b25ab854b066ace726bb593658928f9685a',
    };
    if (step < STORIES.session + STORIES.request) {
      const request = `HP-${(made.requests++).toString(36).toUpperCase().padStart(8, 'Z')}`;
      if (made.requests === 100) made.old_request = request;
      made.new_request = request;
      const at = FROM_MS + made.records;
      await add(
        'request.opened',
        {
          at,
          request: {
            id: request,
            state: 'open',
            ...held,
            role: 'app',
            search_path: 'public',
            application_name: 'agent',
          },
        },
        { sealed },
      );
      await add('request.impact', { at, id: request, impact: { amount: '500 rows', facts: [], notes: [] } });
      await add(
        'request.decided',
        {
          at,
          id: request,
          ends: true,
          void: [],
          decision: {
            decision: 'approve',
            by: `person-${random(40)}`,
            accounts: [],
            group: 'dba',
            channel: 'console',
            at,
          },
        },
        { sealed },
      );
      await add('request.released', { at, id: request, session: id });
      await add('request.executed', {
        at,
        id: request,
        outcome: { tag: 'DELETE 500', sqlstate: null, rows: 500, bytes: 0, duration_ms: 31 },
      });
    } else if (step < STORIES.session + STORIES.request + STORIES.denied)
      await add('statement.denied', held, { sealed });
    else if (step < STORIES.session + STORIES.request + STORIES.denied + STORIES.signed_in)
      await add('reviewer.signed_in', {
        user: `person-${random(40)}`,
        how: 'password',
        by: ['local', 'totp'],
        address: '10.9.9.9',
      });
    else {
      const block = blockOf();
      made.blocks++;
      made.entries += block.ms.length;
      await add('statements', { session: id, who: name, where: where.upstream, database: where.database }, { block });
    }
  }
  await writer.close();
  return made;
}

/** One to twelve statements on two tables: what an agent does in a tenth of a second. */
function blockOf() {
  const one = `table_${skewed(TABLES)}`;
  const other = `table_${skewed(TABLES)}`;
  const words = [
    `SELECT id, name, amount FROM ${one} WHERE id = $1`,
    'default',
    'SELECT 1',
    `SELECT a.id FROM public.${one} a JOIN ${other} b ON a.id = b.${one}_id WHERE b.created > $1`,
  ];
  const ms = Array.from({ length: 1 + random(12) }, (_, i) => i * 7);
  const column = (value: (i: number) => number) => ms.map((_, i) => value(i));
  return {
    from: FROM_MS,
    words,
    ms,
    shape: column((i) => (i % 3 === 2 ? 3 : 0)),
    rule: column(() => 1),
    outcome: column(() => 2),
    rows: column(() => 1),
    bytes: column(() => 60 + random(400)),
    us: column(() => 200 + random(9000)),
  };
}

/** Lines as log.ts writes them: chained, with their leaf hashes beside. */
class SegmentWriter {
  #segment = 0;
  #files: { readonly log: FileHandle; readonly leaf: FileHandle } | null = null;
  #seq = 0;
  #prev = '0'.repeat(64);
  #lines: string[] = [];
  #leaves: string[] = [];
  #chars = 0;
  #bytes = 0;

  async add(type: string, time_ms: number, clear: object, more: object): Promise<number> {
    const rest = JSON.stringify({
      time: new Date(time_ms).toISOString(),
      mono: this.#seq * 200,
      node: 'gw-1',
      type,
      clear,
      ...more,
    });
    const line = `{"v":1,"seq":${++this.#seq},"prev":"${this.#prev}",${rest.slice(1)}`;
    this.#prev = hash('sha256', `\0${line}`, 'hex');
    this.#lines.push(line);
    this.#leaves.push(this.#prev);
    this.#chars += line.length + 1;
    if (this.#chars > 4e6) await this.#flush();
    return line.length + 1;
  }

  async #flush(): Promise<void> {
    if (this.#files === null || this.#bytes + this.#chars > SEGMENT_BYTES) await this.#roll();
    await this.#files?.log.write(`${this.#lines.join('\n')}\n`);
    await this.#files?.leaf.write(Buffer.from(this.#leaves.join(''), 'hex'));
    this.#bytes += this.#chars;
    this.#lines = [];
    this.#leaves = [];
    this.#chars = 0;
  }

  async #roll(): Promise<void> {
    await this.close(false);
    const path = `${folder}/${String(++this.#segment).padStart(8, '0')}`;
    this.#files = { log: await open(`${path}.jsonl`, 'wx'), leaf: await open(`${path}.leaf`, 'wx') };
    this.#bytes = 0;
  }

  async close(flush = true): Promise<void> {
    if (flush && this.#chars > 0) await this.#flush();
    await this.#files?.log.close();
    await this.#files?.leaf.close();
  }
}

/** The same log for the same number. */
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

/** A few are met most of the time. */
function skewed(below: number): number {
  return Math.floor(below * (random(1_000_000) / 1_000_000) ** 3);
}

try {
  await run();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
