// People for random stories about requests: accounts of one person, sponsors, people behind a shared user, somebody who is away and who
// decides instead, groups that change between two decisions. What changes is one value (Facts), and every value that was true is kept.
import type { Directory, Held, Reviewer } from '../../../src/approval/types.ts';
import { directoryOf, type FakeClock, heldOf, person } from './help.ts';

/** What can change while a request is open. */
export interface Facts {
  /** Who is in the group dba. */
  readonly dba: readonly string[];
  /** aiko is away, and piet decides instead. */
  readonly away: boolean;
  /** Who is connected. */
  readonly present: readonly string[];
}

export const DBAS = ['aiko', 'ines', 'mara-2', 'jonas-2', 'lena'] as const;
export const EVERYBODY = ['mara', 'mara-2', 'jonas', 'jonas-2', 'aiko', 'ines', 'piet', 'otto', 'lena'] as const;
/** Ids of one person, as the tests know it, whatever the code makes of the directory's links. */
export const ACCOUNTS: Readonly<Record<string, string>> = { 'mara-2': 'mara', 'jonas-2': 'jonas' };
/** Who may never decide what these ask for: the sponsor, the people behind it, oneself. Persons, not accounts. */
export const BARRED: Readonly<Record<string, string>> = { 'billing-agent': 'mara', etl: 'jonas', lena: 'lena' };
/** May say that something cannot wait. */
export const ON_CALL = 'lena';

const REQUESTERS = [
  { id: 'billing-agent', sponsor: 'mara', aliases: [], people: [] },
  { id: 'etl', sponsor: null, aliases: [], people: ['jonas'] },
  ...EVERYBODY.map((id) => ({ id, sponsor: null, aliases: aliasesOf(id), people: [] })),
];

export class Town {
  readonly #clock: FakeClock;
  readonly history: { readonly at: number; readonly facts: Facts }[] = [];
  readonly directory: Directory;

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.change({ dba: ['aiko', 'ines', 'mara-2', 'jonas-2'], away: false, present: [] });
    const now = () =>
      directoryOf(
        EVERYBODY.map((id) => account(id, this.facts)),
        REQUESTERS,
        GROUPS,
      );
    this.directory = {
      reviewer: (id) => now().reviewer(id),
      requester: (id) => now().requester(id),
      eligible: (groups) => now().eligible(groups),
      member: (reviewer, group) => now().member(reviewer, group),
      represents: (id) => (id === 'piet' && this.facts.away ? ['aiko'] : []),
      stale: () => false,
      fresh: () => null,
    };
  }

  get facts(): Facts {
    return (this.history.at(-1) as (typeof this.history)[number]).facts;
  }

  change(more: Partial<Facts>): void {
    this.history.push({ at: this.#clock.now(), facts: { ...this.history.at(-1)?.facts, ...more } as Facts });
  }
}

/** The directory's groups of an account, as they are then. */
export function groupsOf(id: string, { dba }: Facts): readonly string[] {
  return [...(FIXED[id] ?? []), ...(dba.includes(id) ? ['dba'] : [])];
}

const FIXED: Readonly<Record<string, readonly string[]>> = {
  mara: ['data'],
  jonas: ['data'],
  aiko: ['data'],
  otto: ['sre'],
  lena: ['oncall'],
};
/** A policy's reviewer group and the directory's groups in it. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  dba: ['dba'],
  'data-owner': ['data'],
  sre: ['sre'],
  oncall: ['oncall'],
};

function account(id: string, facts: Facts): Reviewer {
  return person(id, { groups: groupsOf(id, facts), aliases: aliasesOf(id) });
}

function aliasesOf(id: string): string[] {
  return EVERYBODY.filter((other) => other !== id && (ACCOUNTS[other] ?? other) === (ACCOUNTS[id] ?? id));
}

/** A statement by its digest: whose it is, and who has to be asked. */
export const STATEMENTS: Readonly<Record<string, { readonly who: string; readonly ask: Partial<Held['ask']> }>> = {
  d1: { who: 'billing-agent', ask: {} },
  d2: { who: 'billing-agent', ask: { of: ['dba'], count: 2 } },
  d3: { who: 'etl', ask: { of: ['dba', 'data-owner'], each: true } },
  d4: {
    who: 'billing-agent',
    ask: { of: ['dba', 'data-owner'], each: true, denials: 2, escalate: { after_ms: 30_000, to: ['sre'] } },
  },
  d5: { who: 'etl', ask: { of: ['dba'], nobody_ms: 20_000, escalate: { after_ms: 30_000, to: ['sre'] } } },
  d6: { who: 'lena', ask: { of: ['dba', 'data-owner'], count: 2, nobody_ms: 60_000 } },
};

/** `stricter`: the policy has become another, which asks one person more. */
export function statement(digest: string, session: string, more: { ticket: boolean; stricter: boolean }): Held {
  const { who, ask } = STATEMENTS[digest] as (typeof STATEMENTS)[string];
  const held = heldOf({ digest, session });
  const sponsor = who === 'billing-agent' ? 'mara' : null;
  const whole = { ...held.ask, deadline_ms: 90_000, use_within_ms: 120_000, ...ask, ticket: more.ticket };
  return {
    ...held,
    who: { ...held.who, id: who, kind: who === 'lena' ? 'human' : 'agent', sponsor },
    ask: more.stricter ? { ...whole, count: whole.count + 1 } : whole,
    rule: more.stricter ? 'stricter' : held.rule,
    policy: more.stricter ? 'cafe' : held.policy,
  };
}
