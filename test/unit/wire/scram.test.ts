// SCRAM-SHA-256: the example of RFC 7677 byte for byte, our two sides against each other, and every way to cheat.
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeScramVerifier, parseScramVerifier } from '../../../src/identity/scram.ts';
import { ScramClient, ScramServer, type Verifier } from '../../../src/wire/postgres/scram.ts';

/** Nonces of the next exchanges, as text; random ones when there are none. Chance is the one thing replaced here. */
const nonces = vi.hoisted(() => [] as string[]);
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>();
  return {
    ...real,
    randomBytes: (bytes: number) => {
      const nonce = nonces.shift();
      return nonce === undefined ? real.randomBytes(bytes) : { toString: () => nonce };
    },
  };
});

const PASSWORD = 'pencil';
let verifier: Verifier;

beforeAll(async () => {
  verifier = await verifierOf(PASSWORD, 'W22ZaJ0SNY7soEsUEjb6gQ==');
});
beforeEach(() => {
  nonces.length = 0;
});

async function verifierOf(password: string, salt = 'c2FsdA==', iterations = 4096): Promise<Verifier> {
  const text = await makeScramVerifier(password, { iterations, salt: Buffer.from(salt, 'base64') });
  return parseScramVerifier(text) as Verifier;
}

async function exchange(password: string, against: Verifier = verifier) {
  const server = new ScramServer(against);
  const client = new ScramClient(password);
  const challenge = server.first(client.first()) as string;
  const final = await client.final(challenge);
  return { server, client, challenge, final };
}

describe('RFC 7677, section 3', () => {
  const FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO';
  const CHALLENGE = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';
  const FINAL =
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
  const SIGNATURE = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';

  test('the server says what the example says', () => {
    nonces.push('%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0');
    const server = new ScramServer(verifier);
    expect(server.first(FIRST)).toBe(CHALLENGE);
    expect(server.final(FINAL)).toBe(SIGNATURE);
  });

  test('the client, which sends no name as libpq does, says what the formulas give', async () => {
    nonces.push('rOprNGfwEbeRWgbNEkqO');
    const client = new ScramClient(PASSWORD);
    expect(client.first()).toBe('n,,n=,r=rOprNGfwEbeRWgbNEkqO');
    const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const salted = pbkdf2Sync(PASSWORD, Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096, 32, 'sha256');
    const bare = FINAL.slice(0, FINAL.indexOf(',p='));
    const message = `n=,r=rOprNGfwEbeRWgbNEkqO,${CHALLENGE},${bare}`;
    const key = hmac(salted, 'Client Key');
    const signature = hmac(createHash('sha256').update(key).digest(), message);
    const proof = Buffer.from(key.map((byte, at) => byte ^ (signature[at] as number))).toString('base64');
    expect(await client.final(CHALLENGE)).toBe(`${bare},p=${proof}`);
    expect(client.verify(`v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`)).toBe(true);
  });
});

describe('client against server', () => {
  test.each([PASSWORD, '', 'p,=\\ "\'', 'pass\u00a0word', 'пароль', '\u0007forbidden by SASLprep', 'x'.repeat(1000)])(
    '%j',
    async (password) => {
      const { server, client, final } = await exchange(password, await verifierOf(password));
      expect(client.verify(server.final(final) as string)).toBe(true);
    },
  );

  test('what SASLprep maps together is one password', async () => {
    const { server, final } = await exchange('pass\u00a0w\u00adord', await verifierOf('pass word'));
    expect(server.final(final)).toMatch(/^v=/);
  });

  test('each exchange has nonces of its own', async () => {
    const [one, two] = [await exchange(PASSWORD), await exchange(PASSWORD)];
    expect(one.challenge).not.toBe(two.challenge);
    expect(one.client.first()).not.toBe(two.client.first());
    expect(two.server.final(one.final), 'one exchange replayed in another').toBeNull();
  });
});

describe('the server refuses', () => {
  test.each(['Pencil', '', 'pencil '])('the wrong password %j', async (password) => {
    const { server, final } = await exchange(password);
    expect(server.final(final)).toBeNull();
  });

  test.each<[string, (final: string) => string]>([
    ['no proof', (final) => final.slice(0, final.indexOf(',p='))],
    ['an empty proof', (final) => final.replace(/,p=.*/, ',p=')],
    ['a short proof', (final) => final.replace(/,p=.*/, `,p=${Buffer.alloc(31).toString('base64')}`)],
    ['a long proof', (final) => final.replace(/,p=.*/, `,p=${Buffer.alloc(33).toString('base64')}`)],
    ['a proof of zeros', (final) => final.replace(/,p=.*/, `,p=${Buffer.alloc(32).toString('base64')}`)],
    ['another nonce', (final) => final.replace(/r=./, (found) => (found === 'r=A' ? 'r=B' : 'r=A'))],
    ['a longer nonce', (final) => final.replace(',p=', 'A,p=')],
    ['no nonce', (final) => final.replace(/,r=[^,]*/, '')],
    ["the flag 'y' after 'n'", (final) => final.replace('c=biws', 'c=eSws')],
    ['a channel binding', (final) => final.replace('c=biws', `c=${Buffer.from('p=tls-unique,,x').toString('base64')}`)],
    ['no channel-binding flag', (final) => final.replace('c=biws,', '')],
    ['an extension the proof does not cover', (final) => final.replace(',p=', ',x=1,p=')],
    ['nothing', () => ''],
    ['only commas', () => ',,,'],
  ])('%s', async (_, change) => {
    const { server, final } = await exchange(PASSWORD);
    expect(server.final(change(final))).toBeNull();
    expect(server.final(final), 'the same, unchanged, is accepted').toMatch(/^v=/);
  });

  test('any byte of the proof changed', async () => {
    const { server, final } = await exchange(PASSWORD);
    const [head, proof] = final.split(',p=') as [string, string];
    fc.assert(
      fc.property(fc.nat(31), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const raw = Buffer.from(proof, 'base64');
        raw[at] = (raw[at] as number) ^ change;
        expect(server.final(`${head},p=${raw.toString('base64')}`)).toBeNull();
      }),
    );
  });

  test.each([
    ['an authzid', 'n,a=root,n=,r=abc'],
    ['an empty authzid', 'n,a=,n=,r=abc'],
    ['channel binding', 'p=tls-server-end-point,,n=,r=abc'],
    ['an unknown flag', 'x,,n=,r=abc'],
    ['no flag', 'n=,r=abc'],
    ['no name', 'n,,r=abc'],
    ['no nonce', 'n,,n='],
    ['an empty nonce', 'n,,n=,r='],
    ['a nonce with a space', 'n,,n=,r=a b'],
    ['a nonce with a control character', 'n,,n=,r=a\u0001b'],
    ['a nonce beyond ASCII', 'n,,n=,r=é'],
    ['a mandatory extension', 'n,,m=x,n=,r=abc'],
    ['a newline behind it', 'n,,n=,r=abc\n'],
    ['a zero byte behind it', 'n,,n=,r=abc\0'],
    ['nothing', ''],
  ])('a first message with %s', (_, first) => {
    expect(new ScramServer(verifier).first(first)).toBeNull();
  });

  test('a final message before the first', async () => {
    const { final } = await exchange(PASSWORD);
    expect(new ScramServer(verifier).final(final)).toBeNull();
    expect(new ScramServer(verifier).final(final.replace(/c=biws,r=[^,]*/, 'c=,r='))).toBeNull();
  });
});

describe('a client that knows the password, and signs', () => {
  /** The server's answer to a right proof over this flag and nonce. */
  const answer = (flag: string, nonce: (right: string) => string): string | null => {
    const server = new ScramServer(verifier);
    const challenge = server.first('y,,n=,r=abc') as string;
    const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const salted = pbkdf2Sync(PASSWORD, verifier.salt, verifier.iterations, 32, 'sha256');
    const key = hmac(salted, 'Client Key');
    const right = challenge.slice(2, challenge.indexOf(','));
    const bare = `c=${Buffer.from(flag).toString('base64')},r=${nonce(right)}`;
    const signature = hmac(createHash('sha256').update(key).digest(), `n=,r=abc,${challenge},${bare}`);
    return server.final(
      `${bare},p=${Buffer.from(key.map((byte, at) => byte ^ (signature[at] as number))).toString('base64')}`,
    );
  };

  test("the flag 'y' it began with, is let in: it could bind channels and was offered none", () => {
    expect(answer('y,,', (right) => right)).toMatch(/^v=/);
  });

  test.each(['n,,', 'y,a=root,', 'p=tls-unique,,', ''])('the flag %j after y, is refused', (flag) => {
    expect(answer(flag, (right) => right)).toBeNull();
  });

  test.each<[string, (right: string) => string]>([
    ['its own part alone', () => 'abc'],
    ['a longer one', (right) => `${right}x`],
    ['a shorter one', (right) => right.slice(0, -1)],
    ['another', (right) => right.toUpperCase()],
    ['none', () => ''],
  ])('as nonce %s, is refused', (_, nonce) => {
    expect(answer('y,,', nonce)).toBeNull();
  });
});

describe('the client', () => {
  test('checks the signature of the server', async () => {
    const { server, client, final } = await exchange(PASSWORD);
    const signature = server.final(final) as string;
    const raw = Buffer.from(signature.slice(2), 'base64');
    raw[0] = (raw[0] as number) ^ 1;
    for (const wrong of [
      '',
      'v=',
      'e=other-error',
      `v=${raw.toString('base64')}`,
      `v=${'A'.repeat(40)}`,
      signature.slice(2),
    ])
      expect(client.verify(wrong), wrong).toBe(false);
    expect(client.verify(signature)).toBe(true);
  });

  test('believes nobody before its own proof is made', () => {
    expect(new ScramClient(PASSWORD).verify('v=')).toBe(false);
    expect(new ScramClient(PASSWORD).verify(`v=${Buffer.alloc(32).toString('base64')}`)).toBe(false);
  });

  test('a server that knows only the stored key of another password is found out', async () => {
    const { server, client, final } = await exchange(PASSWORD, { ...verifier, serverKey: Buffer.alloc(32, 1) });
    expect(client.verify(server.final(final) as string)).toBe(false);
  });

  test.each<[string, (challenge: string) => string]>([
    ['another nonce', (challenge) => challenge.replace(/r=.{4}/, 'r=....')],
    ['its own nonce and nothing added', (challenge) => challenge.replace(/(r=.{24})[^,]*/, '$1')],
    ['no nonce', (challenge) => challenge.replace(/r=[^,]*,/, '')],
    ['no salt', (challenge) => challenge.replace(/s=[^,]*,/, '')],
    ['an empty salt', (challenge) => challenge.replace(/s=[^,]*,/, 's=,')],
    ['an error', () => 'e=other-error'],
    ['nothing', () => ''],
    ...['', '0', '-1', 'x', '1000001', '1e99', 'Infinity', 'NaN', '4096.5'].map(
      (count): [string, (challenge: string) => string] => [
        `${count || 'no'} iterations`,
        (challenge) => challenge.replace(/i=.*/, `i=${count}`),
      ],
    ),
    ['iterations left out', (challenge) => challenge.replace(/,i=.*/, '')],
  ])('throws on a challenge with %s', async (_, change) => {
    const client = new ScramClient(PASSWORD);
    const challenge = new ScramServer(verifier).first(client.first()) as string;
    await expect(client.final(change(challenge))).rejects.toThrow();
    expect(client.verify('v=')).toBe(false);
  });

  test.each([1, 2, 10_000])('%d iterations', async (iterations) => {
    const { server, client, final } = await exchange(PASSWORD, await verifierOf(PASSWORD, 'c2FsdA==', iterations));
    expect(client.verify(server.final(final) as string)).toBe(true);
  });
});
