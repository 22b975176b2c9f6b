// What a webhook sends, and that it goes on until it has: order, retries, dead letters, 410, restarts. The clock stands still until told.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApprovalEvent, PermitEvent } from '../../../src/approval/types.ts';
import { WEBHOOK_EVENTS } from '../../../src/config/webhooks.ts';
import { bury, DEAD_BYTES_MAX, filesOf, readDead, readState } from '../../../src/review/webhooks/files.ts';
import { Hook, type HookOptions } from '../../../src/review/webhooks/hook.ts';
import { BARE, payloadOf, TEXT_CHARS_MAX } from '../../../src/review/webhooks/payload.ts';
import type { HookConfig, HookEvent } from '../../../src/review/webhooks/ports.ts';
import type { Sent } from '../../../src/review/webhooks/send.ts';
import { startWebhooks } from '../../../src/review/webhooks/webhooks.ts';
import { FakeClock, quiet } from '../approval/help.ts';
import { eventOf, feedOf, hookOf, requestOf } from './webhooks-help.ts';

const HOUR = 3_600_000;
/** Files are real, and the disk may be busy. */
const PATIENCE = { timeout: 30_000 };
const CONSOLE = 'https://holdpoint.example';
const FAILED: Sent = { type: 'failed', why: 'it answers 500', retry_after_ms: null };
const OK: Sent = { type: 'delivered' };

/** A new kind of event does not compile until it is here; then the list of configurable ones must have it, too. */
const RECORDS: Readonly<Record<ApprovalEvent['type'] | PermitEvent['type'], readonly string[]>> = {
  opened: ['request.opened'],
  held: ['request.held'],
  ticket: ['request.ticket'],
  impact: ['request.impact'],
  asked: ['request.asked'],
  answered: ['request.answered'],
  escalated: ['request.escalated'],
  changed: ['request.changed'],
  decided: ['request.decided'],
  broke_glass: ['request.broke_glass'],
  reviewed: ['request.reviewed'],
  withdrawn: ['request.withdrawn'],
  expired: ['request.expired'],
  released: ['request.released'],
  returned: ['request.returned'],
  finished: ['request.executed', 'request.failed'],
  outcome_unknown: ['request.outcome_unknown'],
  lapsed: ['request.lapsed'],
  permit_granted: ['permit.granted'],
  permit_used: ['permit.used'],
  permit_use_ended: ['permit.use_ended'],
  permit_revoked: ['permit.revoked'],
};

it('every event can be asked for', () => {
  expect([...WEBHOOK_EVENTS].toSorted()).toEqual(
    [...Object.values(RECORDS).flat(), 'policy.loaded', 'policy.refused'].toSorted(),
  );
});

describe('payload', () => {
  const full = requestOf({
    state: 'approved',
    who: { ...requestOf().who, task: 'sealed-task\u202e', on_behalf_of: ['in\u0435s', 'mara'] },
    impact: {
      rows: [{ statement: 0, does: 'returns', object: '', rows: 212_000, bytes: null, from: 'plan' }],
      tables: [],
      notes: [],
    },
    message: 'two\u202e people',
    said: [{ kind: 'answer', by: 'bot', text: 'sealed-answer', channel: 'sql', at: 2 }],
    decisions: [
      {
        decision: 'approve',
        by: 'grace',
        group: 'dba',
        instead_of: null,
        counts: true,
        rationale: 'sealed-rationale',
        channel: 'console',
        at: 3,
        permit: null,
      },
    ],
    broken_glass: { reason: 'sealed-why', at: 4, reviewed: { by: 'ines', rationale: 'sealed-review', at: 5 } },
    withdrawn: { by: 'bot', reason: 'sealed-withdrawal' },
    outcome: { tag: 'COPY 3', sqlstate: null, rows: 3, bytes: 90, duration_ms: 12 },
  });
  const event = eventOf(7, 'request.answered', full, { approvals: { given: 1, needed: 2 } });
  const read = (wants: Pick<HookConfig, 'text' | 'words'>, of: HookEvent = event) =>
    JSON.parse(payloadOf(of, wants, CONSOLE)) as { readonly request: Record<string, unknown> };

  it('is a summary', () => {
    expect(read(BARE)).toEqual({
      type: 'request.answered',
      cursor: 7,
      time: 1007,
      request: {
        id: 'HP-7KQ4WX9D',
        revision: 1,
        state: 'approved',
        level: 'high',
        sentence: 'Exports public.customers',
        warning: '',
        rule: 'exports',
        message: 'two<U+202E> people',
        who: {
          id: 'bot',
          kind: 'agent',
          sponsor: 'ada',
          address: '10.0.0.9',
          on_behalf_of: ['in<U+0435 е>s', 'mara'],
        },
        where: { engine: 'postgres', upstream: 'app', database: 'app', tags: { env: 'prod' } },
        holds: 'held',
        approvals: { given: 1, needed: 2 },
        impact: 'about 212,000 rows',
        before: {
          approved: 3,
          permits: 1,
          denied: 0,
          days: 90,
          text: 'approved once 3 times, for all like it 1 time in 90 days, denied 0 times',
        },
        opened: 1000,
        deadline: 901_000,
        use_until: null,
        escalated: null,
        link: 'https://holdpoint.example/r/HP-7KQ4WX9D',
        decisions: [
          { decision: 'approve', by: 'grace', group: 'dba', instead_of: null, counts: true, channel: 'console', at: 3 },
        ],
        said: { kind: 'answer', by: 'bot', channel: 'sql', at: 2 },
        break_glass: { at: 4, reviewed: { by: 'ines', at: 5 } },
        withdrawn: { by: 'bot' },
        outcome: { tag: 'COPY 3', sqlstate: null, rows: 3, bytes: 90, duration_ms: 12 },
        why: null,
      },
    });
  });

  const sealed = (text: string): string[] => [...new Set(text.match(/sealed-\w+/g))].toSorted();

  it('has nothing that the log seals unless it is asked for', () => {
    expect(sealed(payloadOf(event, BARE, CONSOLE))).toEqual([]);
    expect(sealed(payloadOf(event, { text: false, words: true }, CONSOLE))).toEqual(
      ['sealed-answer', 'sealed-rationale', 'sealed-review', 'sealed-why', 'sealed-withdrawal'].toSorted(),
    );
    expect(sealed(payloadOf(event, { text: true, words: false }, CONSOLE))).toEqual(
      ['sealed-parameter', 'sealed-reason', 'sealed-sql', 'sealed-task'].toSorted(),
    );
    expect(read({ text: true, words: false }).request['text']).toMatchObject({ task: 'sealed-task<U+202E>' });
  });

  it('with text: spelled, whole or not at all', () => {
    const text = (more: Parameters<typeof requestOf>[0]) =>
      read({ text: true, words: false }, eventOf(1, 'request.opened', more)).request['text'];
    expect(text({ sql: 'SELECT 1\nFROM \xe2\x80\xaex' })).toMatchObject({
      statement: 'SELECT 1\nFROM <U+202E>x',
      bytes: 18,
    });
    expect(text({ sql: 'x'.repeat(TEXT_CHARS_MAX + 1) })).toMatchObject({ statement: null, bytes: TEXT_CHARS_MAX + 1 });
    expect(text({ parameters: [{ type: 'text', value: 'x'.repeat(TEXT_CHARS_MAX + 1) }] })).toMatchObject({
      parameters: null,
    });
    expect(text({ parameters: [{ type: 'int4', value: null }] })).toMatchObject({
      parameters: [{ type: 'int4', value: null }],
    });
  });

  it('of a permit', () => {
    const { who, where } = full;
    const permit: HookEvent = {
      about: 'permit',
      seq: 9,
      type: 'permit.revoked',
      at: 5,
      permit: {
        id: 'PM-1',
        request: 'HP-1',
        who,
        where,
        rule: 'exports',
        by: ['grace'],
        granted: 1,
        until: 2,
        for_ms: 1,
        uses: 3,
        rows: 4,
      },
      use: null,
      revoked: { by: 'ines', reason: 'sealed-reason' },
    };
    expect(JSON.parse(payloadOf(permit, BARE, CONSOLE))).toMatchObject({
      type: 'permit.revoked',
      cursor: 9,
      permit: { id: 'PM-1', request: 'HP-1', uses: 3, rows: 4, by: ['grace'], use: null, revoked: { by: 'ines' } },
    });
    expect(payloadOf(permit, BARE, CONSOLE)).not.toContain('sealed');
    expect(payloadOf(permit, { text: false, words: true }, CONSOLE)).toContain('sealed-reason');
  });
});

it('of a policy', () => {
  const policy = { about: 'policy', seq: 3, at: 5 } as const;
  const loaded = { hash: 'h', rules: 7, mode: 'enforce' };
  expect(JSON.parse(payloadOf({ ...policy, type: 'policy.loaded', loaded, problems: [] }, BARE, CONSOLE))).toEqual({
    type: 'policy.loaded',
    cursor: 3,
    time: 5,
    policy: { ...loaded, problems: [] },
  });
  const problems = [{ line: 1, message: 'no' }];
  expect(
    JSON.parse(payloadOf({ ...policy, type: 'policy.refused', loaded: null, problems }, BARE, CONSOLE)),
  ).toMatchObject({
    policy: { problems },
  });
});

describe('a webhook', () => {
  let dir: string;
  let clock: FakeClock;
  let lines: string[];
  let records: { type: string; clear: Readonly<Record<string, unknown>> }[];
  let sent: { id: string; at: number }[];
  let refuses: boolean;
  const hooks: Hook[] = [];

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-hooks-'));
    clock = new FakeClock();
    [lines, records, sent, refuses] = [[], [], [], false];
  });
  afterEach(async () => {
    for (const hook of hooks.splice(0)) await hook.close();
    await rm(dir, { recursive: true });
  });

  const path = () => join(dir, 'webhooks', 'pager');

  /** `answer` by the sequence number, and how often anything was sent. */
  const start = async (
    events: readonly HookEvent[],
    answer: (seq: number, nth: number) => Sent,
    { config = {}, random = 0.5 }: { config?: Partial<HookConfig>; random?: number } = {},
  ): Promise<Hook> => {
    const state = (await readState(`${path()}.json`)) ?? { cursor: 0, since: 1, gone: null };
    const options: HookOptions = {
      files: filesOf(dir, 'pager'),
      clock,
      random: () => random,
      log_id: 'log',
      console: () => CONSOLE,
      sender: {
        send: async (id) => {
          sent.push({ id, at: clock.now() });
          return answer(Number(id.split('_')[2]), sent.length);
        },
        close: () => {},
      },
      ports: {
        now: { cursor: 0, since: 1 },
        feed: (from) => feedOf(events, from),
        audit: {
          append: async ({ type, clear }) => {
            if (refuses) throw new Error('disk full');
            return records.push({ type, clear });
          },
        },
        warn: (text) => void lines.push(`warn ${text}`),
        info: (text) => void lines.push(`info ${text}`),
      },
    };
    const hook = new Hook(hookOf(config), state, options);
    hooks.push(hook);
    hook.start();
    for (let i = 0; i < 20; i++) await quiet();
    return hook;
  };
  /** Time passes in steps, and files are written meanwhile. */
  const pass = async (ms: number, step = ms): Promise<void> => {
    for (let passed = 0; passed < ms; passed += step) {
      await clock.advance(step);
      for (let i = 0; i < 5; i++) await quiet();
    }
  };
  const ids = () => sent.map(({ id }) => id);
  const opened = (...seqs: number[]) => seqs.map((seq) => eventOf(seq, 'request.opened', {}, { at: clock.now() }));

  it('delivers in order, what it asked for', async () => {
    const events = [
      eventOf(3),
      eventOf(4, 'request.held'),
      eventOf(9, 'request.decided'),
      eventOf(12, 'request.executed'),
    ];
    const hook = await start(events, () => OK, { config: { events: ['request.opened', 'request.decided'] } });
    expect(ids()).toEqual(['hp_log_3', 'hp_log_9']);
    expect(hook.health()).toMatchObject({ state: 'working', cursor: 12, failing: null, dead: 0 });
    expect(lines).toEqual([]);
    await start([eventOf(1)], () => OK, { config: { events: ['permit.*'] } });
    expect(ids()).toHaveLength(2);
  });

  it('tries one again until it is taken, says so once, and sends the others after it', async () => {
    const hook = await start(opened(1, 2), (_, nth) => (nth < 5 ? FAILED : OK));
    expect(hook.health()).toMatchObject({ state: 'failing', cursor: 0, failing: { tries: 1, why: 'it answers 500' } });
    await pass(60_000, 100);
    expect(ids()).toEqual(['hp_log_1', 'hp_log_1', 'hp_log_1', 'hp_log_1', 'hp_log_1', 'hp_log_2']);
    // Half of 1, 2, 4 and 8 s.
    const [first = { at: 0 }] = sent;
    expect(sent.slice(0, 5).map(({ at }) => (at - first.at) / 1000)).toEqual([0, 0.5, 1.5, 3.5, 7.5]);
    expect(lines).toEqual([
      'warn webhook pager fails: it answers 500. It is tried again for 24 h, and what happens meanwhile waits',
      'info webhook pager works again, after 4 failures',
    ]);
    expect(hook.health()).toMatchObject({ state: 'working', cursor: 2 });
  });

  it('waits up to 5 min at most, and as long as a receiver asks for', async () => {
    await start(opened(1), () => FAILED, { random: 0.999_999 });
    await pass(2 * HOUR, 10_000);
    const gaps = sent.slice(1).map(({ at }, i) => at - (sent[i]?.at ?? 0));
    expect(gaps.length).toBeGreaterThan(25);
    for (const [i, gap] of gaps.entries()) expect(gap).toBeLessThanOrEqual(Math.min(1000 * 2 ** i, 300_000));
    expect(Math.max(...gaps)).toBeGreaterThan(299_000);
  });

  it('waits as long as a receiver asks for', async () => {
    await start(opened(1), () => ({ ...FAILED, retry_after_ms: 50_000 }), { random: 0 });
    await pass(120_000, 1000);
    expect(sent.map(({ at }) => at - (sent[0]?.at ?? 0))).toEqual([0, 50_000, 100_000]);
  });

  it('gives up after 24 h: dead letter, record, a line; what waited as long goes with it, what did not is tried', async () => {
    const begin = clock.now();
    const late = eventOf(3, 'request.decided', {}, { at: begin + 23 * HOUR });
    const hook = await start([...opened(1, 2), late], () => FAILED);
    await pass(24 * HOUR - 60_000, 60_000);
    expect(await readDead(`${path()}.dead.jsonl`)).toEqual([]);
    await pass(61_000, 1000);
    await vi.waitFor(() => expect(sent.at(-1)?.id).toBe('hp_log_3'), PATIENCE);
    const dead = await readDead(`${path()}.dead.jsonl`);
    expect(dead.map(({ id, type, cursor, why }) => [id, type, cursor, why])).toEqual([
      ['hp_log_1', 'request.opened', 1, 'it answers 500'],
      ['hp_log_2', 'request.opened', 2, 'it answers 500'],
    ]);
    expect(dead[0]?.at).toBe(begin + 24 * HOUR);
    expect(JSON.parse(dead[0]?.body ?? '')).toMatchObject({ type: 'request.opened', cursor: 1 });
    expect(records).toEqual([
      {
        type: 'webhook.dead',
        clear: { webhook: 'pager', id: 'hp_log_1', cursor: 1, event: 'request.opened', why: 'it answers 500' },
      },
      {
        type: 'webhook.dead',
        clear: { webhook: 'pager', id: 'hp_log_2', cursor: 2, event: 'request.opened', why: 'it answers 500' },
      },
    ]);
    expect(ids()).not.toContain('hp_log_2');
    expect(lines.filter((line) => line.includes('gave up'))).toHaveLength(2);
    expect(hook.health()).toMatchObject({ state: 'failing', cursor: 2, dead: 2 });
    expect((await stat(`${path()}.dead.jsonl`)).mode & 0o777).toBe(0o600);
  });

  it('keeps neither text nor words in a dead letter', async () => {
    const said = {
      decisions: [
        {
          decision: 'deny' as const,
          by: 'g',
          group: '',
          instead_of: null,
          counts: true,
          rationale: 'sealed-r',
          channel: 'api',
          at: 1,
          permit: null,
        },
      ],
    };
    await start([eventOf(1, 'request.decided', said, { at: clock.now() })], () => FAILED, {
      config: { text: true, words: true },
    });
    await pass(24 * HOUR, 60_000);
    await vi.waitFor(() => expect(records).toHaveLength(1), PATIENCE);
    const text = await readFile(`${path()}.dead.jsonl`, 'utf8');
    expect(text).toContain('hp_log_1');
    expect(text).not.toContain('sealed');
  });

  it('is not done with a dead letter before that is on record', async () => {
    refuses = true;
    const hook = await start(opened(1), () => FAILED);
    await pass(24 * HOUR, 60_000);
    await vi.waitFor(() => expect(lines.at(-1)).toContain('cannot go on, and tries again: disk full'), PATIENCE);
    expect(hook.health().cursor).toBe(0);
    refuses = false;
    await pass(5000);
    await vi.waitFor(() => expect(hook.health().cursor).toBe(1), PATIENCE);
    expect(records).toHaveLength(1);
    expect(await readDead(`${path()}.dead.jsonl`)).toHaveLength(1);
  });

  it('410: off, on record, also after a restart; another address turns it on, and nothing was lost', async () => {
    const gone = (seq: number): Sent => (seq === 2 ? { type: 'gone' } : OK);
    const hook = await start(opened(1, 2, 3), gone);
    await vi.waitFor(() => expect(records).toHaveLength(1), PATIENCE);
    expect(hook.health()).toMatchObject({ state: 'gone', cursor: 1 });
    expect(records).toEqual([{ type: 'webhook.gone', clear: { webhook: 'pager', cursor: 2 } }]);
    await hook.close();
    const again = await start(opened(1, 2, 3), () => OK);
    expect(again.health().state).toBe('gone');
    expect(lines.at(-1)).toContain('is off: its receiver answered 410 Gone');
    expect(ids()).toEqual(['hp_log_1', 'hp_log_2']);
    await again.close();
    await start(opened(1, 2, 3), () => OK, { config: { url: 'https://other.example/' } });
    expect(ids().slice(2)).toEqual(['hp_log_2', 'hp_log_3']);
  });

  it('goes on after a restart where it was', async () => {
    const first = await start(opened(1, 2, 3), (seq) => (seq === 3 ? FAILED : OK));
    await first.close();
    expect(await readState(`${path()}.json`)).toEqual({ cursor: 2, since: 3, gone: null });
    expect((await stat(`${path()}.json`)).mode & 0o777).toBe(0o600);
    await start(opened(1, 2, 3, 4), () => OK);
    expect(ids()).toEqual(['hp_log_1', 'hp_log_2', 'hp_log_3', 'hp_log_3', 'hp_log_4']);
  });

  it('whatever the receiver does, each event is taken once and in order (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 30 }), async (answers) => {
        sent = [];
        await rm(join(dir, 'webhooks'), { recursive: true, force: true });
        const taken: number[] = [];
        const hook = await start(opened(1, 2, 3, 4, 5), (seq, nth) => {
          if (answers[nth - 1] === false) return FAILED;
          taken.push(seq);
          return OK;
        });
        await pass(3 * HOUR, 150_000);
        expect(taken).toEqual([1, 2, 3, 4, 5]);
        await hook.close();
      }),
      { numRuns: 25 },
    );
  });
});

describe('all of them', () => {
  it('are on disk before they begin, from now on, and never ahead of the log', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'holdpoint-hooks-'));
    const clock = new FakeClock();
    const begun: number[] = [];
    const warned: string[] = [];
    const begin = (cursor: number) =>
      startWebhooks([hookOf({ name: 'a' }), hookOf({ name: 'b' })], {
        data: dir,
        version: '1',
        clock,
        log_id: 'log',
        console: () => CONSOLE,
        ports: {
          now: { cursor, since: 1 },
          feed: (from) => {
            begun.push(from.cursor);
            return feedOf([], from);
          },
          audit: { append: async () => 1 },
          warn: (text) => void warned.push(text),
          info: () => {},
        },
      });
    try {
      const first = await begin(7);
      expect(await readState(filesOf(dir, 'a').state)).toEqual({ cursor: 7, since: 1, gone: null });
      expect(first.health().map(({ name, state, cursor }) => [name, state, cursor])).toEqual([
        ['a', 'working', 7],
        ['b', 'working', 7],
      ]);
      await first.close();
      await (await begin(9)).close();
      expect(warned).toEqual([]);
      await (await begin(3)).close();
      expect(begun).toEqual([7, 7, 7, 7, 3, 3]);
      expect(warned[0]).toBe('webhook a is ahead of the log, which lost its end: it goes on from here');
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe('files', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'holdpoint-hooks-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('a state that was edited is an error with what to do', async () => {
    const path = join(dir, 'x.json');
    await writeFile(path, '{"cursor": "1"}');
    await expect(readState(path)).rejects.toThrow(/x\.json is not what a webhook keeps there; remove it/);
    expect(await readState(join(dir, 'none.json'))).toBeNull();
  });

  it('dead letters are bounded, and it is told how many of the oldest went', async () => {
    const path = join(dir, 'x.dead.jsonl');
    const body = 'x'.repeat(1024 * 1024);
    let dropped = 0;
    let told = 0;
    for (let cursor = 1; cursor <= 40; cursor++) {
      const gone = await bury(path, { id: `hp_log_${cursor}`, type: 't', cursor, at: 0, why: '', body });
      dropped += gone;
      told += Number(gone > 0);
      expect((await stat(path)).size).toBeLessThanOrEqual(DEAD_BYTES_MAX);
    }
    const left = (await readDead(path)).map(({ cursor }) => cursor);
    expect(left).toEqual(Array.from({ length: left.length }, (_, i) => 41 - left.length + i));
    expect(dropped).toBe(40 - left.length);
    expect(told).toBeGreaterThan(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFile(path, '{"id":"a"}\n{"id"', { flag: 'w' });
    expect((await readDead(path)).map(({ id }) => id)).toEqual(['a']);
  });
});
