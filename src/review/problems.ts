// Every way the reviewers' API says no: one row per problem, rendered as RFC 9457 problem documents.
// A `type` never changes once released; a title never holds what an agent or a stranger wrote.

interface Row {
  readonly status: number;
  readonly title: string;
}

const ROWS = {
  'bad-request': { status: 400, title: 'The request is not what the API documents.' },
  'not-signed-in': { status: 401, title: 'Sign in first.' },
  'sign-in-refused': { status: 401, title: 'User or password is wrong.' },
  'second-factor': { status: 401, title: 'The password is right; the second factor is missing or wrong.' },
  'link-refused': { status: 401, title: 'This sign-in link is unknown, used or too old.' },
  'sso-refused': { status: 401, title: 'The sign-in with the provider did not count. Start again.' },
  'sso-unknown': { status: 403, title: 'The provider knows you, but this Holdpoint has no account of yours.' },
  'second-factor-missing': {
    status: 403,
    title:
      'A second factor is needed, and this account has none that can be asked for here. An operator makes one: holdpoint user totp.',
  },
  'sign-in-again': { status: 403, title: 'Sign in again: that was too long ago for this.' },
  'key-refused': {
    status: 422,
    title: 'The security key was not taken: its answer is not good, it is known, or there are too many.',
  },
  csrf: { status: 403, title: 'The request did not come from this console.' },
  'no-role': { status: 403, title: 'This account has no reviewer, auditor or admin role.' },
  'not-a-person': { status: 403, title: "Only a person with the reviewer's role decides; an agent never does." },
  'not-for-agents': {
    status: 403,
    title: 'An agent opens, answers, withdraws and watches its own requests, and does nothing else here.',
  },
  'not-your-agent': {
    status: 403,
    title: 'Only the sponsor of an agent, or an admin, gets it a token or revokes one.',
  },
  'not-yours': { status: 403, title: 'This is not yours.' },
  own: { status: 403, title: 'You cannot decide what you or your agent asked for.' },
  'step-up': { status: 403, title: 'Its rule wants approvals by a fresher or stronger sign-in: sign in again.' },
  'wrong-channel': { status: 403, title: 'Its rule wants it decided in the console.' },
  linked: { status: 403, title: 'This account is linked to the requester.' },
  'not-a-reviewer': { status: 403, title: 'Only a person with the reviewer role decides.' },
  'wrong-group': { status: 403, title: 'This needs a reviewer group that you are not in.' },
  'not-found': { status: 404, title: 'There is no such thing here.' },
  method: { status: 405, title: 'That method does nothing here.' },
  'already-decided': { status: 409, title: 'It is decided already; your decision was not counted.' },
  'needs-none': { status: 409, title: 'Nobody has to approve this statement: send it.' },
  'unknown-issuer': { status: 422, title: "No such issuer's tokens log in to databases here." },
  'no-database-tokens': { status: 409, title: 'Agents log in to no database here with tokens of Holdpoint.' },
  ended: { status: 409, title: 'It has ended already.' },
  changed: { status: 409, title: 'It was judged again since you read it.' },
  'too-large': { status: 413, title: 'The body is too large.' },
  'not-json': { status: 415, title: 'Send application/json.' },
  'rationale-missing': { status: 422, title: 'Write why.' },
  'rationale-too-long': { status: 422, title: 'The rationale is too long.' },
  'permit-refused': { status: 422, title: 'Its rule allows no such permit.' },
  'too-long': { status: 422, title: 'No token may be good for so long here.' },
  'ask-refused': { status: 422, title: 'Nothing was opened for this statement.' },
  'too-many': { status: 429, title: 'Too many tries; wait a minute.' },
  internal: { status: 500, title: 'Holdpoint has a fault. Nothing was decided by this call.' },
  'directory-down': {
    status: 503,
    title: 'The directory does not answer, so nothing was counted, and nobody signed in. Try again.',
  },
  'sso-down': { status: 503, title: 'The sign-in provider does not answer. Try later.' },
  'not-covered': {
    status: 503,
    title: 'No checkpoint of the log covers these records yet. Try again; if it lasts, tell an operator.',
  },
  'not-recorded': { status: 503, title: 'The audit log cannot be written, so nothing is decided.' },
} as const satisfies Record<string, Row>;

export type ProblemName = keyof typeof ROWS;

/** RFC 9457, with `request` where the caller needs the state that made it fail. */
export interface Problem {
  /** `urn:holdpoint:problem:<name>`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly request?: unknown;
  /** Of step-up: what is missing, and how to sign in again. */
  readonly step_up?: object;
  /** Of second-factor: what can be given, and what a browser asks a security key. */
  readonly factors?: readonly string[];
  readonly webauthn?: object | null;
}

export const PROBLEM_URN = 'urn:holdpoint:problem:';

export function problem(
  name: ProblemName,
  extra: Pick<Problem, 'detail' | 'request' | 'step_up' | 'factors' | 'webauthn'> = {},
): Problem {
  return { type: PROBLEM_URN + name, ...ROWS[name], ...extra };
}

/** The row for a refusal of the desk; a word this table lacks is a fault of ours, never a success. */
export function problemName(word: string): ProblemName {
  return Object.hasOwn(ROWS, word) ? (word as ProblemName) : 'internal';
}

export const PROBLEM_NAMES = Object.keys(ROWS) as readonly ProblemName[];
