// Who is this? Answers listeners (database logins), the reviewers' API (sign-ins) and approval (its Directory), each time from
// the users as they are now. Must never say whether a user exists, and never let an old list of users answer.
import type { MapRule } from '../config/map.ts';
import type { OwnLogin } from '../config/own-login.ts';
import { createCredentials, type Login as UpstreamLogin } from './credentials.ts';
import { type Account, createPeople, type Directory, type StillGood } from './directory.ts';
import { createFailureLimiter } from './limiter.ts';
import { createLocalChecker } from './local.ts';
import { type AskedPassword, createPasswordLogins, type PasswordLogin } from './logins.ts';
import { createMysqlLogins, type MysqlCheck } from './mysql.ts';
import { type Description, describe } from './principals.ts';
import { mockScramVerifier, parseScramVerifier, type ScramVerifier } from './scram.ts';
import { createOneTimeTokens } from './tokens.ts';
import type { Again, Login, Lookup, PasswordChecker, SourceEntry } from './types.ts';
import type { Users } from './users.ts';

/** Satisfies policy's Who. */
export interface Principal {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly groups: readonly string[];
  readonly sponsor: string | null;
  readonly authentication: string;
  readonly address: string;
  /** Whom its claims name, and what else its source calls it: nothing but barred from deciding. Absent: nobody. */
  readonly linked?: readonly string[];
  /** Whose work this is, and what it is for, as its token says. Absent: it does not. */
  readonly on_behalf_of?: readonly string[];
  readonly task?: string;
}

export interface Identity {
  readonly directory: Directory;
  /** Makes a one-time sign-in for a link. */
  issueOneTime(user: string): string;
  /** Uses one up; null: unknown, used, too old, or of a user who is gone. */
  oneTime(token: string): Promise<Account | null>;
  reviewer(id: string): Account | undefined;
  /**
   * For a SCRAM exchange; `known` false: run it to its end with this verifier and refuse, whatever the proof says.
   * judgeLogin has the last word.
   */
  scramUser(name: string): { readonly verifier: ScramVerifier; readonly known: boolean };
  /** For a login over the MySQL protocol, whether or not there is such a user. Nothing fits while it has to wait; judgeLogin has the last word. */
  mysqlUser(name: string, address: string): MysqlCheck;
  /** Takes the result of a database login's check; false: refuse it, also because there were too many wrong ones. */
  judgeLogin(user: string, address: string, right: boolean): boolean;
  /** Of a password in clear: asks the checkers in the order given. Nobody is let in by one that could not be asked. */
  passwordLogin(asked: AskedPassword): Promise<PasswordLogin>;
  /** Who may be asked about one. */
  readonly checkers: ReadonlyMap<PasswordChecker['name'], PasswordChecker>;
  /**
   * Undefined: nobody here, also because no rule of `identity.map` fits, or what its source said is over: refuse it as a wrong password. Whoever is
   * somebody is remembered, for the directory.
   */
  principal(login: Login): Principal | undefined;
  /** Of whoever has just signed in to the console elsewhere; the same. */
  account(entry: SourceEntry, again?: Again | null): Account | undefined;
  /** Is what it logged in with still good: neither over nor revoked? Null: it has nothing that could be. Rejects SourceDown. */
  isGood(login: Login): Promise<boolean> | null;
  /** The name of the principal's own login upstream; null: it has none, the listener's counts. */
  upstreamUser(login: Login): string | null;
  /** That login; null: the listener's. Rejects NoCredential when it has one that can't be had now. */
  upstream(login: Login): Promise<UpstreamLogin | null>;
  /** The server refused that password. True: `upstream` may have another one now. */
  upstreamRefused(login: Login, password: string | null): boolean;
}

export interface IdentityOptions {
  readonly users: () => Users;
  /** The policy's reviewer groups: its name for one -> directory groups. */
  readonly reviewers: () => Readonly<Record<string, readonly string[]>>;
  /** At least 16 random bytes, the same after a restart: makes mock verifiers. */
  readonly secret: Buffer;
  /** `identity.map`. */
  readonly map?: readonly MapRule[];
  /** Sources that can be asked about somebody who is not there. */
  readonly lookups?: readonly Lookup[];
  /** Of what no lookup answers for, a token above all: has it been revoked since? May reject SourceDown. */
  readonly stillGood?: StillGood;
  /** Who may decide is another, as a source said when it was read again. */
  readonly changed?: () => void;
  /** Beside `local`, which is always there. */
  readonly checkers?: readonly PasswordChecker[];
  readonly now?: () => number;
}

export function createIdentity({
  users,
  reviewers,
  secret,
  map = [],
  lookups = [],
  stillGood,
  changed,
  checkers: others = [],
  now = Date.now,
}: IdentityOptions): Identity {
  const logins = createFailureLimiter(now);
  const mysqlLogins = createMysqlLogins(users, secret);
  const oneTimeTokens = createOneTimeTokens(now);
  const credentials = createCredentials();
  const people = createPeople({
    known: () => ({ users: users(), map }),
    reviewers,
    lookups,
    now,
    ...(stillGood && { stillGood }),
    ...(changed && { changed }),
  });
  const { directory } = people;
  /** Of now: who signed in by a source is whoever that source said, here and now. */
  const whoIs = ({ user, entry }: Login): Description | undefined => {
    if (entry !== null) return entry.id === user ? people.admit(entry) : undefined;
    const found = describe(user, [], { users: users(), map });
    return typeof found === 'object' ? found : undefined;
  };
  const ownOf = (login: Login): OwnLogin | null => {
    const { user, entry } = login;
    const found = describe(user, entry === null ? [] : [entry], { users: users(), map });
    return typeof found === 'object' ? found.upstream : null;
  };
  const checkers = new Map([createLocalChecker(users, secret), ...others].map((checker) => [checker.name, checker]));
  const principal: Identity['principal'] = (login) => {
    const found = whoIs(login);
    if (found === undefined) return undefined;
    const { id, kind, groups, sponsor, claimed } = found;
    const { authentication, address, entry } = login;
    const linked = [...new Set([...claimed, ...(entry?.aliases ?? [])])];
    return {
      id,
      kind,
      groups,
      sponsor,
      authentication,
      address,
      ...(linked.length > 0 && { linked }),
      ...(entry && entry.on_behalf_of.length > 0 && { on_behalf_of: entry.on_behalf_of }),
      ...(entry?.task && { task: entry.task }),
    };
  };
  return {
    directory,
    issueOneTime: (user) => oneTimeTokens.issue(user),
    async oneTime(token) {
      const user = oneTimeTokens.use(token);
      return (user !== null && people.lastKnown(user)) || null;
    },
    reviewer: (id) => people.lastKnown(id),
    account: (entry, again) => people.admit(entry, again),
    scramUser(name) {
      const verifier = parseScramVerifier(users().get(name)?.postgres ?? '');
      return verifier === null
        ? { verifier: mockScramVerifier(name, secret), known: false }
        : { verifier, known: true };
    },
    mysqlUser(name, address) {
      const check = mysqlLogins.check(name);
      if (logins.wait(name, address) === 0) return check;
      return { plugin: check.plugin, proof: () => false, password: () => Promise.resolve(false) };
    },
    judgeLogin: (user, address, right) => logins.judge(user, address, right),
    passwordLogin: createPasswordLogins(checkers, logins, (login) => principal(login) !== undefined),
    checkers,
    principal,
    isGood: ({ entry }) => (entry === null ? null : people.isGood(entry)),
    upstreamUser: (login) => ownOf(login)?.user ?? null,
    async upstream(login) {
      const own = ownOf(login);
      return own && credentials.get(login.user, own);
    },
    upstreamRefused(login, password) {
      const own = ownOf(login);
      return own !== null && credentials.refused(login.user, own, password);
    },
  };
}
