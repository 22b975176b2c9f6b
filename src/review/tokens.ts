// Tokens for agents: for this API, kept as sessions are, and for databases, which Holdpoint signs; who gets them, and how they end.
// Must never put a token on record, nor give one out before it is.
import type { z } from 'zod';
import { recordRefusal } from './act.ts';
import { type Caller, type Desk, mayIssue, record, Refusal, within } from './callers.ts';
import type { OPERATIONS } from './operations.ts';
import type { ReviewerIdentity, TokenLike, TokensPort } from './ports.ts';
import type { DatabaseTokensView, RevokedView, RotatedView, TokenView } from './schemas.ts';

type Body<N extends 'tokens' | 'revokeToken' | 'revokeTokens' | 'rotateTokenKey'> = z.infer<
  (typeof OPERATIONS)[N]['body']
>;
interface Call {
  readonly desk: Desk;
  readonly caller: Caller;
  readonly id: string;
}

export const tokenCalls = {
  databaseTokens: ({ desk, caller: { viewer } }: Call): DatabaseTokensView => {
    const mine = tokensOf(desk)
      .list()
      .filter((token) => mayRevoke(desk, viewer, token));
    return { tokens: mine.map((token) => ({ ...token, on_behalf_of: [...token.on_behalf_of] })) };
  },
  revokeToken: async ({
    desk,
    caller: { viewer },
    id,
    body: { reason },
  }: Call & { readonly body: Body<'revokeToken'> }): Promise<null> => {
    within(desk, viewer);
    const tokens = tokensOf(desk);
    const found = tokens.list().find((one) => one.id === id);
    // Of another's token nobody is told that there is one.
    if (found === undefined || !mayRevoke(desk, viewer, found)) {
      await recordRefusal(desk.ports, viewer, { what: 'revokeToken', token: id }, 'not-found', { reason });
      throw new Refusal('not-found', tokens.others.length === 0 ? undefined : OTHERS);
    }
    if (found.revoked !== null) throw new Refusal('ended', 'It is revoked.');
    const clear = { by: viewer.id, for: found.for, token: id };
    await record(desk.ports, { type: 'reviewer.token_revoked', clear, sealed: { reason } });
    await tokens.revoke(id, viewer.id);
    return null;
  },
  revokeTokens: async ({
    desk,
    caller: { viewer },
    body,
  }: Call & { readonly body: Body<'revokeTokens'> }): Promise<RevokedView> => {
    within(desk, viewer);
    if ('issuer' in body) return revokeOther(desk, viewer, body);
    const { for: agent, reason } = body;
    const tokens = tokensOf(desk);
    // Whom other issuers know, we may not: an admin names whom they want.
    if (!viewer.roles.includes('admin') && !desk.ports.identity.answersFor(viewer.id, agent)) {
      await recordRefusal(desk.ports, viewer, { what: 'revokeTokens', for: agent }, 'not-your-agent', { reason });
      throw new Refusal('not-your-agent');
    }
    const clear = { by: viewer.id, for: agent, token: null };
    await record(desk.ports, { type: 'reviewer.token_revoked', clear, sealed: { reason } });
    const revoked = await tokens.revokeAll(agent, viewer.id);
    if (revoked === null) throw new Refusal('too-many', 'Too many such orders are in force.');
    return { revoked };
  },
  rotateTokenKey: async ({
    desk,
    caller: { viewer },
    body: { drop },
  }: Call & { readonly body: Body<'rotateTokenKey'> }): Promise<RotatedView> => {
    within(desk, viewer);
    const tokens = issuing(desk);
    await record(desk.ports, { type: 'reviewer.token_key', clear: { by: viewer.id, drop } });
    return { key: await tokens.rotate(drop) };
  },
};

const OTHERS = "One of another issuer is revoked by that issuer's name, too.";

/** Whose it is, its issuer knows: an admin names it. On record before it is void. */
async function revokeOther(
  desk: Desk,
  viewer: ReviewerIdentity,
  { issuer, id, reason }: Extract<Body<'revokeTokens'>, { issuer: string }>,
): Promise<RevokedView> {
  const tokens = tokensOf(desk);
  if (!viewer.roles.includes('admin')) {
    await recordRefusal(desk.ports, viewer, { what: 'revokeTokens', issuer, token: id }, 'not-your-agent', { reason });
    throw new Refusal(
      'not-your-agent',
      "One of another issuer's is revoked by an admin: whose it is, is not known here.",
    );
  }
  if (!tokens.others.includes(issuer))
    throw new Refusal(
      'unknown-issuer',
      `Beside Holdpoint's own, which are revoked by their id alone, identity.jwt names ${tokens.others.join(', ') || 'none'}.`,
    );
  const clear = { by: viewer.id, for: null, token: id, issuer };
  await record(desk.ports, { type: 'reviewer.token_revoked', clear, sealed: { reason } });
  if (!(await tokens.revokeOther(issuer, id, viewer.id)))
    throw new Refusal('too-many', 'Too many such orders are in force.');
  return { revoked: 0 };
}

/** For this API. On record before it is good for anything. */
export async function tokenFor(desk: Desk, { viewer }: Caller, agent: string, ttl_ms: number): Promise<TokenView> {
  await admitIssuer(desk, viewer, agent);
  const clear = { by: viewer.id, for: agent, ttl_ms };
  await record(desk.ports, { type: 'reviewer.token_issued', clear });
  const { token, session } = desk.sessions.open(agent, 'agent', ttl_ms, { issuer: viewer.id });
  return { token, expires: session.expires, user: agent, id: null };
}

/** The same for one that logs in to a database. */
export async function databaseTokenFor(
  desk: Desk,
  { viewer }: Caller,
  { for: agent, ttl: ttl_ms, task, on_behalf_of }: Extract<Body<'tokens'>, { database: true }>,
): Promise<TokenView> {
  await admitIssuer(desk, viewer, agent);
  const tokens = issuing(desk);
  const { lifetime_ms_max } = tokens;
  if (ttl_ms > lifetime_ms_max) throw new Refusal('too-long', `At most ${lifetime_ms_max / 60_000} minutes.`);
  const what = { for: agent, by: viewer.id, ttl_ms, on_behalf_of };
  const made = await tokens.issue({ ...what, task: task ?? null }, (token) =>
    record(desk.ports, { type: 'reviewer.token_issued', clear: { ...what, token }, sealed: { task } }),
  );
  if (made === null) throw new Refusal('too-many', 'Too many tokens are in use; wait until some of them have ended.');
  return { token: made.token, expires: made.expires, user: agent, id: made.id };
}

function tokensOf({ ports }: Desk): TokensPort {
  if (ports.tokens === null)
    throw new Refusal('no-database-tokens', 'The configuration names no issuer in identity.jwt.');
  return ports.tokens;
}

/** Where Holdpoint is one of the issuers. */
function issuing(desk: Desk): TokensPort & { readonly lifetime_ms_max: number } {
  const { tokens } = desk.ports;
  const lifetime_ms_max = tokens?.lifetime_ms_max ?? null;
  if (tokens === null || lifetime_ms_max === null)
    throw new Refusal('no-database-tokens', 'The configuration takes them where identity.jwt has issuer: holdpoint.');
  return { ...tokens, lifetime_ms_max };
}

/** Whoever got it, and who could get one now. */
function mayRevoke({ ports }: Desk, viewer: ReviewerIdentity, token: TokenLike): boolean {
  return token.by === viewer.id || viewer.roles.includes('admin') || ports.identity.answersFor(viewer.id, token.for);
}

/** Refuses, and puts on record, whoever may not get this agent a token. */
async function admitIssuer(desk: Desk, viewer: ReviewerIdentity, agent: string): Promise<void> {
  const { ports } = desk;
  const about = { what: 'tokens', for: agent } as const;
  if (viewer.kind !== 'human') {
    await recordRefusal(ports, viewer, about, 'not-for-agents');
    throw new Refusal('not-for-agents');
  }
  within(desk, viewer);
  if (!mayIssue(ports, viewer, agent)) {
    await recordRefusal(ports, viewer, about, 'not-your-agent');
    throw new Refusal('not-your-agent');
  }
}
