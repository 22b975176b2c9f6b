// SCRAM-SHA-256, both sides; channel binding (-PLUS, tls-server-end-point) on the server's. Secrets stay inside; comparisons take constant time.
// RFC 5802, RFC 7677, RFC 5929; manual 55.3 "SASL Authentication". Verifier format as pg_authid.rolpassword holds it.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { saslprep } from '@mongodb-js/saslprep';

export const MECHANISM = 'SCRAM-SHA-256';
export const MECHANISM_PLUS = 'SCRAM-SHA-256-PLUS';
/** Most iterations we do for a server that asks: a hostile one must not buy hours of CPU. */
const ITERATIONS_MAX = 1_000_000;

const derive = promisify(pbkdf2);
const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest();
const hmac = (key: Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, index) => byte ^ (b[index] as number)));

export interface Verifier {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const attributes = (message: string): Map<string, string> =>
  new Map(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));

/** The server's side of one exchange: first message in, challenge out; final message in, proof checked. */
export class ScramServer {
  readonly #verifier: Verifier;
  readonly #endPoint: Buffer | null;
  #misbound = false;
  #gs2 = '';
  #bound = false;
  #clientFirstBare = '';
  #serverFirst = '';
  #nonce = '';

  /** `endPoint`: the hash of the certificate that the client was shown (tls-server-end-point); null: -PLUS was not offered. */
  constructor(verifier: Verifier, endPoint: Buffer | null = null) {
    this.#verifier = verifier;
    this.#endPoint = endPoint;
  }

  /** Why `first` or `final` was null: what the client says of channel binding does not go with what was offered, or with what it chose. */
  get misbound(): boolean {
    return this.#misbound;
  }

  /** Answers client-first-message; null if it is malformed, wants another binding than was offered, or to act for somebody else. */
  first(message: string, mechanism: string = MECHANISM): string | null {
    const match = /^(n|y|p=[A-Za-z0-9.-]+),,((?:n=[^,]*),r=([\x21-\x2b\x2d-\x7e]+))$/.exec(message);
    if (!match) return null;
    const [, flag, bare, clientNonce] = match as unknown as [string, string, string, string];
    const plus = mechanism === MECHANISM_PLUS;
    // 'y': the client could bind, but believes that it was not offered. If it was, somebody between us took the offer out.
    const fits = plus ? flag === 'p=tls-server-end-point' : flag === 'n' || (flag === 'y' && this.#endPoint === null);
    this.#misbound = !fits || (plus && this.#endPoint === null);
    if (this.#misbound) return null;
    this.#bound = plus;
    this.#gs2 = message.slice(0, message.length - bare.length);
    this.#clientFirstBare = bare;
    this.#nonce = clientNonce + randomBytes(18).toString('base64');
    this.#serverFirst = `r=${this.#nonce},s=${this.#verifier.salt.toString('base64')},i=${this.#verifier.iterations}`;
    return this.#serverFirst;
  }

  /** Checks client-final-message: server-final-message, or null when the proof is wrong. */
  final(message: string): string | null {
    const fields = attributes(message);
    const cut = message.lastIndexOf(',p=');
    const proof = Buffer.from(fields.get('p') ?? '', 'base64');
    if (cut < 0 || message.indexOf(',', cut + 1) >= 0 || proof.length !== 32 || fields.get('r') !== this.#nonce)
      return null;
    const data = this.#bound && this.#endPoint ? this.#endPoint : Buffer.alloc(0);
    const binding = Buffer.concat([Buffer.from(this.#gs2), data]);
    if (fields.get('c') !== binding.toString('base64')) {
      this.#misbound = this.#bound;
      return null;
    }
    const authMessage = `${this.#clientFirstBare},${this.#serverFirst},${message.slice(0, cut)}`;
    const clientKey = xor(proof, hmac(this.#verifier.storedKey, authMessage));
    if (!timingSafeEqual(sha256(clientKey), this.#verifier.storedKey)) return null;
    return `v=${hmac(this.#verifier.serverKey, authMessage).toString('base64')}`;
  }
}

/** Salted passwords of upstream logins: the same credential is used for each session, its derivation is not repeated. */
const salted = new Map<string, Buffer>();
const SALTED_MAX = 64;

/** The client's side, for logging in upstream. */
export class ScramClient {
  readonly #password: string;
  readonly #nonce = randomBytes(18).toString('base64');
  #serverSignature = '';

  constructor(password: string) {
    this.#password = password;
  }

  first(): string {
    return `n,,n=,r=${this.#nonce}`;
  }

  /** Answers server-first-message. Throws on one that breaks the protocol. */
  async final(serverFirst: string): Promise<string> {
    const fields = attributes(serverFirst);
    const nonce = fields.get('r') ?? '';
    const salt = fields.get('s') ?? '';
    const iterations = Number(fields.get('i'));
    if (fields.has('m') || !nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length || salt === '')
      throw new Error('the server broke the SCRAM exchange');
    if (!(iterations >= 1 && iterations <= ITERATIONS_MAX))
      throw new Error(`the server asks for ${iterations} SCRAM iterations`);
    const saltedPassword = await saltPassword(this.#password, salt, iterations);
    const clientKey = hmac(saltedPassword, 'Client Key');
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = `n=,r=${this.#nonce},${serverFirst},${withoutProof}`;
    const proof = xor(clientKey, hmac(sha256(clientKey), authMessage));
    this.#serverSignature = hmac(hmac(saltedPassword, 'Server Key'), authMessage).toString('base64');
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Does server-final-message prove that the server knows the password too? */
  verify(serverFinal: string): boolean {
    const given = Buffer.from(attributes(serverFinal).get('v') ?? '', 'base64');
    const expected = Buffer.from(this.#serverSignature, 'base64');
    return expected.length > 0 && given.length === expected.length && timingSafeEqual(given, expected);
  }
}

const saltPassword = async (password: string, salt: string, iterations: number): Promise<Buffer> => {
  const key = sha256(Buffer.from(`${iterations}:${salt}:${password}`)).toString('base64');
  const known = salted.get(key);
  if (known) return known;
  const derived = await derive(prepared(password), Buffer.from(salt, 'base64'), iterations, 32, 'sha256');
  if (salted.size >= SALTED_MAX) salted.clear();
  salted.set(key, derived);
  return derived;
};

/** SASLprep; a password it forbids is used as it is, as the server does. */
const prepared = (password: string): string => {
  try {
    return saslprep(password);
  } catch {
    return password;
  }
};
