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
  /** Password sign-in; null: wrong user or password (never says which). Constant work for unknown users. Rejects nothing. */
  password(user: string, password: string): Promise<ReviewerIdentity | null>;
  /** One-time sign-in link, used up by this call; null: unknown, used or too old. */
  oneTime(token: string): Promise<ReviewerIdentity | null>;
  reviewer(id: string): ReviewerIdentity | undefined;
}

/** A request as approval holds it (approval/types.ts Request, structurally). */
export interface RequestLike {
  readonly id: string;
  readonly state: string;
  readonly revision: number;
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
    readonly count: number;
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
    readonly group: string;
    readonly rationale: string;
    readonly channel: string;
    readonly at: number;
  }[];
  readonly withdrawn: { readonly by: string; readonly reason: string } | null;
  readonly outcome: {
    readonly tag: string | null;
    readonly sqlstate: string | null;
    readonly rows: number;
    readonly bytes: number;
    readonly duration_ms: number;
  } | null;
  readonly impact: Impact | null;
  readonly updated: number;
}

export type DecidePortResult =
  | { readonly type: 'counted'; readonly request: RequestLike }
  | { readonly type: 'refused'; readonly why: string; readonly text: string; readonly request?: RequestLike };

export interface RequestsPort {
  list(filter: {
    readonly state?: 'open' | 'decided' | 'all';
    readonly requester?: string;
    readonly limit?: number;
  }): readonly RequestLike[];
  get(id: string): RequestLike | undefined;
  decide(input: {
    readonly id: string;
    readonly by: string;
    readonly decision: 'approve' | 'deny';
    readonly digest: string;
    readonly revision: number;
    readonly rationale: string;
    readonly channel: string;
  }): Promise<DecidePortResult>;
  /** May this person decide this request? text: the sentence for the reviewer when not. */
  may(
    request: RequestLike,
    reviewer: string,
  ): { readonly may: true; readonly group: string } | { readonly may: false; readonly text: string };
  /** After each durable event, in log order, with the audit sequence number (the stream's cursor). `type` as interfaces.md names stream events, without `request.`. */
  subscribe(listener: (seq: number, type: string, request: RequestLike) => void): () => void;
}

export interface AuditPort {
  append(record: {
    readonly type: string;
    readonly clear: Readonly<Record<string, unknown>>;
    readonly sealed?: Readonly<Record<string, unknown>>;
  }): Promise<number>;
  readonly seq: number;
  readonly failure: string | null;
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
  readonly audit: AuditPort;
  /** Events after this cursor, oldest first; null: too old to say. */
  since(
    cursor: number,
  ): readonly { readonly seq: number; readonly type: string; readonly request: RequestLike }[] | null;
  readonly guards: readonly Guard[];
  readonly environment: string;
  /** Tells presence: how many eligible reviewers are connected is shown to agents. */
  present(reviewers: readonly string[]): void;
}
