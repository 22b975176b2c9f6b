// Standing approvals of this node: in memory, rebuilt from the log. One of them lets statements of one normal form run without a card, for a
// time, so many times, and for so many rows each. Must never let a use count twice or not at all, nor outlive what was agreed: what is not on
// record has not been given, and what nobody knows the end of stays counted.
import type { Ask } from '../policy/types.ts';
import { TEXT_GONE } from './deciding.ts';
import { newId } from './digest.ts';
import { isBarred, isLinked, mayDecide } from './duty.ts';
import { inOrder, turns } from './turns.ts';
import type {
  Clock,
  Directory,
  Held,
  Journal,
  Permit,
  PermitEvent,
  Permits,
  PermitState,
  PermitTerms,
  PermitUse,
  Request,
} from './types.ts';

/** What is dated later than now by more is dated by another clock. */
export const AHEAD_MS_MAX = 2000;
/** Permits that are over and are remembered for lists; the log has them all. */
export const PERMITS_OVER_KEPT_MAX = 1000;

export interface PermitsOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly directory: Directory;
  /** A uniform integer from 0 to below; tests make it repeat. */
  readonly random?: (below: number) => number;
}

/** The last uses of each permit that are remembered, at least; twice as many at most. */
export const USES_KEPT_MAX = 1000;

/** Its uses are added in place: there may be many. */
type Kept = Omit<Permit, 'taken' | 'used'> & { taken: number; used: PermitUse[] };

export function createPermits(options: PermitsOptions): Permits {
  const { clock, directory } = options;
  /** Of a permit. */
  const locked = turns();
  const append = inOrder(options.journal);
  /** In the order in which they were granted. */
  const permits = new Map<string, Kept>();
  const byHash = new Map<string, string[]>();
  const listeners = new Set<(seq: number, event: PermitEvent, permit: Permit) => void>();
  const revocations = new Map<string, Set<(by: string) => void>>();

  function match(held: Held): Permit | undefined {
    const ids = held.pattern === null ? [] : (byHash.get(held.pattern.hash) ?? []);
    return ids.flatMap((id) => permits.get(id) ?? []).find((permit) => covers(permit, held));
  }

  function givers(held: Held): readonly string[] {
    const ids = held.pattern === null ? [] : (byHash.get(held.pattern.hash) ?? []);
    const could = ids.flatMap((id) => permits.get(id) ?? []).filter((permit) => mayCover(permit, held));
    return could.flatMap(({ by, instead_of }) => [...by, ...instead_of]);
  }

  function mayCover(permit: Permit, held: Held): boolean {
    // Of a time that has not come yet: before a start the clock was set back, and how much of it is used nobody can tell.
    const ahead = permit.granted > clock.now() + AHEAD_MS_MAX;
    return !ahead && state(permit) === 'in-force' && isFor(permit, held);
  }

  function covers(permit: Permit, held: Held): boolean {
    return mayCover(permit, held) && standsBehind(permit, held);
  }

  /** Whoever gave it must still be somebody who could decide this, and not have come too close to the requester since. */
  function standsBehind({ by, instead_of }: Permit, held: Held): boolean {
    return [...by, ...instead_of].every((id) => {
      const approver = directory.reviewer(id);
      return approver?.kind === 'human' && approver.roles.includes('reviewer') && !isBarred(held, id, directory);
    });
  }

  function state({ revoked, until, taken, uses }: Permit): PermitState {
    if (revoked !== null) return 'revoked';
    if (clock.now() >= until) return 'ended';
    return taken >= uses ? 'used-up' : 'in-force';
  }

  async function use(id: string, held: Held): Promise<PermitUse | null> {
    return locked(id, async () => {
      const permit = permits.get(id);
      if (permit === undefined || !covers(permit, held)) return null;
      const { session, sql, parameters } = held;
      const next = permit.taken + 1;
      const changed = await commit({
        type: 'permit_used',
        at: clock.now(),
        id,
        use: next,
        session,
        sql,
        parameters,
      });
      // Over while it became durable: it is counted, and does not run.
      return clock.now() < changed.until ? (changed.used.at(-1) ?? null) : null;
    });
  }

  async function useEnded(id: string, number: number, outcome: PermitUse['outcome']): Promise<void> {
    await locked(id, async () => {
      const permit = permits.get(id);
      if (permit === undefined || number > permit.taken) return;
      // Of one that is not remembered any more the log has to know all the same.
      if ((permit.used.find(({ use: its }) => its === number)?.outcome ?? null) !== null) return;
      await commit({ type: 'permit_use_ended', at: clock.now(), id, use: number, outcome });
    });
  }

  async function grant(request: Request, { for_ms, uses, rows }: PermitTerms): Promise<Permit> {
    const { pattern } = request;
    if (pattern === null) throw new Error(`a statement like that of ${request.id} can have no permit`);
    const approvals = request.decisions.filter(({ counts, decision }) => counts && decision === 'approve');
    const at = clock.now();
    const permit: Permit = {
      id: freshId(),
      request: request.id,
      for_ms,
      uses,
      rows,
      pattern,
      who: request.who,
      where: request.where,
      role: request.role,
      search_path: request.search_path,
      in_transaction: request.in_transaction,
      rule: request.rule,
      ask: request.ask,
      findings: request.findings,
      shape: request.shape,
      sql: request.sql,
      by: approvals.map(({ by }) => by),
      instead_of: approvals.flatMap(({ instead_of }) => instead_of ?? []),
      rationale: approvals.map(({ rationale }) => rationale),
      granted: at,
      until: at + for_ms,
      taken: 0,
      used: [],
      revoked: null,
    };
    return commit({ type: 'permit_granted', at, permit });
  }

  async function revoke(id: string, by: string, reason: string): ReturnType<Permits['revoke']> {
    return locked(id, async () => {
      const permit = permits.get(id);
      if (permit === undefined) return 'unknown' as const;
      if (!mayRevoke(permit, by)) return 'not-yours' as const;
      // One that is used up may have a use that still runs: that is to be stopped.
      if (permit.revoked !== null) return { already: 'revoked' as const };
      if (!stillRuns(permit) && state(permit) !== 'in-force') return { already: state(permit) };
      await commit({ type: 'permit_revoked', at: clock.now(), id, by, reason: reason.trim() });
      const told = revocations.get(id) ?? [];
      revocations.delete(id);
      for (const callback of told) callback(by);
      return 'ok' as const;
    });
  }

  /** To take a permit away runs nothing, so that nobody is too close to the requester for it. */
  function mayRevoke(permit: Permit, by: string): boolean {
    const reviewer = directory.reviewer(by);
    if (reviewer?.kind === 'human' && reviewer.roles.includes('admin')) return true;
    if (isLinked(permit, by, directory)) return true;
    const asked = { who: permit.who, ask: permit.ask, escalated: permit.granted };
    return mayDecide(asked, reviewer, directory.requester(permit.who.id), directory).may;
  }

  function onRevoked(id: string, callback: (by: string) => void): () => void {
    const revoked = permits.get(id)?.revoked ?? null;
    if (revoked !== null) {
      callback(revoked.by);
      return () => {};
    }
    const all = revocations.get(id) ?? new Set();
    revocations.set(id, all.add(callback));
    return () => {
      all.delete(callback);
      if (all.size === 0 && revocations.get(id) === all) revocations.delete(id);
    };
  }

  function list(filter: Parameters<Permits['list']>[0] = {}): readonly Permit[] {
    const { state: wanted = 'all', requester } = filter;
    return [...permits.values()]
      .toReversed()
      .filter((permit) => wanted === 'all' || state(permit) === wanted)
      .filter(({ who }) => requester === undefined || who.id === requester);
  }

  async function restore(events: Parameters<Permits['restore']>[0]): Promise<void> {
    // What belongs to a permit that retention has removed belongs to none that still lives.
    for (const { event } of events) if (event.type === 'permit_granted' || permits.has(event.id)) take(event);
    for (const permit of permits.values())
      if (permit.text_gone && state(permit) === 'in-force')
        await commit({ type: 'permit_revoked', at: clock.now(), id: permit.id, by: 'holdpoint', reason: TEXT_GONE });
  }

  /** Makes one event durable, then true, then known; in the order of the log, whichever append resolves first. */
  async function commit(event: PermitEvent): Promise<Permit> {
    const seq = await append(event);
    const permit = take(event);
    // Not inside this call: a listener's fault must not make what has happened look as if it had not.
    for (const listener of listeners) queueMicrotask(() => listener(seq, event, permit));
    return permit;
  }

  /** Folds a durable event into memory. */
  function take(event: PermitEvent): Permit {
    if (event.type === 'permit_granted') {
      const permit: Kept = { ...event.permit, used: [...event.permit.used] };
      permits.set(permit.id, permit);
      byHash.set(permit.pattern.hash, [...(byHash.get(permit.pattern.hash) ?? []), permit.id]);
      forget();
      return permit;
    }
    const permit = permits.get(event.id);
    if (permit === undefined) throw new Error(`there is no permit ${event.id}`);
    if (event.type === 'permit_revoked') {
      const { by, reason, at } = event;
      const revoked: Kept = { ...permit, revoked: { by, reason, at } };
      permits.set(event.id, revoked);
      return revoked;
    }
    const { use: number } = event;
    if (event.type === 'permit_used') {
      permit.taken = Math.max(permit.taken, number);
      permit.used.push({ use: number, session: event.session, at: event.at, outcome: null });
      if (permit.used.length > 2 * USES_KEPT_MAX) permit.used = permit.used.slice(-USES_KEPT_MAX);
      return permit;
    }
    const at = permit.used.findLastIndex(({ use: its }) => its === number);
    const known = permit.used[at];
    if (known !== undefined) permit.used[at] = { ...known, outcome: event.outcome };
    return permit;
  }

  /** Drops the oldest that are over, beyond what is kept. */
  function forget(): void {
    if (permits.size <= PERMITS_OVER_KEPT_MAX) return;
    const over = [...permits.values()].filter((permit) => state(permit) !== 'in-force' && !stillRuns(permit));
    for (const { id, pattern } of over.slice(0, Math.max(0, over.length - PERMITS_OVER_KEPT_MAX))) {
      permits.delete(id);
      const rest = (byHash.get(pattern.hash) ?? []).filter((other) => other !== id);
      if (rest.length === 0) byHash.delete(pattern.hash);
      else byHash.set(pattern.hash, rest);
    }
  }

  /** As far as this process knows: of a use before its start nothing runs any more. */
  function stillRuns({ id }: Permit): boolean {
    return revocations.has(id);
  }

  function freshId(): string {
    for (;;) {
      const id = newId(options.random, 'PM-');
      if (!permits.has(id)) return id;
    }
  }

  return {
    match,
    givers,
    use,
    useEnded,
    grant,
    revoke,
    onRevoked,
    state,
    get: (id) => permits.get(id),
    list,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    restore,
  };
}

/** Is this a statement of its kind, sent as it was granted, under a rule that would still grant as much? */
function isFor(permit: Permit, held: Held): boolean {
  const { pattern, ask } = held;
  const most = ask.permit;
  // A result that was stopped at a limit is under none.
  if (pattern === null || most === null || held.passed !== null) return false;
  // Given by a sign-in that would not do any more.
  if (demandOf(ask) !== null && demandOf(ask) !== demandOf(permit.ask)) return false;
  if (pattern.hash !== permit.pattern.hash || (pattern.writes && !most.writes)) return false;
  if (permit.for_ms > most.for_ms || permit.uses > most.uses || permit.rows > most.rows) return false;
  return circumstances(permit) === circumstances(held);
}

function demandOf({ step_up }: Pick<Ask, 'step_up'>): string | null {
  return step_up && JSON.stringify(step_up);
}

/** All that must be as it was when it was granted. */
function circumstances(
  of: Pick<Held, 'who' | 'where' | 'role' | 'search_path' | 'in_transaction' | 'rule' | 'findings'>,
) {
  const { who, where, role, search_path, in_transaction, rule, findings } = of;
  const found = new Set(findings.map(({ action, object }) => JSON.stringify([action, object])));
  return JSON.stringify([
    who.id,
    where.engine,
    where.upstream,
    where.database,
    role,
    search_path,
    in_transaction,
    rule,
    [...found].toSorted(),
  ]);
}
