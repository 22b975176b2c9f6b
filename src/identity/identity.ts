// Who is this? Answers listeners (database logins), the reviewers' API (sign-ins) and approval (its Directory), each time from
// the users as they are now. Must never say whether a user exists, and never let an old list of users answer.
import { createFailureLimiter } from './limiter.ts';
import { createMysqlLogins, type MysqlCheck } from './mysql.ts';
import { mockScramVerifier, parseScramVerifier, type ScramVerifier } from './scram.ts';
import { createOneTimeTokens } from './tokens.ts';
import type { Login } from './types.ts';
import type { User, Users } from './users.ts';

/** Whoever may sign in to the console, as review and approval see them. */
export interface Account {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly roles: readonly ('reviewer' | 'auditor' | 'admin')[];
  readonly groups: readonly string[];
  /** Every other account of the same person. */
  readonly aliases: readonly string[];
}

export interface Links {
  readonly id: string;
  readonly sponsor: string | null;
  readonly aliases: readonly string[];
  readonly people: readonly string[];
}

/** Satisfies approval's Directory. */
export interface Directory {
  reviewer(id: string): Account | undefined;
  requester(id: string): Links | undefined;
  eligible(groups: readonly string[]): readonly string[];
  member(reviewer: Account, group: string): boolean;
  /** People who are away now and have named this one to decide instead. */
  represents(id: string): readonly string[];
}

/** Satisfies policy's Who. */
export interface Principal {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly groups: readonly string[];
  readonly sponsor: string | null;
  readonly authentication: string;
  readonly address: string;
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
  /** Undefined: there is no such user (any more). */
  principal(login: Login): Principal | undefined;
  /** The principal's own login upstream; null: the listener's. Rejects when it has one that can't be had now. */
  upstream(login: Login): Promise<User['upstream']>;
}

export interface IdentityOptions {
  readonly users: () => Users;
  /** The policy's reviewer groups: its name for one -> directory groups. */
  readonly reviewers: () => Readonly<Record<string, readonly string[]>>;
  /** At least 16 random bytes, the same after a restart: makes mock verifiers. */
  readonly secret: Buffer;
  readonly now?: () => number;
}

export function createIdentity({ users, reviewers, secret, now = Date.now }: IdentityOptions): Identity {
  const logins = createFailureLimiter(now);
  const mysqlLogins = createMysqlLogins(users, secret);
  const oneTimeTokens = createOneTimeTokens(now);
  const directory = createDirectory(users, reviewers, now);
  return {
    directory,
    issueOneTime: (user) => oneTimeTokens.issue(user),
    async oneTime(token) {
      const user = oneTimeTokens.use(token);
      return (user !== null && directory.reviewer(user)) || null;
    },
    reviewer: (id) => directory.reviewer(id),
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
    principal({ user: id, authentication, address }) {
      const user = users().get(id);
      if (user === undefined) return undefined;
      const { kind, groups, sponsor } = user;
      return { id, kind, groups, sponsor, authentication, address };
    },
    upstream: async ({ user }) => users().get(user)?.upstream ?? null,
  };
}

export function createDirectory(
  users: () => Users,
  reviewers: () => Readonly<Record<string, readonly string[]>>,
  now: () => number = Date.now,
): Directory {
  const member = (account: { readonly groups: readonly string[] }, group: string): boolean => {
    const wanted = reviewers();
    return Object.hasOwn(wanted, group) && (wanted[group] ?? []).some((name) => account.groups.includes(name));
  };
  // What is asked for every reviewer at every event is made once for a list of users.
  const made = new WeakMap<Users, Map<string, Account & Links>>();
  const entry = (id: string): (Account & Links) | undefined => {
    const list = users();
    const known = made.get(list) ?? new Map<string, Account & Links>();
    made.set(list, known);
    const user = list.get(id);
    if (user === undefined) return undefined;
    let one = known.get(id);
    if (one === undefined) {
      const { kind, roles, groups, sponsor, people } = user;
      known.set(id, (one = { id, kind, roles, groups, aliases: list.linked(id), sponsor, people }));
    }
    return one;
  };
  return {
    reviewer: entry,
    requester: entry,
    eligible: (groups) =>
      users()
        .all.filter((user) => user.kind === 'human' && user.roles.includes('reviewer'))
        .filter((user) => groups.length === 0 || groups.some((group) => member(user, group)))
        .map((user) => user.id),
    member,
    represents: (id) =>
      users()
        .all.filter(({ away }) => away !== null && away.instead === id && now() < away.until)
        .map((user) => user.id),
  };
}
