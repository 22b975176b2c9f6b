// How somebody gets in and out: a password and a second factor, a one-time link, the sign-in provider; and out, here or everywhere. Each is
// on record, good or bad, before it counts. Must never let one browser end what another one began, and never send anybody to an address
// that the configuration does not have.
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import type { z } from 'zod';
import { networkOf } from '../config/addresses.ts';
import { Limiter, type Session } from './access.ts';
import type { loginBody } from './bodies.ts';
import { type Caller, caller, cookieName, type Desk, record, Refusal } from './callers.ts';
import { meOf } from './calls.ts';
import { mayRead } from './act.ts';
import type { ReviewerIdentity, SsoDemand } from './ports.ts';
import { problem, type ProblemName } from './problems.ts';
import { demandOf } from './step-up.ts';
import type { MeView, SignOutAllView, SignOutView } from './schemas.ts';

/** Failed sign-ins in a minute: of one user from one address, and of one address. */
const SIGN_IN_TRIES_MAX = 5;
const SIGN_IN_TRIES_PER_ADDRESS_MAX = 20;
/** Sign-ins with the provider that one address may begin in a minute, each of which is kept until it ends; and that it may end, good or bad. */
const SSO_PER_ADDRESS_MAX = 60;
const MINUTE_MS = 60_000;
/** As long as the transaction itself lives. */
const TRANSACTION_TTL_S = 600;

export const SSO_START = '/oidc/start';
export const SSO_BACK = '/oidc/callback';

/** Who came in, and what a session keeps of how. */
export interface Entered extends Partial<Pick<Session, 'at' | 'id_token' | 'acr'>>, Pick<Session, 'auth_time'> {
  readonly viewer: ReviewerIdentity;
  readonly by: readonly string[];
  /** It ends no later than what it came from. */
  readonly until?: number;
}

export interface Door {
  byPassword(c: Context, tried: z.infer<typeof loginBody>): Promise<Entered>;
  byLink(c: Context, token: string): Promise<Entered>;
  enter(c: Context, entered: Entered): MeView;
  leave(c: Context, caller: Caller): Promise<SignOutView>;
  leaveAll(c: Context, caller: Caller): Promise<SignOutAllView>;
  /** A redirection each. */
  toProvider(c: Context): Promise<Response>;
  fromProvider(c: Context): Promise<Response>;
  isSignedIn(c: Context): boolean;
}

export function doorOf(desk: Desk): Door {
  const { ports, sessions } = desk;
  const { identity } = ports;
  const tries = new Limiter(SIGN_IN_TRIES_MAX, MINUTE_MS);
  const triesOfAddress = new Limiter(SIGN_IN_TRIES_PER_ADDRESS_MAX, MINUTE_MS);
  const begun = new Limiter(SSO_PER_ADDRESS_MAX, MINUTE_MS);
  const returned = new Limiter(SSO_PER_ADDRESS_MAX, MINUTE_MS);
  const transactionName = desk.secure ? '__Host-holdpoint-oidc' : 'holdpoint-oidc';
  const kept = { path: '/', httpOnly: true, sameSite: 'Lax', secure: desk.secure } as const;

  /** Takes a try; the result gives it back, for one that was good. */
  const within = (address: string, name: string): (() => void) => {
    const network = networkOf(address);
    const key = `${network} ${name}`;
    if (!triesOfAddress.take(network) || !tries.take(key)) throw new Refusal('too-many');
    return () => {
      triesOfAddress.give(network);
      tries.give(key);
    };
  };
  const signedIn = (c: Context, { viewer, by, auth_time, acr = null }: Entered, how: string) => {
    const proved = { auth_time, ...(acr !== null && { acr }) };
    return record(ports, {
      type: 'reviewer.signed_in',
      clear: { user: viewer.id, how, by, ...proved, address: addressOf(c) },
    });
  };
  const refused = (c: Context, user: string | null, how: string, why: string) =>
    record(ports, { type: 'reviewer.sign_in_refused', clear: { user, how, why, address: addressOf(c) } });

  const byPassword: Door['byPassword'] = async (c, tried) => {
    const address = addressOf(c);
    const { user: name } = tried;
    const giveBack = within(address, name);
    const answer = await identity.password({ ...tried, address });
    if (answer.type === 'in') {
      giveBack();
      const entered = { viewer: answer.account, by: answer.by, auth_time: Date.now() };
      await signedIn(c, entered, 'password');
      return entered;
    }
    if (answer.type === 'second') {
      const { factors, webauthn, wrong } = answer;
      // Half a sign-in is none: it is on record where something was wrong, and is no guess where nothing was.
      if (wrong) await refused(c, answer.account.id, 'password', 'second-factor');
      else giveBack();
      throw new Refusal(problem('second-factor', { factors, webauthn }));
    }
    // A name nobody has may be a password typed into the wrong field: it stays out of the record.
    await refused(c, identity.reviewer(name) ? name : null, 'password', answer.why);
    const wait_s = Math.ceil(answer.wait_ms / 1000);
    throw new Refusal(REFUSED[answer.why], answer.why === 'wait' ? `Too many tries; wait ${wait_s} s.` : undefined);
  };

  const byLink: Door['byLink'] = async (c, token) => {
    const giveBack = within(addressOf(c), '');
    const from = sessions.useLink(token);
    const viewer = from ? identity.reviewer(from.user) : await identity.oneTime(token);
    if (!viewer) {
      await refused(c, null, 'link', 'wrong');
      throw new Refusal('link-refused');
    }
    giveBack();
    const entered = from ? { viewer, ...pick(from), until: from.expires } : { viewer, by: ['link'], auth_time: null };
    await signedIn(c, entered, 'link');
    return entered;
  };

  const enter: Door['enter'] = (c, { viewer, ...proof }) => {
    const old = sessions.find(getCookie(c, cookieName(desk.secure)) ?? '', 'cookie');
    const { token, session } = sessions.open(viewer.id, 'cookie', desk.session_ttl_ms, proof);
    // This browser has a newer one: nobody can come back to the old one.
    if (old !== undefined) {
      sessions.close(old);
      desk.ended(old);
    }
    const maxAge = Math.floor((session.expires - Date.now()) / 1000);
    setCookie(c, cookieName(desk.secure), token, { ...kept, maxAge });
    return meOf(desk, { session, viewer });
  };

  /** Done first: somebody who leaves is out, whatever else fails. */
  const close = async (c: Context, by: ReviewerIdentity, ended: readonly Session[], everywhere: boolean) => {
    for (const session of ended) {
      sessions.close(session);
      desk.ended(session);
    }
    deleteCookie(c, cookieName(desk.secure), { path: '/', secure: desk.secure });
    const clear = { user: by.id, everywhere, sessions: ended.length, address: addressOf(c) };
    await record(ports, { type: 'reviewer.signed_out', clear });
  };

  /** `?for=`: a request that whoever is signed in may read, whose rule demands more of the sign-in. */
  const demandedBy = (c: Context): { readonly back: string; readonly demand: SsoDemand } | null => {
    const request = ports.requests.get(c.req.query('for') ?? '');
    const viewer = signedInAs(c);
    if (request === undefined || viewer === null || !mayRead(viewer)) return null;
    return { back: `/r/${request.id}`, demand: demandOf(request.ask.step_up) };
  };
  const signedInAs = (c: Context): ReviewerIdentity | null => {
    try {
      return caller(c, desk).viewer;
    } catch {
      return null;
    }
  };

  return {
    byPassword,
    byLink,
    enter,
    async leave(c, { session, viewer }) {
      await close(c, viewer, [session], false);
      return { url: session.id_token === null ? null : (identity.sso?.signOutUrl(session.id_token) ?? null) };
    },
    async leaveAll(c, { viewer }) {
      const ended = sessions.closeAll(viewer.id);
      await close(c, viewer, ended, true);
      return { ended: ended.length };
    },
    async toProvider(c) {
      if (identity.sso === null) throw new Refusal('not-found');
      if (!begun.take(networkOf(addressOf(c)))) return c.redirect(pageFor('too-many'), 303);
      const asked = demandedBy(c);
      const back = c.req.query('back') ?? '';
      const begin = await identity.sso.begin(
        asked?.back ?? (/^\/r\/[\w-]{1,40}$/.test(back) ? back : '/'),
        asked?.demand,
      );
      if (begin === null) return c.redirect(pageFor('sso-down'), 303);
      setCookie(c, transactionName, begin.transaction, { ...kept, maxAge: TRANSACTION_TTL_S });
      return c.redirect(begin.url, 303);
    },
    async fromProvider(c) {
      if (identity.sso === null) throw new Refusal('not-found');
      // Each answer that does not count is on record: nobody may fill the log with such.
      if (!returned.take(networkOf(addressOf(c)))) return c.redirect(pageFor('too-many'), 303);
      const transaction = getCookie(c, transactionName) ?? '';
      deleteCookie(c, transactionName, { path: '/', secure: desk.secure });
      const answer = await identity.sso.finish(new URL(c.req.url).search, transaction);
      try {
        if (answer.type === 'refused') {
          await refused(c, null, 'oidc', answer.why);
          return c.redirect(pageFor(`sso-${answer.problem}`), 303);
        }
        const { account: viewer, by, id_token, auth_time, acr } = answer;
        const entered = { viewer, by, id_token, auth_time, acr };
        await signedIn(c, entered, 'oidc');
        enter(c, entered);
        return c.redirect(answer.back, 303);
      } catch (error) {
        if (error instanceof Refusal) return c.redirect(pageFor('not-recorded'), 303);
        throw error;
      }
    },
    isSignedIn: (c) => signedInAs(c) !== null,
  };
}

/** Another program that the same person goes on in has signed in no better, and no later. */
const pick = ({ by, at, auth_time, acr, id_token }: Session) => ({ by, at, auth_time, acr, id_token });

const REFUSED = {
  wrong: 'sign-in-refused',
  wait: 'too-many',
  down: 'directory-down',
  none: 'second-factor-missing',
} as const satisfies Record<string, ProblemName>;

/** The page says it in its own words: an address can't make it say anything else. */
const pageFor = (why: ProblemName): string => `/?refused=${why}`;

const addressOf = (c: Context): string => getConnInfo(c).remote.address ?? '';
