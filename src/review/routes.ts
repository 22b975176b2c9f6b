// The reviewers' HTTP API. Every answer that is not a success is a problem document; every write by cookie proves that
// the console made it. Must never change anything by GET, and never say whether a user exists.
import { getConnInfo } from '@hono/node-server/conninfo';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { z } from 'zod';
import { Limiter, type Session, type Sessions, TOKEN_TTL_MS } from './access.ts';
import type { Asset } from './assets.ts';
import { decide } from './decide.ts';
import type { RequestLike, ReviewerIdentity, ReviewPorts } from './ports.ts';
import { type Problem, type ProblemName, problem } from './problems.ts';
import { decisionBody, listQuery, LIST_MAX, loginBody, type MeView, openapi, requestId, tokenBody } from './schemas.ts';
import { isOwn, viewOf } from './view.ts';

/** Bodies of the API; a rationale is the longest thing in one. */
export const BODY_BYTES_MAX = 64 * 1024;
/** Failed sign-ins in a minute: of one user from one address, and of one address. */
const SIGN_IN_TRIES_MAX = 5;
const SIGN_IN_TRIES_PER_ADDRESS_MAX = 20;
/** Of one person, in all their sessions. */
const DECISIONS_PER_MINUTE_MAX = 120;
const MINUTE_MS = 60_000;

/** A fault with a row in problems.ts; thrown to leave a route at once. */
export class Refusal extends Error {
  readonly problem: Problem;
  constructor(name: ProblemName, detail?: string) {
    super(name);
    this.problem = problem(name, detail === undefined ? {} : { detail });
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
  readonly decisions: Limiter;
  readonly secure: boolean;
  readonly session_ttl_ms: number;
  readonly version: string;
  readonly url: string;
  readonly assets: ReadonlyMap<string, Asset>;
  /** Origins the console is served from; known once the server listens. */
  origins(): ReadonlySet<string>;
  /** Sequence number of the last event that requests.list() shows. */
  cursor(): number;
  ended(session: Session): void;
}

export const decisionsLimiter = () => new Limiter(DECISIONS_PER_MINUTE_MAX, MINUTE_MS);

export function routes(desk: Desk): Hono {
  const { ports } = desk;
  const app = new Hono();
  const tries = new Limiter(SIGN_IN_TRIES_MAX, MINUTE_MS);
  const triesOfAddress = new Limiter(SIGN_IN_TRIES_PER_ADDRESS_MAX, MINUTE_MS);

  app.use(headers(desk.secure));
  app.onError((error) => answer(error instanceof Refusal ? error.problem : problem('internal')));
  app.notFound(() => answer(problem('not-found')));
  app.use('*', bodyLimit({ maxSize: BODY_BYTES_MAX, onError: () => answer(problem('too-large')) }));
  app.use('*', async (c, next) => {
    const origin = c.req.header('origin');
    if (c.req.method !== 'GET' && origin !== undefined && !desk.origins().has(origin)) throw new Refusal('csrf');
    await next();
  });

  /** Runs one sign-in under the limits and puts it on record, good or bad, before it counts. */
  const signIn = async (
    c: Context,
    how: 'password' | 'link',
    name: string,
    check: () => Promise<ReviewerIdentity | null>,
  ): Promise<ReviewerIdentity> => {
    const address = getConnInfo(c).remote.address ?? '';
    const key = `${address} ${name}`;
    if (!triesOfAddress.take(address) || !tries.take(key)) throw new Refusal('too-many');
    const viewer = await check();
    if (!viewer) {
      // A name nobody has may be a password typed into the wrong field: it stays out of the record.
      const user = ports.identity.reviewer(name) ? name : null;
      await record(ports, { type: 'reviewer.sign_in_refused', clear: { user, how, address } });
      throw new Refusal(how === 'password' ? 'sign-in-refused' : 'link-refused');
    }
    triesOfAddress.give(address);
    tries.give(key);
    await record(ports, { type: 'reviewer.signed_in', clear: { user: viewer.id, how, address } });
    return viewer;
  };
  const byLink = (c: Context, token: string) => signIn(c, 'link', '', () => ports.identity.oneTime(token));
  const byPassword = (c: Context, { user, password }: z.infer<typeof loginBody>) =>
    signIn(c, 'password', user, () => ports.identity.password(user, password));

  const enter = (c: Context, viewer: ReviewerIdentity) => {
    const { token, session } = desk.sessions.open(viewer.id, 'cookie', desk.session_ttl_ms);
    setCookie(c, cookieName(desk.secure), token, {
      path: '/',
      httpOnly: true,
      sameSite: 'Lax',
      secure: desk.secure,
      maxAge: Math.floor(desk.session_ttl_ms / 1000),
    });
    return c.json(me(desk, { session, viewer }));
  };

  app.get('/api/door', (c) => c.json({ environment: ports.environment, signed_in: isSignedIn(c, desk) }));
  app.get('/api/health', (c) => {
    const recording = ports.audit.failure === null;
    return c.json({ ok: recording, recording }, recording ? 200 : 503);
  });
  app.get('/api/openapi.json', (c) => c.json(openapi(desk.url, desk.version)));

  app.post('/api/login', async (c) => enter(c, await byPassword(c, await body(c, loginBody))));
  // A link preview only GETs, which shows the page with a button; the button comes here.
  app.post('/in/:token', async (c) => enter(c, await byLink(c, c.req.param('token'))));
  app.post('/api/tokens', async (c) => {
    const asked = await body(c, tokenBody);
    const viewer = 'link' in asked ? await byLink(c, asked.link) : await byPassword(c, asked);
    const { token, session } = desk.sessions.open(viewer.id, 'bearer', TOKEN_TTL_MS);
    return c.json({ token, expires: session.expires, user: viewer.id });
  });
  app.post('/api/logout', (c) => {
    const { session } = writer(c, desk);
    desk.sessions.close(session);
    desk.ended(session);
    deleteCookie(c, cookieName(desk.secure), { path: '/', secure: desk.secure });
    return c.body(null, 204);
  });

  app.get('/api/me', (c) => c.json(me(desk, caller(c, desk))));
  app.get('/api/requests', async (c) => {
    const { viewer, session } = caller(c, desk);
    const query = listQuery.safeParse(c.req.query());
    if (!query.success) throw new Refusal('bad-request', fault(query.error));
    const { state, limit, before } = query.data;
    const seen = visible(ports, viewer, state, before === undefined ? limit : LIST_MAX)
      .filter((request) => before === undefined || request.opened < before)
      .slice(0, limit);
    await recordReading(ports, session, viewer, seen);
    return c.json({ cursor: desk.cursor(), requests: seen.map((r) => viewOf(r, viewer, ports.requests)) });
  });
  app.get('/api/requests/:id', async (c) => {
    const { viewer, session } = caller(c, desk);
    const request = ports.requests.get(c.req.param('id'));
    if (!mayRead(viewer) && !(request && isOwn(request, viewer))) throw new Refusal('no-role');
    if (!request) throw new Refusal('not-found');
    await recordReading(ports, session, viewer, [request]);
    return c.json(viewOf(request, viewer, ports.requests));
  });
  app.post('/api/requests/:id/decisions', async (c) => {
    const { viewer, session } = writer(c, desk);
    const id = requestId.safeParse(c.req.param('id'));
    if (!id.success) throw new Refusal('not-found');
    const asked = await body(c, decisionBody);
    if (!desk.decisions.take(viewer.id)) throw new Refusal('too-many');
    const result = await decide(ports, viewer, id.data, asked, session.type === 'cookie' ? 'console' : 'api');
    return result.ok ? c.json(result.request) : answer(result.problem);
  });

  const page = () => file(desk.assets.get('/index.html'));
  app.get('/', page);
  app.get('/in/:token', page);
  app.get('/r/:id', page);
  app.get('*', (c) => file(desk.assets.get(c.req.path)));
  app.all('*', () => answer(problem('method')));
  return app;
}

/** Everything the browser may do is said here; there is no inline script or style to allow. */
const CSP = [
  "default-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "object-src 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

function headers(secure: boolean) {
  return async (c: Context, next: () => Promise<void>) => {
    await next();
    c.header('Content-Security-Policy', CSP);
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('X-Frame-Options', 'DENY');
    c.header('Referrer-Policy', 'no-referrer');
    c.header('Cross-Origin-Opener-Policy', 'same-origin');
    c.header('Cross-Origin-Resource-Policy', 'same-origin');
    if (secure) c.header('Strict-Transport-Security', 'max-age=31536000');
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store');
  };
}

function answer(document: Problem): Response {
  return new Response(JSON.stringify(document), {
    status: document.status,
    headers: { 'Content-Type': 'application/problem+json' },
  });
}

function file(asset: Asset | undefined): Response {
  if (!asset) return answer(problem('not-found'));
  return new Response(asset.body, {
    headers: {
      'Content-Type': asset.type,
      'Cache-Control': asset.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    },
  });
}

/** Over TLS the browser itself guards the name: __Host- means Secure, this host only, path /. */
export function cookieName(secure: boolean): string {
  return secure ? '__Host-holdpoint' : 'holdpoint';
}

function caller(c: Context, desk: Desk): Caller {
  return identify(desk, c.req.header('authorization'), getCookie(c, cookieName(desk.secure)));
}

function isSignedIn(c: Context, desk: Desk): boolean {
  try {
    return caller(c, desk) !== undefined;
  } catch {
    return false;
  }
}

/** Whose call is it? A bearer token is never mixed with a cookie: where one is sent, it alone counts. */
export function identify(desk: Desk, authorization: string | undefined, cookie: string | undefined): Caller {
  const bearer = /^Bearer ([\w-]{20,100})$/.exec(authorization ?? '')?.[1];
  const session =
    authorization === undefined
      ? desk.sessions.find(cookie ?? '', 'cookie')
      : desk.sessions.find(bearer ?? '', 'bearer');
  const viewer = session && desk.ports.identity.reviewer(session.user);
  if (!session || !viewer) throw new Refusal('not-signed-in');
  return { session, viewer };
}

/** A caller that may write: by cookie only with this session's token and from our own page. */
function writer(c: Context, desk: Desk): Caller {
  const found = caller(c, desk);
  if (found.session.type === 'cookie') {
    const origin = c.req.header('origin');
    if (origin === undefined || !desk.origins().has(origin)) throw new Refusal('csrf');
    if (c.req.header('x-holdpoint-csrf') !== found.session.csrf) throw new Refusal('csrf');
  }
  return found;
}

async function body<T extends z.ZodType>(c: Context, schema: T): Promise<z.infer<T>> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '')) throw new Refusal('not-json');
  const json: unknown = await c.req.json().catch(() => {
    throw new Refusal('bad-request', 'The body is not JSON.');
  });
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new Refusal('bad-request', fault(parsed.error));
  return parsed.data;
}

/** Where the first fault is and what it wants; never what was sent. */
function fault(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.map(String).join('.') || 'body'}: ${issue.message}` : 'Not as documented.';
}

function me(desk: Desk, { session, viewer }: Caller): MeView {
  const guards = desk.ports.guards.map((guard) =>
    mayRead(viewer) ? guard : { ...guard, address: null, command: null },
  );
  return {
    id: viewer.id,
    kind: viewer.kind,
    roles: [...viewer.roles],
    groups: [...viewer.groups],
    csrf: session.csrf,
    expires: session.expires,
    environment: desk.ports.environment,
    agent_hint: guards.find(({ engine }) => engine === 'postgres')?.address ?? null,
    guards,
  };
}

/** Reads every request; who has no role reads its own and its agents'. */
export function mayRead(viewer: ReviewerIdentity): boolean {
  return viewer.kind === 'human' && viewer.roles.length > 0;
}

/** Requests this viewer may read, newest first. Refuses a person who has neither a role nor an agent that ever asked. */
export function visible(
  ports: ReviewPorts,
  viewer: ReviewerIdentity,
  state: 'open' | 'decided' | 'all',
  limit: number,
): readonly RequestLike[] {
  if (mayRead(viewer)) return ports.requests.list({ state, limit });
  const own = (of: 'open' | 'decided' | 'all') => ports.requests.list({ state: of }).filter((r) => isOwn(r, viewer));
  const seen = own(state);
  if (seen.length === 0 && viewer.kind === 'human' && own('all').length === 0) throw new Refusal('no-role');
  return seen.slice(0, limit);
}

/** An auditor reads everything, and that they did is on record, once a session for each request, before they see it. */
export async function recordReading(
  ports: ReviewPorts,
  session: Session,
  viewer: ReviewerIdentity,
  requests: readonly RequestLike[],
): Promise<void> {
  if (viewer.roles.includes('reviewer')) return;
  const unread = requests.filter((request) => !isOwn(request, viewer) && !session.read.has(request.id));
  if (unread.length === 0) return;
  const ids = unread.map((request) => request.id);
  await record(ports, { type: 'reviewer.read_text', clear: { by: viewer.id, requests: ids } });
  for (const id of ids) session.read.add(id);
}

async function record(ports: ReviewPorts, entry: Parameters<ReviewPorts['audit']['append']>[0]): Promise<void> {
  await ports.audit.append(entry).catch(() => {
    throw new Refusal('not-recorded');
  });
}
