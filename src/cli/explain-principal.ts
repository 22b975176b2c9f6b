// `holdpoint whoami --user`: what somebody is here and why, from the configuration file alone: which source knows them, which entry or rule counts,
// what follows from it. For the operator. Sends a password nowhere but to the sources that logins ask, and must never print one.
import type { Config } from '../config/config.ts';
import { openLdap } from '../identity/ldap/ldap.ts';
import { createJwt } from '../identity/jwt/jwt.ts';
import type { OwnTokens } from '../identity/jwt/own.ts';
import { createLocalChecker } from '../identity/local.ts';
import { type Description, describe, type Nobody } from '../identity/principals.ts';
import { type Source, SourceDown, type SourceEntry } from '../identity/types.ts';
import { openUsers, type Users } from '../identity/users.ts';
import { loadPolicy } from '../policy/load.ts';

/** Checkers that a password may be given to. */
export const BY = ['local', 'ldap', 'jwt'] as const;
export type By = (typeof BY)[number];

export interface Asked {
  readonly user: string;
  /** Null: any that the configuration names. */
  readonly by: By | null;
  /** Null: they are looked up, not let in. */
  readonly password: Buffer | null;
}

export interface Explained extends Follows {
  readonly user: string;
  /** What each source that was asked has said. */
  readonly asked: readonly { readonly source: Source; readonly said: string; readonly entry: SourceEntry | null }[];
}

/** Who that is here. */
export interface Follows {
  /** Null: nobody here. */
  readonly principal:
    | (Omit<Description, 'because' | 'upstream'> & {
        readonly because: string;
        /** The login upstream; null: the listener's. */
        readonly upstream: string | null;
        /** The policy's reviewer groups that it may decide for. */
        readonly decides_for: readonly string[];
        readonly expires: number | null;
      })
    | null;
  /** Where it is nobody: why. */
  readonly why: string | null;
}

/** Rejects ConfigError where users.yaml can't be read. */
export async function explainPrincipal(config: Config, asked: Asked): Promise<Explained> {
  const file = await openUsers(config.identity.users);
  file.close();
  const users = file.current();
  const answers =
    asked.password === null ? await lookUp(config, asked) : await prove(config, users, asked, asked.password);
  const entries = answers.flatMap(({ entry }) => entry ?? []);
  const id = entries[0]?.id ?? asked.user;
  const proved = asked.password === null || entries.length > 0;
  const from = entries.filter(({ source }) => source !== 'local');
  const said = { user: asked.user, asked: answers };
  if (!proved) return { ...said, principal: null, why: 'no source takes that password for that name' };
  return { ...said, ...(await followsFrom(config, users, id, asked.password === null ? from : entries)) };
}

/** `entries`: what sources say of this id. */
export async function followsFrom(
  config: Config,
  users: Users,
  id: string,
  entries: readonly SourceEntry[],
): Promise<Follows> {
  const found = describe(id, entries, { users, map: config.identity.map });
  if (typeof found !== 'object') return { principal: null, why: WHY[found] };
  const loaded = await loadPolicy(config.policy);
  const reviewers = 'errors' in loaded ? {} : loaded.policy.reviewers;
  const { because, upstream, ...rest } = found;
  const decides = found.kind === 'human' && found.roles.includes('reviewer');
  return {
    principal: {
      ...rest,
      because: because.type === 'user' ? 'its entry in users.yaml' : ruleText(config, because.rule),
      upstream: upstream?.user ?? null,
      decides_for: decides
        ? Object.keys(reviewers).filter((name) => reviewers[name]?.some((one) => found.groups.includes(one)))
        : [],
      expires: first(entries.flatMap(({ expires }) => expires ?? [])),
    },
    why: null,
  };
}

/** Null: none of them ends. */
const first = (ends: readonly number[]): number | null => (ends.length === 0 ? null : Math.min(...ends));

const WHY: Readonly<Record<Nobody, string>> = {
  'no-entry': 'users.yaml has no such id, and no source that was asked knows it',
  'not-from-there': "users.yaml has this id, and its 'from' does not name that source",
  'spelled-otherwise':
    'users.yaml has this id in another spelling, and two spellings would be two voices of one person',
  'bad-id': 'that is no id: it is too long, or has characters that nobody sees',
  'no-rule': 'users.yaml has no such id, and no rule of identity.map is about that source and id',
  'no-group': 'users.yaml has no such id, and it is in no group that a rule of identity.map names',
};

function ruleText({ identity: { map } }: Config, at: number): string {
  const rule = map[at];
  const group = rule?.group === undefined ? '' : `, group ${rule.group}`;
  const id = rule?.id === undefined ? '' : `, id ${rule.id}`;
  return `identity.map[${at}] (from ${rule?.from}${group}${id})`;
}

/** As the directory is asked before a decision: without a password. */
async function lookUp({ identity }: Config, { user, by }: Asked): Promise<Explained['asked']> {
  if (identity.ldap === undefined || (by !== null && by !== 'ldap')) return [];
  const ldap = openLdap(identity.ldap);
  try {
    return [await ask('ldap', () => ldap.lookup.read(user))];
  } finally {
    ldap.close();
  }
}

async function prove(config: Config, users: Users, { user, by }: Asked, password: Buffer): Promise<Explained['asked']> {
  const { ldap: directory, jwt: issuers } = config.identity;
  const ldap = directory === undefined ? null : openLdap(directory);
  const jwt = createJwt({ issuers, own: ELSEWHERE, told: () => {} });
  const checks: Readonly<Record<By, (() => Promise<SourceEntry | string | null>) | null>> = {
    local: () => createLocalChecker(() => users, Buffer.alloc(16)).check(user, password),
    ldap: ldap && (() => ldap.checker.check(user, password)),
    jwt: issuers.length === 0 ? null : () => jwt.read(user, password),
  };
  const answers: Explained['asked'][number][] = [];
  try {
    for (const name of by === null ? BY : [by]) {
      const check = checks[name];
      if (check === null) continue;
      const answer = await ask(name, check);
      answers.push(answer);
      if (answer.entry !== null) break;
    }
  } finally {
    ldap?.close();
  }
  return answers;
}

/** Holdpoint's own keys are the running gateway's: its file is not touched from here. */
const ELSEWHERE = {
  keys: () => [],
  standing: () => null,
} as unknown as OwnTokens;

async function ask(
  source: Source,
  work: () => Promise<SourceEntry | string | null>,
): Promise<Explained['asked'][number]> {
  try {
    const answer = await work();
    if (answer === null) return { source, said: 'does not know it, or not with that password', entry: null };
    if (typeof answer === 'string') return { source, said: answer, entry: null };
    return { source, said: 'knows it', entry: answer };
  } catch (error) {
    if (!(error instanceof SourceDown)) throw error;
    return { source, said: `can not be asked: ${error.message}`, entry: null };
  }
}

/** For people; a line for each fact, `more` the last of them. */
export function explainedText(
  { user, asked, principal, why }: Explained,
  more: readonly (readonly [string, string])[] = [],
): string {
  const rows: (readonly [string, string])[] = [
    ...asked.map(({ source, said }) => [`by ${source}`, said] as const),
    ...asked.flatMap(({ entry }) =>
      entry === null
        ? []
        : ([
            [
              `${entry.source} says`,
              `id ${entry.id}; groups: ${list(entry.groups)}; other names: ${list(entry.aliases)}`,
            ],
            ...(entry.task === null ? [] : [['task', entry.task]]),
          ] as [string, string][]),
    ),
  ];
  if (principal === null) rows.push(['here', `nobody: ${why}`]);
  else rows.push(...principalRows(principal));
  rows.push(...more);
  return `${user}\n${rows.map(([name, value]) => `  ${name.padEnd(15)} ${value}\n`).join('')}`;
}

/** `login`: that of one listener, where one is meant; null: it has none. */
export function principalRows(
  principal: NonNullable<Follows['principal']>,
  login?: string | null,
): (readonly [string, string])[] {
  const { id, kind, because, roles, groups, sponsor, people, aliases, claimed, upstream, decides_for, expires } =
    principal;
  return [
    ['here', `${id}, ${kind}, by ${because}`],
    ['roles', list(roles)],
    ['groups', list(groups)],
    ...(kind === 'agent' ? [['answers for it', sponsor ?? 'nobody'] as const] : []),
    ...(people.length > 0 ? [['people', list(people)] as const] : []),
    [
      'may not decide',
      list([...new Set([id, ...(sponsor === null ? [] : [sponsor]), ...people, ...aliases, ...claimed])]),
    ],
    ...(kind === 'human' ? [['decides for', list(decides_for)] as const] : []),
    ['upstream', upstream ?? (login ? `${login}, the listener's login` : "the listener's login")],
    ...(expires !== null ? [['until', new Date(expires).toISOString()] as const] : []),
  ];
}

const list = (names: readonly string[]): string => names.join(', ') || 'none';
