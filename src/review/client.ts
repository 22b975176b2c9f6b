// The reviewers' API from the outside: what the command line and tests use. Holds one bearer token and nothing else;
// a network fault and a refusal are different things here, because "unknown" must never read as "no".
import { text as readAll } from 'node:stream/consumers';
import { WebSocket } from 'ws';
import type { AskFirstBody, AuditQuery, DecisionBody, ListQuery } from './bodies.ts';
import { type Dial, follow, type Followed, type FollowOptions } from './follow.ts';
import type {
  DatabaseTokensView,
  DownMessage,
  HealthView,
  ListView,
  MeView,
  PermitsView,
  PermitView,
  PolicyView,
  ProblemView,
  ReceiptView,
  RecordsView,
  RequestView,
  RevokedView,
  RotatedView,
  SessionsView,
  SignOutAllView,
  SignOutView,
  TokenView,
} from './schemas.ts';

export type { AskFirstBody, AuditQuery, DecisionBody, ListQuery } from './bodies.ts';
export type { Followed } from './follow.ts';
export type {
  DownMessage,
  ListView,
  MeView,
  PermitView,
  PolicyView,
  ProblemView,
  RequestView,
  SessionView,
  TokenView,
} from './schemas.ts';

const TIMEOUT_MS = 30_000;

/** Holdpoint answered no: a problem document. */
export class Refused extends Error {
  readonly problem: ProblemView;
  constructor(problem: ProblemView) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
  /** The last part of the problem's type: 'own', 'already-decided' ... */
  get why(): string {
    return this.problem.type.split(':').at(-1) ?? '';
  }
}

/** No answer, or one that is not of this API: whether the call took effect is unknown. */
export class Unreachable extends Error {}

export interface DatabaseTokenBody {
  readonly ttl: string | number;
  readonly task?: string;
  readonly on_behalf_of?: readonly string[];
}

export interface ReviewClient {
  me(): Promise<MeView>;
  health(): Promise<HealthView>;
  list(query?: ListQuery): Promise<ListView>;
  get(id: string): Promise<RequestView>;
  /** What `holdpoint audit verify` takes. */
  receipt(id: string): Promise<ReceiptView>;
  decide(id: string, body: DecisionBody): Promise<RequestView>;
  ask(id: string, text: string): Promise<RequestView>;
  /** By the requester, or who answers for it. */
  answer(id: string, text: string): Promise<RequestView>;
  withdraw(id: string, reason: string): Promise<RequestView>;
  /** Closes the review of what ran by break-glass. */
  review(id: string, rationale: string): Promise<RequestView>;
  /** Opens a request for a statement that was not sent yet. */
  askFirst(body: AskFirstBody): Promise<RequestView>;
  permits(): Promise<PermitsView>;
  revoke(id: string, reason: string): Promise<PermitView>;
  sessions(): Promise<SessionsView>;
  endSession(id: string): Promise<void>;
  policy(): Promise<PolicyView>;
  audit(query?: AuditQuery): Promise<RecordsView>;
  /** A token for an agent; `ttl`: "15m", or ms, at most 24 h. */
  tokenFor(agent: string, ttl: string | number): Promise<TokenView>;
  /** One that logs in to a database. */
  databaseTokenFor(agent: string, body: DatabaseTokenBody): Promise<TokenView>;
  /** Those of agents that one answers for; for an admin, all. */
  databaseTokens(): Promise<DatabaseTokensView>;
  revokeToken(id: string, reason: string): Promise<void>;
  /** All of an agent. */
  revokeTokens(agent: string, reason: string): Promise<RevokedView>;
  /** One of another issuer, by its `jti`. */
  revokeOther(issuer: string, id: string, reason: string): Promise<RevokedView>;
  /** Another key signs; `drop`: what older ones signed is void. */
  rotateTokenKey(drop: boolean): Promise<RotatedView>;
  logout(): Promise<SignOutView>;
  /** Every session and token of this account. */
  logoutAll(): Promise<SignOutAllView>;
  /** Messages as they come; ends when the socket does. Throws Unreachable when it can't be opened. `sessions`: those of connections, too. */
  stream(since?: number, sessions?: boolean): AsyncGenerator<DownMessage, void, undefined>;
  /** The same for as long as it is wanted: comes back by its cursor, and says when it is not live. Throws Refused where it may not. */
  follow(options?: FollowOptions): AsyncGenerator<Followed, void, undefined>;
}

/** A bearer token for a password or a one-time link's token. */
export async function signIn(
  url: string,
  by: { readonly user: string; readonly password: string; readonly otp?: string } | { readonly link: string },
): Promise<TokenView> {
  return (await call(url, null, 'POST', '/api/tokens', by)) as TokenView;
}

/** `token`: a bearer token, or where the one that is good now is had. */
export function reviewClient(url: string, token: string | (() => Promise<string>)): ReviewClient {
  const bearer = typeof token === 'string' ? () => Promise.resolve(token) : token;
  // Every path's answer is what schemas.ts says of it; tests read all of them with the schemas.
  const to = async <T>(method: string, path: string, body?: unknown): Promise<T> =>
    (await call(url, await bearer(), method, path, body)) as T;
  const dial: Dial = (since, signal) => messages(url, bearer, since, false, signal);
  const of = (id: string, what = '') => `/api/requests/${encodeURIComponent(id)}${what}`;
  return {
    me: () => to('GET', '/api/me'),
    health: () => to('GET', '/api/health'),
    list: (query = {}) => to('GET', `/api/requests?${search(query)}`),
    get: (id) => to('GET', of(id)),
    receipt: (id) => to('GET', of(id, '/receipt')),
    decide: (id, body) => to('POST', of(id, '/decisions'), body),
    ask: (id, text) => to('POST', of(id, '/questions'), { text }),
    answer: (id, text) => to('POST', of(id, '/answers'), { text }),
    withdraw: (id, reason) => to('POST', of(id, '/withdraw'), { reason }),
    review: (id, rationale) => to('POST', of(id, '/review'), { rationale }),
    askFirst: (body) => to('POST', '/api/requests', body),
    permits: () => to('GET', '/api/permits'),
    revoke: (id, reason) => to('DELETE', `/api/permits/${encodeURIComponent(id)}`, { reason }),
    sessions: () => to('GET', '/api/sessions'),
    endSession: (id) => to('DELETE', `/api/sessions/${encodeURIComponent(id)}`),
    policy: () => to('GET', '/api/policy'),
    audit: (query = {}) => to('GET', `/api/audit?${search(query)}`),
    tokenFor: (agent, ttl) => to('POST', '/api/tokens', { for: agent, ttl }),
    databaseTokenFor: (agent, body) => to('POST', '/api/tokens', { for: agent, database: true, ...body }),
    databaseTokens: () => to('GET', '/api/tokens'),
    revokeToken: (id, reason) => to('DELETE', `/api/tokens/${encodeURIComponent(id)}`, { reason }),
    revokeTokens: (agent, reason) => to('DELETE', '/api/tokens', { for: agent, reason }),
    revokeOther: (issuer, id, reason) => to('DELETE', '/api/tokens', { issuer, id, reason }),
    rotateTokenKey: (drop) => to('POST', '/api/token-key', { drop }),
    logout: () => to('POST', '/api/logout', {}),
    logoutAll: () => to('POST', '/api/logout/everywhere', {}),
    stream: (since, sessions = false) => messages(url, bearer, since, sessions),
    follow: (options) => follow(dial, mends, options),
  };
}

function search(query: object): URLSearchParams {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
}

async function call(url: string, token: string | null, method: string, path: string, body?: unknown): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(new URL(path, url), {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    throw new Unreachable(`No answer from ${new URL(url).origin}`, { cause: error });
  }
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('application/problem+json')) throw new Refused(JSON.parse(text) as ProblemView);
  if (response.status === 204) return undefined;
  // The health answer says "not recording" with 503 and a body.
  if (!type.startsWith('application/json') || (!response.ok && response.status !== 503))
    throw new Unreachable(`${new URL(url).origin} answered, but not as Holdpoint does (${response.status})`);
  return JSON.parse(text);
}

/** The server's own close code: whoever opened the stream has no session any more. */
const SIGNED_OUT = 4401;
const SIGNED_OUT_TYPE = 'urn:holdpoint:problem:not-signed-in';
/** Refusals that waiting does not mend. */
const LASTING: ReadonlySet<string> = new Set([
  'not-signed-in',
  'no-role',
  'not-for-agents',
  'not-found',
  'bad-request',
]);

/** May the next try go well? Faults of ours never mend. */
function mends(error: unknown): boolean {
  return error instanceof Refused ? !LASTING.has(error.why) : error instanceof Unreachable;
}

async function* messages(
  url: string,
  bearer: () => Promise<string>,
  since: number | undefined,
  sessions: boolean,
  signal?: AbortSignal,
): AsyncGenerator<DownMessage, void, undefined> {
  const address = new URL('/api/stream', url);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  if (since !== undefined) address.searchParams.set('since', String(since));
  if (sessions) address.searchParams.set('sessions', 'true');
  const socket = new WebSocket(address, {
    headers: { Authorization: `Bearer ${await bearer()}` },
    handshakeTimeout: TIMEOUT_MS,
  });
  const queue: DownMessage[] = [];
  let ended: Error | 'closed' | null = null;
  let wake: (() => void) | null = null;
  socket.on('message', (data: Buffer) => {
    queue.push(JSON.parse(data.toString('utf8')) as DownMessage);
    wake?.();
  });
  const end = (why: Error | 'closed') => {
    ended ??= why;
    wake?.();
  };
  const unreachable = (error?: Error) => new Unreachable(`No stream from ${address.origin}`, { cause: error });
  socket.on('error', (error) => end(unreachable(error)));
  socket.on('unexpected-response', (_request, response) => {
    void readAll(response).then(
      (body) => end(refusal(body) ?? unreachable()),
      () => end(unreachable()),
    );
  });
  socket.on('close', (code, reason) =>
    end(code === SIGNED_OUT ? new Refused({ type: SIGNED_OUT_TYPE, title: String(reason), status: 401 }) : 'closed'),
  );
  signal?.addEventListener('abort', () => socket.terminate(), { once: true });
  try {
    for (;;) {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next;
      if (ended === 'closed') return;
      if (ended !== null) throw ended as Error;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    socket.terminate();
  }
}

/** What a refused handshake said; null: nothing of this API. */
function refusal(body: string): Refused | null {
  try {
    const problem = JSON.parse(body) as ProblemView;
    return problem.type.startsWith('urn:holdpoint:') ? new Refused(problem) : null;
  } catch {
    return null;
  }
}
