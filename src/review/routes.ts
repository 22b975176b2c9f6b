// The reviewers' HTTP API: from a call of the wire to a row of operations.ts and back. Every answer that is not a success is a problem
// document. Must never change anything by GET, but for the way back from a sign-in provider, and never say whether a user exists.
import { type Context, Hono } from 'hono';
import type { z } from 'zod';
import { Limiter } from './access.ts';
import { type Act, recordRefusal } from './act.ts';
import type { Asset } from './assets.ts';
import { type Caller, caller, type Desk, Refusal, writer } from './callers.ts';
import { calls } from './calls.ts';
import { doorOf, SSO_BACK, SSO_START } from './door.ts';
import { barred, operation, OPERATION_NAMES, type OperationName } from './operations.ts';
import { type Problem, problem } from './problems.ts';

/** Bodies of the API; a statement that is asked for first is the longest thing in one. */
export const BODY_BYTES_MAX = 64 * 1024;
const MINUTE_MS = 60_000;

export const actsLimiter = (per_minute_max: number) => new Limiter(per_minute_max, MINUTE_MS);

/** What act.ts refuses, and records, itself. */
const ACTS: ReadonlySet<OperationName> = new Set<Act>(['decide', 'ask', 'answer', 'withdraw', 'review']);

export function routes(desk: Desk): Hono {
  const app = new Hono();
  app.use(headers(desk.secure));
  app.onError((error) => answer(error instanceof Refusal ? error.problem : problem('internal')));
  app.notFound(() => answer(problem('not-found')));
  app.use('*', async (c, next) => {
    const origin = c.req.header('origin');
    if (c.req.method !== 'GET' && origin !== undefined && !desk.origins().has(origin)) throw new Refusal('csrf');
    await next();
  });

  const door = doorOf(desk);
  const handlers = calls(door);
  for (const name of OPERATION_NAMES) {
    const { method, path, may, query, body } = operation(name);
    const handle: (call: never) => unknown = handlers[name];
    app.on(method.toUpperCase(), path.replace('{id}', ':id'), async (c) => {
      const found = may === 'anyone' ? null : method === 'get' ? caller(c, desk) : writer(c, desk);
      if (found !== null && !ACTS.has(name)) await admit(desk, name, found);
      const done = await handle({
        c,
        desk,
        caller: found,
        query: query && read(query, c.req.query()),
        body: body && read(body, await bodyOf(c)),
        id: c.req.param('id') ?? '',
      } as never);
      return done === null ? c.body(null, 204) : c.json(done as object);
    });
  }

  // The browser goes to the provider, and comes back with its answer: navigation, so GET, and no call of the API.
  app.get(SSO_START, (c) => door.toProvider(c));
  app.get(SSO_BACK, (c) => door.fromProvider(c));

  const page = () => file(desk.assets.get('/index.html'));
  app.get('/', page);
  app.get('/in/:token', page);
  app.get('/r/:id', page);
  app.get('*', (c) => file(desk.assets.get(c.req.path)));
  app.all('*', () => answer(problem('method')));
  return app;
}

/** Refuses, and puts on record, what this kind of caller may not do. */
async function admit(desk: Desk, name: OperationName, { viewer }: Caller): Promise<void> {
  const bar = barred(name, viewer);
  if (bar === null) return;
  const { method, may } = operation(name);
  if (method !== 'get') await recordRefusal(desk.ports, viewer, { what: name }, bar);
  const roles = may === 'anyone' ? [] : may.filter((kind) => kind !== 'agent' && kind !== 'person');
  throw new Refusal(bar, bar === 'no-role' ? `This needs the role ${roles.join(' or ')}.` : undefined);
}

async function bodyOf(c: Context): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '')) throw new Refusal('not-json');
  if (Number(c.req.header('content-length') ?? 0) > BODY_BYTES_MAX) throw new Refusal('too-large');
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Sent in chunks it has no length to go by.
  for await (const chunk of c.req.raw.body ?? []) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refusal('too-large');
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new Refusal('bad-request', 'The body is not JSON.');
  }
}

function read<T extends z.ZodType>(schema: T, given: unknown): z.infer<T> {
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw new Refusal('bad-request', fault(parsed.error));
  return parsed.data;
}

/** Where the first fault is and what it wants; never what was sent. */
function fault(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.map(String).join('.') || 'body'}: ${issue.message}` : 'Not as documented.';
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
