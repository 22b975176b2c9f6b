// What a log of requests must be, worked out anew from the events and from who everybody was when each was written: who may decide, who
// counts for what, when enough is enough, what the clock may do. Uses nothing of the code under test but the events' shape.
import { expect } from 'vitest';
import type { ApprovalEvent, Held, Request } from '../../../src/approval/types.ts';
import { ACCOUNTS, BARRED, type Facts, GROUPS, groupsOf, ON_CALL, type Town, EVERYBODY } from './town.ts';

/** An event with what was true when it was handed to the journal. */
export interface Written {
  readonly event: ApprovalEvent;
  readonly facts: Facts;
}

export interface Recounted {
  readonly id: string;
  readonly how: 'decided' | 'broke_glass' | null;
  readonly released: boolean;
  readonly returned: number;
  readonly changed: number;
  readonly voted: number;
  readonly escalated: boolean;
  readonly nobody: boolean;
  readonly answers: number;
}

type Vote = {
  readonly by: string;
  readonly persons: readonly string[];
  readonly approves: boolean;
  /** What it could count for when it was given. */
  readonly groups: readonly string[];
  readonly for: string;
};
/** By whom the clock decides. */
const CLOCK = 'holdpoint';
const ANSWER_ADDS_MS = 60_000;

/** Throws on the first event that must not be there. `late_ms`: by how much the clock may be late, at a time. */
export function recount(
  log: readonly Written[],
  town: Town,
  late_ms: (due: number, at: number) => number,
): Recounted[] {
  const lives = new Map<string, Written[]>();
  for (const written of log) {
    const { event } = written;
    const id = event.type === 'opened' ? event.request.id : event.id;
    lives.set(id, [...(lives.get(id) ?? []), written]);
  }
  return [...lives.values()].map((life) => recountOne(life, town, late_ms));
}

function recountOne(life: readonly Written[], town: Town, late_ms: (due: number, at: number) => number): Recounted {
  const first = life[0]?.event;
  if (first?.type !== 'opened') throw new Error('a life that begins with no opening');
  let { request } = first;
  let votes: Vote[] = [];
  let escalated = false;
  let how: Recounted['how'] = null;
  let ended_at: number | null = null;
  let wait_until = request.wait_until ?? 0;
  let under_way = false;
  let returned_at = 0;
  let changed_at = 0;
  let escalated_at = 0;
  const seen = { released: false, returned: 0, changed: 0, voted: 0, nobody: false, answers: 0 };
  const due = (at: number, when: number) => {
    expect(at, 'too early').toBeGreaterThanOrEqual(when);
    expect(at - when, 'too late').toBeLessThanOrEqual(late_ms(when, at));
  };
  for (const { event, facts } of life.slice(1)) {
    switch (event.type) {
      case 'decided': {
        expect(how, 'decided after the end').toBeNull();
        const { by, decision } = event.decision;
        if (by === CLOCK) {
          expect(decision).toBe('deny');
          aloneFor(request, town, Math.max(request.opened, changed_at), escalated ? escalated_at : Infinity, event.at);
          seen.nobody = true;
          break;
        }
        const may = mayThen(request, by, escalated, facts);
        if (may === null) throw new Error(`${by} was counted for ${request.digest}`);
        votes = votes
          .filter((vote) => person(vote.by) !== person(by))
          .filter((vote) => stillMay(request, vote, escalated, facts));
        votes.push({ ...may, approves: decision === 'approve' });
        const enough =
          decision === 'approve'
            ? enoughOf(request.ask, escalated, votes)
            : votes.filter(({ approves }) => !approves).length >= request.ask.denials;
        expect(event.ends, `enough for ${request.digest}`).toBe(enough);
        seen.voted += 1;
        if (enough && decision === 'approve') {
          how = 'decided';
          ended_at = event.at;
        }
        break;
      }
      case 'broke_glass':
        expect(request.who.id).toBe(ON_CALL);
        expect(event.reason).not.toBe('');
        how = 'broke_glass';
        ended_at = event.at;
        break;
      case 'reviewed':
        expect(mayThen(request, event.by, escalated, facts)).not.toBeNull();
        break;
      case 'asked':
        expect(mayThen(request, event.said.by, escalated, facts)).not.toBeNull();
        break;
      case 'answered':
        expect(isTheirs(request, event.said.by)).toBe(true);
        if (event.wait_until !== null) {
          const more = seen.answers === 0 ? ANSWER_ADDS_MS : 0;
          expect(event.wait_until).toBeLessThanOrEqual(Math.min(wait_until + more, request.deadline));
          wait_until = event.wait_until;
        }
        seen.answers += 1;
        break;
      case 'withdrawn':
        expect(event.by === CLOCK ? !request.ask.ticket : isTheirs(request, event.by)).toBe(true);
        break;
      case 'held':
        wait_until = Math.max(wait_until, event.wait_until);
        break;
      case 'escalated':
        due(event.at, Math.max(request.opened + (request.ask.escalate?.after_ms ?? Infinity), changed_at));
        escalated = true;
        escalated_at = event.at;
        break;
      case 'changed':
        expect(under_way, 'changed while it runs').toBe(false);
        expect(how, 'break-glass is for once').not.toBe('broke_glass');
        expect(event.held.who.id, 'somebody else').toBe(request.who.id);
        request = { ...request, ...event.held };
        votes = [];
        how = ended_at = null;
        escalated = false;
        changed_at = event.at;
        seen.changed += 1;
        break;
      case 'expired':
        due(event.at, request.deadline);
        break;
      case 'released':
        expect(under_way, 'released twice').toBe(false);
        expect(how, 'released, and nobody had decided it').not.toBeNull();
        expect(event.at).toBeLessThan((ended_at ?? 0) + request.ask.use_within_ms);
        seen.released = under_way = true;
        break;
      case 'returned':
        expect(under_way, 'nothing to return').toBe(true);
        expect(how, 'break-glass is for once').toBe('decided');
        seen.returned += 1;
        returned_at = event.at;
        under_way = false;
        break;
      case 'lapsed':
        expect(under_way, 'lapsed while it runs').toBe(false);
        if (event.why === 'it was not used in time') {
          // What came back too late ends then.
          due(event.at, Math.max((ended_at ?? 0) + request.ask.use_within_ms, returned_at));
        }
        break;
      case 'opened':
        throw new Error('opened twice');
      case 'ticket':
      case 'impact':
        break;
      case 'finished':
      case 'outcome_unknown':
        expect(under_way, 'an end of what does not run').toBe(true);
        under_way = false;
        break;
    }
  }
  return { id: request.id, how, escalated, ...seen };
}

const person = (id: string): string => ACCOUNTS[id] ?? id;

const isTheirs = (request: Request, by: string): boolean =>
  by === request.who.id || person(by) === BARRED[request.who.id];

const asked = ({ ask }: Held, escalated: boolean): readonly string[] =>
  ask.of.length === 0 ? [] : [...ask.of, ...(escalated ? (ask.escalate?.to ?? []) : [])];

const within = (id: string, wanted: readonly string[], facts: Facts): string[] =>
  wanted.filter((name) => groupsOf(id, facts).some((group) => GROUPS[name]?.includes(group)));

/** What somebody's word is worth at that moment; null: nothing. */
function mayThen(request: Request, by: string, escalated: boolean, facts: Facts): Omit<Vote, 'approves'> | null {
  if (person(by) === BARRED[request.who.id]) return null;
  const wanted = asked(request, escalated);
  const own = within(by, wanted, facts);
  if (wanted.length === 0 || own.length > 0) return { by, persons: [person(by)], groups: own, for: by };
  if (by !== 'piet' || !facts.away || BARRED[request.who.id] === 'aiko') return null;
  const groups = within('aiko', wanted, facts);
  return groups.length > 0 ? { by, persons: [person(by), 'aiko'], groups, for: 'aiko' } : null;
}

function stillMay(request: Request, vote: Vote, escalated: boolean, facts: Facts): boolean {
  const now = mayThen(request, vote.by, escalated, facts);
  if (now === null || now.for !== vote.for) return false;
  return vote.groups.length === 0 || vote.groups.some((name) => now.groups.includes(name));
}

/** Tries every way to seat the approvals. */
function enoughOf({ of, each, count, escalate }: Held['ask'], escalated: boolean, votes: readonly Vote[]): boolean {
  const more = escalated && of.length > 0 ? (escalate?.to ?? []) : [];
  const one = each && of.length > 0 ? of.map((group) => [group, ...more]) : [[...of, ...more]];
  const seats = one.flatMap((takes) => Array.from({ length: count }, () => takes));
  const seen = new Set<string>();
  const approvals = votes.filter(({ approves, persons }) => {
    if (!approves || persons.some((id) => seen.has(id))) return false;
    for (const id of persons) seen.add(id);
    return true;
  });
  const fill = (left: readonly (readonly string[])[], free: readonly Vote[]): boolean => {
    const [takes, ...rest] = left;
    if (takes === undefined) return true;
    return free.some(
      (vote) =>
        (takes.length === 0 || vote.groups.some((name) => takes.includes(name))) &&
        fill(
          rest,
          free.filter((other) => other !== vote),
        ),
    );
  };
  return fill(seats, approvals);
}

/** Nobody who could decide it was connected in all the time before it was denied for that. */
function aloneFor(request: Request, { history }: Town, since_at: number, escalated_at: number, at: number): void {
  const from = at - (request.ask.nobody_ms ?? 0);
  expect(from).toBeGreaterThanOrEqual(since_at);
  for (const [i, { at: since, facts }] of history.entries()) {
    const until = history[i + 1]?.at ?? Infinity;
    if (until <= from || since >= at || until === since) continue;
    const escalated = escalated_at < Math.min(until, at);
    const able = EVERYBODY.filter((id) => mayThen(request, id, escalated, facts) !== null);
    expect(
      able.filter((id) => facts.present.includes(id)),
      'was there all the while',
    ).toEqual([]);
  }
}
