// Security keys and passkeys as a second factor (WebAuthn level 3): what a browser is asked, and whether its answer is good. The library
// does the cryptography. Must never take an answer to a question that was not asked of this very account, or one a second time.
import { createHmac, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { Factors, SecurityKey } from './factors.ts';

/** A question is good for so long; browsers are told the same. */
export const CHALLENGE_MS = 2 * 60_000;
const CHALLENGES_MAX = 10_000;
const CHALLENGE_BYTES = 32;
/** WebAuthn 4: user handles have at most 64 bytes and nothing about the person in them. */
const HANDLE_BYTES = 32;

export interface WebAuthn {
  /** PublicKeyCredentialCreationOptions as JSON, for an account that is signed in. */
  creation(user: string): Promise<object>;
  /** Takes a browser's answer to it and keeps the key; null: it is not good, or the account has too many. Rejects when it can't be kept. */
  register(user: string, name: string, answer: unknown): Promise<SecurityKey | null>;
  /** PublicKeyCredentialRequestOptions as JSON; null: the account has no key. */
  request(user: string): Promise<object | null>;
  /** Is this a good answer to it? Uses it up. Rejects when that can't be kept. */
  verify(user: string, answer: unknown): Promise<boolean>;
}

export interface WebAuthnOptions {
  readonly factors: Factors;
  /** The host that reviewers open: keys are bound to it. */
  readonly host: string;
  /** Where the page may have been: https://holdpoint.example. */
  readonly origins: () => Iterable<string>;
  /** Makes user handles; the same after a restart. */
  readonly secret: Buffer;
  readonly now?: () => number;
}

/** Can keys be bound to this host? Browsers refuse addresses (WebAuthn 5.1.3). */
export const takesKeys = (host: string): boolean => isIP(host.replaceAll(/^\[|\]$/g, '')) === 0;

export function createWebAuthn({ factors, host, origins, secret, now = Date.now }: WebAuthnOptions): WebAuthn {
  const asked = new LRUCache<
    string,
    { readonly user: string; readonly what: 'create' | 'get'; readonly until: number }
  >({
    max: CHALLENGES_MAX,
  });
  const ask = (user: string, what: 'create' | 'get'): Uint8Array<ArrayBuffer> => {
    const challenge = new Uint8Array(randomBytes(CHALLENGE_BYTES));
    asked.set(Buffer.from(challenge).toString('base64url'), { user, what, until: now() + CHALLENGE_MS });
    return challenge;
  };
  const answered = (user: string, what: 'create' | 'get') => (challenge: string) => {
    const question = asked.get(challenge);
    asked.delete(challenge);
    return question !== undefined && question.user === user && question.what === what && now() < question.until;
  };
  /** What both verifications are told; user verification is for keys that stand alone, ours come after a password. */
  const expected = () => ({ expectedOrigin: [...origins()], expectedRPID: host, requireUserVerification: false });

  return {
    async creation(user) {
      const { generateRegistrationOptions } = await library();
      return generateRegistrationOptions({
        rpName: 'Holdpoint',
        rpID: host,
        userName: user,
        userID: new Uint8Array(
          createHmac('sha256', secret).update(`handle ${user}`).digest().subarray(0, HANDLE_BYTES),
        ),
        challenge: ask(user, 'create'),
        timeout: CHALLENGE_MS,
        attestationType: 'none',
        excludeCredentials: factors.keys(user).map(({ id, transports }) => ({ id, transports: transports as never })),
        authenticatorSelection: { residentKey: 'discouraged', userVerification: 'preferred' },
      });
    },
    async register(user, name, answer) {
      const { verifyRegistrationResponse } = await library();
      const done = await verifyRegistrationResponse({
        response: answer as never,
        expectedChallenge: answered(user, 'create'),
        ...expected(),
      }).catch(() => null);
      if (!done?.verified || !done.registrationInfo || isFramed(answer)) return null;
      const { id, publicKey, counter, transports = [] } = done.registrationInfo.credential;
      const public_key = Buffer.from(publicKey).toString('base64url');
      const key = { id, name, public_key, counter, transports: [...transports], added: now(), used: null };
      return (await factors.addKey(user, key)) ? key : null;
    },
    async request(user) {
      const keys = factors.keys(user);
      if (keys.length === 0) return null;
      const { generateAuthenticationOptions } = await library();
      return generateAuthenticationOptions({
        rpID: host,
        challenge: ask(user, 'get'),
        timeout: CHALLENGE_MS,
        userVerification: 'preferred',
        allowCredentials: keys.map(({ id, transports }) => ({ id, transports: transports as never })),
      });
    },
    async verify(user, answer) {
      const key = factors.keys(user).find(({ id }) => id === (answer as { id?: unknown } | null)?.id);
      if (key === undefined) return false;
      const { verifyAuthenticationResponse } = await library();
      const done = await verifyAuthenticationResponse({
        response: answer as never,
        expectedChallenge: answered(user, 'get'),
        ...expected(),
        credential: {
          id: key.id,
          publicKey: new Uint8Array(Buffer.from(key.public_key, 'base64url')),
          counter: key.counter,
          transports: key.transports,
        },
      }).catch(() => null);
      if (done?.verified !== true || isFramed(answer)) return false;
      return await factors.keyUsed(user, key.id, done.authenticationInfo.newCounter);
    },
  };
}

/** Given inside of another site's page (WebAuthn 5.8.1, crossOrigin): ours is never in one. Of an answer that was verified, so it can be read. */
function isFramed(answer: unknown): boolean {
  const { response } = answer as { readonly response: { readonly clientDataJSON: string } };
  const told = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url').toString()) as { crossOrigin?: unknown };
  return told.crossOrigin === true;
}

/** Takes 0.4 s to load, so not before somebody needs it. */
const library = () => import('@simplewebauthn/server');
