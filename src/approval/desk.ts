// The desk runs the lifecycle: it opens requests, lets connections wait on them, counts decisions and lets what was approved
// run, once. Must never show or act on a transition before the journal has it, and never release a request twice.
import { cutBytes, visible } from '../errors/text.ts';
import { otherBodies } from '../sql/bodies.ts';
import type { Impact } from '../sql/impact.ts';
import { type Alarm, Alarms, NOWHERE } from './alarms.ts';
import { createDecided } from './before.ts';
import {
  duration,
  isBlank,
  mayAsk,
  mayNow,
  mayStillBeSaid,
  RATIONALE_CHARS_MAX,
  type Refused,
  signInRefused,
  termsOf,
  TEXT_GONE,
  vote,
} from './deciding.ts';
import { newId } from './digest.ts';
import { ableTo, isLinked } from './duty.ts';
import { fold } from './fold.ts';
import { apply, isTerminal, isUndecided } from './lifecycle.ts';
import { AHEAD_MS_MAX } from './permits.ts';
import { inOrder, turns } from './turns.ts';
import type {
  AheadResult,
  ApprovalEvent,
  ChangeResult,
  Clock,
  Decision,
  DecideInput,
  DecideResult,
  Desk,
  Directory,
  Held,
  Hold,
  HoldEnd,
  HoldEndWhy,
  HoldListener,
  HoldResult,
  Journal,
  Outcome,
  Permits,
  Request,
  ReviewInput,
  Said,
  SayInput,
  State,
} from './types.ts';

/** What the first answer adds to a connection's wait. */
export const ANSWER_ADDS_MS = 60_000;
/** Who decides where the clock does. */
const CLOCK_NAME = 'holdpoint';
/** Of one request: what is another each time somebody looks is not what anybody can decide. */
export const REVISIONS_MAX = 6;
/** Ended requests remembered, beside those whose denial still stands. */
export const ENDED_KEPT_MAX = 1000;
/** Ended requests looked at when another one ends: with thousands open, or denials that stand, it costs no more. */
const FORGET_LOOKS_MAX = 10;
/** Pause before an event that the clock or the wire caused, and the journal refused, is tried again. */
const RETRY_MS = 1000;
/** Longest single timer; setTimeout's own limit is 24.8 days. */
const TIMER_MS_MAX = 24 * 3_600_000;

const CLAIMS_DIFFER = 'other people stand behind it now';
const EARLIER_DIFFER = 'the earlier statements of the transaction are others now';
/** Bodies that are named where they are others. */
const NAMED_MAX = 3;
const NAME_BYTES_MAX = 80;
const JUDGED_DIFFERENTLY = 'the policy or what the statement touches is another now';
const MEANS_OTHERWISE = 'what its names stand for is something else now';
const OTHER_ROLE = 'the role that it runs as is another now';
const OTHER_PATH = 'the search_path is another now';
const NOT_USED = 'it was not used in time';
const CLOCK_BACK = 'the clock was set back to before its approval';
const NO_PERMIT = 'Approved once. The audit log cannot be written, so there is no permit.';
const DOWN = {
  type: 'refused',
  why: 'directory-down',
  text: 'The directory cannot be asked who may decide, so this was not counted. Try again.',
} as const;
const GONE = 'The agent is gone and its rule leaves no ticket.';

export interface DeskOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly directory: Directory;
  /** Standing approvals, asked before a request is opened. */
  readonly permits: Permits;
  /** HMAC of a digest, or of what makes statements alike, under a key that never leaves the node. */
  readonly tag: (value: string) => string;
  readonly requests_open_per_principal_max: number;
  /** 'allow': hold also for principals that nobody answers for. */
  readonly unsponsored: 'refuse' | 'allow';
  /** Ids of reviewers who are connected now. */
  readonly present?: () => readonly string[];
  /** A uniform integer from 0 to below; tests make it repeat. */
  readonly random?: (below: number) => number;
}

/** An approved statement is not let through now, and stays approved. */
export class NotNow extends Error {
  override readonly name = 'NotNow';
  /** The directory can't be asked; or by it the requester is nobody any more, or nobody is there who answers for it. */
  readonly why: 'directory-down' | 'requester-gone';
  constructor(why: NotNow['why'], options?: ErrorOptions) {
    super(`not now: ${why}`, options);
    this.why = why;
  }
}

/** The outcome of what was let through and never sent, where that may not be given back. */
export const NEVER_SENT: Outcome = { tag: null, sqlstate: '08006', rows: 0, bytes: 0, duration_ms: 0 };

/** A request in memory with what is not durable: who waits for it. */
interface Entry extends Alarm {
  request: Request;
  /** In order of arrival. The first is offered the release when it is approved. */
  waiting: readonly Waiter[];
  /** The connection that left last; null: that for which it was opened, when the gateway stopped. */
  left: { readonly session: string; readonly why: HoldEndWhy } | null;
  /** Since when nobody who may decide it is connected; null: somebody is, or its rule does not care. */
  alone_since: number | null;
}

interface Waiter {
  readonly session: string;
  until: number;
  /** No answer puts `until` off beyond this. */
  readonly longest: number;
  /** It was told of the approval: the clock ends its wait no more. */
  offered: boolean;
  listener: HoldListener | null;
  /** Whoever listens has not been told the end. */
  untold: boolean;
  /** How its wait ended; where it was offered the release, too. */
  end: HoldEnd | null;
  /** Hold.ended, where somebody has asked for it. */
  ended: Deferred<HoldEnd> | null;
}

const NOBODY: readonly Waiter[] = [];
/** Of a new request: shared by all of them. */
const NO_DECISIONS: Request['decisions'] = [];
const NO_WORDS: Request['said'] = [];

export function createDesk(options: DeskOptions): Desk {
  const { clock, directory, permits } = options;
  /** Of a digest: requests of one digest are looked at together. */
  const locked = turns();
  const append = inOrder(options.journal);
  const alarms = new Alarms(clock, TIMER_MS_MAX, ring);
  /** In order of opening. */
  const entries = new Map<string, Entry>();
  const byDigest = new Map<string, readonly Entry[]>();
  const openOf = new Map<string, number>();
  const listeners = new Set<(seq: number, event: ApprovalEvent, request: Request) => void>();
  const decided = createDecided(options.tag);
  /** Ids of those that have ended, in the order in which they did or were last found to be kept. */
  const ended = new Set<string>();
  let closed = false;

  async function hold(held: Held, wait_ms: number, longest_ms = Infinity, seen = true): Promise<HoldResult> {
    const down = await isDown([...peopleOf(held), ...permits.givers(held)]);
    if (closed) throw new Error('the desk is closed');
    if (!isAnsweredFor(held.who.id)) return { type: 'refused', why: down ? 'directory-down' : 'unsponsored' };

    return locked(held.digest, async () => {
      const known = (byDigest.get(held.digest) ?? []).toReversed();
      for (const entry of known) await settle(entry);
      const denied = known.find((entry) => denialStands(entry.request));
      if (denied !== undefined) return { type: 'denied', request: denied.request };

      const alike = findAlike(known, held);
      const approved = alike?.request.state === 'approved' || permits.match(held) !== undefined;
      if (down && (approved || held.break_glass !== null)) return { type: 'refused', why: 'directory-down' };
      if (!seen && approved) return { type: 'refused', why: 'catalog-down' };
      if (alike?.request.state === 'approved') return runNow(alike, held);
      const permitted = await underPermit(held);
      if (permitted !== null) return permitted;
      if (held.break_glass !== null) return breakGlass(alike, held);
      if (alike !== undefined) return attach(alike, held, wait_ms, longest_ms);

      const other = known.find((entry) => entry.request.state === 'approved' && entry.waiting.length === 0);
      if (other !== undefined) {
        const why = difference(other.request, held) ?? NOT_USED;
        await commit(other, { type: 'lapsed', at: clock.now(), id: other.request.id, why });
        return { type: 'lapsed', request: other.request, why };
      }
      const stale = known.find((entry) => mayRevise(entry, held));
      if (stale !== undefined) {
        if (lacksReason(held)) return { type: 'refused', why: 'reason-required' };
        await revise(stale, held);
        return attach(stale, held, wait_ms, longest_ms);
      }
      const refused = mayOpen(held);
      return refused ?? wait(await open(held, wait_ms), held.session, wait_ms, longest_ms, false);
    });
  }

  /** Nothing is used, nothing runs, and nothing of what was asked before ends. */
  async function ahead(held: Held): Promise<AheadResult> {
    const down = await isDown([...peopleOf(held), ...permits.givers(held)]);
    if (closed) throw new Error('the desk is closed');
    if (!isAnsweredFor(held.who.id)) return { type: 'refused', why: down ? 'directory-down' : 'unsponsored' };
    return locked(held.digest, async () => {
      const known = (byDigest.get(held.digest) ?? []).toReversed();
      for (const entry of known) await settle(entry);
      const denied = known.find((entry) => denialStands(entry.request));
      if (denied !== undefined) return { type: 'denied', request: denied.request };
      const alike = findAlike(known, held);
      if (alike?.request.state === 'approved') return { type: 'pending', request: alike.request };
      if (permits.match(held) !== undefined) return { type: 'needs-none' };
      if (alike !== undefined) return { type: 'pending', request: alike.request };
      const stale = known.find((entry) => mayRevise(entry, held));
      if (stale !== undefined && !lacksReason(held)) {
        await revise(stale, held);
        return { type: 'pending', request: stale.request };
      }
      return mayOpen(held) ?? { type: 'pending', request: (await open(held, 0)).request };
    });
  }

  /** What is approved before what is not: one that came back may have another one beside it by then. */
  function findAlike(known: readonly Entry[], held: Held): Entry | undefined {
    const alike = known.filter(({ request }) => isLive(request) && difference(request, held) === null);
    return alike.find(({ request }) => request.state === 'approved') ?? alike[0];
  }

  /**
   * The identical statement, and what is shown of it is another now. Where a connection waits that was held as it was shown, only a new policy, which
   * is one for all of them, makes another revision: else each of two connections would take the other's approvals back.
   */
  function mayRevise({ request, waiting }: Entry, held: Held): boolean {
    if (!isUndecided(request.state) || request.revision >= REVISIONS_MAX) return false;
    // Of other people than those who are asked now.
    if (difference(request, held) === CLAIMS_DIFFER) return false;
    return waiting.length === 0 || (request.policy !== held.policy && difference(request, held) === JUDGED_DIFFERENTLY);
  }

  /** Under the locks of the digest it had and of the one it gets. */
  async function revise(entry: Entry, held: Held): Promise<void> {
    const at = clock.now();
    const { id } = entry.request;
    const why = whatDiffers(entry.request, held);
    const digest_tag = options.tag(held.digest);
    await commit(entry, { type: 'changed', at, id, why, held, digest_tag, before: decided.of(held, at) });
  }

  async function runNow(entry: Entry, { session }: Held): Promise<HoldResult> {
    await commit(entry, { type: 'released', at: clock.now(), id: entry.request.id, session });
    return { type: 'run', request: entry.request };
  }

  /** A result that was stopped at a limit is under none: what a permit lets through has its own. */
  async function underPermit(held: Held): Promise<HoldResult | null> {
    for (let permit = permits.match(held); permit !== undefined; permit = permits.match(held)) {
      const used = await permits.use(permit.id, held);
      if (used !== null) return { type: 'permitted', permit: permits.get(permit.id) ?? permit, use: used.use };
    }
    return null;
  }

  /** It runs at once, and somebody else looks at it afterwards. */
  async function breakGlass(alike: Entry | undefined, held: Held): Promise<HoldResult> {
    const { reason = '', of = [] } = held.break_glass ?? {};
    const account = directory.reviewer(held.who.id);
    const may = account?.kind === 'human' && of.some((group) => directory.member(account, group));
    if (!may) return { type: 'refused', why: 'no-break-glass' };
    if (isBlank(reason)) return { type: 'refused', why: 'reason-required' };
    const entry = alike ?? (await open(held, 0));
    await commit(entry, { type: 'broke_glass', at: clock.now(), id: entry.request.id, reason: reason.trim() });
    return runNow(entry, held);
  }

  /**
   * Has the directory read these anew, so that what it says of them is true now? Rejects never. Not under a lock: a directory that hangs must
   * keep no clock and no client's leaving.
   */
  async function isDown(ids: readonly string[]): Promise<boolean> {
    const reading = directory.fresh(ids);
    if (reading === null) return false;
    return reading.then(
      () => false,
      () => true,
    );
  }

  /** Somebody must stand behind what is asked for; of a principal who is gone nobody is known to. A person does so alone. */
  function isAnsweredFor(principal: string): boolean {
    const requester = directory.requester(principal);
    if (requester === undefined) return false;
    if (directory.reviewer(principal)?.kind === 'human') return true;
    return options.unsponsored === 'allow' || requester.sponsor !== null || requester.people.length > 0;
  }

  function mayOpen(held: Held): Extract<HoldResult, { type: 'refused' }> | null {
    if (lacksReason(held)) return { type: 'refused', why: 'reason-required' };
    const limit = options.requests_open_per_principal_max;
    if ((openOf.get(held.who.id) ?? 0) >= limit) return { type: 'refused', why: 'too-many', limit };
    return null;
  }

  async function open(held: Held, wait_ms: number): Promise<Entry> {
    const at = clock.now();
    const request: Request = {
      // One by one: a copy with more than that would have a shape of its own, which is bigger than it.
      who: held.who,
      where: held.where,
      role: held.role,
      upstream_user: held.upstream_user,
      search_path: held.search_path,
      application_name: held.application_name,
      session: held.session,
      sql: held.sql,
      shape: held.shape,
      parameters: held.parameters,
      findings: held.findings,
      bodies: held.bodies,
      grounds: held.grounds,
      rule: held.rule,
      message: held.message,
      ask: held.ask,
      policy: held.policy,
      reason: held.reason,
      reason_at: held.reason_at,
      in_transaction: held.in_transaction,
      commits: held.commits,
      earlier: held.earlier,
      pattern: held.pattern,
      passed: held.passed,
      break_glass: held.break_glass,
      digest: held.digest,
      id: freshId(),
      state: 'open',
      revision: 1,
      changed: null,
      opened: at,
      deadline: at + held.ask.deadline_ms,
      use_until: null,
      digest_tag: options.tag(held.digest),
      holds: wait_ms > 0 ? 'held' : 'ticket',
      wait_until: wait_ms > 0 ? at + Math.min(wait_ms, held.ask.deadline_ms) : null,
      decisions: NO_DECISIONS,
      said: NO_WORDS,
      escalated: null,
      broken_glass: null,
      withdrawn: null,
      outcome: null,
      impact: null,
      before: decided.of(held, at),
      updated: at,
    };
    // Counted before it is durable: a hundred statements sent at once must not all find room.
    count(held.who.id, 1);
    return commit(undefined, { type: 'opened', at, request }).catch((error: unknown) => {
      count(held.who.id, -1);
      throw error;
    });
  }

  /** The identical statement again, while its request is open. */
  async function attach(entry: Entry, held: Held, wait_ms: number, longest_ms: number): Promise<HoldResult> {
    if (wait_ms > 0) {
      const at = clock.now();
      const { id, deadline } = entry.request;
      const wait_until = Math.min(at + wait_ms, deadline);
      await commit(entry, { type: 'held', at, id, session: held.session, wait_until });
    }
    return wait(entry, held.session, wait_ms, longest_ms, true);
  }

  function wait(entry: Entry, session: string, wait_ms: number, longest_ms: number, attached: boolean): HoldResult {
    if (wait_ms <= 0) return { type: 'pending', request: entry.request };
    const now = clock.now();
    const waiter: Waiter = {
      session,
      until: now + wait_ms,
      longest: now + longest_ms,
      offered: false,
      listener: null,
      untold: false,
      end: null,
      ended: null,
    };
    entry.waiting = withOne(entry.waiting, waiter);
    schedule(entry);
    return { type: 'waiting', request: entry.request, attached, hold: new Handle(entry, waiter, leave) };
  }

  /** A connection stops waiting. It must not be offered a release from here on, whether or not the journal can say so. */
  async function leave(entry: Entry, waiter: Waiter, why: HoldEndWhy): Promise<void> {
    if (!entry.waiting.includes(waiter)) return;
    entry.waiting = without(entry.waiting, waiter);
    entry.left = { session: waiter.session, why };
    try {
      await lockedOf(entry, null, async () => {
        offer(entry);
        await settle(entry);
      });
    } finally {
      ends(waiter, { type: 'ended', why, request: entry.request });
    }
  }

  async function release(id: string, session: string, revision?: number): Promise<boolean> {
    const known = get(id);
    const down = known !== undefined && (await isDown(peopleOf(known)));
    return onEntry(id, false, async (entry) => {
      const { request } = entry;
      if (request.state !== 'approved' || (revision ?? request.revision) !== request.revision) return false;
      if (down) throw new NotNow('directory-down');
      if (!isAnsweredFor(request.who.id)) throw new NotNow('requester-gone');
      await commit(entry, { type: 'released', at: clock.now(), id, session });
      return true;
    });
  }

  async function change(id: string, held: Held): Promise<ChangeResult> {
    const entry = entries.get(id);
    if (entry === undefined) return { type: 'gone' };
    return lockedOf(entry, held.digest, async () => {
      await settle(entry);
      const { request } = entry;
      if (request.state !== 'approved') return { type: 'gone' };
      if (request.digest === held.digest && difference(request, held) === null)
        return { type: 'same', revision: request.revision };
      const others = (byDigest.get(held.digest) ?? []).filter((other) => other !== entry);
      const taken = others.some((other) => isLive(other.request) || denialStands(other.request));
      const notTheirs = difference(request, held) === CLAIMS_DIFFER || request.broken_glass !== null;
      if (taken || notTheirs || lacksReason(held) || request.revision >= REVISIONS_MAX) {
        const why = whatDiffers(request, held);
        await commit(entry, { type: 'lapsed', at: clock.now(), id, why });
        return { type: 'lapsed', why };
      }
      await revise(entry, held);
      return { type: 'changed', revision: entry.request.revision };
    });
  }

  async function lapse(id: string, why: string): Promise<boolean> {
    return onEntry(id, false, async (entry) => {
      if (entry.request.state !== 'approved') return false;
      await commit(entry, { type: 'lapsed', at: clock.now(), id, why });
      return true;
    });
  }

  async function finish(id: string, outcome: Outcome | null): Promise<void> {
    await onEntry(id, undefined, async (entry) => {
      const at = clock.now();
      const event: ApprovalEvent =
        outcome === null
          ? { type: 'outcome_unknown', at, id, why: 'the connection to the database was lost' }
          : { type: 'finished', at, id, outcome };
      await commit(entry, event);
    });
  }

  async function giveBack(id: string, session: string): Promise<void> {
    await onEntry(id, undefined, async (entry) => {
      const at = clock.now();
      if (entry.request.broken_glass !== null) {
        await commit(entry, { type: 'finished', at, id, outcome: NEVER_SENT });
        return;
      }
      entry.left = { session, why: 'disconnected' };
      await commit(entry, { type: 'returned', at, id, session });
      // It may be too late for another use, or its rule has it used by whoever waits alone.
      await settle(entry);
    });
  }

  async function impact(id: string, seen: Impact, revision?: number): Promise<boolean> {
    return onEntry(id, false, async (entry) => {
      const { request } = entry;
      if (!isLive(request) || request.impact !== null || (revision ?? request.revision) !== request.revision)
        return false;
      await commit(entry, { type: 'impact', at: clock.now(), id, impact: seen });
      return true;
    });
  }

  async function decide(input: DecideInput): Promise<DecideResult> {
    return onFresh(input, async (entry) => {
      const at = clock.now();
      const voted = vote(entry.request, input, directory, present(), at, wall());
      if ('why' in voted) return { type: 'refused', ...voted, request: entry.request };
      await commit(entry, { type: 'decided', at, id: input.id, ...voted });
      const { request } = entry;
      const terms = request.state === 'approved' ? termsOf(request) : null;
      if (terms === null) return { type: 'counted', request };
      return permits.grant(request, terms).then(
        () => ({ type: 'counted', request }) as const,
        () => ({ type: 'refused', why: 'not-recorded', text: NO_PERMIT, request }) as const,
      );
    });
  }

  async function ask(input: SayInput): Promise<DecideResult> {
    return onFresh(input, async (entry) => {
      const at = clock.now();
      const refused = mayAsk(entry.request, input, directory, at);
      if (refused !== null) return { type: 'refused', ...refused, request: entry.request };
      await commit(entry, { type: 'asked', at, id: input.id, said: saidOf('question', input, at) });
      return { type: 'counted', request: entry.request };
    });
  }

  async function answer(input: SayInput): Promise<DecideResult> {
    return onRecord(input.id, async (entry) => {
      const at = clock.now();
      const { request } = entry;
      if (!isLinked(request, input.by, directory)) {
        const text = `Only ${request.who.id} and whoever answers for it can answer.`;
        return { type: 'refused', why: 'own', text, request };
      }
      const refused = mayStillBeSaid(request, input, at);
      if (refused !== null) return { type: 'refused', ...refused, request };
      const first = !request.said.some(({ kind }) => kind === 'answer');
      const until = entry.waiting.map((waiter) => (first ? putOff(entry, waiter) : waiter.until));
      const last = Math.min(Math.max(...until), request.deadline);
      const wait_until = request.holds === 'held' && until.length > 0 ? last : request.wait_until;
      const said = saidOf('answer', input, at);
      await commit(entry, { type: 'answered', at, id: input.id, said, wait_until });
      return { type: 'counted', request: entry.request };
    });
  }

  function putOff({ request }: Entry, { until, longest }: Waiter): number {
    return Math.max(until, Math.min(until + ANSWER_ADDS_MS, longest, request.deadline));
  }

  async function review(input: ReviewInput): Promise<DecideResult> {
    return onFresh(input, async (entry) => {
      const { request } = entry;
      const at = clock.now();
      const refused = mayReview(request, input);
      if (refused !== null) return { type: 'refused', ...refused, request };
      const { id, by, signed_in } = input;
      const rationale = input.rationale.trim();
      await commit(entry, { type: 'reviewed', at, id, by, rationale, ...(signed_in && { signed_in }) });
      return { type: 'counted', request: entry.request };
    });
  }

  function mayReview(request: Request, input: ReviewInput): Refused | null {
    const { by, rationale } = input;
    const may = mayNow(request, by, directory, present());
    if (!may.may) return { why: may.why, text: may.text };
    const { broken_glass } = request;
    if (broken_glass === null || broken_glass.reviewed !== null) {
      const text = broken_glass?.reviewed
        ? `${broken_glass.reviewed.by} has reviewed this.`
        : 'There is nothing to review.';
      return { why: 'already-decided', text };
    }
    if (isBlank(rationale)) return { why: 'rationale-missing', text: 'Write what you found.' };
    return rationale.length <= RATIONALE_CHARS_MAX
      ? signInRefused(request, input, directory, wall())
      : { why: 'rationale-too-long', text: `Write at most ${RATIONALE_CHARS_MAX} characters.` };
  }

  /** A reviewer's word, by what the directory says of all whom it depends on after it was said. */
  async function onFresh(
    { id, by }: { readonly id: string; readonly by: string },
    work: (entry: Entry) => Promise<DecideResult>,
  ): Promise<DecideResult> {
    const read = new Set<string>();
    for (;;) {
      const request = get(id);
      const ids = request === undefined ? [] : [by, ...peopleOf(request), ...votersOf(request)];
      const down = await isDown(ids);
      for (const one of ids) read.add(fold(one));
      const result = await onRecord(id, async (entry) => {
        // Somebody else's decision was counted meanwhile: what they are now was not read for this one.
        if (votersOf(entry.request).some((one) => !read.has(fold(one)))) return { type: 'again' } as const;
        return down ? { ...DOWN, request: entry.request } : work(entry);
      });
      if (result.type !== 'again') return result;
    }
  }

  /** Words and decisions: what is not on record has not happened, and whoever said it hears that. */
  async function onRecord<T = never>(
    id: string,
    work: (entry: Entry) => Promise<DecideResult | T>,
  ): Promise<DecideResult | T> {
    const unknown: DecideResult = { type: 'refused', why: 'not-found', text: `There is no request ${id}.` };
    try {
      return await onEntry(id, unknown, work);
    } catch {
      const text = 'The audit log cannot be written, so this was not counted. Nothing ran.';
      const request = get(id);
      return { type: 'refused', why: 'not-recorded', text, ...(request !== undefined && { request }) };
    }
  }

  function wall(): number {
    return clock.wall?.() ?? clock.now();
  }

  function present(): readonly string[] {
    return options.present?.() ?? [];
  }

  function reach(id: string): ReturnType<Desk['reach']> {
    const request = get(id);
    if (request === undefined) return { eligible: 0, present: 0 };
    const here = present();
    const able = ableTo(request, directory);
    return { eligible: able.length, present: able.filter((one) => here.includes(one)).length };
  }

  function presence(): void {
    for (const entry of entries.values()) {
      if (!isUndecided(entry.request.state) || entry.request.ask.nobody_ms === null) continue;
      lookAround(entry);
      // Not schedule(): a record that the journal refused waits to be tried again.
      wake(entry, 0);
    }
  }

  function lookAround(entry: Entry): void {
    if (entry.request.ask.nobody_ms === null) return;
    if (reach(entry.request.id).present > 0) entry.alone_since = null;
    else entry.alone_since ??= clock.now();
  }

  async function withdraw(
    id: string,
    by: string,
    reason: string,
  ): Promise<'ok' | 'unknown' | 'not-yours' | { readonly already: State }> {
    return onEntry(id, 'unknown' as const, async (entry) => {
      if (!isLinked(entry.request, by, directory)) return 'not-yours' as const;
      if (!isUndecided(entry.request.state)) return { already: entry.request.state };
      await commit(entry, { type: 'withdrawn', at: clock.now(), id, by, reason });
      return 'ok' as const;
    });
  }

  function get(id: string): Request | undefined {
    return entries.get(id)?.request;
  }

  function list(filter: Parameters<Desk['list']>[0] = {}): readonly Request[] {
    const { state = 'all', requester, limit = Infinity } = filter;
    const found: Request[] = [];
    for (const { request } of [...entries.values()].toReversed()) {
      if (found.length >= limit) break;
      if (requester !== undefined && request.who.id !== requester) continue;
      if (state === 'all' || (state === 'open') === isUndecided(request.state)) found.push(request);
    }
    return found;
  }

  function needs(id: string): string | null {
    const request = entries.get(id)?.request;
    if (request === undefined) return null;
    if (!isTerminal(request.state)) return `request ${id} is ${request.state}`;
    if (request.broken_glass?.reviewed === null) return `${id} was run by break-glass and is not reviewed yet`;
    return denialStands(request) ? `the denial of ${id} still stands` : null;
  }

  async function restore(
    events: Iterable<{ readonly seq: number; readonly event: ApprovalEvent }>,
    forgotten = -Infinity,
  ): Promise<void> {
    decided.missed(forgotten);
    for (const { event } of events) {
      const entry = event.type === 'opened' ? undefined : entries.get(event.id);
      // Its opening lies in a part of the log that is gone, so it ended long ago.
      if (entry === undefined && event.type !== 'opened') {
        decided.missed(event.at);
        continue;
      }
      if (event.type === 'opened') count(event.request.who.id, 1);
      take(entry, event);
    }
    for (const entry of entries.values()) {
      await lockedOf(entry, null, async () => {
        if (entry.request.state === 'released') {
          const why = 'the gateway stopped before the answer arrived';
          await commit(entry, { type: 'outcome_unknown', at: clock.now(), id: entry.request.id, why });
        }
        entry.left = null;
        await settle(entry);
      });
    }
  }

  async function close(): Promise<void> {
    closed = true;
    const leaving = [...entries.values()].flatMap((entry) =>
      entry.waiting.map((waiter) => leave(entry, waiter, 'shutdown')),
    );
    await Promise.allSettled(leaving);
    alarms.stop();
  }

  /** What the clock or the wire has made true but the log does not say yet; null: nothing. */
  function due(entry: Entry): ApprovalEvent | null {
    const { request } = entry;
    const { id } = request;
    const at = clock.now();
    const gone = request.holds === 'held' && entry.waiting.length === 0;
    const left = entry.left ?? { session: request.session, why: 'shutdown' };
    if (isUndecided(request.state)) {
      if (request.text_gone) return { type: 'withdrawn', at, id, by: CLOCK_NAME, reason: TEXT_GONE };
      if (at >= request.deadline) return { type: 'expired', at, id };
      if (at >= escalatesAt(request)) return { type: 'escalated', at, id };
      if (at >= deniesAt(entry))
        return { type: 'decided', at, id, ends: true, void: [], decision: byClock(request, at) };
      if (gone && request.ask.ticket) return { type: 'ticket', at, id, ...left };
      if (gone) return { type: 'withdrawn', at, id, by: 'holdpoint', reason: GONE };
    }
    if (request.state === 'approved') {
      if (request.text_gone) return { type: 'lapsed', at, id, why: TEXT_GONE };
      if (at >= (request.use_until ?? 0)) return { type: 'lapsed', at, id, why: NOT_USED };
      if (isAhead(request, at)) return { type: 'lapsed', at, id, why: CLOCK_BACK };
      if (gone && request.ask.ticket) return { type: 'ticket', at, id, ...left };
      if (gone) return { type: 'lapsed', at, id, why: GONE };
    }
    return null;
  }

  /** Records what is due. Under the lock. On a refused record it tries again later, and rejects now. */
  async function settle(entry: Entry): Promise<void> {
    try {
      for (let event = due(entry); event !== null; event = due(entry)) await commit(entry, event);
    } catch (error) {
      if (!closed) wake(entry, RETRY_MS);
      throw error;
    }
    schedule(entry);
  }

  function schedule(entry: Entry): void {
    const { state, deadline, use_until } = entry.request;
    if (isUndecided(state)) wake(entry, Math.min(deadline, escalatesAt(entry.request), deniesAt(entry)) - clock.now());
    else if (state === 'approved') wake(entry, (use_until ?? 0) - clock.now());
    else alarms.clear(entry);
  }

  /** After so long, or when the first of those who wait has waited enough. */
  function wake(entry: Entry, ms: number): void {
    let until = clock.now() + ms;
    for (const waiter of entry.waiting) if (!waiter.offered && waiter.until < until) until = waiter.until;
    if (!closed) alarms.set(entry, until);
  }

  /** A refused record is tried again by settle(): its promise has nobody else to tell. */
  function ring(entry: Entry): void {
    for (const waiter of entry.waiting)
      if (!waiter.offered && waiter.until <= clock.now()) void leave(entry, waiter, 'waited-out').catch(() => {});
    void lockedOf(entry, null, () => settle(entry)).catch(() => {});
  }

  /**
   * Makes one event durable, then true, then known. Under the lock of its digest. Events become true in the order in which
   * they were appended, which is the log's, whichever append resolves first.
   */
  async function commit(entry: Entry | undefined, event: ApprovalEvent): Promise<Entry> {
    if (entry !== undefined) apply(entry.request, event);
    const seq = await append(event);
    const changed = take(entry, event);
    tellWaiters(changed, event);
    schedule(changed);
    // Not inside this call: a listener's fault must not make what has happened look as if it had not.
    const { request } = changed;
    for (const listener of listeners) queueMicrotask(() => listener(seq, event, request));
    return changed;
  }

  /** Folds a durable event into memory. */
  function take(entry: Entry | undefined, event: ApprovalEvent): Entry {
    const before = entry?.request;
    const request = apply(before, event);
    const changed = entry ?? remember(request);
    changed.request = request;
    // Those who may decide from now on may have been there all the while.
    if (event.type === 'escalated') lookAround(changed);
    if (before) count(request.who.id, Number(isUndecided(request.state)) - Number(isUndecided(before.state)));
    if (event.type === 'changed') {
      rekey(changed, before?.digest ?? '');
      changed.alone_since = null;
      lookAround(changed);
    }
    if (event.type === 'decided' && event.ends) decided.add(request, clock.now());
    if (isTerminal(request.state)) {
      ended.add(request.id);
      forget(request.id);
    }
    return changed;
  }

  function remember(request: Request): Entry {
    const entry: Entry = { request, waiting: NOBODY, left: null, alone_since: null, due: 0, place: NOWHERE };
    entries.set(request.id, entry);
    lookAround(entry);
    byDigest.set(request.digest, withOne(byDigest.get(request.digest), entry));
    return entry;
  }

  function rekey(entry: Entry, before: string): void {
    const { digest } = entry.request;
    if (digest === before) return;
    dropKey(entry, before);
    byDigest.set(digest, withOne(byDigest.get(digest), entry));
  }

  function dropKey(entry: Entry, digest: string): void {
    const rest = without(byDigest.get(digest) ?? [], entry);
    if (rest.length === 0) byDigest.delete(digest);
    else byDigest.set(digest, rest);
  }

  /** Drops the oldest ended requests over the limit, but no denial that still stands, no review that is due, and not the latest. */
  function forget(latest: string): void {
    let looks = FORGET_LOOKS_MAX;
    for (const id of ended) {
      if (ended.size <= ENDED_KEPT_MAX || looks-- === 0) return;
      ended.delete(id);
      const entry = entries.get(id);
      if (entry === undefined) continue;
      const { request } = entry;
      if (id === latest || denialStands(request) || request.broken_glass?.reviewed === null) {
        ended.add(id);
        continue;
      }
      entries.delete(id);
      dropKey(entry, request.digest);
    }
  }

  function tellWaiters(entry: Entry, event: ApprovalEvent): void {
    // Before they hear of it.
    if (event.type === 'answered' && entry.request.said.filter(({ kind }) => kind === 'answer').length === 1)
      for (const waiter of entry.waiting) {
        waiter.until = putOff(entry, waiter);
      }
    if (event.type === 'asked' || event.type === 'answered')
      for (const waiter of entry.waiting) waiter.listener?.said(event.said, entry.request);
    if (event.type === 'changed') for (const waiter of entry.waiting) waitsAnew(entry, waiter);
    const end = endOfWait(entry.request, event);
    if (end === null) return offer(entry);
    const all = entry.waiting;
    entry.waiting = NOBODY;
    for (const waiter of all) ends(waiter, end);
  }

  /** What it was offered is no more; its time goes on. */
  function waitsAnew(entry: Entry, waiter: Waiter): void {
    if (waiter.offered) {
      waiter.offered = false;
      waiter.end = waiter.ended = null;
    }
    waiter.listener?.said(null, entry.request);
  }

  /** The oldest waiting connection is told of the approval; the others wait for what it does with it. */
  function offer(entry: Entry): void {
    const first = entry.waiting[0];
    if (entry.request.state !== 'approved' || first === undefined) return;
    first.offered = true;
    ends(first, { type: 'approved', request: entry.request });
  }

  function denialStands(request: Request): boolean {
    const denial = request.state === 'denied' ? request.decisions.findLast(({ counts }) => counts) : undefined;
    return denial !== undefined && clock.now() < denial.at + request.ask.use_within_ms;
  }

  function freshId(): string {
    for (;;) {
      const id = newId(options.random);
      if (!entries.has(id)) return id;
    }
  }

  function count(principal: string, by: number): void {
    const now = (openOf.get(principal) ?? 0) + by;
    if (now === 0) openOf.delete(principal);
    else openOf.set(principal, now);
  }

  /** Runs work on a request with nothing else changing it, after what is due has been recorded. */
  async function onEntry<T, U>(id: string, unknown: U, work: (entry: Entry) => Promise<T>): Promise<T | U> {
    const entry = entries.get(id);
    if (entry === undefined) return unknown;
    return lockedOf(entry, null, async () => {
      await settle(entry);
      return work(entry);
    });
  }

  /** The same with nothing else changing what has its digest, nor what has `also`: a request that is changed may get another one. */
  async function lockedOf<T>(entry: Entry, also: string | null, work: () => Promise<T>): Promise<T> {
    for (;;) {
      const { digest } = entry.request;
      // In one order for all, so that nobody waits for whoever waits for it.
      const [first, second] = also === null || also === digest ? [digest] : [digest, also].toSorted();
      const guarded = async () => (entry.request.digest === digest ? { done: await work() } : null);
      const both = second === undefined ? guarded : () => locked(second, guarded);
      const result = await locked(first as string, both);
      if (result !== null) return result.done;
    }
  }

  return {
    hold,
    ahead,
    release,
    change,
    lapse,
    finish,
    giveBack,
    impact,
    decide,
    ask,
    answer,
    review,
    presence,
    reach,
    may: (id, reviewer) => {
      const request = get(id);
      return request === undefined ? undefined : mayNow(request, reviewer, directory, present());
    },
    withdraw,
    get,
    list,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    restore,
    needs,
    close,
  };
}

/** A class: thousands may wait at once, and a closure for each of these is dear. */
class Handle implements Hold {
  readonly #entry: Entry;
  readonly #waiter: Waiter;
  readonly #leave: (entry: Entry, waiter: Waiter, why: HoldEndWhy) => Promise<void>;

  constructor(entry: Entry, waiter: Waiter, leave: (entry: Entry, waiter: Waiter, why: HoldEndWhy) => Promise<void>) {
    this.#entry = entry;
    this.#waiter = waiter;
    this.#leave = leave;
  }

  get ended(): Promise<HoldEnd> {
    const waiter = this.#waiter;
    if (waiter.ended === null) {
      waiter.ended = deferred();
      if (waiter.end !== null) waiter.ended.resolve(waiter.end);
    }
    return waiter.ended.promise;
  }

  end(why: HoldEndWhy): Promise<void> {
    return this.#leave(this.#entry, this.#waiter, why);
  }

  request(): Request {
    return this.#entry.request;
  }

  until(): number {
    return this.#waiter.until;
  }

  listen(listener: HoldListener): void {
    const waiter = this.#waiter;
    waiter.listener = listener;
    waiter.untold = true;
    tellEnd(waiter);
  }
}

/** Whatever ends it first. */
function ends(waiter: Waiter, end: HoldEnd): void {
  if (waiter.end !== null) return;
  waiter.end = end;
  waiter.ended?.resolve(end);
  tellEnd(waiter);
}

function tellEnd(waiter: Waiter): void {
  const { listener, end, untold } = waiter;
  if (!untold || end === null || listener === null) return;
  waiter.untold = false;
  queueMicrotask(() => listener.ended(end));
}

/** Not push, nor a spread: either makes room for sixteen more, and most of these lists have one. */
function withOne<T>(list: readonly T[] | undefined, one: T): readonly T[] {
  return list === undefined || list.length === 0 ? [one] : list.concat([one]);
}

function without<T>(list: readonly T[], one: T): readonly T[] {
  return list.filter((other) => other !== one);
}

/** What all who wait hear; null: they go on waiting. */
function endOfWait(request: Request, event: ApprovalEvent): HoldEnd | null {
  switch (event.type) {
    case 'decided':
      return event.ends && event.decision.decision === 'deny' ? { type: 'denied', request } : null;
    case 'expired':
    case 'withdrawn':
      return { type: event.type, request };
    case 'lapsed':
      return { type: 'lapsed', why: event.why, request };
    case 'released':
      return { type: 'used', request };
    default:
      return null;
  }
}

/** By whose word it could run, beside those who decide. */
function peopleOf({ who }: Pick<Request, 'who'>): readonly string[] {
  return who.sponsor === null ? [who.id] : [who.id, who.sponsor];
}

/** Whose decisions count so far, and for whom. */
function votersOf({ decisions }: Request): readonly string[] {
  return decisions
    .filter(({ counts, by }) => counts && by !== CLOCK_NAME)
    .flatMap(({ by, instead_of }) => (instead_of === null ? [by] : [by, instead_of]));
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function lacksReason({ ask, reason }: Held): boolean {
  return ask.reason === 'required' && isBlank(reason);
}

function saidOf(kind: Said['kind'], { by, text, channel }: SayInput, at: number): Said {
  return { kind, by, text: text.trim(), channel, at };
}

/** When others are asked, too. */
function escalatesAt({ ask, opened, escalated }: Request): number {
  return ask.escalate === null || escalated !== null ? Infinity : opened + ask.escalate.after_ms;
}

/** When it is denied because nobody is there. */
function deniesAt({ request, alone_since }: Entry): number {
  const { nobody_ms } = request.ask;
  return nobody_ms === null || alone_since === null ? Infinity : alone_since + nobody_ms;
}

function byClock({ ask }: Request, at: number): Decision {
  return {
    decision: 'deny',
    by: CLOCK_NAME,
    accounts: [CLOCK_NAME],
    group: '',
    groups: [],
    instead_of: null,
    counts: true,
    rationale: `Nobody who may decide this was there for ${duration(ask.nobody_ms ?? 0)}.`,
    channel: 'clock',
    at,
    permit: null,
  };
}

/** Approved at a time that has not come yet: before a start the clock was set back, and how long ago it was nobody can tell. */
function isAhead({ use_until, ask }: Request, at: number): boolean {
  return use_until !== null && use_until - ask.use_within_ms > at + AHEAD_MS_MAX;
}

function isLive(request: Request): boolean {
  return isUndecided(request.state) || request.state === 'approved';
}

/** Of two that are not alike: completes "changed: ..." and "approved for other circumstances: ...". */
function whatDiffers(request: Request, held: Held): string {
  if (request.digest === held.digest) return difference(request, held) ?? JUDGED_DIFFERENTLY;
  if (request.role !== held.role) return OTHER_ROLE;
  if (request.search_path !== held.search_path) return OTHER_PATH;
  const others = otherBodies(request.bodies, held.bodies);
  if (others.length === 0) return MEANS_OTHERWISE;
  const named = others.slice(0, NAMED_MAX).map((name) => cutBytes(visible(name), NAME_BYTES_MAX));
  const more = others.length > NAMED_MAX ? ` and ${others.length - NAMED_MAX} more` : '';
  return `${MEANS_OTHERWISE}: ${named.join(', ')}${more}`;
}

/**
 * Between what a reviewer is shown and what would run now, beyond what the digest holds: completes "approved for other
 * circumstances: ..."; null: none. Where in the text a finding lies, and when an earlier statement ran, does not matter.
 */
function difference(request: Request, held: Held): string | null {
  // Whom one token bars from it, another may not let decide it: whatever sessions a request is held for claim the same.
  const claims = ({ who }: Held) =>
    JSON.stringify([who.sponsor, ...[who.linked, who.on_behalf_of].map((names) => [...new Set(names)].toSorted())]);
  const earlier = ({ earlier: list }: Held) => JSON.stringify(list.map(({ sql, outcome }) => [sql, outcome]));
  const judged = ({ rule, ask, findings }: Held) =>
    JSON.stringify([
      rule,
      ask.of,
      ask.each,
      ask.count,
      ask.step_up,
      findings.map(({ action, object }) => `${action} ${object}`).toSorted(),
    ]);
  if (claims(request) !== claims(held)) return CLAIMS_DIFFER;
  if (earlier(request) !== earlier(held)) return EARLIER_DIFFER;
  return judged(request) === judged(held) ? null : JUDGED_DIFFERENTLY;
}
