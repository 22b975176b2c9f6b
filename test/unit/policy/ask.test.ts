// `ask` and `break_glass`: what is refused and where, what surprises, and what is compiled of it.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { DEFAULT_ASK } from '../../../src/policy/judge.ts';
import { compilePolicy } from '../../../src/policy/load.ts';
import type { Ask, PolicyError } from '../../../src/policy/types.ts';
import { durationText } from '../../../src/policy/values.ts';
import { askLines, needs } from '../../../src/policy/words.ts';
import { analysis, errorsOf, policy, question } from './made.ts';

const GROUPS = ['dba', 'owners', 'leads'];
const HEAD = `version: 1
default: allow
reviewers: {${GROUPS.map((name) => `${name}: {groups: [${name}]}`).join(', ')}}
`;
/** A file whose one rule has this ask, on line 8 from column 10 on. */
const asking = (ask: string): string => `${HEAD}rules:
  - id: a
    when: "true"
    then: hold
    ask: ${ask}
`;
/** "8:14:dba": line, column and what is underlined. */
const place = ({ line, column, excerpt }: PolicyError): string => {
  const [text = '', caret = ''] = excerpt.split('\n');
  const from = caret.indexOf('^');
  return `${line}:${column}:${text.slice(from, from + caret.trim().length)}`;
};
const askOf = async (ask: string): Promise<Ask | null> =>
  (await policy(asking(ask))).judge(question(analysis([{ action: 'read', object: 'public.users' }]))).ask;

describe('what can not be meant is refused with its place', () => {
  test.each([
    ['{count: 0}', '8:18:0', '`count`: a whole number of people from 1 to 5'],
    ['{count: 6}', '8:18:6', '`count`: a whole number of people from 1 to 5'],
    ['{count: two}', '8:18:two', '`count`: a whole number of people from 1 to 5'],
    ['{denials: 6}', '8:20:6', '`denials`: a whole number of denials from 1 to 5'],
    ['{deadline: 1.5h}', '8:21:1.5h', '`deadline`: a duration is a whole number and a unit: 45s, 15m, 1h, 2d'],
    ['{deadline: 0s}', '8:21:0s', '`deadline`: of no time at all'],
    ['{use_within: 0m}', '8:23:0m', '`use_within`: of no time at all'],
    ['{of: [dbo]}', '8:16:dbo', 'no reviewers are called `dbo`; did you mean `dba`?'],
    ['{of: [dba, dba]}', '8:21:dba', '`of`: `dba` is named twice'],
    ['{of_each: []}', '8:20:[]', '`of_each`: at least one group'],
    ['{of_each: [dba, owner]}', '8:26:owner', 'no reviewers are called `owner`; did you mean `owners`?'],
    ['{of: [dba], of_each: [owners]}', '8:31:[owners]', '`of_each`: `of` or `of_each`, not both'],
    ['{of_eech: [dba]}', '8:11:of_eech', 'unknown key `of_eech`; did you mean `of_each`?'],
    [
      '{escalate: {after: 5m, to: [leads]}}',
      '8:21:{after: 5m, to: [leads]}',
      '`escalate`: any reviewer may decide already: say with `of` or `of_each` who is asked first',
    ],
    [
      '{of: [dba], escalate: {after: 15m, to: [leads]}}',
      '8:40:15m',
      '`after`: the request ends after 15m: write a shorter time, or a longer `deadline`',
    ],
    ['{of: [dba], escalate: {after: 0s, to: [leads]}}', '8:40:0s', '`after`: of no time at all'],
    ['{of: [dba], escalate: {after: 5m, to: []}}', '8:48:[]', '`to`: at least one group'],
    ['{of: [dba], escalate: {after: 5m}}', '8:32:{after: 5m}', '`to` is missing'],
    ['{of: [dba], escalate: {after: 5m, to: [leads], too: 1}}', '8:57:too', 'unknown key `too`; did you mean `to`?'],
    [
      '{of: [dba], escalate: {after: 5m, to: [lead]}}',
      '8:49:lead',
      'no reviewers are called `lead`; did you mean `leads`?',
    ],
    [
      '{of: [dba, leads], escalate: {after: 5m, to: [leads]}}',
      '8:55:[leads]',
      '`to`: these are asked already: name others',
    ],
    ['{nobody: 15m}', '8:19:15m', '`nobody`: a sentence: deny after 15m'],
    ['{nobody: approve after 5m}', '8:19:approve after 5m', '`nobody`: a sentence: deny after 15m'],
    ['{nobody: deny after 0s}', '8:19:deny after 0s', '`nobody`: of no time at all'],
    [
      '{nobody: deny after 15m}',
      '8:19:deny after 15m',
      '`nobody`: the request ends after 15m: write a shorter time, or a longer `deadline`',
    ],
    ['{permit: {for: 7d, uses: 9}}', '8:19:{for: 7d, uses: 9}', '`rows` is missing'],
    ['{permit: {for: 91d, uses: 9, rows: 9}}', '8:25:91d', '`for`: a time from 1s to 90d'],
    ['{permit: {for: 0s, uses: 9, rows: 9}}', '8:25:0s', '`for`: a time from 1s to 90d'],
    ['{permit: {for: 7d, uses: 1000001, rows: 9}}', '8:35:1000001', '`uses`: at most 1000000 uses'],
    ['{permit: {for: 7d, uses: 0, rows: 9}}', '8:35:0', '`uses`: a whole number of uses, from 1 on'],
    ['{permit: {for: 7d, uses: 9, rows: 0}}', '8:44:0', '`rows`: a whole number of rows, from 1 on'],
    ['{permit: {for: 7d, uses: 9, rows: 9, write: true}}', '8:47:write', 'unknown key `write`; did you mean `writes`?'],
    ['{channel: slack}', '8:20:slack', '`channel`: one of any, console'],
    ['{step_up: {}}', '8:20:{}', '`step_up`: it demands nothing: write `within`, `factor` or `acr`'],
    ['{step_up: 10m}', '8:20:10m', /^`step_up`: /],
    ['{step_up: {within: 0s}}', '8:29:0s', '`within`: a time from 1s to 12h: no sign-in lasts longer'],
    ['{step_up: {within: 13h}}', '8:29:13h', '`within`: a time from 1s to 12h: no sign-in lasts longer'],
    ['{step_up: {factor: sms}}', '8:29:sms', '`factor`: one of any, totp, webauthn'],
    ['{step_up: {acr: []}}', '8:26:[]', '`acr`: at least one class'],
    ['{step_up: {acr: [two words]}}', '8:27:two words', '`acr`: one word'],
    ['{step_up: {within: 5m, fresh: 10m}}', '8:33:fresh', /^unknown key `fresh`/],
    [
      '{wait: 0s, ticket: false}',
      '8:29:false',
      '`ticket`: with `wait: 0s` and no ticket nothing could ever be approved',
    ],
  ])('%s', async (ask, at, message) => {
    const errors = await errorsOf(asking(ask));
    const told = typeof message === 'string' ? message : expect.stringMatching(message);
    expect(errors.map((error) => [place(error), error.message])).toEqual([[at, told]]);
  });

  it('tells of a break-glass group that is not there', async () => {
    const errors = await errorsOf(`${HEAD}break_glass: [dba, lead]\n`);
    expect(errors.map((error) => [place(error), error.message])).toEqual([
      ['4:20:lead', 'no reviewers are called `lead`; did you mean `leads`?'],
    ]);
  });
});

describe('what surprises is a warning', () => {
  const warned = async (ask: string): Promise<string[]> => {
    const result = await compilePolicy('policy.yaml', Buffer.from(asking(ask)));
    if ('errors' in result) expect.fail(result.errors.map(({ message }) => message).join('; '));
    return result.warnings.map((one) => `${place(one)} ${one.message}`);
  };

  test.each([
    [
      '{of: [dba], escalate: {after: 45s, to: [leads]}, ticket: false}',
      [expect.stringMatching(/^8:40:45s never happens/)],
    ],
    ['{of: [dba], escalate: {after: 44s, to: [leads]}, ticket: false}', []],
    ['{nobody: deny after 5m, wait: 5m, ticket: false}', [expect.stringMatching(/^8:19:deny after 5m never happens/)]],
    ['{nobody: deny after 5m, wait: 6m, ticket: false}', []],
    ['{count: 2, ticket: false}', [expect.stringMatching(/^8:29:false all 2 people have to decide while/)]],
    ['{of_each: [dba, owners], count: 2, ticket: false, wait: 59s}', [expect.stringMatching(/ all 4 people have/)]],
    ['{of_each: [dba, owners], ticket: false, wait: 1m}', []],
    ['{count: 2, nobody: deny after 5m}', []],
    ['{step_up: {acr: [phr]}}', [expect.stringMatching(/^8:26:\[phr\] who signs in with a password can not/)]],
    ['{step_up: {acr: [phr], factor: any}}', []],
  ])('%s', async (ask, warnings) => {
    expect(await warned(ask)).toEqual(warnings);
  });
});

describe('what is compiled', () => {
  it('is the default where nothing is written', async () => {
    expect(await askOf('{}')).toEqual(DEFAULT_ASK);
    expect(DEFAULT_ASK).toMatchObject({ of: [], count: 1, denials: 1, deadline_ms: 900_000, permit: null });
  });

  it('has every key', async () => {
    const written = `{of_each: [dba, owners], count: 2, denials: 3, escalate: {after: 5m, to: [leads]},
      nobody: deny after 10m, permit: {for: 7d, uses: 1000, rows: 10000}, channel: console,
      step_up: {within: 10m, factor: any}}`;
    expect(await askOf(written)).toEqual({
      ...DEFAULT_ASK,
      of: ['dba', 'owners'],
      each: true,
      count: 2,
      denials: 3,
      escalate: { after_ms: 300_000, to: ['leads'] },
      nobody_ms: 600_000,
      permit: { for_ms: 604_800_000, uses: 1000, rows: 10_000, writes: false },
      channel: 'console',
      step_up: { within_ms: 600_000, factor: 'any', acr: [] },
    });
  });

  it('has the groups of break-glass', async () => {
    expect((await policy(`${HEAD}break_glass: [leads]\n`)).break_glass).toEqual(['leads']);
    expect((await policy(HEAD)).break_glass).toEqual([]);
  });

  it('is what was written, whatever was', async () => {
    await fc.assert(
      fc.asyncProperty(asks, async (ask) => {
        expect(await askOf(written(ask))).toEqual(ask);
      }),
      { numRuns: 300 },
    );
  });
});

describe('in words', () => {
  test.each([
    [{}, 'any reviewer'],
    [{ count: 3 }, 'three reviewers'],
    [{ of: ['dba'] }, 'one of dba'],
    [{ of: ['dba', 'owners'], count: 2 }, 'two of dba, owners'],
    [{ of: ['dba', 'owners'], each: true }, 'one of dba and one of owners'],
  ])('%j needs %s', (ask, words) => {
    expect(needs({ ...DEFAULT_ASK, ...ask })).toBe(words);
  });

  it('says all of it, and nothing that is not said', () => {
    expect(askLines(DEFAULT_ASK)).toEqual(['any reviewer, within 15m']);
    expect(
      askLines({
        ...DEFAULT_ASK,
        of: ['dba', 'owners'],
        each: true,
        denials: 2,
        escalate: { after_ms: 300_000, to: ['leads'] },
        nobody_ms: 90_000,
        permit: { for_ms: 604_800_000, uses: 1000, rows: 10_000, writes: false },
        channel: 'console',
        step_up: { within_ms: 600_000, factor: 'webauthn', acr: ['phr', 'phrh'] },
        wait_ms: 0,
        reason: 'required',
        ticket: false,
      }),
    ).toEqual([
      'one of dba and one of owners, within 15m; the connection waits 0s',
      'denied by two denials, not by one',
      'after 5m leads, too, each in the place of any other',
      'denied after 90s in which nobody who may decide is connected',
      'approved in the console alone',
      'approved by who signed in at most 10m before with a security key, or by single sign-on with acr phr or phrh',
      'may become a permit: at most 7d, 1000 uses, 10000 rows each, reads only',
      "refused without the agent's reason",
      'withdrawn when the connection waits no longer',
    ]);
  });
});

const seconds = (most: number) => fc.integer({ min: 1, max: most }).map((n) => n * 1000);
const names = fc.subarray(GROUPS.slice(0, 2));
/** All that a file can ask. */
const asks: fc.Arbitrary<Ask> = fc
  .record({
    of: names,
    each: fc.boolean(),
    count: fc.integer({ min: 1, max: 5 }),
    denials: fc.integer({ min: 1, max: 5 }),
    escalate: fc.option(fc.record({ after_ms: seconds(899), to: fc.constant(['leads']) })),
    nobody_ms: fc.option(seconds(899)),
    permit: fc.option(
      fc.record({
        for_ms: fc.oneof(
          seconds(999_999),
          fc.integer({ min: 1, max: 90 }).map((n) => n * 86_400_000),
        ),
        uses: fc.integer({ min: 1, max: 1_000_000 }),
        rows: fc.integer({ min: 1, max: 2 ** 40 }),
        writes: fc.boolean(),
      }),
    ),
    channel: fc.constantFrom('any', 'console'),
    step_up: fc.option(
      fc
        .record({
          within_ms: fc.option(fc.integer({ min: 1, max: 43_200 }).map((n) => n * 1000)),
          factor: fc.option(fc.constantFrom('any', 'totp', 'webauthn')),
          acr: fc.subarray(['phr', 'urn:example:gold']),
        })
        .filter(({ within_ms, factor, acr }) => within_ms !== null || factor !== null || acr.length > 0),
    ),
    deadline_ms: fc.integer({ min: 900, max: 999_999 }).map((n) => n * 1000),
    use_within_ms: seconds(999_999),
    wait_ms: fc.option(seconds(999_999)),
    rationale: fc.subarray(['approve', 'deny'] as const),
    reason: fc.constantFrom('optional', 'required'),
    ticket: fc.boolean(),
  })
  .map((ask) => ({
    ...ask,
    each: ask.each && ask.of.length > 0,
    escalate: ask.of.length > 0 ? ask.escalate : null,
  }));

/** As a file has it (JSON is YAML). */
const written = (ask: Ask): string => {
  const { of, each, count, denials, escalate, nobody_ms, permit, step_up, wait_ms, ...more } = ask;
  const { deadline_ms, use_within_ms, ...rest } = more;
  return JSON.stringify({
    ...rest,
    [each ? 'of_each' : 'of']: of,
    count,
    denials,
    ...(escalate && { escalate: { after: durationText(escalate.after_ms), to: escalate.to } }),
    ...(nobody_ms !== null && { nobody: `deny after ${durationText(nobody_ms)}` }),
    ...(permit && {
      permit: { for: durationText(permit.for_ms), uses: permit.uses, rows: permit.rows, writes: permit.writes },
    }),
    ...(step_up && {
      step_up: {
        ...(step_up.within_ms !== null && { within: durationText(step_up.within_ms) }),
        ...(step_up.factor !== null && { factor: step_up.factor }),
        ...(step_up.acr.length > 0 && { acr: step_up.acr }),
      },
    }),
    ...(wait_ms !== null && { wait: durationText(wait_ms) }),
    deadline: durationText(deadline_ms),
    use_within: durationText(use_within_ms),
  });
};
