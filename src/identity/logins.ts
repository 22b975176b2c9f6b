// A password that came in clear: who is asked about it, in which order, and what their answers come to. Must never take "could not be asked" for a
// yes or for a no, never let a name written otherwise count as another's tries, and never say which part was wrong.
import type { FailureLimiter } from './limiter.ts';
import { type Login, type PasswordChecker, SourceDown, type SourceEntry } from './types.ts';

export interface AskedPassword {
  readonly user: string;
  /** As it came. */
  readonly password: Buffer;
  /** The client's, without port. */
  readonly address: string;
  /** Names of checkers, in their order. Those that there are not say nothing. */
  readonly by: readonly string[];
  /** Is a principal of this id to log in this way? It may be written otherwise than the name that was given. */
  readonly fits: (id: string) => boolean;
}

export type PasswordLogin =
  | { readonly type: 'right'; readonly login: Login }
  /** `why`: for the record, never for the client. */
  | { readonly type: 'wrong'; readonly why: string }
  /** Nobody said yes, and these could not be asked. */
  | { readonly type: 'unknown'; readonly down: readonly SourceDown[] };

/** `known`: is this a principal that may do anything here? */
export function createPasswordLogins(
  checkers: ReadonlyMap<string, PasswordChecker>,
  limiter: FailureLimiter,
  known: (login: Login) => boolean,
): (asked: AskedPassword) => Promise<PasswordLogin> {
  return async ({ user, password, address, by, fits }) => {
    // An LDAP server takes a bind without a password for one of nobody, and says yes.
    if (password.length === 0) return { type: 'wrong', why: 'no password' };
    if (password.includes(0)) return { type: 'wrong', why: 'a NUL in the password' };
    const down: SourceDown[] = [];
    let why = WRONG;
    for (const name of by) {
      // Each checker counts for itself: what one says no to while another can't be asked is a try, and must not become a free one.
      const tries = JSON.stringify([name, folded(user)]);
      if (limiter.wait(tries, address) > 0) {
        why = TOO_MANY;
        continue;
      }
      const entry = await checkers
        .get(name)
        ?.check(user, password)
        .catch((error: unknown) => {
          if (!(error instanceof SourceDown)) throw error;
          down.push(error);
          return undefined;
        });
      if (entry === undefined) continue;
      const login = entry && loginOf(entry, address);
      const no = login ? unfit(login) : WRONG;
      if (limiter.judge(tries, address, no === null) && login) return { type: 'right', login };
      why = no ?? TOO_MANY;
      // A yes about somebody who is not let in is no reason to ask on.
      if (login) return { type: 'wrong', why };
    }
    return down.length > 0 ? { type: 'unknown', down } : { type: 'wrong', why };

    function unfit(login: Login): string | null {
      if (!known(login)) return 'right, but nobody that this gateway knows';
      return fits(login.user) ? null : 'right, but this principal logs in otherwise';
    }
  };
}

const WRONG = 'wrong';
const TOO_MANY = 'too many wrong ones';

function loginOf(entry: SourceEntry, address: string): Login {
  const { id: user, source: authentication } = entry;
  return { user, authentication, address, entry: authentication === 'local' ? null : entry };
}

/** A directory takes names for the same whatever their case, width and spaces. */
export function folded(user: string): string {
  return user.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}
