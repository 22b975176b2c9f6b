// The identity of a statement: what a decision is bound to and an identical statement is recognised by. docs/digest.md has
// the layout and test vectors. Must never leave the sealed text bare: outside it only its HMAC appears.
import { createHash, randomInt } from 'node:crypto';
import type { Parameter } from './types.ts';

export const DIGEST_VERSION = 'holdpoint-digest-1';

export interface DigestInput {
  readonly engine: string;
  readonly upstream: string;
  readonly database: string;
  readonly principal: string;
  /** Effective role. */
  readonly role: string;
  readonly search_path: string;
  readonly in_transaction: boolean;
  /** The statement's tokens without comments and white space, in order: their count and each one, laid out as here all counts and fields are. */
  readonly tokens: Uint8Array;
  readonly parameters: readonly Parameter[];
}

/** SHA-256, hex. Throws RangeError on a lone surrogate, whose UTF-8 form is not unique. */
export function digest(input: DigestInput): string {
  const hash = createHash('sha256');
  const count = (n: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(n);
    hash.update(bytes);
  };
  const field = (text: string | null) => {
    if (text === null) return count(0xff_ff_ff_ff);
    if (/\p{Surrogate}/u.test(text)) throw new RangeError('lone surrogate in a field of a digest');
    const bytes = Buffer.from(text, 'utf8');
    count(bytes.length);
    hash.update(bytes);
  };
  field(DIGEST_VERSION);
  field(input.engine);
  field(input.upstream);
  field(input.database);
  field(input.principal);
  field(input.role);
  field(input.search_path);
  field(input.in_transaction ? 'in transaction' : 'no transaction');
  hash.update(input.tokens);
  count(input.parameters.length);
  for (const parameter of input.parameters) {
    field(parameter.type);
    field(parameter.value);
  }
  return hash.digest('hex');
}

/** Crockford's base 32: no I, L, O, U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A prefix and 8 random characters (40 bits): unique among those a node remembers only if the caller checks. */
export function newId(random: (below: number) => number = randomInt, prefix: 'HP-' | 'PM-' = 'HP-'): string {
  return `${prefix}${Array.from({ length: 8 }, () => ALPHABET[random(32)]).join('')}`;
}
