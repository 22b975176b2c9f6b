// The cancel keys of one listener's sessions: what BackendKeyData tells a client, and whose a CancelRequest is. A cancel comes on a connection
// of its own, which a balancer or the kernel may give to another node or worker, so a key says where its session lives.
// It must never tell a right key from a wrong one by an answer or by time.
// Manual: 55.2.8 "Canceling Requests in Progress", 55.7 BackendKeyData.
//
// The process id is always the server's: clients compare it with pg_backend_pid(). The secret:
//
//   protocol 3.2, 39 bytes   1 version (1) | 8 node | 2 worker | 24 random | 4 check
//     node    the first bytes of SHA-256 of the node's name: the name itself is nobody's business
//     check   the first bytes of SHA-256 of all that stands before it: noise is nobody's key. It proves nothing; the random bytes do
//   protocol 3.0, 4 bytes    all random
//     32 bits are too few to give any of them away, so such a key names no place: the node that gets it tries its own sessions, and who
//     has no session with it can only ask every other node and worker. 3.2 needs libpq 18 or another driver that asks for it.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Where a session lives. */
export interface Place {
  /** The node's name, the same as in its log. */
  readonly node: string;
  /** 0 to 65535. */
  readonly worker: number;
}

const VERSION = 1;
const NODE_AT = 1;
const WORKER_AT = 9;
const RANDOM_AT = 11;
const CHECK_AT = 35;
const SECRET_BYTES_3_2 = 39;
const SECRET_BYTES_3_0 = 4;
/** The first minor version whose keys may be longer than four bytes. */
const LONG_KEYS_MINOR = 2;

const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();
const nodeHash = (node: string): Buffer => sha256(node).subarray(0, WORKER_AT - NODE_AT);
const checkOf = (secret: Buffer): Buffer =>
  sha256(secret.subarray(0, CHECK_AT)).subarray(0, SECRET_BYTES_3_2 - CHECK_AT);

/** A new secret key for a session that lives at `place`. `minor`: of the protocol version the session speaks, 3.x. */
export const makeSecret = (place: Place, minor: number): Buffer => {
  if (minor < LONG_KEYS_MINOR) return randomBytes(SECRET_BYTES_3_0);
  const secret = Buffer.alloc(SECRET_BYTES_3_2);
  secret[0] = VERSION;
  nodeHash(place.node).copy(secret, NODE_AT);
  secret.writeUInt16BE(place.worker, WORKER_AT);
  randomBytes(CHECK_AT - RANDOM_AT).copy(secret, RANDOM_AT);
  checkOf(secret).copy(secret, CHECK_AT);
  return secret;
};

/** Where a key says that its session lives: here, elsewhere, or nothing (protocol 3.0: any place may have it). Null: it is no key of ours. */
export const placeOf = (secret: Buffer, here: Place): 'here' | 'elsewhere' | 'unnamed' | null => {
  if (secret.length === SECRET_BYTES_3_0) return 'unnamed';
  if (secret.length !== SECRET_BYTES_3_2 || secret[0] !== VERSION) return null;
  if (!secret.subarray(CHECK_AT).equals(checkOf(secret))) return null;
  const own = secret.subarray(NODE_AT, WORKER_AT).equals(nodeHash(here.node));
  return own && secret.readUInt16BE(WORKER_AT) === here.worker ? 'here' : 'elsewhere';
};

export class CancelKeys<Session> {
  readonly #here: Place;
  /**
   * By the server's process id: more than one where the server was started again and an old session is still on its way out. Secrets as
   * latin1: a buffer of four bytes takes 200.
   */
  readonly #keys = new Map<number, { readonly secret: string; readonly session: Session }[]>();

  constructor(here: Place) {
    this.#here = here;
  }

  /** Gives the session a key. The secret is for its BackendKeyData alone. */
  add(processId: number, minor: number, session: Session): Buffer {
    const secret = makeSecret(this.#here, minor);
    const one = { secret: secret.toString('latin1'), session };
    // Not a spread, which makes room for sixteen more.
    this.#keys.set(processId, this.#keys.get(processId)?.concat([one]) ?? [one]);
    return secret;
  }

  delete(processId: number, session: Session): void {
    const rest = (this.#keys.get(processId) ?? []).filter((entry) => entry.session !== session);
    if (rest.length === 0) this.#keys.delete(processId);
    else this.#keys.set(processId, rest);
  }

  /** The session that this key is of; undefined: none here. */
  find(processId: number, secret: Buffer): Session | undefined {
    const place = placeOf(secret, this.#here);
    if (place === null || place === 'elsewhere') return undefined;
    return this.#keys.get(processId)?.find((entry) => sameSecret(Buffer.from(entry.secret, 'latin1'), secret))?.session;
  }
}

const sameSecret = (a: Buffer, b: Buffer): boolean => timingSafeEqual(sha256(a), sha256(b));
