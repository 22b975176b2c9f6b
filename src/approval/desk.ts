// The desk runs the lifecycle: it opens requests, lets connections wait on them, counts decisions and lets what was approved
// run, once. Must never show or act on a transition before the journal has it, and never release a request twice.
import type { Impact } from '../sql/impact.ts';
import { newId } from './digest.ts';
import { isLinked, mayDecide } from './duty.ts';
import { apply, isTerminal } from './lifecycle.ts';
import type {
  ApprovalEvent,
  Clock,
  DecideInput,
  DecideRefusal,
  DecideResult,
  Desk,
  Directory,
  Held,
  Hold,
  HoldEnd,
  HoldEndWhy,
  HoldResult,
  Journal,
  May,
  Outcome,
  Request,
  State,
} from './types.ts';

export const RATIONALE_CHARS_MAX = 2000;
/** Ended requests remembered, beside those whose denial still stands. */
export const ENDED_KEPT_MAX = 1000;
/** Pause before an event that the clock or the wire caused, and the journal refused, is tried again. */
const RETRY_MS = 1000;
/** Longest single timer; setTimeout's own limit is 24.8 days. */
const TIMER_MS_MAX = 24 * 3_600_000;

const EARLIER_DIFFER = 'the earlier statements of the transaction are others now';
const JUDGED_DIFFERENTLY = 'the policy or what the statement touches is another now';
const NOT_USED = 'it was not used in time';
const GONE = 'The agent is gone and its rule leaves no ticket.';

export interface DeskOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly directory: Directory;
  /** HMAC of a digest under a key that never leaves the node. */
  readonly tag: (digest: string) => string;
  readonly requests_open_per_principal_max: number;
  /** 'allow': hold also for principals that nobody answers for. */
  readonly unsponsored: 'refuse' | 'allow';
  /** Ids of reviewers who are connected now. */
  readonly present?: () => readonly string[];
  /** A uniform integer from 0 to below; tests make it repeat. */
  readonly random?: (below: number) => number;
}

/** A request in memory with what is not durable: who waits for it. */
interface Entry {
  request: Request;
  /** In order of arrival. The first is offered the release when it is approved. */
  waiting: Waiter[];
  /** The connection that left last. */
  left: { readonly session: string; readonly why: HoldEndWhy };
  cancelTimer: () => void;
}

interface Waiter {
  readonly session: string;
  readonly cancelTimer: () => void;
  /** Only the first call counts. */
  readonly settle: (end: HoldEnd) => void;
}

export function createDesk(options: DeskOptions): Desk {
  const { journal, clock, directory } = options;
  /** In order of opening. */
  const entries = new Map<string, Entry>();
  const byDigest = new Map<string, Entry[]>();
  const openOf = new Map<string, number>();
  const listeners = new Set<(seq: number, event: ApprovalEvent, request: Request) => void>();
  const locks = new Map<string, Promise<unknown>>();
  let lastAppend: Promise<unknown> = Promise.resolve();
  let ended = 0;
  let closed = false;

  async function hold(held: Held, wait_ms: number): Promise<HoldResult> {
    if (held.ask.count !== 1) throw new RangeError(`rule ${held.rule} asks for ${held.ask.count} approvals, not 1`);
    if (closed) throw new Error('the desk is closed');
    if (!isAnsweredFor(held.who.id)) return { type: 'refused', why: 'unsponsored' };

    return locked(held.digest, async () => {
      const known = (byDigest.get(held.digest) ?? []).toReversed();
      for (const entry of known) await settle(entry);
      const denied = known.find((entry) => denialStands(entry.request));
      if (denied !== undefined) return { type: 'denied', request: denied.request };

      const alike = known.find((entry) => isLive(entry.request) && difference(entry.request, held) === null);
      if (alike?.request.state === 'approved') {
        await commit(alike, { type: 'released', at: clock.now(), id: alike.request.id, session: held.session });
        return { type: 'run', request: alike.request };
      }
      if (alike !== undefined) return attach(alike, held, wait_ms);

      const other = known.find((entry) => entry.request.state === 'approved' && entry.waiting.length === 0);
      if (other !== undefined) {
        const why = difference(other.request, held) ?? NOT_USED;
        await commit(other, { type: 'lapsed', at: clock.now(), id: other.request.id, why });
        return { type: 'lapsed', request: other.request, why };
      }
      return open(held, wait_ms);
    });
  }

  /** Somebody must stand behind what is asked for; of a principal who is gone nobody is known to. */
  function isAnsweredFor(principal: string): boolean {
    const requester = directory.requester(principal);
    if (requester === undefined) return false;
    return options.unsponsored === 'allow' || requester.sponsor !== null || requester.people.length > 0;
  }

  async function open(held: Held, wait_ms: number): Promise<HoldResult> {
    if (held.ask.reason === 'required' && held.reason.trim() === '') return { type: 'refused', why: 'reason-required' };
    const limit = options.requests_open_per_principal_max;
    if ((openOf.get(held.who.id) ?? 0) >= limit) return { type: 'refused', why: 'too-many', limit };
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
      passed: held.passed,
      digest: held.digest,
      id: freshId(),
      state: 'open',
      revision: 1,
      opened: at,
      deadline: at + held.ask.deadline_ms,
      use_until: null,
      digest_tag: options.tag(held.digest),
      holds: wait_ms > 0 ? 'held' : 'ticket',
      wait_until: wait_ms > 0 ? at + Math.min(wait_ms, held.ask.deadline_ms) : null,
      decisions: [],
      withdrawn: null,
      outcome: null,
      impact: null,
      updated: at,
    };
    // Counted before it is durable: a hundred statements sent at once must not all find room.
    count(held.who.id, 1);
    const entry = await commit(undefined, { type: 'opened', at, request }).catch((error: unknown) => {
      count(held.who.id, -1);
      throw error;
    });
    return wait(entry, held.session, wait_ms, false);
  }

  /** The identical statement again, while its request is open. */
  async function attach(entry: Entry, held: Held, wait_ms: number): Promise<HoldResult> {
    if (wait_ms > 0) {
      const at = clock.now();
      const { id, deadline } = entry.request;
      const wait_until = Math.min(at + wait_ms, deadline);
      await commit(entry, { type: 'held', at, id, session: held.session, wait_until });
    }
    return wait(entry, held.session, wait_ms, true);
  }

  function wait(entry: Entry, session: string, wait_ms: number, attached: boolean): HoldResult {
    if (wait_ms <= 0) return { type: 'pending', request: entry.request };
    const end = deferred<HoldEnd>();
    const waiter: Waiter = {
      session,
      settle: end.resolve,
      // A refused record is tried again by settle(): the promise has nobody else to tell.
      cancelTimer: clock.after(wait_ms, () => void leave(entry, waiter, 'waited-out').catch(() => {})),
    };
    entry.waiting.push(waiter);
    const handle: Hold = {
      ended: end.promise,
      end: (why) => leave(entry, waiter, why),
      request: () => entry.request,
    };
    return { type: 'waiting', request: entry.request, attached, hold: handle };
  }

  /** A connection stops waiting. It must not be offered a release from here on, whether or not the journal can say so. */
  async function leave(entry: Entry, waiter: Waiter, why: HoldEndWhy): Promise<void> {
    if (!entry.waiting.includes(waiter)) return;
    entry.waiting = entry.waiting.filter((other) => other !== waiter);
    entry.left = { session: waiter.session, why };
    waiter.cancelTimer();
    try {
      await locked(entry.request.digest, async () => {
        offer(entry);
        await settle(entry);
      });
    } finally {
      waiter.settle({ type: 'ended', why, request: entry.request });
    }
  }

  async function release(id: string, session: string): Promise<boolean> {
    return onEntry(id, false, async (entry) => {
      if (entry.request.state !== 'approved') return false;
      await commit(entry, { type: 'released', at: clock.now(), id, session });
      return true;
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

  async function impact(id: string, seen: Impact): Promise<boolean> {
    return onEntry(id, false, async (entry) => {
      if (!isLive(entry.request) || entry.request.impact !== null) return false;
      await commit(entry, { type: 'impact', at: clock.now(), id, impact: seen });
      return true;
    });
  }

  async function decide(input: DecideInput): Promise<DecideResult> {
    const unknown: DecideResult = { type: 'refused', why: 'not-found', text: `There is no request ${input.id}.` };
    try {
      return await onEntry(input.id, unknown, async (entry): Promise<DecideResult> => {
        const judged = judge(entry.request, input);
        if ('why' in judged) return { type: 'refused', ...judged, request: entry.request };
        const { decision, by, channel } = input;
        const at = clock.now();
        const event: ApprovalEvent = {
          type: 'decided',
          at,
          id: input.id,
          decision: { decision, by, group: judged.group, rationale: input.rationale.trim(), channel, at },
        };
        await commit(entry, event);
        return { type: 'counted', request: entry.request };
      });
    } catch {
      const text = 'The audit log cannot be written, so your decision was not counted. Nothing ran.';
      const request = get(input.id);
      return { type: 'refused', why: 'not-recorded', text, ...(request !== undefined && { request }) };
    }
  }

  /** Every reason not to count a decision, in the order in which a reviewer should hear them. */
  function judge(request: Request, input: DecideInput): { group: string } | { why: DecideRefusal; text: string } {
    const may = mayNow(request, input.by);
    if (!may.may) return { why: may.why, text: may.text };
    if (request.state !== 'open') return { why: 'already-decided', text: alreadyText(request, clock.now()) };
    if (request.digest_tag !== input.digest || request.revision !== input.revision) {
      return { why: 'changed', text: 'This is not what you were shown. Read it once more.' };
    }
    const required = request.ask.rationale;
    if (required.includes(input.decision) && isBlank(input.rationale)) {
      return {
        why: 'rationale-missing',
        text: `Write why. Rule ${request.rule} wants it for ${required.join(' and ')}.`,
      };
    }
    if (input.rationale.length > RATIONALE_CHARS_MAX) {
      return { why: 'rationale-too-long', text: `Write at most ${RATIONALE_CHARS_MAX} characters.` };
    }
    return { group: may.group };
  }

  function mayNow(request: Request, by: string): May {
    const requester = directory.requester(request.who.id);
    return mayDecide(request, directory.reviewer(by), requester, directory, options.present?.());
  }

  async function withdraw(
    id: string,
    by: string,
    reason: string,
  ): Promise<'ok' | 'unknown' | 'not-yours' | { readonly already: State }> {
    return onEntry(id, 'unknown' as const, async (entry) => {
      if (!isLinked(entry.request, by, directory)) return 'not-yours' as const;
      if (entry.request.state !== 'open') return { already: entry.request.state };
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
      if (state === 'all' || (state === 'open') === (request.state === 'open')) found.push(request);
    }
    return found;
  }

  async function restore(events: Iterable<{ readonly seq: number; readonly event: ApprovalEvent }>): Promise<void> {
    for (const { event } of events) {
      const entry = event.type === 'opened' ? undefined : entries.get(event.id);
      // Its opening lies in a part of the log that retention has removed, so it ended long ago.
      if (entry === undefined && event.type !== 'opened') continue;
      if (event.type === 'opened') count(event.request.who.id, 1);
      take(entry, event);
    }
    for (const entry of entries.values()) {
      await locked(entry.request.digest, async () => {
        if (entry.request.state === 'released') {
          const why = 'the gateway stopped before the answer arrived';
          await commit(entry, { type: 'outcome_unknown', at: clock.now(), id: entry.request.id, why });
        }
        entry.left = { session: entry.request.session, why: 'shutdown' };
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
    for (const entry of entries.values()) entry.cancelTimer();
  }

  /** What the clock or the wire has made true but the log does not say yet; null: nothing. */
  function due(entry: Entry): ApprovalEvent | null {
    const { request } = entry;
    const { id } = request;
    const at = clock.now();
    const gone = request.holds === 'held' && entry.waiting.length === 0;
    if (request.state === 'open') {
      if (at >= request.deadline) return { type: 'expired', at, id };
      if (gone && request.ask.ticket) return { type: 'ticket', at, id, ...entry.left };
      if (gone) return { type: 'withdrawn', at, id, by: 'holdpoint', reason: GONE };
    }
    if (request.state === 'approved') {
      if (at >= (request.use_until ?? 0)) return { type: 'lapsed', at, id, why: NOT_USED };
      if (gone && request.ask.ticket) return { type: 'ticket', at, id, ...entry.left };
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
    if (state === 'open') wake(entry, deadline - clock.now());
    else if (state === 'approved') wake(entry, (use_until ?? 0) - clock.now());
    else entry.cancelTimer();
  }

  function wake(entry: Entry, ms: number): void {
    entry.cancelTimer();
    const retry = () => void locked(entry.request.digest, () => settle(entry)).catch(() => {});
    entry.cancelTimer = clock.after(Math.min(Math.max(ms, 0), TIMER_MS_MAX), retry);
  }

  /**
   * Makes one event durable, then true, then known. Under the lock of its digest. Events become true in the order in which
   * they were appended, which is the log's, whichever append resolves first.
   */
  async function commit(entry: Entry | undefined, event: ApprovalEvent): Promise<Entry> {
    if (entry !== undefined) apply(entry.request, event);
    const before = lastAppend;
    const durable = journal.append(event);
    const turn = Promise.allSettled([before, durable]);
    lastAppend = turn;
    await turn;
    const seq = await durable;
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
    if (before?.state === 'open' && request.state !== 'open') count(request.who.id, -1);
    if (isTerminal(request.state)) {
      ended += 1;
      if (ended > ENDED_KEPT_MAX) forget(changed);
    }
    return changed;
  }

  function remember(request: Request): Entry {
    const left = { session: request.session, why: 'shutdown' } as const;
    const entry: Entry = { request, waiting: [], left, cancelTimer: () => {} };
    entries.set(request.id, entry);
    byDigest.set(request.digest, [...(byDigest.get(request.digest) ?? []), entry]);
    return entry;
  }

  /** Drops the oldest ended requests over the limit, but no denial that still stands and not the one just ended. */
  function forget(latest: Entry): void {
    for (const entry of entries.values()) {
      if (ended <= ENDED_KEPT_MAX) return;
      const { id, digest, state } = entry.request;
      if (entry === latest || !isTerminal(state) || denialStands(entry.request)) continue;
      entries.delete(id);
      const rest = (byDigest.get(digest) ?? []).filter((other) => other !== entry);
      if (rest.length === 0) byDigest.delete(digest);
      else byDigest.set(digest, rest);
      ended -= 1;
    }
  }

  function tellWaiters(entry: Entry, event: ApprovalEvent): void {
    const end = endOfWait(entry.request, event);
    if (end === null) return offer(entry);
    const all = entry.waiting;
    entry.waiting = [];
    for (const waiter of all) {
      waiter.cancelTimer();
      waiter.settle(end);
    }
  }

  /** The oldest waiting connection is told of the approval; the others wait for what it does with it. */
  function offer(entry: Entry): void {
    const first = entry.waiting[0];
    if (entry.request.state !== 'approved' || first === undefined) return;
    first.cancelTimer();
    first.settle({ type: 'approved', request: entry.request });
  }

  function denialStands(request: Request): boolean {
    const denial = request.state === 'denied' ? request.decisions.at(-1) : undefined;
    return denial !== undefined && clock.now() < denial.at + request.ask.use_within_ms;
  }

  function freshId(): string {
    for (;;) {
      const id = newId(options.random);
      if (!entries.has(id)) return id;
    }
  }

  function count(principal: string, by: 1 | -1): void {
    const now = (openOf.get(principal) ?? 0) + by;
    if (now === 0) openOf.delete(principal);
    else openOf.set(principal, now);
  }

  /** Runs work on a request with nothing else changing it, after what is due has been recorded. */
  async function onEntry<T, U>(id: string, unknown: U, work: (entry: Entry) => Promise<T>): Promise<T | U> {
    const entry = entries.get(id);
    if (entry === undefined) return unknown;
    return locked(entry.request.digest, async () => {
      await settle(entry);
      return work(entry);
    });
  }

  /** One at a time for a digest: requests of one digest are looked at together. */
  async function locked<T>(digest: string, work: () => Promise<T>): Promise<T> {
    const before = locks.get(digest) ?? Promise.resolve();
    const run = before.then(work);
    const settled = run.catch(() => {});
    locks.set(digest, settled);
    try {
      return await run;
    } finally {
      if (locks.get(digest) === settled) locks.delete(digest);
    }
  }

  return {
    hold,
    release,
    lapse,
    finish,
    impact,
    decide,
    may: (id, reviewer) => {
      const request = get(id);
      return request === undefined ? undefined : mayNow(request, reviewer);
    },
    withdraw,
    get,
    list,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    restore,
    close,
  };
}

/** What all who wait hear; null: they go on waiting. */
function endOfWait(request: Request, event: ApprovalEvent): HoldEnd | null {
  switch (event.type) {
    case 'decided':
      return event.decision.decision === 'deny' ? { type: 'denied', request } : null;
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

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The sentence for somebody who decided too late. */
function alreadyText(request: Request, now: number): string {
  const last = request.decisions.at(-1);
  const seconds = (at: number) => `${Math.max(0, Math.round((now - at) / 1000))} s ago`;
  if (request.state === 'expired') {
    return `Nobody decided in ${duration(request.deadline - request.opened)}. The agent was told; nothing ran.`;
  }
  if (request.withdrawn !== null) {
    return `${request.withdrawn.by} withdrew this ${seconds(request.updated)}. Your decision was not counted.`;
  }
  if (last === undefined) return 'This was decided already. Your decision was not counted.';
  const did = last.decision === 'approve' ? 'approved' : 'denied';
  return `${last.by} ${did} this ${seconds(last.at)}. Your decision was not counted.`;
}

function duration(ms: number): string {
  const [n, unit] = ms < 60_000 ? [Math.round(ms / 1000), 'second'] : [Math.round(ms / 60_000), 'minute'];
  return `${n} ${unit}${n === 1 ? '' : 's'}`;
}

function isLive(request: Request): boolean {
  return request.state === 'open' || request.state === 'approved';
}

/**
 * Between what a reviewer is shown and what would run now, beyond what the digest holds: completes "approved for other
 * circumstances: ..."; null: none. Where in the text a finding lies, and when an earlier statement ran, does not matter.
 */
function difference(request: Request, held: Held): string | null {
  const earlier = ({ earlier: list }: Held) => JSON.stringify(list.map(({ sql, outcome }) => [sql, outcome]));
  const judged = ({ rule, ask, findings }: Held) =>
    JSON.stringify([rule, ask.of, findings.map(({ action, object }) => `${action} ${object}`).toSorted()]);
  if (earlier(request) !== earlier(held)) return EARLIER_DIFFER;
  return judged(request) === judged(held) ? null : JUDGED_DIFFERENTLY;
}

/** Nothing a reader could see: white space, control and format characters. */
function isBlank(text: string): boolean {
  return text.replace(/[\s\p{C}\p{Z}]/gu, '') === '';
}
