// What the reviewers' API needs from the rest. approval, policy, audit and identity satisfy these by shape; review imports none of them, and of sql what an
// estimate looks like.
import type { Impact } from '../sql/impact.ts';

export interface ReviewerIdentity {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly roles: readonly ('reviewer' | 'auditor' | 'admin')[];
  readonly groups: readonly string[];
  readonly aliases: readonly string[];
}

export interface IdentityPort {
  /** Password sign-in. Constant work for unknown users; never says which part was wrong. Rejects when a second factor's use can't be kept. */
  password(tried: {
    readonly user: string;
    readonly password: string;
    /** A code of an authenticator app, or a recovery code. */
    readonly otp?: string | undefined;
    /** A browser's answer to what `second` asked. */
    readonly webauthn?: unknown;
    /** The client's, without port. */
    readonly address: string;
  }): Promise<PasswordAnswer>;
  /** Null: there is no provider to sign in with. */
  readonly sso: SsoPort | null;
  /** Null: the address that reviewers open can't have security keys bound to it. */
  readonly keys: KeysPort | null;
  /** One-time sign-in link, used up by this call; null: unknown, used or too old. */
  oneTime(token: string): Promise<ReviewerIdentity | null>;
  reviewer(id: string): ReviewerIdentity | undefined;
  /** Does this person answer for that agent, as its sponsor? False also where there is no such agent. */
  answersFor(person: string, agent: string): boolean;
}

/** identity/sign-in.ts SignedIn, structurally. */
export type PasswordAnswer =
  | { readonly type: 'in'; readonly account: ReviewerIdentity; readonly by: readonly string[] }
  | {
      readonly type: 'second';
      readonly account: ReviewerIdentity;
      readonly factors: readonly ('totp' | 'recovery' | 'webauthn')[];
      readonly webauthn: object | null;
      readonly wrong: boolean;
    }
  | { readonly type: 'refused'; readonly why: 'wrong' | 'wait' | 'down' | 'none'; readonly wait_ms: number };

/** A sign-in provider (OpenID Connect). */
export interface SsoPort {
  /** Where the browser goes, and what only this browser keeps meanwhile. Null: the provider does not answer. */
  begin(
    back: string,
    demand?: SsoDemand | null,
  ): Promise<{ readonly url: string; readonly transaction: string } | null>;
  /** `search`: what the provider sent the browser back with. Uses the transaction up. */
  finish(search: string, transaction: string): Promise<SsoAnswer>;
  /** Where the browser goes to be signed out there, too; null: the provider has no such place. */
  signOutUrl(id_token: string): string | null;
}

/** The person is to prove it anew, and so. */
export interface SsoDemand {
  /** Null: whenever. */
  readonly max_age_s: number | null;
  readonly acr: readonly string[];
}

export type SsoAnswer =
  | {
      readonly type: 'in';
      readonly account: ReviewerIdentity;
      /** oidc, then what the provider says of how (its amr). */
      readonly by: readonly string[];
      readonly back: string;
      readonly id_token: string;
      /** When the person proved who they are to the provider, ms since the epoch; null: it did not say. */
      readonly auth_time: number | null;
      /** Its class of that; null: none was said. */
      readonly acr: string | null;
    }
  /** `why`: a word for the record. `unknown`: the provider knows them, and nobody here does. */
  | { readonly type: 'refused'; readonly problem: 'refused' | 'unknown' | 'down'; readonly why: string };

export interface KeysPort {
  list(user: string): readonly KeyLike[];
  /** What the browser is to make a key of. */
  creation(user: string): Promise<object>;
  /** Null: the answer is not good, or there are too many. Rejects when it can't be kept. */
  register(user: string, name: string, answer: unknown): Promise<KeyLike | null>;
  remove(user: string, id: string): Promise<boolean>;
}

export interface KeyLike {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly added: number;
  readonly used: number | null;
}

/** A request as approval holds it (approval/types.ts Request, structurally). */
export interface RequestLike {
  readonly id: string;
  readonly state: string;
  readonly revision: number;
  /** Of the newest revision; null: it is the first. `why`: Holdpoint's words. */
  readonly changed: { readonly at: number; readonly why: string } | null;
  readonly opened: number;
  readonly deadline: number;
  readonly use_until: number | null;
  readonly digest_tag: string;
  readonly holds: 'held' | 'ticket';
  readonly wait_until: number | null;
  readonly who: {
    readonly id: string;
    readonly kind: string;
    readonly groups: readonly string[];
    readonly sponsor: string | null;
    readonly authentication: string;
    readonly address: string;
    /** Whose work its token says that this is, and what it is for; absent: it says nothing. */
    readonly on_behalf_of?: readonly string[];
    readonly task?: string;
  };
  readonly where: {
    readonly engine: string;
    readonly upstream: string;
    readonly database: string;
    readonly tags: Readonly<Record<string, string>>;
  };
  readonly role: string;
  readonly upstream_user: string;
  readonly search_path: string;
  readonly application_name: string;
  readonly session: string;
  /** latin1: one char per byte of the statement as received. */
  readonly sql: string;
  /** The key of its text was deleted; absent: it was not. */
  readonly text_gone?: boolean;
  readonly shape: string;
  readonly parameters: readonly { readonly type: string; readonly value: string | null }[];
  readonly findings: readonly {
    readonly action: string;
    readonly object: string;
    readonly why: string;
    readonly statement: number;
    readonly start: number;
    readonly end: number;
    readonly unresolved?: true;
  }[];
  /** It runs, and was stopped at a limit after that much; null or absent: it has not run. */
  readonly passed?: { readonly rows: number; readonly bytes: number } | null;
  readonly rule: string;
  readonly message: string;
  readonly ask: {
    readonly of: readonly string[];
    readonly each: boolean;
    readonly count: number;
    readonly denials: number;
    readonly escalate: { readonly after_ms: number; readonly to: readonly string[] } | null;
    readonly nobody_ms: number | null;
    readonly permit: (PermitTermsLike & { readonly writes: boolean }) | null;
    readonly channel: 'any' | 'console';
    readonly step_up: StepUpLike | null;
    readonly deadline_ms: number;
    readonly use_within_ms: number;
    readonly rationale: readonly ('approve' | 'deny')[];
    readonly reason: string;
    readonly ticket: boolean;
  };
  readonly policy: string;
  readonly reason: string;
  readonly reason_at: number | null;
  readonly in_transaction: boolean;
  readonly commits: number;
  readonly earlier: readonly { readonly sql: string; readonly at: number; readonly outcome: string }[];
  readonly decisions: readonly {
    readonly decision: 'approve' | 'deny';
    readonly by: string;
    readonly instead_of: string | null;
    readonly group: string;
    readonly counts: boolean;
    readonly rationale: string;
    readonly channel: string;
    readonly at: number;
    readonly permit: PermitTermsLike | null;
  }[];
  readonly said: readonly {
    readonly kind: 'question' | 'answer';
    readonly by: string;
    readonly text: string;
    readonly channel: string;
    readonly at: number;
  }[];
  readonly escalated: number | null;
  readonly broken_glass: {
    readonly reason: string;
    readonly at: number;
    readonly reviewed: { readonly by: string; readonly rationale: string; readonly at: number } | null;
  } | null;
  readonly pattern: PatternLike | null;
  readonly withdrawn: { readonly by: string; readonly reason: string } | null;
  readonly outcome: {
    readonly tag: string | null;
    readonly sqlstate: string | null;
    readonly rows: number;
    readonly bytes: number;
    readonly duration_ms: number;
  } | null;
  readonly impact: Impact | null;
  /** How requests like it were decided before it was opened; null: nothing is known of them. */
  readonly before: {
    readonly approved: number;
    readonly permits: number;
    readonly denied: number;
    readonly days: number;
  } | null;
  readonly updated: number;
}

/** What a rule demands of the sign-in of whoever approves (policy/types.ts StepUp, structurally). */
export interface StepUpLike {
  readonly within_ms: number | null;
  readonly factor: 'any' | 'totp' | 'webauthn' | null;
  readonly acr: readonly string[];
}

/** How somebody signed in (approval/types.ts Proof, structurally). */
export interface ProofLike {
  /** When they proved who they are, ms since the epoch; null: nobody knows. */
  readonly at: number | null;
  /** local, ldap, oidc or link, then the second factor or the provider's amr. */
  readonly by: readonly string[];
  readonly acr: string | null;
}

export interface PermitTermsLike {
  readonly for_ms: number;
  readonly uses: number;
  readonly rows: number;
}

/** What of a statement another one may have otherwise (approval/types.ts Pattern, without its hash). */
export interface PatternLike {
  /** Half-open byte ranges. */
  readonly free: readonly (readonly [start: number, end: number])[];
  /** From 1. */
  readonly free_parameters: readonly number[];
  readonly writes: boolean;
}

/** A standing approval as approval holds it (approval/types.ts Permit, structurally). */
export interface PermitLike extends PermitTermsLike {
  readonly id: string;
  /** The key of its text was deleted; absent: it was not. */
  readonly text_gone?: boolean;
  readonly request: string;
  readonly pattern: PatternLike;
  readonly who: RequestLike['who'];
  readonly where: RequestLike['where'];
  readonly role: string;
  readonly rule: string;
  /** latin1: one char per byte. */
  readonly sql: string;
  readonly by: readonly string[];
  readonly rationale: readonly string[];
  readonly granted: number;
  readonly until: number;
  readonly used: readonly {
    readonly use: number;
    readonly session: string;
    readonly at: number;
    readonly outcome: RequestLike['outcome'];
  }[];
  readonly revoked: { readonly by: string; readonly reason: string; readonly at: number } | null;
}

/** A client's connection. */
export interface SessionLike {
  readonly id: string;
  readonly who: RequestLike['who'];
  readonly where: RequestLike['where'];
  readonly application_name: string;
  readonly upstream_user: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** The request that it waits for; null: it waits for none. */
  readonly held: string | null;
}

export interface PolicyLike {
  readonly path: string;
  /** SHA-256 of the file in force, hex. */
  readonly hash: string;
  readonly rules: number;
}

export interface PolicyInForce extends PolicyLike {
  /** Null: its file holds another one by now. */
  readonly text: string | null;
  /** When the gateway started, ms since the epoch; since then each rule stopped, or in observe mode would have stopped, so many statements. */
  readonly since: number;
  readonly counts: readonly {
    readonly rule: string;
    readonly held: number;
    readonly denied: number;
    readonly observed: number;
  }[];
}

export type PortResult =
  | { readonly type: 'counted'; readonly request: RequestLike }
  | {
      readonly type: 'refused';
      readonly why: string;
      readonly text: string;
      readonly request?: RequestLike;
      /** Of 'step-up': what the sign-in lacks. */
      readonly lacks?: readonly ('within' | 'factor' | 'acr')[];
    };

interface Words {
  readonly id: string;
  readonly by: string;
  readonly text: string;
  readonly channel: string;
}

export interface RequestsPort {
  /** Newest first. */
  list(filter: { readonly state?: 'open' | 'decided' | 'all' }): readonly RequestLike[];
  get(id: string): RequestLike | undefined;
  decide(input: {
    readonly id: string;
    readonly by: string;
    readonly decision: 'approve' | 'deny';
    readonly digest: string;
    readonly revision: number;
    readonly rationale: string;
    readonly channel: string;
    readonly permit?: PermitTermsLike | undefined;
    readonly signed_in?: ProofLike | undefined;
  }): Promise<PortResult>;
  ask(input: Words): Promise<PortResult>;
  /** Refused with 'own': it is not theirs to answer. */
  answer(input: Words): Promise<PortResult>;
  review(input: {
    readonly id: string;
    readonly by: string;
    readonly rationale: string;
    readonly signed_in?: ProofLike | undefined;
  }): Promise<PortResult>;
  withdraw(
    id: string,
    by: string,
    reason: string,
  ): Promise<'ok' | 'unknown' | 'not-yours' | { readonly already: string }>;
  /** May this person decide this request? text: the sentence for the reviewer when not. */
  may(
    request: RequestLike,
    reviewer: string,
  ):
    | { readonly may: true; readonly group: string }
    | { readonly may: false; readonly text: string; readonly why?: string };
  /** Is this account the requester, its sponsor, or linked to either? */
  owns(request: RequestLike, account: string): boolean;
  /** What the decisions so far come to; `missing` has a group for each approval that is missing, '' where any will do. */
  tally(request: RequestLike): {
    readonly approvals: readonly { readonly by: string; readonly instead_of: string | null; readonly group: string }[];
    readonly needed: number;
    readonly missing: readonly string[];
  };
  /** How many may decide it now, and how many of them are connected. */
  reach(request: RequestLike): { readonly eligible: number; readonly present: number };
  /** Opens a request for a statement that was not sent yet, or finds the one that is open: it is judged as if `by` sent it on its newest connection. */
  askFirst(input: {
    readonly by: string;
    readonly upstream: string;
    /** latin1: one char per byte. */
    readonly sql: string;
    readonly params: readonly { readonly type: string; readonly value: string | null }[];
    readonly reason: string;
  }): Promise<PortResult>;
}

export interface PermitsPort {
  /** Newest first. */
  list(): readonly PermitLike[];
  get(id: string): PermitLike | undefined;
  /** in-force, used-up, ended or revoked */
  state(permit: PermitLike): string;
  revoke(
    id: string,
    by: string,
    reason: string,
  ): Promise<'ok' | 'unknown' | 'not-yours' | { readonly already: string }>;
}

export interface SessionsPort {
  /** In order of their beginning. */
  list(): readonly SessionLike[];
  /** Ends its connection with a word to the client; what it waits for stays a ticket where its rule allows one. False: there is none such. */
  end(id: string, by: string): boolean;
}

/** Tokens with which an agent logs in to a database. */
export interface TokensPort {
  /** The longest that one of Holdpoint's own may be good; null: none are given out. */
  readonly lifetime_ms_max: number | null;
  /** Issuers beside Holdpoint. */
  readonly others: readonly string[];
  /** `record` puts it on record under its id before it is good for anything. Null: too many are in use. */
  issue(
    what: {
      readonly for: string;
      readonly by: string;
      readonly task: string | null;
      readonly on_behalf_of: readonly string[];
      readonly ttl_ms: number;
    },
    record: (id: string) => Promise<void>,
  ): Promise<{ readonly id: string; readonly token: string; readonly expires: number } | null>;
  /** Those that have not ended, oldest first. */
  list(): readonly TokenLike[];
  /** False: there is none such, or it is revoked already. */
  revoke(id: string, by: string): Promise<boolean>;
  /** All of an agent until now, other issuers' too: how many of Holdpoint's own these were. Null: too many such orders are in force. */
  revokeAll(of: string, by: string): Promise<number | null>;
  /** One of another issuer, by its `jti`. False: too many such orders are in force. */
  revokeOther(issuer: string, id: string, by: string): Promise<boolean>;
  /** Another key signs from now on. `drop`: what older ones signed is void. The new key's id. */
  rotate(drop: boolean): Promise<string>;
}

export interface TokenLike {
  readonly id: string;
  readonly for: string;
  readonly by: string;
  readonly on_behalf_of: readonly string[];
  readonly issued: number;
  readonly expires: number;
  readonly revoked: { readonly by: string; readonly at: number } | null;
}

export interface AuditPort {
  append(record: {
    readonly type: string;
    readonly clear: Readonly<Record<string, unknown>>;
    readonly sealed?: Readonly<Record<string, unknown>>;
  }): Promise<number>;
  /** In order, unsealed where the keys still are. */
  read(from_seq: number): AsyncIterable<RecordLike>;
  /** HMAC under a key that is never in the log. */
  tag(value: string): string;
  readonly seq: number;
  readonly failure: string | null;
}

/** What an outsider can verify of the log; audit/receipt.ts Receipt, structurally. */
export interface EvidencePort {
  /** 'unknown': no record names it. 'uncovered': no checkpoint covers its records, and none could be made in time. */
  receipt(id: string): Promise<ReceiptLike | 'unknown' | 'uncovered'>;
  /** Where checkpoints are kept outside of this machine, and how that goes. */
  anchors(): readonly {
    readonly name: string;
    readonly record: number | null;
    readonly at: number | null;
    readonly failing: boolean;
  }[];
  /** Where the log's records are shipped to, and how that goes; audit/ship/ship.ts ShipHealth, structurally. */
  shipping(): readonly {
    readonly name: string;
    readonly record: number;
    readonly behind: number;
    readonly behind_ms: number;
    readonly failing: boolean;
    readonly blocking: boolean;
  }[];
}

export interface ReceiptLike {
  readonly holdpoint: 'receipt';
  readonly v: 1;
  readonly request: string;
  readonly policy: string;
  readonly keys: readonly string[];
  readonly checkpoint: string;
  readonly records: readonly { readonly index: number; readonly line: string; readonly proof: readonly string[] }[];
}

export interface RecordLike {
  readonly seq: number;
  /** ISO 8601 UTC. */
  readonly time: string;
  readonly node: string;
  readonly type: string;
  readonly clear: Readonly<Record<string, unknown>>;
  /** Undefined: nothing was sealed. Null: its key is gone. */
  readonly sealed: Readonly<Record<string, unknown>> | null | undefined;
  readonly entries: readonly {
    readonly time: number;
    readonly shape: string;
    readonly rule: string;
    readonly outcome: string;
    readonly rows: number;
    readonly bytes: number;
    readonly duration_us: number;
  }[];
}

/** What happened, for the stream: `seq` is its cursor, the audit sequence number. */
export type StreamEvent = { readonly seq: number; readonly type: string } & (
  | { readonly request: RequestLike }
  | { readonly permit: PermitLike }
  | { readonly session: SessionLike }
  | { readonly policy: PolicyLike }
);

export interface EventsPort {
  /** Of the last event that was told. What a list shows is at least as new. */
  readonly cursor: number;
  /** The next ones after this cursor, oldest first, [] for none yet; null: too old to say, or of another log. `sessions`: theirs, too. */
  after(cursor: number, sessions: boolean): readonly StreamEvent[] | null;
  /** Called when there are more, in another turn of the event loop than what they tell of. */
  subscribe(listener: () => void): () => void;
}

/** What an agent can connect to, for the first-run page. No secret in it unless the demo made it. */
export interface Guard {
  readonly engine: 'postgres' | 'mysql';
  /** A connection string; null: none to show. */
  readonly address: string | null;
  /** A client's command line, for engines whose clients take no connection string; null: none to show. */
  readonly command: string | null;
}

export interface ReviewPorts {
  readonly identity: IdentityPort;
  readonly requests: RequestsPort;
  readonly permits: PermitsPort;
  readonly sessions: SessionsPort;
  /** Null: this configuration takes no such tokens. */
  readonly tokens: TokensPort | null;
  readonly audit: AuditPort;
  readonly evidence: EvidencePort;
  readonly events: EventsPort;
  policy(): Promise<PolicyInForce>;
  readonly guards: readonly Guard[];
  readonly environment: string;
  /** observe: nothing is held or denied by policy, which everybody must see. */
  readonly mode: 'enforce' | 'observe';
  /** Of requests and permits: milliseconds since the epoch. Default: the machine's clock. */
  readonly now?: () => number;
  /** Tells presence: how many eligible reviewers are connected is shown to agents. */
  present(reviewers: readonly string[]): void;
}
