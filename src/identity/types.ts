// What proves and describes a principal, wherever that comes from. Types, their names, and the one error that means "it could not be asked".
// A source says what is so; who may do what because of it is said by users.yaml and `identity.map` (principals.ts) alone.

/** Where something about somebody is known from. */
export const SOURCES = ['local', 'ldap', 'jwt', 'oidc', 'certificate'] as const;
export type Source = (typeof SOURCES)[number];

/** What one source says of somebody. */
export interface SourceEntry {
  readonly source: Source;
  /** The name that Holdpoint knows the principal by: `identity.map` and users.yaml go by it. */
  readonly id: string;
  /** With their source before them, as policies write them: `ldap:dba`. */
  readonly groups: readonly string[];
  /** Other names of the same one there (a DN, a subject, an address): they only ever add to who may not decide. */
  readonly aliases: readonly string[];
  /** Who answers for it (a token's `sponsor`, else its `act.sub`); null: the source does not say. */
  readonly sponsor: string | null;
  /** Whose work this is, and who else had a hand in it (who got an agent its token). They only ever add to who may not decide. */
  readonly on_behalf_of: readonly string[];
  /** What it is for, in the source's words; null: not said. */
  readonly task: string | null;
  /** Milliseconds since the epoch from which on it is not good any more; null: it has no end of its own. */
  readonly expires: number | null;
  /** Of a token, so that it can be looked at again; null: there is none. */
  readonly token: TokenFacts | null;
}

/** By which a token is known after it was checked; nothing in here lets anybody in. */
export interface TokenFacts {
  /** Its `iss`. */
  readonly issuer: string;
  /** Its `jti`; where it has none, a hash of it. */
  readonly id: string;
  /** Milliseconds since the epoch: its `iat`. */
  readonly issued: number;
  /** Thumbprint (RFC 7638) of the key that signed it. */
  readonly key: string;
}

/** A source that takes a clear password. */
export interface PasswordChecker {
  readonly name: 'local' | 'ldap' | 'jwt';
  /**
   * Null: wrong, unknown, or nothing for this checker; it never says which, and takes about as long for each. `password`: as it came, at most
   * PASSWORD_BYTES_MAX bytes are looked at. Rejects SourceDown, within its own time limit, when nobody can tell.
   */
  check(user: string, password: Buffer): Promise<SourceEntry | null>;
  /**
   * Who would be asked about this one, and could be silent: so many are asked at once. One of a few names, whatever was sent; null: nobody,
   * it is answered from here. Without it: the checker's own name.
   */
  asks?(user: string, password: Buffer): string | null;
}

/** A source that can be asked again about somebody who is not there. */
export interface Lookup {
  readonly source: Source;
  /** As it is now, never from memory. Null: there is no such one. Rejects SourceDown, within its own time limit. */
  read(id: string): Promise<SourceEntry | null>;
}

/** How a source is asked again about whoever has signed in by it. */
export interface Again {
  /** What it said counts for decisions so long. */
  readonly max_age_ms: number;
  /**
   * As it is now, never from memory; null: it does not tell, or no more, and they have to sign in anew. Rejects SourceDown, within its own time limit.
   * Null: it never tells.
   */
  readonly read: (() => Promise<SourceEntry | null>) | null;
}

/** A source could not be asked. Nothing may be assumed about anybody then. */
export class SourceDown extends Error {
  readonly source: Source;
  constructor(source: Source, message: string, options?: ErrorOptions) {
    super(message, options);
    this.source = source;
  }
}

/** Who proved what at a listener. The gate and the desk are given the same object for as long as the connection lives. */
export interface Login {
  /** The principal's id. */
  readonly user: string;
  /** Such as scram-sha-256, ldap, jwt, certificate, relay. */
  readonly authentication: string;
  /** The client's, without port. */
  readonly address: string;
  /** What its source said; null: users.yaml alone knows it. */
  readonly entry: SourceEntry | null;
}
