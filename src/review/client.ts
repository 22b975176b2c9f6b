// The reviewers' API from the outside: what the command line and tests use. Holds one bearer token and nothing else;
// a network fault and a refusal are different things here, because "unknown" must never read as "no".
import { WebSocket } from 'ws';
import type {
  DecisionBody,
  DownMessage,
  HealthView,
  ListView,
  MeView,
  ProblemView,
  RequestView,
  TokenView,
} from './schemas.ts';

export type { DecisionBody, DownMessage, ListView, MeView, ProblemView, RequestView, TokenView } from './schemas.ts';

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

export interface ReviewClient {
  me(): Promise<MeView>;
  health(): Promise<HealthView>;
  list(query?: {
    readonly state?: 'open' | 'decided' | 'all';
    readonly limit?: number;
    readonly before?: number;
  }): Promise<ListView>;
  get(id: string): Promise<RequestView>;
  decide(id: string, body: DecisionBody): Promise<RequestView>;
  logout(): Promise<void>;
  /** Messages as they come; ends when the socket does. Throws Unreachable when it can't be opened. */
  stream(since?: number): AsyncGenerator<DownMessage, void, undefined>;
}

/** A bearer token for a password or a one-time link's token. */
export async function signIn(
  url: string,
  by: { readonly user: string; readonly password: string } | { readonly link: string },
): Promise<TokenView> {
  return (await call(url, null, 'POST', '/api/tokens', by)) as TokenView;
}

export function reviewClient(url: string, token: string): ReviewClient {
  const get = (path: string) => call(url, token, 'GET', path);
  return {
    me: async () => (await get('/api/me')) as MeView,
    health: async () => (await get('/api/health')) as HealthView,
    list: async (query = {}) => {
      const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
      return (await get(`/api/requests?${search}`)) as ListView;
    },
    get: async (id) => (await get(`/api/requests/${encodeURIComponent(id)}`)) as RequestView,
    decide: async (id, body) =>
      (await call(url, token, 'POST', `/api/requests/${encodeURIComponent(id)}/decisions`, body)) as RequestView,
    logout: async () => void (await call(url, token, 'POST', '/api/logout', {})),
    stream: (since) => messages(url, token, since),
  };
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

async function* messages(url: string, token: string, since?: number): AsyncGenerator<DownMessage, void, undefined> {
  const address = new URL('/api/stream', url);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  if (since !== undefined) address.searchParams.set('since', String(since));
  const socket = new WebSocket(address, {
    headers: { Authorization: `Bearer ${token}` },
    handshakeTimeout: TIMEOUT_MS,
  });
  const queue: DownMessage[] = [];
  let ended: Error | 'closed' | null = null;
  let wake: (() => void) | null = null;
  socket.on('message', (data: Buffer) => {
    queue.push(JSON.parse(data.toString('utf8')) as DownMessage);
    wake?.();
  });
  socket.on('error', (error) => {
    ended = new Unreachable(`No stream from ${address.origin}`, { cause: error });
    wake?.();
  });
  socket.on('close', () => {
    ended ??= 'closed';
    wake?.();
  });
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
