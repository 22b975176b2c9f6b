// What is searched for is found: by indexes, without them, with damaged or stale ones, and in what remains of a log. Nothing more, nothing less.
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { realFs } from '../../../../src/audit/files.ts';
import type { Line } from '../../../../src/audit/record.ts';
import { findAll, findNewest, linesBackwards } from '../../../../src/audit/search/find.ts';
import { dropOrphans, makeIndex, missingIndexes, openIndex, stampOf } from '../../../../src/audit/search/indexes.ts';
import { shapeNames } from '../../../../src/audit/search/names.ts';
import { type Query, Sought } from '../../../../src/audit/search/query.ts';
import { SEED } from '../../../fuzz/random.ts';
import { seeded } from '../disk.ts';
import { AGENTS, asked, SEALED, START_MS, TABLES, writeStory } from './story.ts';

const RECORDS = 600;
let root: string;
let dir: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'audit-search-'));
  dir = join(root, 'log');
  await writeStory(dir, RECORDS, seeded(SEED));
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const build = (segment: number) => makeIndex(dir, segment);
const index = (segment: string) => join(dir, 'index', `${segment}.index`);

async function numbers(query: Query, options: Parameters<typeof findAll>[2] = {}): Promise<number[]> {
  const seqs: number[] = [];
  for await (const { line } of findAll(dir, new Sought(query), options)) seqs.push(line.seq);
  return seqs;
}

const text = (line: Line) => JSON.stringify(line.clear);
const shapes = (line: Line) => (line.block?.words ?? []).join(' ');
const minute = (n: number) => START_MS + n * 60_000;
const has =
  (...types: readonly string[]) =>
  (line: Line) =>
    types.includes(line.type);

/** Each question in words of its own, without a look at the code that is tested. */
const QUESTIONS: readonly (readonly [string, Query, (line: Line) => boolean])[] = [
  ['a request', { id: 'HP-00000007' }, (line) => text(line).includes('"HP-00000007"')],
  ['a request in small letters', { id: ' hp-00000007' }, (line) => text(line).includes('"HP-00000007"')],
  ['a session', { session: 's-3' }, (line) => text(line).includes('"session":"s-3"')],
  ['an agent', { who: 'crawler' }, (line) => text(line).includes('"crawler"')],
  ['an agent with other letters', { who: 'ünal-BOT' }, (line) => text(line).includes('"Ünal-bot"')],
  ['who answers for them', { who: 'ADA' }, (line) => text(line).includes('"sponsor":"ada"')],
  ['a reviewer, by another account', { who: 'grace@corp' }, has('request.decided')],
  ['how somebody signed in is nobody', { who: 'local' }, () => false],
  [
    'a table, read or written',
    { object: 'customers' },
    (line) => text(line).includes('"public.customers"') || line.type === 'statements',
  ],
  ['a table with its schema', { object: 'public.Orders' }, (line) => text(line).includes('"public.orders"')],
  [
    'a table whose name is reserved, in quotes',
    { object: 'order' },
    (line) => text(line).includes('public.order"') || shapes(line).includes('"order"'),
  ],
  [
    'a table with odd letters',
    { object: 'kunden straße' },
    (line) => (text(line) + shapes(line)).includes('Kunden Straße'),
  ],
  ['a rule', { rule: 'rule-2' }, (line) => text(line).includes('"rule":"rule-2"')],
  ['a rule of allowed statements', { rule: 'reads' }, has('statements')],
  ['a server', { upstream: 'app' }, (line) => /"(where|upstream)":"app"/.test(text(line))],
  ['a policy by the beginning of its hash', { policy: '1a1a1a1a1a' }, (line) => text(line).includes('"1a1a1a')],
  ['a policy that is none', { policy: '1a1a1a1a1b' }, () => false],
  ['a type', { type: 'session.opened' }, has('session.opened')],
  ['types by their area', { type: 'request.' }, (line) => line.type.startsWith('request.')],
  ['a verdict', { verdict: 'held' }, has('request.opened')],
  [
    'denied, by a rule or a reviewer',
    { verdict: 'denied' },
    (line) => line.type === 'statement.denied' || text(line).includes('"deny"'),
  ],
  [
    'a time',
    { from_ms: minute(100), to_ms: minute(200) },
    (line) => Date.parse(line.time) >= minute(100) && Date.parse(line.time) < minute(200),
  ],
  ['a time to the millisecond', { from_ms: minute(100) + 1, to_ms: minute(101) }, () => false],
  [
    'all of it together',
    { who: 'report-bot', object: 'orders', verdict: 'denied', from_ms: minute(50) },
    (line) =>
      line.type === 'statement.denied' &&
      text(line).includes('"report-bot"') &&
      text(line).includes('public.orders') &&
      Date.parse(line.time) >= minute(50),
  ],
  ['nothing in particular', {}, () => true],
  ['what is nowhere', { who: 'nobody-of-this-name' }, () => false],
];

describe.each([
  ['with indexes', async () => void (await missingIndexes(dir))],
  ['without any', async () => rmSync(join(dir, 'index'), { recursive: true, force: true })],
])('%s', (how, prepare) => {
  beforeAll(async () => {
    for (const segment of (await missingIndexes(dir)).segments) await build(segment);
    await prepare();
  });

  it('there are several files, all but the newest with an index', async () => {
    const files = readdirSync(dir).filter((name) => name.endsWith('.jsonl'));
    expect(files.length).toBeGreaterThan(4);
    const { segments } = await missingIndexes(dir);
    expect(segments).toHaveLength(how === 'with indexes' ? 0 : files.length - 1);
  });

  it.each(QUESTIONS)('%s', async (_, query, meant) => {
    const expected = asked(dir, meant);
    expect(await numbers(query)).toEqual(expected);
    for (const limit of [1, 7, RECORDS * 2]) {
      const { found, more } = await findNewest(dir, new Sought(query), limit);
      expect(found.map(({ line }) => line.seq)).toEqual(expected.slice(-limit));
      expect(more).toBe(expected.length > limit);
    }
  });

  it('of any of some names, in any number', async () => {
    const any = Array.from(
      { length: 40 },
      (_, n) => ({ kind: 'id', name: `HP-${String(n).padStart(8, '0')}` }) as const,
    );
    expect(await numbers({ any: [any] })).toEqual(asked(dir, (line) => text(line).includes('"HP-')));
    expect(await numbers({ any: [any.slice(0, 2), [{ kind: 'type', name: 'request.opened' }]] })).toEqual(
      asked(dir, (line) => line.type === 'request.opened' && /HP-0000000[01]/.test(text(line))),
    );
  });
});

describe('of a block', () => {
  const entries = async (query: Query): Promise<unknown[]> => {
    const all: unknown[] = [];
    for await (const { line, match } of findAll(dir, new Sought(query)))
      if (line.type === 'statements') all.push(match);
    return all;
  };

  it('only the statements that are meant', async () => {
    const some = await entries({ object: 'public.customers' });
    expect(some.length).toBeGreaterThan(0);
    expect(some.every((match) => JSON.stringify(match) === '[2]')).toBe(true);
    expect((await entries({ who: 'crawler' })).every((match) => match === true)).toBe(true);
    expect(await entries({ object: 'public.customers', rule: 'default' })).toEqual([]);
  });
});

describe('an index', () => {
  beforeEach(async () => {
    for (const segment of (await missingIndexes(dir)).segments) await build(segment);
  });

  it('has no name in clear, and nothing that was sealed', () => {
    const bytes = readdirSync(join(dir, 'index')).map((name) => readFileSync(join(dir, 'index', name), 'latin1'));
    expect(bytes.length).toBeGreaterThan(3);
    for (const name of [...AGENTS, ...TABLES, SEALED, 'HP-0000'])
      for (const one of bytes) expect(one.includes(Buffer.from(name).toString('latin1'))).toBe(false);
  });

  it.each([
    ['cut', (bytes: Buffer) => bytes.subarray(0, 1500)],
    ['empty', () => Buffer.alloc(0)],
    [
      'of another version',
      (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('"v":1', '"v":9'), 'latin1'),
    ],
    [
      'with numbers that lie',
      (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 1024), Buffer.alloc(bytes.length - 1024, 0xff)]),
    ],
  ])('that is %s is done without, and made anew', async (_, spoil) => {
    const sound = readFileSync(index('00000002'));
    writeFileSync(index('00000002'), spoil(sound));
    const expected = asked(dir, (line) => text(line).includes('"crawler"'));
    expect(await numbers({ who: 'crawler' })).toEqual(expected);
    rmSync(index('00000002'));
    expect(await numbers({ who: 'crawler' }, { build })).toEqual(expected);
    expect(readFileSync(index('00000002')).equals(sound)).toBe(true);
  });

  it('of a segment with too many names says only that, and the segment is read', async () => {
    const sound = readFileSync(index('00000002'));
    try {
      expect(await makeIndex(dir, 2, undefined, 10)).toBe(true);
      expect(statSync(index('00000002')).size).toBeLessThan(3000);
      expect((await missingIndexes(dir)).segments).toEqual([]);
      const builds: number[] = [];
      const built = (segment: number) => Promise.resolve(builds.push(segment) > 0);
      const expected = asked(dir, (line) => text(line).includes('"crawler"'));
      expect(await numbers({ who: 'crawler' }, { build: built })).toEqual(expected);
      expect(builds).toEqual([]);
    } finally {
      writeFileSync(index('00000002'), sound);
    }
  });

  it('of a segment that is another now is not believed: other bytes, another time, other leaves', async () => {
    const path = join(dir, '00000003.jsonl');
    const [bytes, leaves] = [readFileSync(path), readFileSync(join(dir, '00000003.leaf'))];
    const { mtime } = statSync(path);
    const current = async (): Promise<boolean> => {
      const stamp = await stampOf(dir, 3);
      const opened = stamp && (await openIndex(dir, stamp));
      if (opened === null || opened === 'unfit') return false;
      await opened.close();
      return true;
    };
    const restore = () => {
      writeFileSync(path, bytes);
      writeFileSync(join(dir, '00000003.leaf'), leaves);
      utimesSync(path, mtime, mtime);
    };
    try {
      utimesSync(path, mtime, mtime);
      await build(3);
      expect(await current()).toBe(true);

      const changed = bytes.toString('latin1').replaceAll('"crawler"', '"browser"');
      writeFileSync(path, Buffer.from(changed, 'latin1'));
      utimesSync(path, mtime, new Date(mtime.getTime() + 5000));
      expect(await current()).toBe(false);
      expect(await numbers({ who: 'browser' })).toEqual(asked(dir, (line) => text(line).includes('"browser"')));

      restore();
      appendFileSync(path, bytes.subarray(0, bytes.indexOf(10) + 1));
      utimesSync(path, mtime, mtime);
      expect(await current()).toBe(false);

      restore();
      writeFileSync(join(dir, '00000003.leaf'), leaves.subarray(32));
      expect(await current()).toBe(false);
    } finally {
      restore();
    }
    expect(await current()).toBe(true);
  });
});

describe('a log that is not whole', () => {
  let part: string;
  beforeAll(async () => {
    part = join(root, 'part');
    await writeStory(part, 300, seeded(SEED + 1));
  }, 60_000);

  it('without its first files: what is left is found, and their indexes go', async () => {
    for (const segment of (await missingIndexes(part)).segments) await makeIndex(part, segment);
    const expected = asked(part, (line) => text(line).includes('"crawler"'));
    const kept = new Set(readFileSync(join(part, '00000003.jsonl'), 'utf8').match(/"seq":\d+/g));
    for (const name of ['00000001', '00000002'])
      for (const end of ['jsonl', 'leaf']) rmSync(join(part, `${name}.${end}`));
    const left: number[] = [];
    for await (const { line } of findAll(part, new Sought({ who: 'crawler' }))) left.push(line.seq);
    const first = Math.min(...[...kept].map((one) => Number(one.slice(6))));
    expect(left).toEqual(expected.filter((seq) => seq >= first));
    expect(await dropOrphans(part)).toBe(2);
    expect(existsSync(join(part, 'index', '00000003.index'))).toBe(true);
  });

  it('with lines that are no records, and a torn end', async () => {
    const expected = asked(part, (line) => line.type === 'session.opened');
    const path = join(part, '00000004.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [...lines.slice(0, 3), 'no record', '{"v":1}', '', ...lines.slice(3)].join('\n'));
    const newest = readdirSync(part)
      .filter((name) => name.endsWith('.jsonl'))
      .toSorted()
      .at(-1);
    appendFileSync(join(part, newest ?? ''), '{"v":1,"seq":99999,"prev":"');
    for (const how of [undefined, (segment: number) => makeIndex(part, segment)]) {
      const sought = new Sought({ type: 'session.opened' });
      const { found } = await findNewest(part, sought, 1000, { build: how });
      expect(found.map(({ line }) => line.seq)).toEqual(expected);
    }
  });
});

describe('lines from the end', () => {
  it.each([
    ['nothing', ''],
    ['a torn line alone', 'x'.repeat(3_000_000)],
    ['one line', 'one\n'],
    ['short ones', `${Array.from({ length: 200_000 }, (_, n) => `line ${n}`).join('\n')}\n`],
    [
      'long ones, empty ones and a torn one',
      `${'a'.repeat(1_500_000)}\n\n${'b'.repeat(2_500_000)}\nc\n${'d'.repeat(1_100_000)}`,
    ],
  ])('%s', async (_, content) => {
    const path = join(root, 'lines');
    writeFileSync(path, content);
    const file = await realFs.open(path, 'read');
    const chunks: string[][] = [];
    for await (const lines of linesBackwards(file, content.length)) chunks.push(lines.map(String));
    await file.close();
    const whole = content.split('\n').slice(0, -1);
    const read = chunks.toReversed().flat();
    expect(read).toHaveLength(whole.length);
    expect(read.every((line, at) => line === whole[at])).toBe(true);
  });
});

describe('names in a shape', () => {
  it.each([
    ['SELECT * FROM customers WHERE id = $1', ['customers', 'id']],
    ['select c.id from Public . "Order" c', ['c.id', 'id', 'public.order', 'order', 'c']],
    ['SELECT `a``b` FROM `x`.`y`', ['a`b', 'x.y', 'y']],
    ['SELECT "order"', ['order']],
  ])('%s', (shape, names) => {
    expect([...shapeNames(shape)]).toEqual(names);
  });
});

describe('a question that makes no sense', () => {
  it.each([[{ who: ' ' }], [{ policy: 'abc' }], [{ policy: 'zzzzzzzzzz' }]])('%o', (query) => {
    expect(() => new Sought(query)).toThrow(/empty|hash/);
  });
});
