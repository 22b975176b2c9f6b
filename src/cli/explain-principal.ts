// `holdpoint whoami --user`: what somebody is here and why, from the configuration file alone: which source knows them, which entry or rule counts,
// what follows from it. For the operator. Sends a password nowhere but to the sources that logins ask, and must never print one.
import type { Config } from '../config/config.ts';
import { createPeople, type People } from '../identity/directory.ts';
import { type Ldap, openLdap } from '../identity/ldap/ldap.ts';
import { createLocalChecker } from '../identity/local.ts';
import { type Description, describe, type Nobody } from '../identity/principals.ts';
import { type Source, SourceDown, type SourceEntry } from '../identity/types.ts';
import { openUsers, type Users } from '../identity/users.ts';
import { loadPolicy } from '../policy/load.ts';
import { readToken } from './explain-token.ts';

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
        /** False: it has a sponsor whom nobody knows, so that nobody answers for it. */
        readonly sponsor_known: boolean;
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
  return withPeople(config, users, (sources) => explain(config, sources, asked));
}

async function explain(config: Config, sources: Sources, asked: Asked): Promise<Explained> {
  const answers =
    asked.password === null ? await lookUp(sources, asked) : await prove(config, sources, asked, asked.password);
  const entries = answers.flatMap(({ entry }) => entry ?? []);
  const id = entries[0]?.id ?? asked.user;
  const proved = asked.password === null || entries.length > 0;
  const from = entries.filter(({ source }) => source !== 'local');
  const said = { user: asked.user, asked: answers };
  if (!proved) return { ...said, principal: null, why: 'no source takes that password for that name' };
  return { ...said, ...(await followsFrom(config, sources, id, asked.password === null ? from : entries)) };
}

/** What is asked about people, as the gateway asks it. */
export interface Sources {
  readonly users: Users;
  readonly people: People;
  readonly ldap: Ldap | null;
}

/** Asks the sources of the configuration while `work` runs. */
export async function withPeople<T>(
  { identity }: Config,
  users: Users,
  work: (sources: Sources) => Promise<T>,
): Promise<T> {
  const ldap = identity.ldap === undefined ? null : openLdap(identity.ldap);
  const people = createPeople({
    known: () => ({ users, map: identity.map }),
    reviewers: () => ({}),
    lookups: ldap === null ? [] : [ldap.lookup],
  });
  try {
    return await work({ users, people, ldap });
  } finally {
    ldap?.close();
  }
}

/** `entries`: what sources say of this id. */
export async function followsFrom(
  config: Config,
  { users, people }: Sources,
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
      sponsor_known: found.sponsor === null || (await isSponsored(people, id, entries)),
    },
    why: null,
  };
}

/** Has it a sponsor who is somebody? False also where that could not be asked. */
async function isSponsored(people: People, id: string, entries: readonly SourceEntry[]): Promise<boolean> {
  const { directory } = people;
  for (const entry of entries) people.admit(entry);
  try {
    await directory.fresh([id]);
  } catch (error) {
    if (!(error instanceof SourceDown)) throw error;
    return false;
  }
  return directory.requester(id)?.sponsor != null;
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
async function lookUp({ ldap }: Sources, { user, by }: Asked): Promise<Explained['asked']> {
  if (ldap === null || (by !== null && by !== 'ldap')) return [];
  return [await ask('ldap', () => ldap.lookup.read(user))];
}

async function prove(
  config: Config,
  { users, people, ldap }: Sources,
  { user, by }: Asked,
  password: Buffer,
): Promise<Explained['asked']> {
  const checks: Readonly<Record<By, (() => Promise<SourceEntry | string | null>) | null>> = {
    local: () => createLocalChecker(() => users, Buffer.alloc(16)).check(user, password),
    ldap: ldap && (() => ldap.checker.check(user, password)),
    jwt: config.identity.jwt.length === 0 ? null : () => readToken(config, people.directory, user, password),
  };
  const answers: Explained['asked'][number][] = [];
  for (const name of by === null ? BY : [by]) {
    const check = checks[name];
    if (check === null) continue;
    const answer = await ask(name, check);
    answers.push(answer);
    if (answer.entry !== null) break;
  }
  return answers;
}

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
  return `${shown(user)}\n${rowLines(rows)}`;
}

/** Lines of a terminal: what a token or a certificate says is in them. */
export function rowLines(rows: readonly (readonly [string, string])[]): string {
  return rows.map(([name, value]) => `  ${name.padEnd(15)} ${shown(value)}\n`).join('');
}

function shown(value: string): string {
  return value.replaceAll(/\p{C}/gu, '?');
}

/** `login`: that of one listener, where one is meant; null: it has none. */
export function principalRows(
  principal: NonNullable<Follows['principal']>,
  login?: string | null,
): (readonly [string, string])[] {
  const { id, kind, because, roles, groups, sponsor, people, aliases, claimed, upstream, decides_for, expires } =
    principal;
  const nobody = sponsor === null ? 'nobody' : `nobody: ${sponsor} is no human whom users.yaml or a source knows now`;
  return [
    ['here', `${id}, ${kind}, by ${because}`],
    ['roles', list(roles)],
    ['groups', list(groups)],
    ...(kind === 'agent'
      ? [['answers for it', sponsor !== null && principal.sponsor_known ? sponsor : nobody] as const]
      : []),
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
