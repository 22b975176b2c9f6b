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
  /** Runs a check in its turn among those that ask the same source; null: it had no turn, or gave no answer, in the login's time. */
  readonly turn: <T>(source: string, work: () => Promise<T>) => Promise<T | null>;
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
  return async ({ user, password, address, by, fits, turn }) => {
    // An LDAP server takes a bind without a password for one of nobody, and says yes.
    if (password.length === 0) return { type: 'wrong', why: 'no password' };
    if (password.includes(0)) return { type: 'wrong', why: 'a NUL in the password' };
    const asked = new Map<string, Promise<Answer>>();
    const ask = (name: string): Promise<Answer> => {
      const answer = asked.get(name) ?? answerOf(name);
      asked.set(name, answer);
      // It may come when nobody waits for it any more.
      answer.catch(() => {});
      return answer;
    };
    const down: SourceDown[] = [];
    let why = WRONG;
    for (const [index, name] of by.entries()) {
      const answer = by.includes('local', index + 1) ? await orLocal(ask(name), () => ask('local')) : await ask(name);
      if (answer instanceof SourceDown) down.push(answer);
      else if (answer.type === 'right') return answer;
      else {
        why = answer.why;
        // A yes about somebody who is not let in is no reason to ask on.
        if (answer.known) return { type: 'wrong', why };
      }
    }
    return down.length > 0 ? { type: 'unknown', down } : { type: 'wrong', why };

    async function answerOf(name: string): Promise<Answer> {
      const checker = checkers.get(name);
      if (checker === undefined) return { type: 'wrong', why: WRONG, known: false };
      // Each checker counts for itself: what one says no to while another can't be asked is a try, and must not become a free one.
      const tries = JSON.stringify([name, folded(user)]);
      const waits = (): boolean => limiter.wait(tries, address) > 0;
      const check = async (): Promise<Answer> => {
        if (waits()) return { type: 'wrong', why: TOO_MANY, known: false };
        const entry = await checker.check(user, password);
        const login = entry && loginOf(entry, address);
        const no = login ? unfit(login) : WRONG;
        // Also where nobody waits for it any more: it was a try.
        if (limiter.judge(tries, address, no === null) && login) return { type: 'right', login };
        return { type: 'wrong', why: no ?? TOO_MANY, known: login !== null };
      };
      const source = checker.asks === undefined ? name : checker.asks(user, password);
      try {
        // Whose tries are over needs no turn to be told.
        if (source === null || waits()) return await check();
        return (await turn(source, check)) ?? new SourceDown(checker.name, 'no turn or no answer in time');
      } catch (error) {
        if (error instanceof SourceDown) return error;
        throw error;
      }
    }

    function unfit(login: Login): string | null {
      if (!known(login)) return 'right, but nobody that this gateway knows';
      return fits(login.user) ? null : 'right, but this principal logs in otherwise';
    }
  };
}

/** What one checker says. `known`: it said yes, about somebody who is not let in. */
type Answer =
  | Extract<PasswordLogin, { type: 'right' }>
  | { readonly type: 'wrong'; readonly why: string; readonly known: boolean }
  | SourceDown;

/** So long a source may be silent until `local`, which stands behind it, is asked meanwhile: it lets in whom it knows, whatever became of the other. */
export const PATIENCE_MS = 1000;

/** A source's answer, or local's yes where that is there before it. */
async function orLocal(asked: Promise<Answer>, local: () => Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE_MS);
  });
  const first = await Promise.race([asked, silent]);
  clearTimeout(timer);
  if (first !== null) return first;
  const yes = local().then((answer) => (!(answer instanceof SourceDown) && answer.type === 'right' ? answer : asked));
  return Promise.race([asked, yes]);
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
