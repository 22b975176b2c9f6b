// An approval request and what happens to it. Types only; lifecycle.ts is the table, desk.ts runs it.
import type { Finding } from '../sql/findings.ts';
import type { Impact } from '../sql/impact.ts';
import type { Ask, Where, Who } from '../policy/types.ts';

export const STATES = [
  'open',
  'approved',
  'denied',
  'expired',
  'withdrawn',
  'released',
  'executed',
  'failed',
  'outcome_unknown',
  'lapsed',
] as const;
export type State = (typeof STATES)[number];

/** One parameter as the reviewer sees it. */
export interface Parameter {
  /** Type name ('int4', 'text'), or 'oid 1234'. */
  readonly type: string;
  /** Decoded text; null is SQL NULL; binary of unknown type as hex with a leading \x. */
  readonly value: string | null;
}

export interface EarlierStatement {
  /** The redacted shape is not enough here: the statement's exact text (sealed in the log). */
  readonly sql: string;
  readonly at: number;
  /** Command tag or SQLSTATE. */
  readonly outcome: string;
}

/** Of a result. */
export interface Passed {
  readonly rows: number;
  readonly bytes: number;
}

/** Everything known when a statement is held. */
export interface Held {
  readonly who: Who;
  readonly where: Where;
  /** Effective role on the server. */
  readonly role: string;
  /** Name the gateway logs in upstream with. */
  readonly upstream_user: string;
  readonly search_path: string;
  readonly application_name: string;
  readonly session: string;
  /** Exact bytes as received, latin1 (one char per byte). */
  readonly sql: string;
  readonly shape: string;
  readonly parameters: readonly Parameter[];
  readonly findings: readonly Finding[];
  /** Indexes of those that the rule is about; none: of all. */
  readonly grounds: readonly number[];
  readonly rule: string;
  readonly message: string;
  readonly ask: Ask;
  readonly policy: string;
  /** The agent's words, '' for none, with when they were given. */
  readonly reason: string;
  readonly reason_at: number | null;
  readonly in_transaction: boolean;
  /** Statements of the open transaction that it commits before it does anything (MySQL's DDL); 0: it commits none so. */
  readonly commits: number;
  readonly earlier: readonly EarlierStatement[];
  /** What the client has got already: the statement runs, and was stopped at a limit. Null: it has not run. */
  readonly passed: Passed | null;
  /** SHA-256 hex of the statement's identity (digest.ts). Never leaves the sealed text. */
  readonly digest: string;
}

export interface Decision {
  readonly decision: 'approve' | 'deny';
  readonly by: string;
  /** The reviewer group (policy's name) it counts for; '' where any reviewer may. */
  readonly group: string;
  readonly rationale: string;
  readonly channel: string;
  readonly at: number;
}

export interface Outcome {
  /** Command tag; null when it failed. */
  readonly tag: string | null;
  readonly sqlstate: string | null;
  readonly rows: number;
  readonly bytes: number;
  readonly duration_ms: number;
}

export interface Request extends Held {
  readonly id: string;
  readonly state: State;
  /** Counts changes of what was judged, from 1. A decision names the one it was shown. */
  readonly revision: number;
  readonly opened: number;
  readonly deadline: number;
  /** After approval: until when a ticket may be used. */
  readonly use_until: number | null;
  /** HMAC of the digest: what reviewers see and a decision names. */
  readonly digest_tag: string;
  readonly holds: 'held' | 'ticket';
  /** When the last waiting connection gives up; null while nobody waits. */
  readonly wait_until: number | null;
  readonly decisions: readonly Decision[];
  readonly withdrawn: { readonly by: string; readonly reason: string } | null;
  readonly outcome: Outcome | null;
  /** What it would touch, as the server estimated it after the request was opened; null: not known, or not yet. */
  readonly impact: Impact | null;
  readonly updated: number;
}

/** A reviewer as identity knows it at the moment of decision. */
export interface Reviewer {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly roles: readonly ('reviewer' | 'auditor' | 'admin')[];
  readonly groups: readonly string[];
  readonly aliases: readonly string[];
}

/** What identity tells approval about a requester, read at the moment it matters. */
export interface Requester {
  readonly id: string;
  readonly sponsor: string | null;
  readonly aliases: readonly string[];
  readonly people: readonly string[];
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after ms; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}

/** Everything that can happen to a request, in the order of the log: the state is a fold of these. */
export type ApprovalEvent =
  | { readonly type: 'opened'; readonly at: number; readonly request: Request }
  /** The identical statement came again and waits on its connection (also an attach to an open ticket). */
  | {
      readonly type: 'held';
      readonly at: number;
      readonly id: string;
      readonly session: string;
      readonly wait_until: number;
    }
  /** The last waiting connection has gone; the request lives until its deadline. */
  | {
      readonly type: 'ticket';
      readonly at: number;
      readonly id: string;
      readonly session: string;
      readonly why: HoldEndWhy;
    }
  /** What the server says it would touch. It comes when it comes, and changes nothing that a decision is bound to. */
  | { readonly type: 'impact'; readonly at: number; readonly id: string; readonly impact: Impact }
  | { readonly type: 'decided'; readonly at: number; readonly id: string; readonly decision: Decision }
  | {
      readonly type: 'withdrawn';
      readonly at: number;
      readonly id: string;
      readonly by: string;
      readonly reason: string;
    }
  | { readonly type: 'expired'; readonly at: number; readonly id: string }
  /** Durable before the statement is sent upstream; at most one for a request. */
  | { readonly type: 'released'; readonly at: number; readonly id: string; readonly session: string }
  | { readonly type: 'finished'; readonly at: number; readonly id: string; readonly outcome: Outcome }
  | { readonly type: 'outcome_unknown'; readonly at: number; readonly id: string; readonly why: string }
  | { readonly type: 'lapsed'; readonly at: number; readonly id: string; readonly why: string };

export type HoldEndWhy = 'waited-out' | 'cancelled' | 'disconnected' | 'overflow' | 'upstream-gone' | 'shutdown';

/** Where events become durable. Rejects when they can't be: then the event has not happened. */
export interface Journal {
  /** Resolves with the audit sequence number once the record is on disk. */
  append(event: ApprovalEvent): Promise<number>;
}

/** What identity answers, asked afresh at each decision. */
export interface Directory {
  reviewer(id: string): Reviewer | undefined;
  requester(id: string): Requester | undefined;
  /** Ids of people who may decide on what needs one of these policy groups; [] means any reviewer. */
  eligible(groups: readonly string[]): readonly string[];
  /** Is this reviewer a member of the policy's reviewer group? */
  member(reviewer: Reviewer, group: string): boolean;
}

/** The desk: requests of this node, in memory, rebuilt from the log. */
export interface Desk {
  /**
   * A statement that must be held arrives: opens a request, attaches to the open one of the same digest, consumes an
   * approved ticket, or repeats an earlier denial. Durable before it resolves. Rejects when the journal does.
   * `wait_ms` 0: a ticket at once.
   */
  hold(held: Held, wait_ms: number): Promise<HoldResult>;
  /** Compare-and-set approved -> released, durable when it resolves true. False: somebody else used it, or it is not approved. */
  release(id: string, session: string): Promise<boolean>;
  /** What became of a released statement; null: we can't know. */
  finish(id: string, outcome: Outcome | null): Promise<void>;
  /**
   * The re-check before a release found other circumstances: an approved request ends, unused. True: it has, durably.
   * `why` ends the sentence "approved for other circumstances: ...".
   */
  lapse(id: string, why: string): Promise<boolean>;
  /** Attaches what the server says it would touch, once, while it is open or waits to be used. False: too late. Rejects when the journal does. */
  impact(id: string, impact: Impact): Promise<boolean>;
  decide(input: DecideInput): Promise<DecideResult>;
  /** May this person decide this request, as identity knows both now? Undefined: no such request. */
  may(id: string, reviewer: string): May | undefined;
  /** `by`: the requester, its sponsor, or an account linked to either. */
  withdraw(
    id: string,
    by: string,
    reason: string,
  ): Promise<'ok' | 'unknown' | 'not-yours' | { readonly already: State }>;
  get(id: string): Request | undefined;
  /** Newest first. */
  list(filter?: {
    readonly state?: 'open' | 'decided' | 'all';
    readonly requester?: string;
    readonly limit?: number;
  }): readonly Request[];
  /** Called after each durable event, in log order, with the audit sequence number. */
  subscribe(listener: (seq: number, event: ApprovalEvent, request: Request) => void): () => void;
  /** Rebuilds from the log at start: no hold survives, `released` without an end becomes outcome_unknown. */
  restore(events: Iterable<{ readonly seq: number; readonly event: ApprovalEvent }>): Promise<void>;
  close(): Promise<void>;
}

export type HoldResult =
  | { readonly type: 'waiting'; readonly request: Request; readonly attached: boolean; readonly hold: Hold }
  /** An approved ticket: released, durably; run it now, once. */
  | { readonly type: 'run'; readonly request: Request }
  /** wait was 0: pending at once. */
  | { readonly type: 'pending'; readonly request: Request }
  /** This statement was denied already and the denial still stands. */
  | { readonly type: 'denied'; readonly request: Request }
  /** ZH006: approved for other circumstances; `why` ends the sentence "approved for other circumstances: ...". */
  | { readonly type: 'lapsed'; readonly request: Request; readonly why: string }
  /** ZH005: nobody answers for the principal. 54000: too many open requests. 42501: a reason is required and missing. */
  | { readonly type: 'refused'; readonly why: 'unsponsored' | 'too-many' | 'reason-required'; readonly limit?: number };

/** One connection waiting. */
export interface Hold {
  /**
   * Resolves once: with what ended the wait (the desk's clock ends it at wait_until). After 'approved' the caller
   * re-checks and calls desk.release, desk.lapse, or end() if the client has gone meanwhile.
   */
  readonly ended: Promise<HoldEnd>;
  /** The client is gone or gives up; a no-op when it has ended already. Durable when it resolves; rejects when the journal does (the hold has ended all the same). */
  end(why: HoldEndWhy): Promise<void>;
  /** The request as it is now. */
  request(): Request;
}

export type HoldEnd =
  | { readonly type: 'approved'; readonly request: Request }
  | { readonly type: 'denied'; readonly request: Request }
  | { readonly type: 'expired'; readonly request: Request }
  | { readonly type: 'withdrawn'; readonly request: Request }
  /** Another connection that held the same statement ran it. */
  | { readonly type: 'used'; readonly request: Request }
  /** ZH006: another connection that held it found other circumstances, or the approval was not used in time. */
  | { readonly type: 'lapsed'; readonly why: string; readonly request: Request }
  | { readonly type: 'ended'; readonly why: HoldEndWhy; readonly request: Request };

/** Separation of duty's answer; `text` is the exact sentence for the reviewer. */
export type May =
  | { readonly may: true; readonly group: string }
  | {
      readonly may: false;
      readonly why: Extract<DecideRefusal, 'own' | 'linked' | 'not-a-reviewer' | 'wrong-group'>;
      readonly text: string;
    };

export interface DecideInput {
  readonly id: string;
  readonly by: string;
  readonly decision: 'approve' | 'deny';
  /** The digest_tag and revision the reviewer was shown. */
  readonly digest: string;
  readonly revision: number;
  readonly rationale: string;
  readonly channel: string;
}

/** Why a decision was not counted. `text` is the exact sentence for the reviewer. */
export type DecideRefusal =
  | 'not-found'
  | 'own'
  | 'linked'
  | 'not-a-reviewer'
  | 'wrong-group'
  | 'already-decided'
  | 'changed'
  | 'rationale-missing'
  | 'rationale-too-long'
  | 'not-recorded';
export type DecideResult =
  | { readonly type: 'counted'; readonly request: Request }
  | { readonly type: 'refused'; readonly why: DecideRefusal; readonly text: string; readonly request?: Request };
