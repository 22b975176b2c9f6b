// What a policy says and what it is asked. Types only.
import type { Analysis } from '../sql/findings.ts';

/** Who sends the statement, as identity established it. */
export interface Who {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly groups: readonly string[];
  /** The human who answers for it; null: nobody. */
  readonly sponsor: string | null;
  /** How it proved who it is: 'scram-sha-256', 'trust' ... */
  readonly authentication: string;
  /** Client address without port. */
  readonly address: string;
  /** Other names of the requester and whom its claims name: none of them may decide. Absent: there are none. */
  readonly linked?: readonly string[];
  /** Whose work it says that this is: they may not decide either. Absent: it says nothing. */
  readonly on_behalf_of?: readonly string[];
  /** What it says that this is for. */
  readonly task?: string;
}

export interface Where {
  readonly engine: 'postgres' | 'mysql' | 'mariadb';
  /** The listener's name in the configuration. */
  readonly upstream: string;
  readonly database: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface SessionView {
  readonly in_transaction: boolean;
  readonly application_name: string;
  /** The effective role when the message arrives; null: not known. */
  readonly role: string | null;
  /** It may have been changed in the open transaction, whose end may take it back. */
  readonly role_is_local: boolean;
}

export interface PolicyQuestion {
  readonly analysis: Analysis;
  readonly who: Who;
  readonly where: Where;
  readonly session: SessionView;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Ask {
  /** Names of reviewer groups as the policy defines them; empty: any reviewer. */
  readonly of: readonly string[];
  /** `count` approvals of each of these groups are needed; false: `count` of all of them together. */
  readonly each: boolean;
  /** Distinct people. */
  readonly count: number;
  /** So many denials end it. */
  readonly denials: number;
  /** After so long without a decision these groups may decide, too, each in the place of any other. */
  readonly escalate: { readonly after_ms: number; readonly to: readonly string[] } | null;
  /** It is denied where nobody who may decide was connected for so long; null: it waits for its deadline. */
  readonly nobody_ms: number | null;
  /** The most that a standing approval may cover; null: none is given. */
  readonly permit: {
    readonly for_ms: number;
    readonly uses: number;
    readonly rows: number;
    readonly writes: boolean;
  } | null;
  /** Where it may be decided: anywhere, or in the console alone. */
  readonly channel: 'any' | 'console';
  /** What is demanded of the sign-in of whoever approves; null: nothing. */
  readonly step_up: StepUp | null;
  readonly deadline_ms: number;
  /** How long an approved ticket may be used, from approval. */
  readonly use_within_ms: number;
  /** How long a connection waits; null: the engine's default. */
  readonly wait_ms: number | null;
  readonly rationale: readonly ('approve' | 'deny')[];
  readonly reason: 'optional' | 'required';
  /** false: a hold that ends withdraws the request. */
  readonly ticket: boolean;
}

/** At least one of them is demanded. */
export interface StepUp {
  /** They proved who they are at most so long before. */
  readonly within_ms: number | null;
  /** any: a second factor; totp: an app's code or a security key; webauthn: a security key. */
  readonly factor: 'any' | 'totp' | 'webauthn' | null;
  /** One of these a sign-in provider must have said (its acr), in place of `factor`; []: `factor` goes by its amr. */
  readonly acr: readonly string[];
}

/** A cap that a rule puts on results. Rows are whole ones as the server sends them, bytes those of their messages. */
export interface Limit {
  readonly rule: string;
  readonly message: string;
  /** Of one result; with `per_ms` of all that the principal got under this rule in the time before. Null: not capped. */
  readonly rows: number | null;
  readonly bytes: number | null;
  readonly per_ms: number | null;
  /** At the cap. */
  readonly verdict: 'hold' | 'deny';
  readonly ask: Ask;
  /** Indexes into analysis.findings that the rule matched. */
  readonly findings: readonly number[];
  /** Only recorded. */
  readonly observe: boolean;
  /** Statements of the message return what they change: they run to their end, and beyond the cap nothing more passes. Nobody is asked. */
  readonly withholds: boolean;
  /** The statement writes and can return few rows only: it is counted, and not stopped half-way. */
  readonly counts_only: boolean;
}

export interface Observed {
  readonly rule: string;
  readonly verdict: 'hold' | 'deny';
}

/** Names of the rules that are not written in a file. */
export type FixedRule = 'default' | 'unparsed' | 'unknown' | 'unresolved' | 'code';

export interface Verdict {
  readonly verdict: 'allow' | 'hold' | 'deny';
  /** The rule's id, or a FixedRule. */
  readonly rule: string;
  /** What the rule tells agent and reviewer; '' for none. */
  readonly message: string;
  /** Indexes into analysis.findings that the rule matched; empty where the rule is not about findings. */
  readonly findings: readonly number[];
  /** Set exactly when verdict is 'hold'. */
  readonly ask: Ask | null;
  /** Of a message that is let through, by a permit if it is held: what its results, all together, may bring. In the order of the rules. */
  readonly limits: readonly Limit[];
  /** What would have been held or denied, and by which rule, were nothing in mode observe. */
  readonly observed: readonly Observed[];
  /** May be remembered for the same (analysis, who, where, session): no rule that could matter reads time, totals or parameters. */
  readonly cacheable: boolean;
}

export interface Policy {
  /** SHA-256 of the file's bytes, hex. */
  readonly hash: string;
  readonly path: string;
  readonly rules: number;
  /** Reviewer groups by the policy's name for them: lists of directory groups, written with their source (`ldap:dba`), local ones bare. */
  readonly reviewers: Readonly<Record<string, readonly string[]>>;
  /** Names of reviewer groups whose people may let a statement of their own run at once, and answer for it. */
  readonly break_glass: readonly string[];
  /** Pure; never throws: an expression that fails counts as matched for hold and deny, not matched for allow and in `unless`. */
  judge(question: PolicyQuestion): Verdict;
}

/** What is wrong in a policy file, and where. */
export interface PolicyError {
  readonly path: string;
  /** From 1; 1:1 where the file could not be read at all. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The line and, below it, a caret under the place; '' for none. */
  readonly excerpt: string;
}
