// Security keys before a key made of this machine's own cryptography: what is good, and each thing that makes an answer none.
import { createHash, createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Factors, openFactors } from '../../../src/identity/factors.ts';
import { parseUsers } from '../../../src/identity/users.ts';
import { CHALLENGE_MS, createWebAuthn, type WebAuthn } from '../../../src/identity/webauthn.ts';

const HOST = 'holdpoint.example';
const ORIGIN = `https://${HOST}`;
const SECRET = Buffer.alloc(32, 5);

interface Said {
  readonly origin?: string;
  readonly host?: string;
  readonly type?: string;
  readonly counter?: number;
  /** In a frame of another site. */
  readonly framed?: boolean;
  /** Nobody touched the key. */
  readonly untouched?: boolean;
}

/** The two kinds of CBOR (RFC 8949) that there are here: small maps and byte strings. */
const head = (major: number, n: number): Buffer =>
  n < 24
    ? Buffer.from([(major << 5) | n])
    : n < 256
      ? Buffer.from([(major << 5) | 24, n])
      : Buffer.from([(major << 5) | 25, n >> 8, n & 255]);
const bytes = (value: Buffer): Buffer => Buffer.concat([head(2, value.length), value]);
const words = (value: string): Buffer => Buffer.concat([head(3, value.length), Buffer.from(value)]);
const whole = (n: number): Buffer => (n < 0 ? head(1, -1 - n) : head(0, n));
const map = (...pairs: readonly (readonly [Buffer, Buffer])[]): Buffer =>
  Buffer.concat([head(5, pairs.length), ...pairs.flat()]);

const plugIn = () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const id = randomBytes(16);
  // RFC 9053 7.1: kty EC2, alg ES256, crv P-256.
  const cose = map(
    [whole(1), whole(2)],
    [whole(3), whole(-7)],
    [whole(-1), whole(1)],
    [whole(-2), bytes(Buffer.from(x, 'base64url'))],
    [whole(-3), bytes(Buffer.from(y, 'base64url'))],
  );
  const client = (challenge: string, fallback: string, { origin = ORIGIN, type = fallback, framed = false }: Said) =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: framed }));
  const data = (flags: number, { host = HOST, counter = 1, untouched = false }: Said): Buffer => {
    const counted = Buffer.alloc(4);
    counted.writeUInt32BE(counter);
    return Buffer.concat([
      createHash('sha256').update(host).digest(),
      Buffer.from([untouched ? flags & ~1 : flags]),
      counted,
    ]);
  };
  const answer = (response: object) => ({
    id: id.toString('base64url'),
    rawId: id.toString('base64url'),
    type: 'public-key',
    response,
    clientExtensionResults: {},
  });
  return {
    create: (options: object, said: Said = {}) => {
      const { challenge } = options as { challenge: string };
      const credential = Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, cose]);
      // 0x41: touched, with a credential.
      const authData = Buffer.concat([data(0x41, said), credential]);
      const attestation = map(
        [words('fmt'), words('none')],
        [words('attStmt'), map()],
        [words('authData'), bytes(authData)],
      );
      return answer({
        clientDataJSON: client(challenge, 'webauthn.create', said).toString('base64url'),
        attestationObject: attestation.toString('base64url'),
        transports: ['usb'],
      });
    },
    get: (options: object | null, said: Said = {}) => {
      const { challenge } = options as { challenge: string };
      const clientData = client(challenge, 'webauthn.get', said);
      const authenticatorData = data(0x01, said);
      const signed = Buffer.concat([authenticatorData, createHash('sha256').update(clientData).digest()]);
      return answer({
        clientDataJSON: clientData.toString('base64url'),
        authenticatorData: authenticatorData.toString('base64url'),
        signature: createSign('sha256').update(signed).sign(privateKey).toString('base64url'),
      });
    },
  };
};

describe('a security key', () => {
  const users = parseUsers('users: [{id: grace, kind: human, roles: [reviewer]}, {id: ada, kind: human}]', {
    file: '/u',
  });
  let now = 1_800_000_000_000;
  let factors: Factors;
  let webauthn: WebAuthn;
  let key: ReturnType<typeof plugIn>;
  beforeEach(async () => {
    const dir = mkdtempSync(join(tmpdir(), 'holdpoint-webauthn-'));
    factors = await openFactors({ file: join(dir, 'factors.json'), users: () => users, key: SECRET, now: () => now });
    webauthn = createWebAuthn({ factors, host: HOST, origins: () => [ORIGIN], secret: SECRET, now: () => now });
    key = plugIn();
    return () => rmSync(dir, { recursive: true });
  });
  const register = async (said?: Said) =>
    webauthn.register('grace', 'key', key.create(await webauthn.creation('grace'), said));

  test('is taken, and signs in each time it is asked anew', async () => {
    expect(await register()).toMatchObject({ name: 'key', counter: 1 });
    for (const counter of [2, 3])
      expect(await webauthn.verify('grace', key.get(await webauthn.request('grace'), { counter }))).toBe(true);
    expect(factors.keys('grace')).toMatchObject([{ counter: 3, used: now }]);
  });

  test('that does not count (0 and 0) signs in, too', async () => {
    await register({ counter: 0 });
    expect(await webauthn.verify('grace', key.get(await webauthn.request('grace'), { counter: 0 }))).toBe(true);
  });

  const WRONG: readonly (readonly [string, Said])[] = [
    ['of another page', { origin: 'https://evil.example' }],
    ['of the page in clear', { origin: `http://${HOST}` }],
    ['of a host beside', { origin: `https://evil.${HOST}` }],
    ['of a key bound elsewhere', { host: 'evil.example' }],
    ['in a frame of another site', { framed: true }],
    ['to another kind of question', { type: 'payment.get' }],
    ['that nobody touched', { untouched: true }],
  ];
  test.each(WRONG)('an answer %s is none', async (_, said) => {
    expect(await register(said)).toBeNull();
    await register();
    expect(await webauthn.verify('grace', key.get(await webauthn.request('grace'), { counter: 2, ...said }))).toBe(
      false,
    );
    expect(await webauthn.verify('grace', key.get(await webauthn.request('grace'), { counter: 2 }))).toBe(true);
  });

  test('whose counter stands still, goes back, or is gone was copied', async () => {
    await register({ counter: 7 });
    for (const counter of [7, 6, 0])
      expect(
        await webauthn.verify('grace', key.get(await webauthn.request('grace'), { counter })),
        String(counter),
      ).toBe(false);
  });

  test('a question is of one account and one kind, is answered once, and in time', async () => {
    const creation = await webauthn.creation('grace');
    expect(await webauthn.register('ada', 'key', key.create(creation))).toBeNull();
    // The try used it up.
    expect(await webauthn.register('grace', 'key', key.create(creation))).toBeNull();
    await register();

    const answer = key.get(await webauthn.request('grace'), { counter: 2 });
    expect([await webauthn.verify('grace', answer), await webauthn.verify('grace', answer)]).toEqual([true, false]);
    expect(await webauthn.verify('grace', key.get(await webauthn.creation('grace'), { counter: 3 }))).toBe(false);
    expect(await webauthn.verify('ada', key.get(await webauthn.request('grace'), { counter: 3 }))).toBe(false);
    expect(
      await webauthn.verify('grace', key.get({ challenge: randomBytes(32).toString('base64url') }, { counter: 3 })),
    ).toBe(false);

    const late = key.get(await webauthn.request('grace'), { counter: 3 });
    now += CHALLENGE_MS;
    expect(await webauthn.verify('grace', late)).toBe(false);
  });

  test("of somebody is nobody else's", async () => {
    await register();
    expect(await webauthn.register('ada', 'key', key.create(await webauthn.creation('ada')))).toBeNull();
    expect(await webauthn.request('ada')).toBeNull();
  });

  test.each([null, {}, { id: 1 }, { id: 'x', response: null }])('what is no answer is none: %j', async (answer) => {
    await register();
    expect(await webauthn.verify('grace', answer)).toBe(false);
    expect(await webauthn.register('grace', 'key', answer)).toBeNull();
  });
});
