// `holdpoint audit tail|search|timeline|export|index`: what they print of a log, and what a hostile name in it can't do.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { realFs } from '../../../src/audit/files.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { nameOf, segmentsOf } from '../../../src/audit/scan.ts';
import type { RecordInput } from '../../../src/audit/types.ts';
import { timesOf } from '../../../src/cli/audit/filters.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { problemsOf } from '../audit/export/ocsf-schema.ts';
import { linesOf } from '../audit/tampering.ts';

const SEALED = 'unmistakable-sealed-sentinel';
const START_MS = Date.UTC(2026, 10, 20, 9);
const ID = 'HP-7KQ4M2XA';
let root: string;
let dir: string;

const who = (id: string) => ({
  id,
  kind: 'agent',
  groups: [],
  sponsor: 'ada',
  authentication: 'trust',
  address: '10.0.0.7',
});
const where = { engine: 'postgres', upstream: 'app', database: 'shop', tags: {} };

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'audit-look-'));
  dir = join(root, 'data', 'audit');
  let now = START_MS;
  const clock = { now: () => now, mono: () => now * 1000 };
  const add = (record: RecordInput) => {
    now += 1000;
    return log.append(record);
  };
  const log = await openAuditLog({ dir, node: 'n1', segment_bytes_max: 2048, clock });
  const opened = { session: 's-1', who: who('report-bot'), where, application_name: 'evil\u001b[2J\u202e' };
  await add({ type: 'session.opened', clear: opened });
  const session = log.session({ session: 's-1', who: 'report-bot', where: 'app', database: 'shop' });
  now += 1000;
  session.allowed(now, 'SELECT * FROM customers', 'reads', 'SELECT 3', 3, 90, 400);
  session.allowed(now, 'SELECT * FROM orders', 'reads', '42P01', 0, 0, 40);
  await session.flush();
  const findings = [{ action: 'export', object: 'public.customers', why: '', statement: 0, start: 0, end: 0 }];
  const held = {
    session: 's-1',
    who: who('report-bot'),
    where,
    shape: 'COPY customers TO STDOUT',
    rule: 'exports',
    findings,
  };
  await add({
    type: 'request.opened',
    clear: { at: now, request: { id: ID, ...held } },
    sealed: { request: { sql: `COPY customers TO STDOUT -- ${SEALED} \u001b[2J` } },
  });
  const decision = { decision: 'approve', by: 'grace', accounts: ['grace'], channel: 'console', at: now };
  await add({ type: 'request.decided', clear: { id: ID, decision }, sealed: { rationale: `fine ${SEALED}` } });
  await add({ type: 'request.released', clear: { id: ID, session: 's-1' } });
  const outcome = { tag: 'COPY 5', sqlstate: null, rows: 5, bytes: 410, duration_ms: 3.25 };
  await add({ type: 'request.executed', clear: { id: ID, outcome } });
  await add({ type: 'statement.denied', clear: { ...held, who: who('crawler'), session: 's-2', rule: 'no' } });
  await add({ type: 'session.closed', clear: { session: 's-1', who: 'report-bot', why: 'client left' } });
  await log.close();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const program = () =>
  createProgram({
    serve: () => Promise.reject(new Error('not served here')),
    lookAtMysql: () => Promise.reject(new Error('not looked at here')),
    readMysqlCatalog: () => Promise.reject(new Error('not read here')),
    neededTexts: () => Promise.reject(new Error('not asked here')),
  });

async function run(...given: readonly string[]): Promise<{ out: string; told: string }> {
  const said = { out: '', told: '' };
  const mocks = (['out', 'told'] as const).map((name) =>
    vi.spyOn(name === 'out' ? process.stdout : process.stderr, 'write').mockImplementation((text) => {
      said[name] += String(text);
      return true;
    }),
  );
  try {
    await program().parseAsync(['node', 'holdpoint', 'audit', ...given]);
  } finally {
    for (const mock of mocks) mock.mockRestore();
  }
  return said;
}
const audit = async (...given: readonly string[]) => (await run(...given, '--dir', dir)).out;
const json = async (...given: readonly string[]) =>
  (await audit(...given, '--json'))
    .trim()
    .split('\n')
    .map(
      (line) => JSON.parse(line) as { readonly type: string; readonly sealed: unknown; readonly entries: unknown[] },
    );

describe('search', () => {
  it('the story of a request, and whose it is', async () => {
    expect((await audit('search', '--request', ID)).split('\n').slice(0, -1)).toEqual([
      `2026-11-20 09:00:03.000  request.opened            ${ID}  report-bot    COPY customers TO STDOUT, on public.customers, rule exports`,
      `2026-11-20 09:00:04.000  request.decided           ${ID}  grace         approved, by console`,
      `2026-11-20 09:00:05.000  request.released          ${ID}  report-bot    about to run, COPY customers TO STDOUT`,
      `2026-11-20 09:00:06.000  request.executed          ${ID}  report-bot    COPY 5, 5 rows, 410 bytes, 3 ms`,
    ]);
  });

  it('allowed reads of a table, among all that touches it', async () => {
    const lines = (await audit('search', '--table', 'Public.customers')).split('\n').slice(0, -1);
    expect(lines.map((line) => line.slice(25, 49).trim())).toEqual(['request.opened', 'statement.denied']);
    const all = await audit('search', '--table', 'customers');
    expect(all).toContain('report-bot    SELECT * FROM customers: SELECT 3, 3 rows, rule reads');
    expect(all).not.toContain('FROM orders');
    const [block] = await json('search', '--table', 'customers', '--verdict', 'allowed');
    expect(block).toMatchObject({ type: 'statements', entries: [{ shape: 'SELECT * FROM customers' }] });
  });

  it('nothing sealed unless it is asked for; then also by words in it', async () => {
    expect(JSON.stringify(await json('search'))).not.toContain(SEALED);
    expect((await json('search', '--request', ID)).map(({ sealed }) => sealed)).toEqual([
      'sealed',
      'sealed',
      'none',
      'none',
    ]);
    const found = await json('search', '--text', 'FINE Unmistakable');
    expect(found).toMatchObject([{ type: 'request.decided', sealed: { rationale: `fine ${SEALED}` } }]);
    const words = await audit('search', '--text', 'to stdout --');
    expect(words).toContain(`sql: COPY customers TO STDOUT -- ${SEALED} <U+001B>[2J`);
  });

  it('says that there is more, and that there is nothing', async () => {
    const { out, told } = await run('search', '--limit', '2', '--dir', dir);
    expect(out.split('\n')).toHaveLength(3);
    expect(told).toContain('These are the newest 2');
    expect(await run('search', '--who', 'nobody', '--dir', join(root, 'data'))).toEqual({
      out: '',
      told: 'Nothing is found.\n',
    });
  });

  it('draws what an agent wrote', async () => {
    const out = await audit('search', '--type', 'session.opened');
    expect(out).toContain('evil<U+001B>[2J<U+202E>');
    expect(out.includes('\u001b') || out.includes('\u202e')).toBe(false);
  });

  it.each([
    [['--type', 'request'], /there is no type 'request'/],
    [['--from', 'noon'], /'noon' is no time/],
    [['--day', '2026-11-20', '--to', '1h'], /--day says/],
    [['--limit', '0'], /--limit wants a number/],
    [['--policy', 'x'], /hex digits/],
  ])('refuses %j', async (given, words) => {
    await expect(audit('search', ...given)).rejects.toMatchObject({ exit: 2, message: expect.stringMatching(words) });
  });
});

describe('times', () => {
  const now = Date.UTC(2026, 10, 24, 15);
  it.each([
    [{ day: '2026-11-20' }, Date.UTC(2026, 10, 20), Date.UTC(2026, 10, 21)],
    [{ day: 'yesterday' }, Date.UTC(2026, 10, 23), Date.UTC(2026, 10, 24)],
    [
      { from: '2026-11-20T10:30', to: '2026-11-20T10:30+01:00' },
      Date.UTC(2026, 10, 20, 10, 30),
      Date.UTC(2026, 10, 20, 9, 30),
    ],
    [{ from: '90m', to: '30m' }, now - 5_400_000, now - 1_800_000],
    [{}, undefined, undefined],
  ])('%j', (given, from_ms, to_ms) => {
    if (from_ms !== undefined && to_ms !== undefined && from_ms >= to_ms)
      expect(() => timesOf(given, now)).toThrow('--to is not after --from');
    else expect(timesOf(given, now)).toEqual({ from_ms, to_ms });
  });
});

describe('timeline', () => {
  it('one agent: what it did in numbers, what was held, who decided, what became of it', async () => {
    const lines = (await audit('timeline', '--who', 'Report-Bot')).split('\n');
    expect(lines.map((line) => line.replaceAll(/ {2,}/g, '  '))).toEqual([
      '2026-11-20',
      '  09:00:01.000  session.opened  s-1  on shop, from 10.0.0.7, by trust, for ada, evil<U+001B>[2J<U+202E>',
      '  09:00:02.000  allowed  2: 2 SELECT, 3 rows, 90 bytes, 1 failed',
      `  09:00:03.000  request.opened  ${ID}  COPY customers TO STDOUT, on public.customers, rule exports`,
      `  09:00:04.000  request.decided  ${ID}  by grace, approved, by console`,
      `  09:00:05.000  request.released  ${ID}  about to run, COPY customers TO STDOUT`,
      `  09:00:06.000  request.executed  ${ID}  COPY 5, 5 rows, 410 bytes, 3 ms`,
      '  09:00:08.000  session.closed  s-1  because: client left',
      '',
      '2 statements allowed, 1 sessions, 1 held, 1 approved, 1 run',
      '',
    ]);
  });

  it('a reviewer: what they decided, on whose requests', async () => {
    const out = await audit('timeline', '--who', 'grace');
    expect(out).toContain(`request.decided           ${ID}  approved, by console`);
    expect(out).toContain('1 approved by it');
  });
});

describe('export', () => {
  it('the lines as they stand', async () => {
    expect(await audit('export')).toBe(`${linesOf(dir).join('\n')}\n`);
    const some = await audit('export', '--from', '2026-11-20T09:00:04', '--to', '2026-11-20T09:00:06');
    expect(some.split('\n').slice(0, -1)).toEqual(
      linesOf(dir).filter((line) => /09:00:0[45]/.test(line.slice(80, 160))),
    );
  });

  it('OCSF events that know whose they are, also of what began before', async () => {
    const file = join(root, 'events.jsonl');
    const out = await audit('export', '--format', 'ocsf', '--from', '2026-11-20T09:00:06', '--out', file);
    expect(out).toBe(`3 records in ${file}\n`);
    const events = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.flatMap(problemsOf)).toEqual([]);
    expect(events[0]).toMatchObject({
      actor: { user: { name: 'report-bot' } },
      src_endpoint: { ip: '10.0.0.7' },
      status_code: 'COPY 5',
    });
    const filtered = await audit('export', '--format', 'ocsf', '--verdict', 'executed');
    expect(filtered).toContain('"name":"report-bot"');
  });

  it('leaves no half of a file', async () => {
    const file = join(root, 'no-such-folder', 'events.jsonl');
    await expect(audit('export', '--out', file)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(existsSync(file)).toBe(false);
  });

  it('with texts only where they are asked for', async () => {
    expect(await audit('export', '--format', 'ocsf')).not.toContain(SEALED);
    const asked = await audit('export', '--format', 'ocsf', '--with-text');
    expect(asked).toContain(SEALED);
    for (const line of asked.trim().split('\n'))
      expect(problemsOf(JSON.parse(line) as Record<string, unknown>)).toEqual([]);
  });
});

describe('index', () => {
  it('makes what is missing, once', async () => {
    expect(await audit('index', '--rebuild')).toMatch(/^[1-9]\d* indexes made, of \d+ kB\n$/);
    expect(await audit('index')).toMatch(/^0 indexes made/);
  });
});

describe('tail', () => {
  it('the last records', async () => {
    expect((await json('tail', '-n', '2')).map(({ type }) => type)).toEqual(['statement.denied', 'session.closed']);
  });

  it('follows: into a new file, and not before a line is whole', { timeout: 60_000 }, async () => {
    const live = join(root, 'live');
    const log = await openAuditLog({ dir: live, node: 'n1', segment_bytes_max: 600 });
    const main = join(import.meta.dirname, '../../../src/main.ts');
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', main, 'audit', 'tail', '-f', '--json', '--type', 'session.', '--dir', live],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const ended = once(child, 'exit');
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const next = async () =>
        (JSON.parse(String((await lines.next()).value)) as { clear: { session: string } }).clear.session;
      await log.append({ type: 'session.opened', clear: { session: 'first' } });
      expect(await next()).toBe('first');
      for (let n = 0; n < 12; n++) {
        await log.append({ type: n % 3 === 2 ? 'policy.loaded' : 'session.closed', clear: { session: `s-${n}` } });
      }
      for (const n of [0, 1, 3, 4, 6, 7, 9, 10]) expect(await next()).toBe(`s-${n}`);
      await log.close();
      const newest = linesOf(live).at(-1) ?? '';
      const torn = newest.replace('policy.loaded', 'session.torn').replace('s-11', 'torn');
      const path = `${live}/${nameOf((await segmentsOf(realFs, live)).at(-1) ?? 0)}.jsonl`;
      appendFileSync(path, torn);
      appendFileSync(path, '\n');
      expect(await next()).toBe('torn');
    } finally {
      child.kill();
      await ended;
      await log.close().catch(() => undefined);
    }
  });
});
