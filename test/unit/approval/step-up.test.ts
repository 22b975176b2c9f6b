// What a rule demands of the sign-in behind an approval: who has it is counted, on record with how they signed in; who lacks it hears what, and
// nothing is counted; a denial never needs it.
import { describe, expect, it, test } from 'vitest';
import { lacking } from '../../../src/approval/step-up.ts';
import type { DecideInput, Proof } from '../../../src/approval/types.ts';
import { fromRecord } from '../../../src/gate/journal.ts';
import type { StepUp } from '../../../src/policy/types.ts';
import { decision, directoryOf, DONE, heldOf, idOf, person, waiting, world, type World } from './help.ts';

const NOW = 10_000_000;
/** When a world begins. */
const AT = Date.UTC(2026, 0, 5, 14, 2, 30);
const MINUTE = 60_000;
const demand = (more: Partial<StepUp>): StepUp => ({ within_ms: null, factor: null, acr: [], ...more });
const proof = (by: readonly string[], at: number | null = NOW, acr: string | null = null): Proof => ({ at, by, acr });

describe('what a sign-in lacks', () => {
  const within = demand({ within_ms: 10 * MINUTE });
  const any = demand({ factor: 'any' });
  const code = demand({ factor: 'totp' });
  const key = demand({ factor: 'webauthn' });
  const phr = demand({ acr: ['phr', 'phrh'] });
  const both = demand({ acr: ['phr'], factor: 'any' });
  test.each<[string, StepUp, Proof | null, string]>([
    ['young enough', within, proof(['local'], NOW - 10 * MINUTE), ''],
    ['a moment too old', within, proof(['local'], NOW - 10 * MINUTE - 1), 'within'],
    ['no time at all', within, proof(['local'], Number.NaN), 'within'],
    ['nobody knows when', within, proof(['oidc', 'mfa'], null), 'within'],
    ['from a time that has not come', within, proof(['oidc'], NOW + 31_000), 'within'],
    ["a provider's clock", within, proof(['oidc'], NOW + 30_000), ''],
    ['no sign-in at all', demand({ within_ms: MINUTE, factor: 'any' }), null, 'within factor'],
    ['a link', demand({ within_ms: MINUTE, factor: 'any' }), proof(['link'], null), 'within factor'],
    ['a password alone', any, proof(['local']), 'factor'],
    ["a directory's password alone", any, proof(['ldap']), 'factor'],
    ['a recovery code', any, proof(['local', 'recovery']), ''],
    ['a code', any, proof(['ldap', 'totp']), ''],
    ['a code, where a recovery code will not do', code, proof(['local', 'totp']), ''],
    ['a recovery code, where a code is wanted', code, proof(['local', 'recovery']), 'factor'],
    ['a key for a code', code, proof(['local', 'webauthn']), ''],
    ['a code for a key', key, proof(['local', 'totp']), 'factor'],
    ['a key', key, proof(['local', 'webauthn']), ''],
    ["a provider's several factors", any, proof(['oidc', 'pwd', 'mfa']), ''],
    ["a provider's password", any, proof(['oidc', 'pwd']), 'factor'],
    ["a provider's code for a key", key, proof(['oidc', 'mfa', 'otp']), 'factor'],
    ["a provider's key", key, proof(['oidc', 'pwd', 'hwk']), ''],
    ['a provider that says nothing of how', any, proof(['oidc']), 'factor'],
    ["a provider's word in a password's place", any, proof(['local', 'mfa']), 'factor'],
    ['a method in the place of the source', key, proof(['webauthn']), 'factor'],
    ['the class', phr, proof(['oidc'], NOW, 'phrh'), ''],
    ['a lower class', phr, proof(['oidc', 'hwk'], NOW, '1'), 'acr'],
    ['no class', phr, proof(['oidc', 'hwk']), 'acr'],
    ['a class that no provider said', phr, proof(['local', 'webauthn'], NOW, 'phr'), 'acr'],
    ['the class for a factor', both, proof(['oidc'], NOW, 'phr'), ''],
    ['a factor for the class, at a provider', both, proof(['oidc', 'mfa'], NOW, '1'), 'acr'],
    ['a factor, without a provider', both, proof(['local', 'totp']), ''],
    ['all of it', demand({ within_ms: 0, factor: 'webauthn', acr: ['x'] }), proof(['oidc', 'pwd'], 1), 'within acr'],
  ])('%s', (_, demanded, had, lacks) => {
    expect(lacking(demanded, had, NOW).join(' ')).toBe(lacks);
  });

  it('is nothing where nothing is demanded', () => {
    expect(lacking(null, null, NOW)).toEqual([]);
  });
});

const STEP: StepUp = { within_ms: 10 * MINUTE, factor: 'any', acr: [] };
const GOOD: Proof = { at: AT - MINUTE, by: ['local', 'totp'], acr: null };
const open = async (w: World, more: Parameters<typeof heldOf>[0] = {}, ask: Parameters<typeof heldOf>[1] = {}) =>
  idOf(await w.desk.hold(heldOf(more, { step_up: STEP, ...ask }), 1_000));
const decided = (w: World) =>
  w.journal.events.flatMap(({ event }) => (event.type === 'decided' ? [event.decision] : []));

describe('at the desk', () => {
  const approve = (id: string, signed_in?: Proof, more: Partial<DecideInput> = {}) =>
    decision(id, { ...more, ...(signed_in && { signed_in }) });

  it('counts nothing by a sign-in that lacks it, and says what and what was', async () => {
    const w = world();
    const id = await open(w);
    const tries: [Proof | undefined, readonly string[], string][] = [
      [undefined, ['within', 'factor'], 'Nothing is known of how this account signed in.'],
      [{ ...GOOD, by: ['local'] }, ['factor'], 'You signed in 1 minute ago, by a password alone.'],
      [{ ...GOOD, at: AT - 11 * MINUTE }, ['within'], 'You signed in 11 minutes ago, by a password and a code.'],
      [
        { at: null, by: ['link'], acr: null },
        ['within', 'factor'],
        'You came by a one-time link, which proves nothing.',
      ],
      [
        { at: null, by: ['oidc', 'pwd'], acr: '1' },
        ['within', 'factor'],
        'You signed in, by single sign-on (pwd) with acr 1; the provider did not say when you proved who you are.',
      ],
    ];
    for (const [signed_in, lacks, had] of tries) {
      const answer = await w.desk.decide(approve(id, signed_in));
      expect(answer).toMatchObject({ type: 'refused', why: 'step-up', lacks, request: { state: 'open' } });
      expect(answer).toMatchObject({
        text: `Rule exports wants approvals of people who signed in at most 10 minutes before with a second factor. ${had} Sign in again.`,
      });
    }
    expect(decided(w)).toEqual([]);
    expect(await w.desk.decide(approve(id, GOOD))).toMatchObject({ type: 'counted', request: { state: 'approved' } });
    expect(decided(w)).toMatchObject([{ by: 'aiko', signed_in: GOOD }]);
  });

  it('asks for words first: nothing else is to be mended after signing in again', async () => {
    const w = world();
    const id = await open(w, {}, { rationale: ['approve'] });
    expect(await w.desk.decide(approve(id, undefined, { rationale: ' ' }))).toMatchObject({ why: 'rationale-missing' });
    expect(await w.desk.decide(approve(id))).toMatchObject({ why: 'step-up' });
  });

  it('goes by the time of the decision, not of the request', async () => {
    const w = world();
    const id = await open(w);
    await w.clock.advance(10 * MINUTE);
    expect(await w.desk.decide(approve(id, GOOD))).toMatchObject({ why: 'step-up', lacks: ['within'] });
  });

  it('a denial and a question need none', async () => {
    const w = world();
    const id = await open(w);
    expect(await w.desk.ask({ id, by: 'aiko', text: 'Who?', channel: 'api' })).toMatchObject({ type: 'counted' });
    expect(await w.desk.decide(decision(id, { decision: 'deny' }))).toMatchObject({ request: { state: 'denied' } });
  });

  it('each of several approvals needs it', async () => {
    const w = world();
    const id = await open(w, {}, { count: 2 });
    await w.desk.decide(approve(id, GOOD));
    expect(await w.desk.decide(approve(id, undefined, { by: 'ines' }))).toMatchObject({ why: 'step-up' });
    expect(w.desk.get(id)?.state).toBe('open');
    await w.desk.decide(approve(id, GOOD, { by: 'ines' }));
    expect(w.desk.get(id)?.state).toBe('approved');
  });

  it('an approval with a permit needs it, and a permit of before the rule demanded it covers nothing', async () => {
    const permit = { for_ms: 3_600_000, uses: 9, rows: 9, writes: false };
    const pattern = { hash: 'h', free: [], free_parameters: [], writes: false };
    const terms = { for_ms: 60_000, uses: 1, rows: 1 };
    const w = world();
    const id = await open(w, { pattern }, { permit, step_up: null });
    await w.desk.decide(decision(id, { permit: terms }));
    expect(w.permits.list()).toHaveLength(1);
    const again = heldOf({ pattern, digest: 'd2' }, { permit, step_up: STEP });
    expect(w.permits.match(again)).toBeUndefined();
    const next = waiting(await w.desk.hold(again, 1_000)).id;
    const other = { digest: 'tag-d2', permit: terms };
    expect(await w.desk.decide(approve(next, undefined, other))).toMatchObject({ why: 'step-up' });
    expect(w.permits.list()).toHaveLength(1);
    expect(await w.desk.decide(approve(next, GOOD, other))).toMatchObject({ type: 'counted' });
    expect(w.permits.match(heldOf({ pattern, digest: 'd3' }, { permit, step_up: STEP }))).toBeDefined();
  });

  it('what was approved before the rule demanded it is decided again', async () => {
    const w = world();
    const held = waiting(await w.desk.hold(heldOf(), 60_000));
    await w.desk.decide(decision(held.id));
    expect(await w.desk.change(held.id, heldOf({ policy: 'next' }, { step_up: STEP }))).toMatchObject({
      type: 'changed',
      revision: 2,
    });
    expect(await w.desk.decide(decision(held.id, { revision: 2 }))).toMatchObject({ why: 'step-up' });
  });

  it('the review of what broke glass needs it', async () => {
    const directory = directoryOf(
      [person('mara', { groups: ['ops'] }), person('aiko', { groups: ['dba'] })],
      [{ id: 'mara', sponsor: null, aliases: [], people: [] }],
      { ops: ['ops'] },
    );
    const w = world({ directory });
    const who = { ...heldOf().who, id: 'mara', kind: 'human' as const, sponsor: null };
    const break_glass = { reason: 'fire', of: ['ops'] };
    const ran = await w.desk.hold(heldOf({ who, break_glass }, { step_up: STEP }), 1_000);
    const id = idOf(ran);
    await w.desk.finish(id, DONE);
    const review = { id, by: 'aiko', rationale: 'looked' };
    expect(await w.desk.review(review)).toMatchObject({ why: 'step-up', lacks: ['within', 'factor'] });
    expect(await w.desk.review({ ...review, signed_in: GOOD })).toMatchObject({ type: 'counted' });
    expect(w.journal.events.at(-1)?.event).toMatchObject({ type: 'reviewed', signed_in: GOOD });
  });

  it('records of earlier releases, and requests in them, demand nothing and know nothing', () => {
    const { step_up: _, ...ask } = heldOf().ask;
    const opened = fromRecord({
      type: 'request.opened',
      clear: { at: 1, request: { id: 'HP-1', ask } },
      sealed: { request: { sql: 'x' } },
    });
    expect(opened).toMatchObject({ request: { ask: { step_up: null } } });
  });
});
