// The rest of the product as the reviewers' API sees it: its ports, satisfied by desk, identity, permits and policy.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isLinked } from '../approval/duty.ts';
import { tally } from '../approval/quorum.ts';
import type { Desk, Directory, Permits } from '../approval/types.ts';
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
): ReviewPorts['requests'] => ({
  list: (filter) => desk.list(filter),
  get: (id) => desk.get(id),
  decide: (input) => desk.decide(input),
  ask: (input) => desk.ask(input),
  answer: (input) => desk.answer(input),
  review: (input) => desk.review(input),
  withdraw: (id, by, reason) => desk.withdraw(id, by, reason),
  may: (request, reviewer) => desk.may(request.id, reviewer) ?? { may: false, text: 'This request is gone.' },
  owns: ({ id }, account) => {
    const request = desk.get(id);
    return request !== undefined && isLinked(request, account, directory);
  },
  tally: ({ id }) => {
    const request = desk.get(id);
    if (request === undefined) return { approvals: [], needed: 0, missing: [] };
    return tally(request.ask, request.escalated !== null, request.decisions);
  },
  reach: reachOf(desk),
  askFirst: async ({ by, upstream, sql, params, reason }) => {
    const asked = await gates.get(upstream)?.askFirst(by, sql, params, reason);
    const request = asked?.type === 'open' ? desk.get(asked.request) : undefined;
    if (request !== undefined) return { type: 'counted', request };
    return notOpened(asked, upstream);
  },
});

const notOpened = (asked: AskedFirst | undefined, upstream: string): PortResult => {
  if (asked === undefined) return { type: 'refused', why: 'not-found', text: `No server here is called ${upstream}.` };
  if (asked.type !== 'refused')
    return { type: 'refused', why: 'needs-none', text: 'Nobody has to approve this statement: send it.' };
  const { message, detail, hint } = asked.text;
  return { type: 'refused', why: 'ask-refused', text: [message, detail, hint].filter(Boolean).join(' ') };
};

/** Requests that are alike in who asks and who is asked have it in common: worked out once in a turn of the event loop, as a list has many. */
const reachOf = (desk: Desk): ReviewPorts['requests']['reach'] => {
  const known = new Map<string, ReturnType<Desk['reach']>>();
  return ({ id, who, ask, escalated }) => {
    const alike = JSON.stringify([who.id, who.sponsor, ask.of, ask.escalate?.to, escalated === null]);
    const found = known.get(alike) ?? desk.reach(id);
    if (known.size === 0) setImmediate(() => known.clear());
    known.set(alike, found);
    return found;
  };
};

/** How people sign in with more than a one-time link; compose/sign-in.ts. */
export type SignInPorts = Pick<ReviewPorts['identity'], 'password' | 'sso' | 'keys'>;

export const identityPort = (identity: Identity, signIn: SignInPorts): ReviewPorts['identity'] => ({
  ...signIn,
  oneTime: (token) => identity.oneTime(token),
  reviewer: (id) => identity.reviewer(id),
  answersFor: (person, agent) => {
    const { directory } = identity;
    const sponsor = directory.requester(agent)?.sponsor ?? null;
    return sponsor !== null && [person, ...(directory.reviewer(person)?.aliases ?? [])].includes(sponsor);
  },
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
