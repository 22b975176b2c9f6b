// How a person signs in to the reviewers' page with a password: the checkers in their stated order, then a second factor where the account
// has one or must. Must never say which part was wrong, or of an account whether it exists, before the password was right.
import type { Account } from './directory.ts';
import type { Factor, Factors } from './factors.ts';
import { createFailureLimiter } from './limiter.ts';
import { folded } from './logins.ts';
import { verifyScrypt } from './password.ts';
import { type PasswordChecker, type SourceEntry, SourceDown } from './types.ts';
import type { Users } from './users.ts';
import type { WebAuthn } from './webauthn.ts';

export interface PasswordTry {
  readonly user: string;
  readonly password: string;
  /** A code of the app, or a recovery code. */
  readonly otp?: string | undefined;
  /** A browser's answer to what `second` asked. */
  readonly webauthn?: unknown;
  /** The client's, without port. */
  readonly address: string;
}

export type SignedIn =
  | {
      readonly type: 'in';
      readonly account: Account;
      /** In order: local or ldap, then totp, recovery or webauthn. */
      readonly by: readonly string[];
    }
  /** The password was right. `wrong`: a second factor was given, and was not. */
  | {
      readonly type: 'second';
      readonly account: Account;
      readonly factors: readonly Factor[];
      /** For the browser to ask a key; null: the account has none. */
      readonly webauthn: object | null;
      readonly wrong: boolean;
    }
  /** `wait`: too many tries. `down`: a directory could not be asked. `none`: the password was right, a second factor is required, and there is none that can be asked for. */
  | { readonly type: 'refused'; readonly why: 'wrong' | 'wait' | 'down' | 'none'; readonly wait_ms: number };

export interface PasswordSignInOptions {
  /** In the order in which they are asked; the first that knows the password counts. */
  readonly checkers: readonly PasswordChecker[];
  /** Who that is here; null: nobody who may sign in. */
  readonly admit: (entry: SourceEntry) => Account | null;
  /** Null: there are none (tests of other things). */
  readonly factors: Factors | null;
  /** Null: keys can't be bound to the address that reviewers open. */
  readonly webauthn: WebAuthn | null;
  readonly second_factor: 'required' | 'optional';
  readonly now?: () => number;
}

/** Rejects when what was used up of a second factor can't be kept; nobody is signed in then. */
export type PasswordSignIn = (tried: PasswordTry) => Promise<SignedIn>;

export function createPasswordSignIn(options: PasswordSignInOptions): PasswordSignIn {
  const { checkers, admit, factors, webauthn, second_factor, now = Date.now } = options;
  const tries = createFailureLimiter(now);
  // A stranger can't come this far, so nobody is locked out by one: the account waits, wherever the codes are tried from.
  const codes = createFailureLimiter(now);

  return async ({ user, password, otp, webauthn: answer, address }) => {
    // A directory takes many spellings for one name: each with tries of its own would be tries without end.
    const name = folded(user);
    const wait = tries.wait(name, address);
    if (wait > 0) return refused('wait', wait);
    const found = await ask(checkers, user, password);
    // Not counted: nobody said that it was wrong, and who comes back after the failure must not wait for it.
    if (found === 'down') return refused('down');
    const account = found === null ? null : admit(found.entry);
    if (!tries.judge(name, address, account !== null) || account === null || found === null) {
      return refused('wrong');
    }
    const by = found.checker;
    const all = factors?.of(account.id) ?? [];
    if (all.length === 0) {
      return second_factor === 'required' ? refused('none') : { type: 'in', account, by: [by] };
    }
    // One that can't be asked for here, as after a change of address, is no reason to do without.
    const had = all.filter((factor) => factor !== 'webauthn' || webauthn !== null);
    if (had.length === 0) return refused('none');
    if (answer !== undefined && (await webauthn?.verify(account.id, answer)) === true) {
      return { type: 'in', account, by: [by, 'webauthn'] };
    }
    if (otp !== undefined) {
      const pause = codes.wait(account.id, '');
      if (pause > 0) return refused('wait', pause);
      const code = (await factors?.code(account.id, otp)) ?? null;
      if (codes.judge(account.id, '', code !== null) && code !== null) return { type: 'in', account, by: [by, code] };
    }
    const question = (await webauthn?.request(account.id)) ?? null;
    const wrong = otp !== undefined || answer !== undefined;
    return { type: 'second', account, factors: had, webauthn: question, wrong };
  };
}

const refused = (why: 'wrong' | 'wait' | 'down' | 'none', wait_ms = 0): SignedIn => ({ type: 'refused', why, wait_ms });

async function ask(
  checkers: readonly PasswordChecker[],
  user: string,
  password: string,
): Promise<{ readonly checker: string; readonly entry: SourceEntry } | 'down' | null> {
  let down = false;
  for (const checker of checkers) {
    try {
      const entry = await checker.check(user, Buffer.from(password));
      if (entry !== null) return { checker: checker.name, entry };
    } catch (error) {
      if (!(error instanceof SourceDown)) throw error;
      down = true;
    }
  }
  return down ? 'down' : null;
}

/** users.yaml's own passwords; the same work whether or not there is such a user. */
export function localPasswords(users: () => Users): PasswordChecker {
  return {
    name: 'local',
    async check(user, password) {
      const right = await verifyScrypt(password.toString(), users().get(user)?.password ?? null);
      if (!right) return null;
      return {
        source: 'local',
        id: user,
        groups: [],
        aliases: [],
        sponsor: null,
        on_behalf_of: [],
        task: null,
        expires: null,
        token: null,
      };
    },
  };
}
