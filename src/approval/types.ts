// An approval request and what happens to it. Types only; lifecycle.ts is the table, desk.ts runs it.
import type { Finding } from '../sql/findings.ts';
import type { Impact } from '../sql/impact.ts';
import type { Ask, Where, Who } from '../policy/types.ts';
import type { Lack } from './step-up.ts';

export const STATES = [
  'open',
  'asked',
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

/** A statement's normal form: all that can be told of it but the literals that are free (docs/permits.md). */
export interface Pattern {
  /** SHA-256 hex over the normal form. Never leaves the sealed text. */
  readonly hash: string;
  /** Half-open byte ranges of the text whose literals another statement of this pattern may have otherwise. */
  readonly free: readonly (readonly [start: number, end: number])[];
  /** 1-based numbers of the parameters that may have other values. */
  readonly free_parameters: readonly number[];
  readonly writes: boolean;
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
  /** Texts of the catalog that run with it: for each a hash, a space, and what it is called. Never leaves the sealed text. */
  readonly bodies: readonly string[];
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
  /** What a permit for statements like this one would cover; null: its rule allows none, or it can have none. */
  readonly pattern: Pattern | null;
  /** What the client has got already: the statement runs, and was stopped at a limit. Null: it has not run. */
  readonly passed: Passed | null;
  /** The requester says that it cannot wait, and who may say so (reviewer groups as the policy names them). Null: it waits. */
  readonly break_glass: { readonly reason: string; readonly of: readonly string[] } | null;
  /** SHA-256 hex of the statement's identity (digest.ts). Never leaves the sealed text. */
  readonly digest: string;
}

export interface Decision {
  readonly decision: 'approve' | 'deny';
  /** 'holdpoint': the clock decided. */
  readonly by: string;
  /** All accounts of that person, `by` among them: two of them are one voice. */
  readonly accounts: readonly string[];
  /** The reviewer group (policy's name) it counts for; '' where any reviewer may. */
  readonly group: string;
  /** All groups that it could count for: which one it does is worked out anew with every decision (quorum.ts). */
  readonly groups: readonly string[];
  /** Who is away and has named `by` to decide instead; null: `by` is a member itself. */
  readonly instead_of: string | null;
  /** False: its author thought better of it, or may not decide any more. */
  readonly counts: boolean;
  readonly rationale: string;
  readonly channel: string;
  readonly at: number;
  /** An approval of all that are like it, within these bounds; null: of this one. */
  readonly permit: PermitTerms | null;
  /** How its author had signed in. Absent: nothing is known of it, or the clock decided. */
  readonly signed_in?: Proof;
}

/** How somebody signed in, as facts: nothing in it signs anybody in. */
export interface Proof {
  /** When they proved who they are, ms since the epoch; null: nobody knows. */
  readonly at: number | null;
  /** local, ldap, oidc or link, then the second factor, or what the provider says of how (its amr). */
  readonly by: readonly string[];
  /** The provider's class of it; null: none was said. */
  readonly acr: string | null;
}

/** How far a permit goes. */
export interface PermitTerms {
  readonly for_ms: number;
  readonly uses: number;
  /** Of each use. */
  readonly rows: number;
}

/** A question of a reviewer or the requester's answer to it. */
export interface Said {
  readonly kind: 'question' | 'answer';
  readonly by: string;
  readonly text: string;
  readonly channel: string;
  readonly at: number;
}

/** A person of the policy's break-glass group let it run and answers for it afterwards. */
export interface BrokenGlass {
  readonly reason: string;
  readonly at: number;
  /** Somebody else has looked at it. */
  readonly reviewed: { readonly by: string; readonly rationale: string; readonly at: number } | null;
}

export interface Outcome {
  /** Command tag; null when it failed. */
  readonly tag: string | null;
  readonly sqlstate: string | null;
  readonly rows: number;
  readonly bytes: number;
  readonly duration_ms: number;
}

/** How requests like it were decided by people before it was opened (before.ts): of the same requester, on the same server, for the same rule. */
export interface Before {
  /** Once. */
  readonly approved: number;
  /** With a permit for all that are like it. */
  readonly permits: number;
  readonly denied: number;
  /** In so many days: fewer than usual where more is not known. */
  readonly days: number;
}

export interface Request extends Held {
  readonly id: string;
  /** The key of what was sealed is deleted: its text is empty, and it never runs. Absent: no. */
  readonly text_gone?: boolean;
  readonly state: State;
  /** Counts changes of what was judged, from 1. A decision names the one it was shown. */
  readonly revision: number;
  readonly opened: number;
  readonly deadline: number;
  /** After approval: until when a ticket may be used. */
  readonly use_until: number | null;
  /** HMAC of the digest: what reviewers see and a decision names. */
  readonly digest_tag: string;
  /** Of the newest revision: when it was made, and what is another now. Null: it is the first. */
  readonly changed: { readonly at: number; readonly why: string } | null;
  readonly holds: 'held' | 'ticket';
  /** When the last waiting connection gives up; null while nobody waits. */
  readonly wait_until: number | null;
  readonly decisions: readonly Decision[];
  readonly said: readonly Said[];
  /** When others were asked, too; null: they were not. */
  readonly escalated: number | null;
  readonly broken_glass: BrokenGlass | null;
  readonly withdrawn: { readonly by: string; readonly reason: string } | null;
  readonly outcome: Outcome | null;
  /** What it would touch, as the server estimated it after the request was opened; null: not known, or not yet. */
  readonly impact: Impact | null;
  /** Null: nothing is known of them. */
  readonly before: Before | null;
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
  /** Barred, and nothing else; beside those whom the request itself names (Who.linked). Absent: nobody. */
  readonly claimed?: readonly string[];
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** The machine's own, by which sign-ins are dated. Default: `now`. */
  wall?(): number;
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
  | { readonly type: 'asked'; readonly at: number; readonly id: string; readonly said: Said }
  /** `wait_until`: as of the request, from now on. */
  | {
      readonly type: 'answered';
      readonly at: number;
      readonly id: string;
      readonly said: Said;
      readonly wait_until: number | null;
    }
  /** Nobody decided in the time that the rule gives the first it asks. */
  | { readonly type: 'escalated'; readonly at: number; readonly id: string }
  /** `ends`: it is the last that was needed. `void`: whose earlier decisions do not count any more, as they may not decide. */
  | {
      readonly type: 'decided';
      readonly at: number;
      readonly id: string;
      readonly decision: Decision;
      readonly ends: boolean;
      readonly void: readonly string[];
    }
  /**
   * What would run now is something else than was shown: the next revision, undecided. `held`: all that is shown of it from now on.
   * `why` ends the sentence "changed: ...".
   */
  | {
      readonly type: 'changed';
      readonly at: number;
      readonly id: string;
      readonly why: string;
      readonly held: Held;
      readonly digest_tag: string;
      readonly before: Before | null;
    }
  | { readonly type: 'broke_glass'; readonly at: number; readonly id: string; readonly reason: string }
  | {
      readonly type: 'reviewed';
      readonly at: number;
      readonly id: string;
      readonly by: string;
      readonly rationale: string;
      readonly signed_in?: Proof;
    }
  | {
      readonly type: 'withdrawn';
      readonly at: number;
      readonly id: string;
      readonly by: string;
      readonly reason: string;
    }
  | { readonly type: 'expired'; readonly at: number; readonly id: string }
  /** Durable before the statement is sent upstream. Another one only after `returned`. */
  | { readonly type: 'released'; readonly at: number; readonly id: string; readonly session: string }
  /** This process knows that no byte of it was sent: the approval is there as before. */
  | { readonly type: 'returned'; readonly at: number; readonly id: string; readonly session: string }
  | { readonly type: 'finished'; readonly at: number; readonly id: string; readonly outcome: Outcome }
  | { readonly type: 'outcome_unknown'; readonly at: number; readonly id: string; readonly why: string }
  | { readonly type: 'lapsed'; readonly at: number; readonly id: string; readonly why: string };

export type HoldEndWhy = 'waited-out' | 'cancelled' | 'disconnected' | 'overflow' | 'upstream-gone' | 'shutdown';

/** A standing approval. Its state at a time is worked out from these (permits.ts). */
export interface Permit extends PermitTerms {
  /** As a request's, with PM- before it. */
  readonly id: string;
  /** The key of what was sealed is deleted: it covers nothing. Absent: no. */
  readonly text_gone?: boolean;
  /** The request whose approval made it. */
  readonly request: string;
  readonly pattern: Pattern;
  /** Whose statements, from where, run as what, under which rule: all as in the request. */
  readonly who: Who;
  readonly where: Where;
  readonly role: string;
  readonly search_path: string;
  readonly in_transaction: boolean;
  readonly rule: string;
  /** As the rule asked then: whom, and for how much at most. */
  readonly ask: Ask;
  readonly findings: readonly Finding[];
  readonly shape: string;
  /** The request's statement, latin1: the free literals stand in it as they were. */
  readonly sql: string;
  readonly by: readonly string[];
  /** Who was away when some of these decided instead. */
  readonly instead_of: readonly string[];
  readonly rationale: readonly string[];
  readonly granted: number;
  readonly until: number;
  /** How many uses there were. */
  readonly taken: number;
  /** The last of them, in order (permits.ts USES_KEPT_MAX); the log has all. */
  readonly used: readonly PermitUse[];
  readonly revoked: { readonly by: string; readonly reason: string; readonly at: number } | null;
}

export interface PermitUse {
  /** Counts from 1. */
  readonly use: number;
  readonly session: string;
  readonly at: number;
  /** Null: it runs, or nobody can know. */
  readonly outcome: Outcome | null;
}

export type PermitEvent =
  | { readonly type: 'permit_granted'; readonly at: number; readonly permit: Permit }
  /** Durable before the statement is sent. */
  | {
      readonly type: 'permit_used';
      readonly at: number;
      readonly id: string;
      readonly use: number;
      readonly session: string;
      /** Commitment to the text lies beside it in the record. */
      readonly sql: string;
      readonly parameters: readonly Parameter[];
    }
  | {
      readonly type: 'permit_use_ended';
      readonly at: number;
      readonly id: string;
      readonly use: number;
      readonly outcome: Outcome | null;
    }
  | {
      readonly type: 'permit_revoked';
      readonly at: number;
      readonly id: string;
      readonly by: string;
      readonly reason: string;
    };

/** Where events become durable. Rejects when they can't be: then the event has not happened. */
export interface Journal {
  /** Resolves with the audit sequence number once the record is on disk. */
  append(event: ApprovalEvent | PermitEvent): Promise<number>;
}

/** What identity answers, asked afresh at each decision. */
export interface Directory {
  reviewer(id: string): Reviewer | undefined;
  requester(id: string): Requester | undefined;
  /** Ids of people who may decide on what needs one of these policy groups; [] means any reviewer. */
  eligible(groups: readonly string[]): readonly string[];
  /** Is this reviewer a member of the policy's reviewer group? */
  member(reviewer: Reviewer, group: string): boolean;
  /** People who are away now and have named this one to decide instead. */
  represents(id: string): readonly string[];
  /** Is something that was said of this one at a sign-in too old to count, and can't be read again? */
  stale(id: string): boolean;
  /**
   * Reads these anew where they come from, with whoever answers or stands in for them; after it the others answer by that. Null: there is
   * nothing to ask. Rejects when it could not be asked: then nothing may be assumed of anybody.
   */
  fresh(ids: readonly string[]): Promise<void> | null;
}

/** The desk: requests of this node, in memory, rebuilt from the log. */
export interface Desk {
  /**
   * A statement that must be held arrives: opens a request, attaches to the open one of the same digest (whose next revision it is where what
   * was shown is another now), consumes an approved ticket, or repeats an earlier denial. Durable before it resolves. Rejects when the journal does.
   * `wait_ms` 0: a ticket at once. `longest_ms`: no answer makes it wait longer than that. `seen` false: whether it still means what `held` says
   * could not be looked up just now, so that nothing runs by an earlier word.
   */
  hold(held: Held, wait_ms: number, longest_ms?: number, seen?: boolean): Promise<HoldResult>;
  /** Before a statement is sent: opens a request that waits for nobody, or finds it. */
  ahead(held: Held): Promise<AheadResult>;
  /**
   * Compare-and-set approved -> released, durable when it resolves true. False: somebody else used it, it is not approved, or it is another
   * revision than this. Rejects with NotNow where it stays approved: whether its requester is still who it was can't be told now, or it is not.
   */
  release(id: string, session: string, revision?: number): Promise<boolean>;
  /** What became of a released statement; null: we can't know. */
  finish(id: string, outcome: Outcome | null): Promise<void>;
  /**
   * A released statement of which no byte was sent, nor ever will be: it is approved again, and can be used as long as before. One that was
   * run by break-glass has failed.
   */
  giveBack(id: string, session: string): Promise<void>;
  /**
   * The re-check before a release found other circumstances: an approved request ends, unused. True: it has, durably.
   * `why` ends the sentence "approved for other circumstances: ...".
   */
  lapse(id: string, why: string): Promise<boolean>;
  /**
   * The re-check before a release by a connection that waits found that it would run something else than was approved: the next revision of the
   * request is open, and all connections go on waiting (`Hold.ended` is another promise). Durable when it resolves; rejects when the journal does.
   */
  change(id: string, held: Held): Promise<ChangeResult>;
  /** Attaches what the server says that revision would touch, once, while it is open or waits to be used. False: too late. Rejects when the journal does. */
  impact(id: string, impact: Impact, revision?: number): Promise<boolean>;
  decide(input: DecideInput): Promise<DecideResult>;
  /** A reviewer who may decide wants to know something first. The agent is told; it is no decision. */
  ask(input: SayInput): Promise<DecideResult>;
  /** The requester, an account linked to it, or its sponsor answers, asked or not. Refused: 'own' stands for "not yours". */
  answer(input: SayInput): Promise<DecideResult>;
  /** Closes the review of a statement that was run by break-glass: somebody else than whoever ran it, who may decide such statements. */
  review(input: ReviewInput): Promise<DecideResult>;
  /** The reviewers who are connected (`DeskOptions.present`) are others now. */
  presence(): void;
  /** How many may decide it now, and how many of them are connected. */
  reach(id: string): { readonly eligible: number; readonly present: number };
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
  restore(
    events: Iterable<{ readonly seq: number; readonly event: ApprovalEvent }>,
    /** Of what was decided up to then the log does not know everything any more; milliseconds since the epoch. */
    forgotten?: number,
  ): Promise<void>;
  /** Why a later start needs the records of this request, in words; null: it does not, and nobody waits for it. */
  needs(id: string): string | null;
  close(): Promise<void>;
}

/** Words on a request. */
export interface SayInput {
  readonly id: string;
  readonly by: string;
  readonly text: string;
  readonly channel: string;
}

export interface ReviewInput {
  readonly id: string;
  readonly by: string;
  readonly rationale: string;
  /** As of DecideInput. */
  readonly signed_in?: Proof | undefined;
}

/** The standing approvals of this node, in memory, rebuilt from the log. The desk asks it before it opens a request. */
export interface Permits {
  /** One that covers it now, and has a use left; the oldest first. */
  match(held: Held): Permit | undefined;
  /** Who gave those that could cover it, as far as the directory is not asked. */
  givers(held: Held): readonly string[];
  /** Takes one use, durably; null: it was used up, revoked or ended meanwhile. Rejects when the journal does. */
  use(id: string, held: Held): Promise<PermitUse | null>;
  /** What became of it; null: nobody can know. */
  useEnded(id: string, use: number, outcome: Outcome | null): Promise<void>;
  /** Of an approved request, on the terms that all its approvals share. Durable when it resolves. */
  grant(request: Request, terms: PermitTerms): Promise<Permit>;
  /** By an admin, a reviewer who could have granted it, the requester, its sponsor, or an account linked to either; statements that run under it are stopped. */
  revoke(
    id: string,
    by: string,
    reason: string,
  ): Promise<'ok' | 'unknown' | 'not-yours' | { readonly already: PermitState }>;
  /** Calls back once when it is revoked; the returned function forgets it. */
  onRevoked(id: string, callback: (by: string) => void): () => void;
  state(permit: Permit): PermitState;
  get(id: string): Permit | undefined;
  /** Newest first. */
  list(filter?: { readonly state?: PermitState | 'all'; readonly requester?: string }): readonly Permit[];
  subscribe(listener: (seq: number, event: PermitEvent, permit: Permit) => void): () => void;
  /** In the order of the log; call it before the desk's. */
  restore(events: Iterable<{ readonly seq: number; readonly event: PermitEvent }>): Promise<void>;
}

export type PermitState = 'in-force' | 'used-up' | 'ended' | 'revoked';

export type HoldResult =
  | { readonly type: 'waiting'; readonly request: Request; readonly attached: boolean; readonly hold: Hold }
  /** An approved ticket: released, durably; run it now, once. */
  | { readonly type: 'run'; readonly request: Request }
  /** A permit covers it: the use is on record; run it now, and return no more rows than it says. */
  | { readonly type: 'permitted'; readonly permit: Permit; readonly use: number }
  /** wait was 0: pending at once. */
  | { readonly type: 'pending'; readonly request: Request }
  /** This statement was denied already and the denial still stands. */
  | { readonly type: 'denied'; readonly request: Request }
  /** ZH006: approved for other circumstances; `why` ends the sentence "approved for other circumstances: ...". */
  | { readonly type: 'lapsed'; readonly request: Request; readonly why: string }
  /** ZH005: nobody answers for the principal, or the directory can't be asked about those whose word it would run by, or the catalog can't be read. 54000: too many open requests. 42501: a reason is missing, or break-glass is for others. */
  | {
      readonly type: 'refused';
      readonly why:
        | 'unsponsored'
        | 'too-many'
        | 'reason-required'
        | 'no-break-glass'
        | 'directory-down'
        | 'catalog-down';
      readonly limit?: number;
    };

export type ChangeResult =
  /** 'same': what would run is what was approved as this revision; another connection had found it first. */
  | { readonly type: 'changed' | 'same'; readonly revision: number }
  /** It has ended with ZH006: it was changed too often, or what it is now has a request, or a denial, of its own. */
  | { readonly type: 'lapsed'; readonly why: string }
  /** It is not approved any more. */
  | { readonly type: 'gone' };

/** Of asking before a statement is sent; words as in HoldResult. */
export type AheadResult =
  /** A permit covers it. */
  | { readonly type: 'needs-none' }
  /** Open, or approved already. */
  | { readonly type: 'pending'; readonly request: Request }
  | Extract<HoldResult, { type: 'denied' | 'refused' }>;

/** One connection waiting. */
export interface Hold {
  /**
   * Resolves once: with what ended the wait (the desk's clock ends it at wait_until). After 'approved' the caller
   * re-checks and calls desk.release, desk.change, desk.lapse, or end() if the client has gone meanwhile. A request that was changed is waited
   * for anew: then this is another promise, which resolves once as well. Made when it is asked for.
   */
  readonly ended: Promise<HoldEnd>;
  /** The client is gone or gives up; a no-op when it has ended already. Durable when it resolves; rejects when the journal does (the hold has ended all the same). */
  end(why: HoldEndWhy): Promise<void>;
  /** The request as it is now. */
  request(): Request;
  /** What happens to it is told to this one from now on; at most one. Again where it is waited for anew. */
  listen(listener: HoldListener): void;
  /** When this connection gives up, ms since the epoch: an answer puts it off, once. */
  until(): number;
}

/** Whoever tells the client that waits. */
export interface HoldListener {
  /** A word for it: a question, that its wait is longer now, or (null) that the request was changed. */
  said(said: Said | null, request: Request): void;
  /** As `Hold.ended` does, once for each `listen`, and in no call of anybody. */
  ended(end: HoldEnd): void;
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
  | {
      readonly may: true;
      readonly accounts: readonly string[];
      /** The first of `groups`; '' where any reviewer may. */
      readonly group: string;
      readonly groups: readonly string[];
      readonly instead_of: string | null;
    }
  | {
      readonly may: false;
      readonly why: Extract<DecideRefusal, 'own' | 'linked' | 'not-a-reviewer' | 'wrong-group' | 'step-up'>;
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
  /** With an approval: of all that are like it. */
  readonly permit?: PermitTerms | undefined;
  /** How `by` has signed in. Absent: in no way that a rule could go by. */
  readonly signed_in?: Proof | undefined;
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
  /** Its rule allows none, or none that wide. */
  | 'permit-refused'
  /** Its rule wants the console. */
  | 'wrong-channel'
  /** Its rule demands more of the sign-in. */
  | 'step-up'
  /** The directory could not be asked: nothing was counted, and it may be tried again. */
  | 'directory-down'
  | 'not-recorded';
export type DecideResult =
  | { readonly type: 'counted'; readonly request: Request }
  | {
      readonly type: 'refused';
      readonly why: DecideRefusal;
      readonly text: string;
      readonly request?: Request;
      /** Of 'step-up': what the sign-in lacks. */
      readonly lacks?: readonly Lack[];
    };
