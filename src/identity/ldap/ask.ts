// What is asked of a directory, and what can come of it but an answer. Types, and the one error.
import type { Filter } from 'ldapts';

export interface Search {
  readonly base: string;
  readonly scope: 'base' | 'sub';
  readonly filter: Filter;
  readonly attributes: readonly string[];
  /** One more is a fault. */
  readonly entries_max: number;
}

/** What went wrong with a directory. `answer`: it answered, but not what was asked; `limit`: with too much; the others: it did not answer. */
export class DirectoryFault extends Error {
  readonly kind: 'connect' | 'service' | 'timeout' | 'closed' | 'answer' | 'limit';
  /** LDAP's result code, where there was one. */
  readonly code: number | null;
  constructor(kind: DirectoryFault['kind'], message: string, code: number | null = null) {
    super(message);
    this.kind = kind;
    this.code = code;
  }
}

/** LDAP's result code for a base that is not there (RFC 4511, appendix A). */
export const NO_SUCH_OBJECT = 32;
