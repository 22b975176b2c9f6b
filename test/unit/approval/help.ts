// A desk with a clock that stands still until told, a journal that can fail, and a directory of four people.
import { createPermits } from '../../../src/approval/permits.ts';
import { createDesk, type DeskOptions } from '../../../src/approval/desk.ts';
import type {
  ApprovalEvent,
  Clock,
  DecideInput,
  Desk,
  Directory,
  Held,
  Hold,
  HoldResult,
  Journal,
  PermitEvent,
  Permits,
  Requester,
  Reviewer,
} from '../../../src/approval/types.ts';

export class FakeClock implements Clock {
  time = Date.UTC(2026, 0, 5, 14, 2, 30);
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.time + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves on, firing what is due in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.time = Math.max(this.time, due.at);
      due.callback();
      await quiet();
    }
    // Two may run at the same time; time goes on all the same.
    this.time = Math.max(this.time, end);
    await quiet();
  }
}

/** Every promise that can settle without an outside event has settled. */
export async function quiet(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export class FakeJournal implements Journal {
  readonly events: { seq: number; event: ApprovalEvent }[] = [];
  readonly permitEvents: { seq: number; event: PermitEvent }[] = [];
  /** Fails while it answers true. */
  fails: (event: ApprovalEvent) => boolean = () => false;
  failsOfPermit: (event: PermitEvent) => boolean = () => false;

  async append(event: ApprovalEvent | PermitEvent): Promise<number> {
    await Promise.resolve();
    if (isOfPermit(event) ? this.failsOfPermit(event) : this.fails(event)) throw new Error('disk full');
    // A log stores bytes: what is not in the event's JSON does not survive.
    const stored = JSON.parse(JSON.stringify(event)) as ApprovalEvent | PermitEvent;
    const seq = this.events.length + this.permitEvents.length + 1;
    if (isOfPermit(stored)) this.permitEvents.push({ seq, event: stored });
    else this.events.push({ seq, event: stored });
    return seq;
  }

  types(): string[] {
    return this.events.map(({ event }) => event.type);
  }
}

function isOfPermit(event: ApprovalEvent | PermitEvent): event is PermitEvent {
  return event.type.startsWith('permit_');
}

export function person(id: string, more: Partial<Reviewer> = {}): Reviewer {
  return { id, kind: 'human', roles: ['reviewer'], groups: [], aliases: [], ...more };
}

export function directoryOf(
  reviewers: readonly Reviewer[],
  requesters: readonly Requester[],
  groups: Readonly<Record<string, readonly string[]>> = {},
): Directory {
  const member = (reviewer: Reviewer, group: string) =>
    (groups[group] ?? []).some((name) => reviewer.groups.includes(name));
  return {
    reviewer: (id) => reviewers.find((entry) => entry.id === id),
    requester: (id) => requesters.find((entry) => entry.id === id),
    eligible: (names) =>
      reviewers
        .filter((entry) => entry.kind === 'human' && entry.roles.includes('reviewer'))
        .filter((entry) => names.length === 0 || names.some((name) => member(entry, name)))
        .map((entry) => entry.id),
    member,
    represents: () => [],
    stale: () => false,
    fresh: () => null,
  };
}

export const DIRECTORY = directoryOf(
  [
    person('mara', { groups: ['ops'] }),
    person('jonas', { groups: ['data'] }),
    person('aiko', { groups: ['dba'] }),
    person('ines', { groups: ['dba'] }),
  ],
  [
    { id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] },
    { id: 'orphan', sponsor: null, aliases: [], people: [] },
    { id: 'mara', sponsor: null, aliases: [], people: [] },
  ],
  { dba: ['dba'], 'data-owner': ['data'] },
);

export function heldOf(more: Partial<Held> = {}, ask: Partial<Held['ask']> = {}): Held {
  return {
    who: {
      id: 'billing-agent',
      kind: 'agent',
      groups: [],
      sponsor: 'mara',
      authentication: 'scram-sha-256',
      address: '10.0.0.7',
    },
    where: { engine: 'postgres', upstream: 'app', database: 'app', tags: {} },
    bodies: [],
    role: 'billing_ro',
    upstream_user: 'gateway',
    search_path: 'public',
    application_name: '',
    session: 's1',
    sql: 'COPY customers TO STDOUT',
    shape: 'COPY customers TO STDOUT',
    parameters: [],
    findings: [],
    rule: 'exports',
    message: '',
    ask: {
      of: [],
      each: false,
      count: 1,
      denials: 1,
      escalate: null,
      nobody_ms: null,
      permit: null,
      channel: 'any',
      step_up: null,
      deadline_ms: 15 * 60_000,
      use_within_ms: 3_600_000,
      wait_ms: null,
      rationale: [],
      reason: 'optional',
      ticket: true,
      ...ask,
    },
    policy: 'f00d',
    reason: '',
    reason_at: null,
    commits: 0,
    grounds: [],
    in_transaction: false,
    earlier: [],
    pattern: null,
    passed: null,
    break_glass: null,
    digest: 'd1',
    ...more,
  };
}

export interface World {
  readonly permits: Permits;
  readonly clock: FakeClock;
  readonly journal: FakeJournal;
  readonly desk: Desk;
}

export function world(more: Partial<DeskOptions> = {}): World {
  const clock = new FakeClock();
  const journal = new FakeJournal();
  const permits = createPermits({ journal, clock, directory: more.directory ?? DIRECTORY });
  const desk = createDesk({
    journal,
    clock,
    directory: DIRECTORY,
    permits,
    tag: (digest) => `tag-${digest}`,
    requests_open_per_principal_max: 3,
    unsponsored: 'refuse',
    ...more,
  });
  return { clock, journal, permits, desk };
}

export function waiting(result: HoldResult): { hold: Hold; id: string } {
  if (result.type !== 'waiting') throw new Error(`not waiting but ${JSON.stringify(result)}`);
  return { hold: result.hold, id: result.request.id };
}

export function idOf(result: HoldResult): string {
  if (result.type === 'refused') throw new Error(`refused: ${result.why}`);
  if (result.type === 'permitted') throw new Error('a permit covers it');
  return result.request.id;
}

export function decision(id: string, more: Partial<DecideInput> = {}): DecideInput {
  return {
    id,
    by: 'aiko',
    decision: 'approve',
    digest: 'tag-d1',
    revision: 1,
    rationale: 'checked',
    channel: 'console',
    ...more,
  };
}

export const DONE = { tag: 'COPY 500', sqlstate: null, rows: 500, bytes: 41_000, duration_ms: 6 };
