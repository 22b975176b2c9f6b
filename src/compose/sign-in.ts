// How reviewers sign in, put together from the configuration: which checkers a password goes to, second factors, security keys.
// Must never open the reviewers' page with less than the configuration asks for.
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { type Factors, FACTORS_FILE, FACTORS_KEY, openFactors } from '../identity/factors.ts';
import type { Account } from '../identity/directory.ts';
import type { Identity } from '../identity/identity.ts';
import { openSecret } from '../identity/secret.ts';
import { createPasswordSignIn, localPasswords } from '../identity/sign-in.ts';
import type { Again, PasswordChecker, SourceEntry } from '../identity/types.ts';
import type { Users } from '../identity/users.ts';
import { createWebAuthn, takesKeys, type WebAuthn } from '../identity/webauthn.ts';
import { createOidc } from '../identity/oidc.ts';
import { SSO_BACK } from '../review/door.ts';
import type { SsoPort } from '../review/ports.ts';
import type { Log } from '../telemetry/log.ts';
import type { OidcConfig } from '../config/oidc.ts';
import { followLost, type LostParts } from './lost-factors.ts';
import type { SignInPorts } from './review.ts';

/** How long a sign-in in the browser lasts. */
export const SIGN_IN_MS = 12 * 3_600_000;

export interface SignInParts {
  readonly config: Config;
  readonly users: () => Users;
  readonly identity: Pick<Identity, 'account'>;
  /** Beside users.yaml; those that review.sign_in names are asked. */
  readonly others: readonly PasswordChecker[];
  /** Where the page may be; known when it listens. */
  readonly origins: () => Iterable<string>;
  readonly log: Log;
  readonly audit: LostParts['audit'];
  /** Is given what ends with the gateway. */
  readonly closers: (() => Promise<void> | void)[];
}

/** Rejects where what it keeps in the data folder can't be read. */
export async function openSignIn(parts: SignInParts): Promise<SignInPorts> {
  const { config, users, identity, others, origins, log, audit, closers } = parts;
  const key = await openSecret(join(config.data, FACTORS_KEY));
  const factors = await openFactors({ file: join(config.data, FACTORS_FILE), users, key });
  closers.push(await followLost({ data: config.data, factors, audit, log }));
  const host = config.review.url === null ? 'localhost' : new URL(config.review.url).hostname;
  const webauthn = takesKeys(host) ? createWebAuthn({ factors, host, origins, secret: key }) : null;
  const checkers = [localPasswords(users), ...others];
  const admit = (entry: SourceEntry, again?: Again): Account | null => {
    const account = identity.account(entry, again);
    return account?.kind === 'human' || entry.source === 'local' ? (account ?? null) : null;
  };
  const onDown = (error: Error): void => log.warn({ err: error }, 'the sign-in provider does not answer');
  return {
    password: createPasswordSignIn({
      checkers: config.review.sign_in.flatMap((name) => checkers.filter((checker) => checker.name === name)),
      admit,
      factors,
      webauthn,
      second_factor: config.identity.second_factor,
    }),
    sso: config.identity.oidc === undefined ? null : ssoPort(config.identity.oidc, config, admit, users, onDown),
    keys: webauthn && keysPort(factors, webauthn),
  };
}

/** users.yaml may say what the provider calls somebody; whoever has such a line is found by it alone. */
const ssoPort = (
  oidc: OidcConfig,
  { review: { url } }: Config,
  admit: (entry: SourceEntry, again: Again) => Account | null,
  users: () => Users,
  onDown: (error: Error) => void,
): SsoPort => {
  const provider = createOidc({
    config: oidc,
    redirect_uri: `${url}${SSO_BACK}`,
    signed_out_uri: `${url}/`,
    session_ms: SIGN_IN_MS,
    onDown,
  });
  return {
    begin: (back, demand) => provider.begin(back, demand),
    signOutUrl: (id_token) => provider.signOutUrl(id_token),
    async finish(search, transaction) {
      const found = await provider.finish(search, transaction);
      if (found.type === 'refused') return found;
      const { entry, again, methods, back, id_token, auth_time, acr } = found;
      const user = users().getByOidc(entry.id);
      const taken = user === undefined && users().get(entry.id) !== undefined;
      const account = taken ? null : admit({ ...entry, id: user?.id ?? entry.id }, again);
      if (account === null) return { type: 'refused', problem: 'unknown', why: 'unknown' };
      return { type: 'in', account, by: ['oidc', ...methods], back, id_token, auth_time, acr };
    },
  };
};

export const keysPort = (factors: Factors, webauthn: WebAuthn): SignInPorts['keys'] => ({
  list: (user) => factors.keys(user),
  creation: (user) => webauthn.creation(user),
  register: (user, name, answer) => webauthn.register(user, name, answer),
  remove: (user, id) => factors.removeKey(user, id),
});
