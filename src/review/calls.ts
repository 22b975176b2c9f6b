// What each call of the reviewers' API does once its caller, its rights and its body are known; operations.ts has the rows.
// Must never answer by anything but the row's schema or a problem.
import type { Context } from 'hono';
import type { z } from 'zod';
import { TOKEN_TTL_MS } from './access.ts';
import { type Act, act, mayRead, recordRefusal } from './act.ts';
import { requestId } from './bodies.ts';
import {
  type Caller,
  type Desk,
  record,
  recordPermits,
  recordReading,
  recordSeen,
  Refusal,
  visible,
  within,
  writer,
} from './callers.ts';
import { openapi, type OperationName, type OPERATIONS } from './operations.ts';
import { matches, page, recordMatches } from './pages.ts';
import type { Door } from './door.ts';
import type { KeyLike, KeysPort, RecordLike } from './ports.ts';
import { problemName } from './problems.ts';
import type { KeyView, MeView, RequestView } from './schemas.ts';
import { permitViewOf, recordViewOf, sessionViewOf } from './standing.ts';
import { proofOf } from './step-up.ts';
import { databaseTokenFor, tokenCalls, tokenFor } from './tokens.ts';
import { groupOf, isOwn, viewOf } from './view.ts';

/** Records of the log that one call looks at; the answer says where to go on. */
export const RECORDS_SCANNED_MAX = 5_000;
/** How fresh a sign-in must be to change what a sign-in takes. */
const RECENT_MS = 15 * 60_000;

type Row<N extends OperationName> = (typeof OPERATIONS)[N];
type Read<N extends OperationName, Part extends 'body' | 'query'> =
  Row<N> extends Readonly<Record<Part, infer S extends z.ZodType>> ? z.infer<S> : undefined;
type Answer<N extends OperationName> = Row<N>['answer'] extends z.ZodType ? z.infer<Row<N>['answer']> : null;

export interface Call<N extends OperationName> {
  readonly c: Context;
  readonly desk: Desk;
  /** Null exactly where anyone may call. */
  readonly caller: Row<N>['may'] extends 'anyone' ? null : Caller;
  readonly body: Read<N, 'body'>;
  readonly query: Read<N, 'query'>;
  /** What stands in the path for {id}; '' where nothing does. */
  readonly id: string;
}
type Calls = { readonly [N in OperationName]: (call: Call<N>) => Promise<Answer<N>> | Answer<N> };

export const calls = (door: Door): Calls => ({
  login: async ({ c, body }) => door.enter(c, await door.byPassword(c, body)),
  // A link preview only GETs, which shows the page with a button; the button comes here.
  link: async ({ c, id }) => door.enter(c, await door.byLink(c, id)),
  tokens: async ({ c, desk, body }) => {
    if ('database' in body) return databaseTokenFor(desk, writer(c, desk), body);
    if ('for' in body) return tokenFor(desk, writer(c, desk), body.for, body.ttl);
    const { viewer, ...proof } = 'link' in body ? await door.byLink(c, body.link) : await door.byPassword(c, body);
    const { token, session } = desk.sessions.open(viewer.id, 'bearer', TOKEN_TTL_MS, proof);
    return { token, expires: session.expires, user: viewer.id, id: null };
  },
  ...tokenCalls,
  logout: ({ c, caller }) => door.leave(c, caller),
  logoutAll: ({ c, caller }) => door.leaveAll(c, caller),
  links: async ({ desk, caller: { session, viewer } }) => {
    within(desk, viewer);
    await record(desk.ports, { type: 'reviewer.link_issued', clear: { by: viewer.id } });
    const { token: link, expires } = desk.sessions.link(session);
    return { link, expires };
  },
  keys: ({ desk, caller: { viewer } }) => ({ keys: (desk.ports.identity.keys?.list(viewer.id) ?? []).map(keyViewOf) }),
  keyOptions: async ({ desk, caller: { viewer } }) => {
    within(desk, viewer);
    return (await keysOf(desk).creation(viewer.id)) as Record<string, unknown>;
  },
  addKey: async ({ desk, caller, body }) => {
    const { viewer } = caller;
    within(desk, viewer);
    await recently(desk, caller, 'addKey');
    const key = await keysOf(desk).register(viewer.id, body.name, body.answer);
    if (key === null) {
      await recordRefusal(desk.ports, viewer, { what: 'addKey' }, 'key-refused');
      throw new Refusal('key-refused');
    }
    await record(desk.ports, { type: 'reviewer.key_added', clear: { by: viewer.id, key: key.id } }).catch(
      async (error) => {
        await keysOf(desk).remove(viewer.id, key.id);
        throw error;
      },
    );
    return keyViewOf(key);
  },
  removeKey: async ({ desk, caller, id }) => {
    const { viewer } = caller;
    within(desk, viewer);
    await recently(desk, caller, 'removeKey');
    const keys = keysOf(desk);
    if (!keys.list(viewer.id).some((key) => key.id === id)) {
      await recordRefusal(desk.ports, viewer, { what: 'removeKey' }, 'not-found');
      throw new Refusal('not-found');
    }
    await record(desk.ports, { type: 'reviewer.key_removed', clear: { by: viewer.id, key: id } });
    await keys.remove(viewer.id, id);
    return null;
  },
  me: ({ desk, caller }) => meOf(desk, caller),
  door: ({ c, desk }) => ({
    environment: desk.ports.environment,
    mode: desk.ports.mode,
    signed_in: door.isSignedIn(c),
    sso: desk.ports.identity.sso !== null,
  }),
  health: ({ c, desk }) => {
    const recording = desk.ports.audit.failure === null;
    if (!recording) c.status(503);
    const now = Date.now();
    const anchors = desk.ports.evidence
      .anchors()
      .map((one) => ({ ...one, age_ms: one.at === null ? null : Math.max(0, now - one.at) }));
    return { ok: recording, recording, anchors, shipping: [...desk.ports.evidence.shipping()] };
  },
  openapi: ({ desk }) => openapi(desk.url, desk.version),

  requests: async ({ desk: { ports }, caller, query }) => {
    const { cursor } = ports.events;
    const state = query.state === 'open' || query.state === 'asked' ? 'open' : 'all';
    const found = visible(ports, caller.viewer, state).filter(matches(query, (request) => groupOf(request, ports)));
    const shown = page(found, query);
    if (shown === undefined) throw new Refusal('bad-request', 'before, after: not a cursor');
    await recordReading(caller, ports, shown.requests);
    return { cursor, requests: shown.requests.map((r) => viewOf(r, caller.viewer, ports)), next: shown.next };
  },
  request: async ({ desk: { ports }, caller, id }) => {
    const request = ports.requests.get(id);
    if (!mayRead(caller.viewer) && !(request && isOwn(request, caller.viewer, ports.requests)))
      throw new Refusal('no-role');
    if (!request) throw new Refusal('not-found');
    await recordReading(caller, ports, [request]);
    return viewOf(request, caller.viewer, ports);
  },
  receipt: async ({ desk, caller: { viewer }, id }) => {
    const { ports } = desk;
    if (!requestId.safeParse(id).success) throw new Refusal('not-found');
    const request = ports.requests.get(id);
    if (!mayRead(viewer) && !(request && isOwn(request, viewer, ports.requests))) throw new Refusal('no-role');
    // The whole log is read for it.
    within(desk, viewer);
    const receipt = await ports.evidence.receipt(id);
    if (receipt === 'unknown') throw new Refusal('not-found');
    if (receipt === 'uncovered') throw new Refusal('not-covered');
    return {
      ...receipt,
      keys: [...receipt.keys],
      records: receipt.records.map((one) => ({ ...one, proof: [...one.proof] })),
    };
  },
  askFirst: async ({ desk, caller: { viewer }, body }) => {
    within(desk, viewer);
    const { ports } = desk;
    const { upstream, reason } = body;
    const sql = Buffer.from(body.sql, 'utf8').toString('latin1');
    const result = await ports.requests.askFirst({ by: viewer.id, upstream, sql, params: body.params, reason });
    if (result.type === 'counted') return viewOf(result.request, viewer, ports);
    await recordRefusal(ports, viewer, { what: 'askFirst', upstream }, result.why, { sql, reason });
    throw new Refusal(problemName(result.why), result.text);
  },
  decide: (call) => acted('decide', call),
  ask: (call) => acted('ask', call),
  answer: (call) => acted('answer', call),
  withdraw: (call) => acted('withdraw', call),
  review: (call) => acted('review', call),

  permits: async ({ desk: { ports }, caller }) => {
    const { cursor } = ports.events;
    const shown = ports.permits.list();
    await recordPermits(caller, ports, shown);
    return { cursor, permits: shown.map((permit) => permitViewOf(permit, ports.permits)) };
  },
  revoke: async ({ desk, caller, id, body: { reason } }) => {
    const { viewer } = caller;
    within(desk, viewer);
    const { ports } = desk;
    const done = await ports.permits.revoke(id, viewer.id, reason).catch(() => {
      throw new Refusal('not-recorded');
    });
    const permit = ports.permits.get(id);
    if (done === 'ok' && permit) {
      await recordPermits(caller, ports, [permit]);
      return permitViewOf(permit, ports.permits);
    }
    const why = typeof done === 'object' ? 'ended' : done === 'not-yours' ? 'not-yours' : 'not-found';
    await recordRefusal(ports, viewer, { what: 'revoke', permit: id }, why, { reason });
    throw new Refusal(why, typeof done === 'object' ? `It is ${done.already}.` : undefined);
  },
  sessions: ({ desk: { ports } }) => {
    const { cursor } = ports.events;
    return { cursor, sessions: ports.sessions.list().map(sessionViewOf) };
  },
  endSession: async ({ desk, caller: { viewer }, id }) => {
    within(desk, viewer);
    const { ports } = desk;
    const session = ports.sessions.list().find((one) => one.id === id);
    if (session === undefined) throw new Refusal('not-found');
    await record(ports, { type: 'session.ended', clear: { session: id, who: session.who.id, by: viewer.id } });
    ports.sessions.end(id, viewer.id);
    return null;
  },
  audit: async ({ desk: { ports }, caller: { viewer }, query }) => {
    const unsealed = viewer.roles.includes('auditor');
    await record(ports, { type: 'reviewer.read_log', clear: { by: viewer.id, query, sealed: unsealed } });
    const { records, next } = await readLog(ports.audit.read(query.cursor ?? 1), query.limit, recordMatches(query));
    return { records: records.map((one) => recordViewOf(one, unsealed)), next };
  },
  policy: async ({ desk: { ports } }) => {
    const { counts, ...policy } = await ports.policy();
    return { ...policy, counts: [...counts] };
  },
});

/** Everything that is done to a request goes the way of the stream, too. */
async function acted<A extends Act>(
  what: A,
  {
    desk,
    caller,
    id,
    body,
  }: Pick<Call<OperationName>, 'desk' | 'id'> & {
    readonly caller: Caller;
    readonly body: Parameters<typeof act<A>>[4];
  },
): Promise<RequestView> {
  const { viewer, session } = caller;
  if (!requestId.safeParse(id).success) throw new Refusal('not-found');
  within(desk, viewer);
  await recordSeen(caller, desk.ports, id);
  const channel = session.type === 'cookie' ? 'console' : 'api';
  const result = await act(desk.ports, viewer, what, id, body, { channel, proof: proofOf(session) });
  if (result.ok) return result.request;
  throw new Refusal(result.problem);
}

/** What could be misused with a page that somebody left open wants a fresh sign-in. */
async function recently({ ports }: Desk, { session, viewer }: Caller, what: OperationName): Promise<void> {
  if (Date.now() - session.at < RECENT_MS) return;
  await recordRefusal(ports, viewer, { what }, 'sign-in-again');
  throw new Refusal('sign-in-again');
}

function keysOf({ ports }: Desk): KeysPort {
  if (ports.identity.keys === null) throw new Refusal('not-found', 'Security keys need a host name in review.url.');
  return ports.identity.keys;
}

const keyViewOf = ({ id, name, added, used }: KeyLike): KeyView => ({ id, name, added, used });

export function meOf(desk: Desk, { session, viewer }: Caller): MeView {
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
    signed_in: session.at,
    by: [...session.by],
    auth_time: session.auth_time,
    acr: session.acr,
    takes_keys: desk.ports.identity.keys !== null,
    environment: desk.ports.environment,
    mode: desk.ports.mode,
    agent_hint: guards.find(({ engine }) => engine === 'postgres')?.address ?? null,
    guards,
  };
}

/** The next records that match, and where to go on; null: the log ends here. */
async function readLog(
  log: AsyncIterable<RecordLike>,
  limit: number,
  wanted: (record: RecordLike) => boolean,
): Promise<{ readonly records: readonly RecordLike[]; readonly next: number | null }> {
  const records: RecordLike[] = [];
  let scanned = 0;
  for await (const one of log) {
    if (records.length >= limit || scanned >= RECORDS_SCANNED_MAX) return { records, next: one.seq };
    scanned += 1;
    if (wanted(one)) records.push(one);
  }
  return { records, next: null };
}
