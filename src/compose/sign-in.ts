// How reviewers sign in, put together from the configuration: which checkers a password goes to, second factors, security keys.
// Must never open the reviewers' page with less than the configuration asks for.
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { type Factors, FACTORS_KEY, openFactors } from '../identity/factors.ts';
import type { Account, Identity } from '../identity/identity.ts';
import { openSecret } from '../identity/secret.ts';
import { createPasswordSignIn, localPasswords } from '../identity/sign-in.ts';
import type { PasswordChecker, SourceEntry } from '../identity/types.ts';
import type { Users } from '../identity/users.ts';
import { createWebAuthn, takesKeys, type WebAuthn } from '../identity/webauthn.ts';
import type { SignInPorts } from './review.ts';

/** In the data folder: security keys, and what of second factors is used up. */
const FACTORS_FILE = 'second-factors.json';

export interface SignInParts {
  readonly config: Config;
  readonly users: () => Users;
  readonly identity: Pick<Identity, 'reviewer'>;
  /** Where the page may be; known when it listens. */
  readonly origins: () => Iterable<string>;
}

/** Rejects where what it keeps in the data folder can't be read. */
export async function openSignIn({ config, users, identity, origins }: SignInParts): Promise<SignInPorts> {
  const key = await openSecret(join(config.data, FACTORS_KEY));
  const factors = await openFactors({ file: join(config.data, FACTORS_FILE), users, key });
  const host = config.review.url === null ? 'localhost' : new URL(config.review.url).hostname;
  const webauthn = takesKeys(host) ? createWebAuthn({ factors, host, origins, secret: key }) : null;
  const checkers: readonly PasswordChecker[] = [localPasswords(users)];
  const admit = (entry: SourceEntry): Account | null => identity.reviewer(entry.id) ?? null;
  return {
    password: createPasswordSignIn({
      checkers,
      admit,
      factors,
      webauthn,
      second_factor: config.identity.second_factor,
    }),
    sso: null,
    keys: webauthn && keysPort(factors, webauthn),
  };
}

export const keysPort = (factors: Factors, webauthn: WebAuthn): SignInPorts['keys'] => ({
  list: (user) => factors.keys(user),
  creation: (user) => webauthn.creation(user),
  register: (user, name, answer) => webauthn.register(user, name, answer),
  remove: (user, id) => factors.removeKey(user, id),
});
