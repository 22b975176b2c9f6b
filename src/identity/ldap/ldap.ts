// A directory as a source of identities: does a password let in, and who is somebody now? Users and groups as the directory spells them.
// Must never take silence for an answer: a directory that cannot be asked is SourceDown, not "no such user" and not "no groups".
import type { Entry } from 'ldapts';
import type { LdapConfig } from '../../config/ldap.ts';
import { PASSWORD_BYTES_MAX } from '../password.ts';
import { type Lookup, type PasswordChecker, type SourceEntry, SourceDown } from '../types.ts';
import { DirectoryFault, type Search } from './ask.ts';
import { valuesOf } from './entries.ts';
import { userDn, userFilters } from './filters.ts';
import { groupsOf } from './groups.ts';
import { type ProbeLine, probeServer } from './probe.ts';
import { type Borrowed, Server, type ServerState } from './server.ts';
import { createSlots, type Lane } from './slots.ts';

/** Of a name that somebody typed. */
export const NAME_BYTES_MAX = 256;
/**
 * A login that is refused is told so at the next multiple of this after its begin: a name that nobody has takes as long as a wrong password,
 * which the directory has to hash.
 */
export const REFUSAL_MS = 500;
/** Other names of one principal; one with more is not taken for anybody. */
const ALIASES_MAX = 100;
/** Two make a name ambiguous; a filter that finds more than these is none for users, and a fault. */
const SAME_NAME_MAX = 10;
/** As users.yaml has it. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;
/** Characters that nobody sees: SASLprep maps most of them to nothing (RFC 3454, B.1), and a password of these alone may bind as nobody. */
const NOTHING = /^\p{Default_Ignorable_Code_Point}*$/u;
/** A token (RFC 7519) is for those who check tokens; the directory need not see it. */
const TOKEN = /^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/;

export interface Ldap {
  readonly checker: PasswordChecker;
  readonly lookup: Lookup;
  /** Asks each server what a login would ask; for `holdpoint check`. Never rejects. */
  probe(): Promise<readonly ProbeLine[]>;
  /** Servers that are known to be down, and why. */
  states(): readonly ServerState[];
  close(): void;
}

export interface LdapOptions {
  /** A server went down, or came back. */
  readonly onState?: (state: ServerState) => void;
}

interface Found {
  readonly dn: string;
  readonly id: string;
  readonly aliases: readonly string[];
  readonly member_of: readonly string[];
}

/** Nothing is connected until somebody is asked about. */
export function openLdap(config: LdapConfig, { onState = () => {} }: LdapOptions = {}): Ldap {
  const servers = config.servers.map((server) => new Server(server, config, onState));
  const slots = createSlots();
  const filters = userFilters(config.users);
  const attributes = [
    config.users.id,
    ...config.users.aliases,
    ...(config.groups === null || config.groups.by === 'member' ? [] : [config.groups.member_of]),
  ];

  /** The first server in order that answers; no server twice. Rejects with SourceDown. */
  async function ask<T>(lane: Lane, work: (server: Server, until: number) => Promise<T>): Promise<T> {
    const until = performance.now() + config.timeout_ms;
    // Nobody waits for a turn to be told that.
    if (servers.every(({ down }) => down !== null)) throw new SourceDown('ldap', servers.map(downText).join('; '));
    try {
      return await slots.run(lane, until, async () => {
        const faults: string[] = [];
        for (const server of servers) {
          if (server.down !== null) {
            faults.push(downText(server));
            continue;
          }
          try {
            return await work(server, until);
          } catch (error) {
            if (!(error instanceof DirectoryFault)) throw error;
            faults.push(`${server.name}: ${error.message}`);
            // Another one would say as much.
            if (error.kind === 'limit') break;
          }
        }
        throw new SourceDown('ldap', faults.join('; '));
      });
    } catch (error) {
      if (error instanceof DirectoryFault) throw new SourceDown('ldap', error.message, { cause: error });
      throw error;
    }
  }

  async function one(
    { connection, left }: Borrowed,
    search: Pick<Search, 'base' | 'scope' | 'filter'>,
  ): Promise<Found | null> {
    const entries = await connection.search({ ...search, attributes, entries_max: SAME_NAME_MAX }, left());
    const [entry, ...more] = entries;
    return entry === undefined || more.length > 0 ? null : foundIn(entry, config);
  }

  const byName = (borrowed: Borrowed, name: string): Promise<Found | null> =>
    one(borrowed, { base: config.users.base, scope: 'sub', filter: filters.named(name) });

  const entryOf = async ({ connection, left }: Borrowed, found: Found): Promise<SourceEntry> => ({
    source: 'ldap',
    id: found.id,
    groups:
      config.groups === null ? [] : await groupsOf((search) => connection.search(search, left()), config.groups, found),
    aliases: found.aliases,
    sponsor: null,
    on_behalf_of: [],
    task: null,
    expires: null,
    token: null,
  });

  /** Who is it, then: is the password right? */
  async function searchThenBind(
    server: Server,
    until: number,
    name: string,
    password: string,
  ): Promise<SourceEntry | null> {
    const found = await server.searching(until, (borrowed) => byName(borrowed, name));
    if (found === null) return null;
    const right = await server.binding(until, ({ connection, left }) => connection.bind(found.dn, password, left()));
    return right ? server.searching(until, (borrowed) => entryOf(borrowed, found)) : null;
  }

  /** Is the password right, then: who is it? Read by the service account, or by the user where there is none. */
  async function bindDirectly(
    server: Server,
    until: number,
    dn: string,
    name: string,
    password: string,
  ): Promise<SourceEntry | null> {
    const filter = config.users.filter === null ? filters.any : filters.named(name);
    const own = async (borrowed: Borrowed): Promise<SourceEntry | null> => {
      const found = await one(borrowed, { base: dn, scope: 'base', filter });
      return found === null ? null : entryOf(borrowed, found);
    };
    const bind = ({ connection, left }: Borrowed): Promise<boolean> => connection.bind(dn, password, left());
    if (config.bind === null)
      return server.binding(until, async (borrowed) => ((await bind(borrowed)) ? own(borrowed) : null));
    return (await server.binding(until, bind)) ? server.searching(until, own) : null;
  }

  async function read(id: string): Promise<SourceEntry | null> {
    if (!ID.test(id)) return null;
    if (config.bind === null) throw new SourceDown('ldap', 'identity.ldap has no account that could read anybody');
    const filter = filters.identified(id);
    return ask('read', (server, until) =>
      server.searching(until, async (borrowed) => {
        const found = await one(borrowed, { base: config.users.base, scope: 'sub', filter });
        // Spelled otherwise it is another principal to everybody else here.
        return found === null || found.id !== id ? null : entryOf(borrowed, found);
      }),
    );
  }

  async function check(user: string, bytes: Buffer): Promise<SourceEntry | null> {
    const began = performance.now();
    const password = passwordOf(bytes);
    // Said at once: it depends on nobody.
    if (password === null || !isName(user)) return null;
    const { dn } = config.users;
    const entry = await ask('check', (server, until) =>
      dn === null
        ? searchThenBind(server, until, user, password)
        : bindDirectly(server, until, userDn(dn, user), user, password),
    );
    if (entry === null) await multiple(REFUSAL_MS, began);
    return entry;
  }

  return {
    checker: { name: 'ldap', check, asks: (user, password) => (isAsked(user, password) ? 'ldap' : null) },
    lookup: { source: 'ldap', read },
    probe: async () => (await Promise.all(servers.map((server) => probeServer(server, config)))).flat(),
    states: () => servers.map(({ name, down }) => ({ server: name, up: down === null, why: down })),
    close: () => servers.forEach((server) => server.close()),
  };
}

/** Is there a question for the directory in it? */
function isAsked(user: string, password: Buffer): boolean {
  return isName(user) && passwordOf(password) !== null;
}

function isName(user: string): boolean {
  return user !== '' && Buffer.byteLength(user) <= NAME_BYTES_MAX;
}

function downText({ name, down }: Server): string {
  return `${name} is down: ${down}`;
}

/** Null: it is nobody that could be known here. Throws DirectoryFault. */
function foundIn(entry: Entry, { users, groups }: LdapConfig): Found | null {
  const [id, ...others] = valuesOf(entry, users.id);
  if (id === undefined || others.length > 0 || !ID.test(id) || entry.dn === '') return null;
  const aliases = new Set([entry.dn, ...users.aliases.flatMap((attribute) => valuesOf(entry, attribute))]);
  aliases.delete(id);
  if (aliases.size > ALIASES_MAX) throw new DirectoryFault('limit', `somebody has more than ${ALIASES_MAX} names`);
  const member_of = groups === null || groups.by === 'member' ? [] : valuesOf(entry, groups.member_of);
  return { dn: entry.dn, id, aliases: [...aliases], member_of };
}

/** Null: nothing that may be sent as a password. */
function passwordOf(bytes: Buffer): string | null {
  if (bytes.length === 0 || bytes.length > PASSWORD_BYTES_MAX || bytes.includes(0)) return null;
  const text = bytes.toString('utf8');
  // RFC 4513, 5.1.3: simple passwords that are text go as UTF-8; others would be sent changed.
  if (!Buffer.from(text, 'utf8').equals(bytes) || NOTHING.test(text) || TOKEN.test(text)) return null;
  return text;
}

/** Resolves at the next multiple of `step_ms` after `began`. */
function multiple(step_ms: number, began: number): Promise<void> {
  const spent = performance.now() - began;
  return new Promise((resolve) => setTimeout(resolve, Math.ceil(spent / step_ms) * step_ms - spent));
}
