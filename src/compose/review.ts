// The rest of the product as the reviewers' API sees it: its ports, satisfied by desk, identity, permits and policy.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isLinked } from '../approval/duty.ts';
import { tally } from '../approval/quorum.ts';
import type { Desk, Directory, Permits, Request } from '../approval/types.ts';
import { answersFor } from '../identity/answers.ts';
import type { Identity } from '../identity/identity.ts';
import type { RuleCounts } from '../gate/counts.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { PortResult, ReviewPorts } from '../review/ports.ts';
import type { AskedFirst, Gate } from '../session/gate.ts';

/** The desk as reviewers see it. */
export const requestsPort = (
  desk: Desk,
  directory: Directory,
  /** By the names of their servers. */
  gates: ReadonlyMap<string, Pick<Gate, 'askFirst'>>,
): ReviewPorts['requests'] => {
  const reach = onceATurn(({ id }) => desk.reach(id));
  const may = onceATurn(({ id }, reviewer) => desk.may(id, reviewer) ?? GONE);
  const owns = onceATurn((request, account) => isLinked(request, account, directory));
  return {
    list: (filter) => desk.list(filter),
    get: (id) => desk.get(id),
    decide: (input) => desk.decide(input),
    ask: (input) => desk.ask(input),
    answer: (input) => desk.answer(input),
    review: (input) => desk.review(input),
    withdraw: (id, by, reason) => desk.withdraw(id, by, reason),
    may: ({ id }, reviewer) => {
      const request = desk.get(id);
      return request === undefined ? GONE : may(request, reviewer);
    },
    owns: ({ id }, account) => {
      const request = desk.get(id);
      return request !== undefined && owns(request, account);
    },
    tally: ({ id }) => {
      const request = desk.get(id);
      if (request === undefined) return { approvals: [], needed: 0, missing: [] };
      return tally(request.ask, request.escalated !== null, request.decisions);
    },
    reach: ({ id }) => {
      const request = desk.get(id);
      return request === undefined ? { eligible: 0, present: 0 } : reach(request);
    },
    askFirst: async ({ by, upstream, sql, params, reason }) => {
      const asked = await gates.get(upstream)?.askFirst(by, sql, params, reason);
      const request = asked?.type === 'open' ? desk.get(asked.request) : undefined;
      if (request !== undefined) return { type: 'counted', request };
      return notOpened(asked, upstream);
    },
  };
};

/** The desk as gates see it: what a client is told of reviewers who are there is for showing only, too. */
export const deskOfGates = (desk: Desk): Desk => {
  const reach = onceATurn(({ id }) => desk.reach(id));
  return {
    ...desk,
    reach: (id) => {
      const request = desk.get(id);
      return request === undefined ? desk.reach(id) : reach(request);
    },
  };
};

const GONE = { may: false, text: 'This request is gone.' } as const;

const notOpened = (asked: AskedFirst | undefined, upstream: string): PortResult => {
  if (asked === undefined) return { type: 'refused', why: 'not-found', text: `No server here is called ${upstream}.` };
  if (asked.type !== 'refused')
    return { type: 'refused', why: 'needs-none', text: 'Nobody has to approve this statement: send it.' };
  const { message, detail, hint } = asked.text;
  return { type: 'refused', why: 'ask-refused', text: [message, detail, hint].filter(Boolean).join(' ') };
};

/** Alike in all that decides who may do what to them. */
type Alike = Pick<Request, 'who' | 'ask' | 'escalated'>;

/**
 * Requests that are alike in who asks and who is asked have it in common who may decide them: worked out once in a turn of the event loop, as a
 * list has many, and an event many viewers. For showing only: whatever changes something asks the desk.
 */
const onceATurn = <T>(work: (request: Request, account: string) => T) => {
  const known = new Map<string, Map<string, T>>();
  return (request: Request, account = ''): T => {
    if (known.size === 0) setImmediate(() => known.clear());
    const like = alike(request);
    let ofThese = known.get(like);
    if (ofThese === undefined) known.set(like, (ofThese = new Map<string, T>()));
    let found = ofThese.get(account);
    if (found === undefined) ofThese.set(account, (found = work(request, account)));
    return found;
  };
};

/** Every event makes another request of it, so what is known of one stays true. */
const alikes = new WeakMap<object, string>();
const alike = (request: Alike): string => {
  const known = alikes.get(request);
  if (known !== undefined) return known;
  const { who, ask, escalated } = request;
  const made = JSON.stringify([who, ask.of, ask.each, ask.escalate, escalated === null]);
  if (kinds.size >= KINDS_MAX) kinds.clear();
  const kind = kinds.get(made) ?? made;
  kinds.set(kind, kind);
  alikes.set(request, kind);
  return kind;
};

/** One string for all that are alike. */
const kinds = new Map<string, string>();
const KINDS_MAX = 256;

/** How people sign in with more than a one-time link; compose/sign-in.ts. */
export type SignInPorts = Pick<ReviewPorts['identity'], 'password' | 'sso' | 'keys'>;

export const identityPort = (identity: Identity, signIn: SignInPorts): ReviewPorts['identity'] => ({
  ...signIn,
  oneTime: (token) => identity.oneTime(token),
  reviewer: (id) => identity.reviewer(id),
  answersFor: (person, agent) => answersFor(identity.directory, person, agent),
});

export const permitsPort = (permits: Permits): ReviewPorts['permits'] => ({
  list: () => permits.list(),
  get: (id) => permits.get(id),
  state: ({ id }) => {
    const permit = permits.get(id);
    return permit === undefined ? 'ended' : permits.state(permit);
  },
  revoke: (id, by, reason) => permits.revoke(id, by, reason),
});

/** The policy in force with its text, where the file still is the one, and what its rules did. */
export const policyPort = (current: () => LoadedPolicy, counts: RuleCounts): ReviewPorts['policy'] => {
  return async () => {
    const { path, hash, rules, file } = current();
    const bytes = await readFile(path).catch(() => null);
    const same = bytes !== null && createHash('sha256').update(bytes).digest('hex') === hash;
    const ids = file.rules.map(({ id }) => id);
    const text = same ? bytes.toString('utf8') : null;
    return { path, hash, rules, text, since: counts.since, counts: counts.of(ids) };
  };
};
