// Who calls, and may they write: what HTTP and the stream ask before anything else. Rights are read afresh each time.
// Must never let a cookie write that our own page did not send.
import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import type { Limiter, Session, Sessions } from './access.ts';
import type { Asset } from './assets.ts';
import { mayRead } from './act.ts';
import type { RequestLike, ReviewerIdentity, ReviewPorts } from './ports.ts';
import { type Problem, type ProblemName, problem } from './problems.ts';
import { isOwn } from './view.ts';

/** A fault with a row in problems.ts; thrown to leave a route at once. */
export class Refusal extends Error {
  readonly problem: Problem;
  constructor(why: ProblemName | Problem, detail?: string) {
    super(typeof why === 'string' ? why : why.title);
    this.problem = typeof why === 'string' ? problem(why, detail === undefined ? {} : { detail }) : why;
  }
}

export interface Caller {
  readonly session: Session;
  readonly viewer: ReviewerIdentity;
}

/** What HTTP and the stream share. */
export interface Desk {
  readonly ports: ReviewPorts;
  readonly sessions: Sessions;
  /** Of one account, in all its sessions: decisions, questions, answers and what else changes something. */
  readonly acts: Limiter;
  readonly secure: boolean;
  readonly session_ttl_ms: number;
  readonly version: string;
  readonly url: string;
  readonly assets: ReadonlyMap<string, Asset>;
  /** Origins the console is served from; known once the server listens. */
  origins(): ReadonlySet<string>;
  ended(session: Session): void;
}

/** Over TLS the browser itself guards the name: __Host- means Secure, this host only, path /. */
export function cookieName(secure: boolean): string {
  return secure ? '__Host-holdpoint' : 'holdpoint';
}

export function caller(c: Context, desk: Desk): Caller {
  return identify(desk, c.req.header('authorization'), getCookie(c, cookieName(desk.secure)));
}

/** A caller that may write: by cookie only with this session's token and from our own page. */
export function writer(c: Context, desk: Desk): Caller {
  const found = caller(c, desk);
  if (found.session.type === 'cookie') {
    const origin = c.req.header('origin');
    if (origin === undefined || !desk.origins().has(origin)) throw new Refusal('csrf');
    if (c.req.header('x-holdpoint-csrf') !== found.session.csrf) throw new Refusal('csrf');
  }
  return found;
}

/** Whose call is it? A bearer token is never mixed with a cookie: where one is sent, it alone counts. */
export function identify(desk: Desk, authorization: string | undefined, cookie: string | undefined): Caller {
  const bearer = /^Bearer ([\w-]{20,100})$/.exec(authorization ?? '')?.[1];
  const session =
    authorization === undefined
      ? desk.sessions.find(cookie ?? '', 'cookie')
      : desk.sessions.find(bearer ?? '', 'bearer');
  const viewer = session && viewerOf(desk, session);
  if (!session || !viewer) throw new Refusal('not-signed-in');
  return { session, viewer };
}

/** As things are now: an account that is gone, or whose token its issuer could not get any more, is nobody. */
export function viewerOf({ ports, sessions }: Desk, session: Session): ReviewerIdentity | undefined {
  if (!sessions.lives(session)) return undefined;
  const viewer = ports.identity.reviewer(session.user);
  if (viewer === undefined || session.issuer === null) return viewer;
  const issuer = ports.identity.reviewer(session.issuer);
  return issuer && mayIssue(ports, issuer, viewer.id) ? viewer : undefined;
}

/** Tokens of an agent are for who answers for it, and admins. */
export function mayIssue({ identity }: ReviewPorts, person: ReviewerIdentity, agent: string): boolean {
  if (person.kind !== 'human' || identity.reviewer(agent)?.kind !== 'agent') return false;
  return person.roles.includes('admin') || identity.answersFor(person.id, agent);
}

/** Requests this viewer may read, newest first. Refuses a person who has neither a role nor an agent that ever asked. */
export function visible(
  ports: ReviewPorts,
  viewer: ReviewerIdentity,
  state: 'open' | 'decided' | 'all',
): readonly RequestLike[] {
  if (mayRead(viewer)) return ports.requests.list({ state });
  const own = (of: 'open' | 'decided' | 'all') =>
    ports.requests.list({ state: of }).filter((request) => isOwn(request, viewer, ports.requests));
  const seen = own(state);
  if (seen.length === 0 && viewer.kind === 'human' && own('all').length === 0) throw new Refusal('no-role');
  return seen;
}

/** Must the reading of these be put on record? Of others' requests by whoever does not decide, once a session for each. */
export function unread(
  { session, viewer }: Caller,
  { requests }: ReviewPorts,
  shown: readonly RequestLike[],
): readonly string[] {
  if (viewer.roles.includes('reviewer')) return [];
  return shown
    .filter((request) => !session.read.has(request.id) && !isOwn(request, viewer, requests))
    .map(({ id }) => id);
}

/** An auditor reads everything, and that they did is on record before they see it. */
export async function recordReading(by: Caller, ports: ReviewPorts, shown: readonly RequestLike[]): Promise<void> {
  const ids = unread(by, ports, shown);
  if (ids.length === 0) return;
  await record(ports, { type: 'reviewer.read_text', clear: { by: by.viewer.id, requests: ids } });
  for (const id of ids) by.session.read.add(id);
}

/** Before anything is done to a request: what comes of it, a refusal too, shows the request. */
export async function recordSeen(by: Caller, ports: ReviewPorts, id: string): Promise<void> {
  const request = ports.requests.get(id);
  if (request && mayRead(by.viewer)) await recordReading(by, ports, [request]);
}

/** Of a permit, which shows the statement that it was given for; also one's own. */
export function unreadPermits(
  { session, viewer }: Caller,
  shown: readonly { readonly id: string }[],
): readonly string[] {
  if (viewer.roles.includes('reviewer')) return [];
  return shown.map(({ id }) => id).filter((id) => !session.read.has(id));
}

/** As `recordReading`. */
export async function recordPermits(
  by: Caller,
  ports: ReviewPorts,
  shown: readonly { readonly id: string }[],
): Promise<void> {
  const ids = unreadPermits(by, shown);
  if (ids.length === 0) return;
  await record(ports, { type: 'reviewer.read_text', clear: { by: by.viewer.id, permits: ids } });
  for (const id of ids) by.session.read.add(id);
}

export async function record(ports: ReviewPorts, entry: Parameters<ReviewPorts['audit']['append']>[0]): Promise<void> {
  await ports.audit.append(entry).catch(() => {
    throw new Refusal('not-recorded');
  });
}

/** Counts against what one account may change in a minute. */
export function within(desk: Desk, viewer: ReviewerIdentity): void {
  if (!desk.acts.take(viewer.id)) throw new Refusal('too-many');
}
