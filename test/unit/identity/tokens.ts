// Issuers for tests: keys made on the spot, and tokens of any kind, sound or not. Signs with node's own crypto, so that a test can make
// what no library would.
import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto';
import { parseConfig } from '../../../src/config/config.ts';
import type { JwtIssuer } from '../../../src/config/jwt.ts';

export interface Signer {
  readonly alg: 'RS256' | 'ES256' | 'EdDSA';
  readonly kid: string | undefined;
  readonly private: KeyObject;
  readonly public: KeyObject;
  /** As an issuer publishes it. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

const KINDS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

export function makeSigner(alg: Signer['alg'], kid?: string): Signer {
  const { privateKey, publicKey } = KINDS[alg]();
  const jwk = { ...publicKey.export({ format: 'jwk' }), ...(kid !== undefined && { kid }), alg, use: 'sig' };
  return { alg, kid, private: privateKey, public: publicKey, jwk };
}

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** `header`, `claims`: objects, or the texts themselves. */
export function makeToken(signer: Signer, claims: object | string, header: object | string = {}): Buffer {
  const { alg, kid } = signer;
  const head = typeof header === 'string' ? header : { alg, typ: 'JWT', ...(kid !== undefined && { kid }), ...header };
  const signed = `${part(head)}.${part(claims)}`;
  const bytes = Buffer.from(signed);
  const signature =
    alg === 'ES256'
      ? signBytes('sha256', bytes, { key: signer.private, dsaEncoding: 'ieee-p1363' })
      : signBytes(alg === 'RS256' ? 'sha256' : null, bytes, signer.private);
  return Buffer.from(`${signed}.${signature.toString('base64url')}`);
}

/** Signed with a public key as if it were a secret that both sides share. */
export function makeHmacToken(secret: string | Buffer, claims: object, header: object): Buffer {
  const signed = `${part({ alg: 'HS256', typ: 'JWT', ...header })}.${part(claims)}`;
  return Buffer.from(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`);
}

export function makeUnsigned(claims: object, alg: string): Buffer {
  return Buffer.from(`${part({ alg, typ: 'JWT' })}.${part(claims)}.`);
}

/** identity.jwt as the configuration reads it; `more`: further lines of identity. */
export function issuers(yaml: string, dir = '/etc/holdpoint', more = ''): readonly JwtIssuer[] {
  const text = `
data: data
policy: policy.yaml
postgres: [{name: app, listen: '127.0.0.1:6432', upstream: 'postgres://gateway@127.0.0.1/app'}]
review: {listen: '127.0.0.1:8080', url: 'https://holdpoint.example'}
identity:
  users: users.yaml
${more}
  jwt:
${yaml.replace(/^/gm, '    ')}`;
  return parseConfig(text, { file: `${dir}/holdpoint.yaml`, env: {} }).identity.jwt;
}
