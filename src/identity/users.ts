// Reads users.yaml: who there is, how each proves it, who answers for whom. Every error names file, line and key, and all are
// told together. Must never put a secret into a message, and never replace a good list by one that has an error.
import { unwatchFile, watchFile } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { ConfigError } from '../config/config.ts';
import { NOT_A_LOCAL_GROUP, SOURCED_GROUP } from '../config/map.ts';
import { type OwnLogin, ownLoginSchema } from '../config/own-login.ts';
import { parseStored } from '../wire/mysql/auth.ts';
import { parseScrypt } from './password.ts';
import { parseScramVerifier } from './scram.ts';
import { isSealedTotp } from './totp.ts';
import { type Source, SOURCES } from './types.ts';

const POLL_MS = 1000;

export interface User {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly groups: readonly string[];
  /** The human who answers for it; null: nobody. */
  readonly sponsor: string | null;
  /** Other accounts of the same person or program, as written. */
  readonly aliases: readonly string[];
  /** Known people behind a shared account. */
  readonly people: readonly string[];
  readonly roles: readonly ('reviewer' | 'auditor' | 'admin')[];
  /** Out of office: who decides instead, and until when (ms since the epoch). Null: not away. */
  readonly away: { readonly instead: string; readonly until: number } | null;
  /** SCRAM-SHA-256 verifier; null: can't log in over the PostgreSQL protocol. */
  readonly postgres: string | null;
  /** As in mysql.user.authentication_string; null: can't log in over the MySQL protocol. */
  readonly mysql: string | null;
  /** scrypt form; null: can't sign in to the console with a password of its own. */
  readonly password: string | null;
  /** Sealed secret of an authenticator app; null: has none. */
  readonly totp: string | null;
  /** Hashes of recovery codes, used ones too. */
  readonly recovery: readonly string[];
  /** What the sign-in provider calls it, where that is not the id. */
  readonly oidc: string | null;
  /** Own login upstream; null: the listener's. */
  readonly upstream: OwnLogin | null;
  /** Sources that may vouch for this id; null: whichever there are. */
  readonly from: readonly Source[] | null;
}

/** One consistent reading of users.yaml. */
export interface Users {
  readonly all: readonly User[];
  /** Exact spelling, as a login must be. */
  get(id: string): User | undefined;
  /** The human whom the sign-in provider calls so. */
  getByOidc(name: string): User | undefined;
  /** In any spelling. */
  like(id: string): User | undefined;
  /** Every other account of the same person: aliases followed in both directions. */
  linked(id: string): readonly string[];
}

export interface UsersSource {
  /** Absolute path. */
  readonly file: string;
  /** How messages name it; the path if not given. */
  readonly shown?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Throws ConfigError. */
export function parseUsers(text: string, source: UsersSource): Users {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const shown = source.shown ?? source.file;
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => `${shown}:${lines.linePos(error.pos[0]).line}: ${error.message}`),
    );
  }
  const value: unknown = document.toJS() ?? {};
  const problem: Problem = (key, what) => {
    const where = `${shown}:${lineOf(document, lines, key)}: `;
    return key.length === 0 ? where + what : `${where}${keyText(value, key)}: ${what}`;
  };
  const parsed = schema(source).safeParse(value, { reportInput: false });
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap((issue) => explain(issue, problem)));
  const problems = contradictions(parsed.data.users, problem);
  if (problems.length > 0) throw new ConfigError(problems);
  return usersOf(parsed.data.users);
}

export interface UsersFile {
  current(): Users;
  close(): void;
}

export interface OpenUsersOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds between looks at the file; default 1000. */
  readonly poll_ms?: number;
  readonly onReload?: (users: Users) => void;
  /** The old list stays in force. */
  readonly onError?: (error: Error) => void;
}

/** Reads the file and reads it again whenever it changes, as a whole or not at all. Throws ConfigError the first time. */
export async function openUsers(path: string, options: OpenUsersOptions = {}): Promise<UsersFile> {
  const file = resolve(path);
  const source = { file, shown: path, env: options.env ?? process.env };
  let current: Users | undefined;
  let reading: Promise<unknown> = Promise.resolve();
  const changed = () => {
    reading = reading
      .then(() => load(path, source))
      .then(
        (users) => {
          current = users;
          options.onReload?.(users);
        },
        (error: Error) => options.onError?.(error),
      );
  };
  // Polling by path survives editors and tools that replace the file by renaming. Before the first reading, so that no
  // change falls between.
  watchFile(file, { interval: options.poll_ms ?? POLL_MS, persistent: false }, changed);
  const close = () => unwatchFile(file, changed);
  try {
    const first = await load(path, source);
    current ??= first;
  } catch (error) {
    close();
    throw error;
  }
  const inForce = current;
  return { current: () => current ?? inForce, close };
}

async function load(path: string, source: UsersSource): Promise<Users> {
  let text: string;
  try {
    text = await readFile(source.file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ConfigError([`${path}: cannot be read (${code}); 'holdpoint user add' makes one`]);
  }
  return parseUsers(text, source);
}

/** What may be written in users.yaml; also printed as its JSON Schema. */
function schema(source: UsersSource) {
  const names = z.array(z.string().min(1)).default([]);
  const id = z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/, 'needs 1 to 63 letters, digits, or . _ @ - after the first');
  const user = z.strictObject({
    id: id.describe('the name to log in with'),
    kind: z.enum(['agent', 'human']).describe('only humans decide'),
    groups: z
      .array(
        z
          .string()
          .min(1)
          .refine((name) => !SOURCED_GROUP.test(name), NOT_A_LOCAL_GROUP),
      )
      .default([])
      .describe(
        "groups, as the policy's who.in() and reviewers name them; those of a source (ldap:dba) come from there alone",
      ),
    sponsor: z.string().nullable().default(null).describe('id of the human who answers for it'),
    aliases: names.describe('other accounts of the same person: none of them may decide what this one asks for'),
    people: names.describe('ids of the known people behind a shared account'),
    roles: z
      .array(z.enum(['reviewer', 'auditor', 'admin']))
      .default([])
      .describe('what a human may do in the console'),
    away: z
      .strictObject({
        instead: z.string().min(1).describe('id of the reviewer who decides what this one could'),
        until: z.iso
          .datetime({ offset: true, error: 'needs a time with its zone, such as 2026-12-24T08:00:00Z' })
          .transform((text) => Date.parse(text))
          .describe('when that ends'),
      })
      .nullable()
      .default(null)
      .describe('out of office: nobody may decide more because of it than both of them may'),
    postgres: z
      .string()
      .refine((text) => parseScramVerifier(text) !== null, 'is not a SCRAM-SHA-256 verifier as in pg_authid')
      .nullable()
      .default(null)
      .describe('SCRAM-SHA-256$4096:salt$stored:server, as in pg_authid.rolpassword'),
    mysql: z
      .string()
      .refine((text) => parseStored(text) !== null, 'is not a form of caching_sha2_password or mysql_native_password')
      .nullable()
      .default(null)
      .describe('$A$005$salt+digest or *HEX, as in mysql.user.authentication_string, or that as 0x...'),
    password: z
      .string()
      .refine((text) => parseScrypt(text) !== null, "is not a scrypt form; 'holdpoint user passwd' writes it")
      .nullable()
      .default(null)
      .describe('scrypt form of the password for the console'),
    totp: z
      .string()
      .refine(isSealedTotp, "is not a sealed secret; 'holdpoint user totp' writes it")
      .nullable()
      .default(null)
      .describe('secret of an authenticator app, sealed with data/factors.key: asked for after the password'),
    recovery: z
      .array(z.string().regex(/^[0-9a-f]{64}$/, "is not a hash; 'holdpoint user totp' writes it"))
      .max(20)
      .default([])
      .describe('hashes of recovery codes, each good for one sign-in without the app'),
    oidc: z
      .string()
      .min(1)
      .max(255)
      .nullable()
      .default(null)
      .describe("what identity.oidc's id_claim has of this human; default: the id"),
    upstream: ownLoginSchema({ env: source.env ?? {}, dir: dirname(source.file) })
      .nullable()
      .default(null)
      .describe("own login on the guarded server, instead of the listener's"),
    from: z
      .array(z.enum(SOURCES))
      .min(1)
      .nullable()
      .default(null)
      .describe('who may vouch for this id: local (the verifiers here), ldap, jwt, oidc, certificate. Default: any'),
  });
  return z.strictObject({ users: z.array(user).default([]) });
}

/** JSON Schema of users.yaml, for editors and docs/generated/. */
export function usersJsonSchema(): unknown {
  return z.toJSONSchema(schema({ file: '/' }), { io: 'input' });
}

/** By which somebody is let in by this file alone. */
const VERIFIERS = ['postgres', 'mysql', 'password'] as const;

type RawUser = z.output<ReturnType<typeof schema>>['users'][number];
type Problem = (key: readonly PropertyKey[], what: string) => string;

/** What a schema of one entry can't see. A name that leads nowhere would quietly void separation of duty. */
function contradictions(users: readonly RawUser[], problem: Problem): string[] {
  const known = new Map(users.map((user) => [user.id, user]));
  const first = new Map<string, number>();
  return users.flatMap((user, i) => {
    const found: string[] = [];
    const at = first.get(fold(user.id));
    if (at === undefined) first.set(fold(user.id), i);
    else found.push(problem(['users', i, 'id'], `is taken by users[${at}]; upper and lower case count as one`));
    if (user.kind === 'agent' && user.roles.length > 0) {
      found.push(problem(['users', i, 'roles'], 'an agent can have none'));
    }
    if (user.kind === 'agent' && user.oidc !== null) found.push(problem(['users', i, 'oidc'], 'is for humans'));
    const claimed = users.findIndex((other) => other !== user && (other.oidc ?? other.id) === user.oidc);
    if (user.oidc !== null && claimed >= 0) {
      found.push(problem(['users', i, 'oidc'], `is users[${claimed}] as well`));
    }
    for (const key of VERIFIERS)
      if (user.from !== null && !user.from.includes('local') && user[key] !== null)
        found.push(problem(['users', i, key], `is never looked at: from has no 'local'`));
    if (user.sponsor !== null && known.get(user.sponsor)?.kind !== 'human') {
      found.push(problem(['users', i, 'sponsor'], `no human '${user.sponsor}' in this file`));
    }
    if (user.sponsor === user.id) found.push(problem(['users', i, 'sponsor'], 'is the user itself'));
    const instead = user.away && known.get(user.away.instead);
    if (user.away && (!instead?.roles.includes('reviewer') || instead === user)) {
      const key = ['users', i, 'away', 'instead'];
      found.push(problem(key, `no other reviewer '${user.away.instead}' in this file`));
    }
    user.people.forEach((person, j) => {
      if (known.get(person)?.kind === 'human') return;
      found.push(problem(['users', i, 'people', j], `no human '${person}' in this file`));
    });
    return found;
  });
}

function usersOf(raw: readonly RawUser[]): Users {
  const byId = new Map(raw.map((user) => [user.id, Object.freeze(user) satisfies User]));
  const byOidc = new Map(raw.flatMap((user) => (user.kind === 'human' ? [[user.oidc ?? user.id, user] as const] : [])));
  const byFolded = new Map(raw.map((user) => [fold(user.id), user]));
  const same = components(raw);
  return {
    all: raw,
    get: (id) => byId.get(id),
    getByOidc: (name) => byOidc.get(name),
    like: (id) => byFolded.get(fold(id)),
    linked: (id) => (same.get(fold(id)) ?? []).filter((other) => other !== id),
  };
}

/** Accounts joined by aliases, in either direction and over several steps; key: folded id or alias. */
function components(users: readonly RawUser[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, Set<string>>();
  for (const user of users) {
    const own = [user.id, ...user.aliases];
    const merged = new Set([...own, ...own.flatMap((id) => [...(groups.get(fold(id)) ?? [])])]);
    for (const id of merged) groups.set(fold(id), merged);
  }
  return new Map([...groups].map(([id, group]) => [id, [...group]]));
}

/** Two spellings of one id are the same. */
export function fold(id: string): string {
  return (ASCII.test(id) ? id : id.normalize('NFKC')).toLowerCase();
}
/** Normal already. Of each request and each reviewer it is asked again and again. */
const ASCII = /^[\x20-\x7e]*$/;

function explain(issue: z.core.$ZodIssue, problem: Problem): string[] {
  if (issue.code !== 'unrecognized_keys') return [problem(issue.path, issue.message)];
  return issue.keys.map((key) => problem([...issue.path, key], 'there is no such key'));
}

/** `users[2].sponsor (billing-agent)`. */
function keyText(value: unknown, key: readonly PropertyKey[]): string {
  const path = key.map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i > 0 ? '.' : ''}${String(part)}`));
  const users = (value as { users?: unknown } | null)?.users;
  const user: unknown = Array.isArray(users) && typeof key[1] === 'number' ? users[key[1]] : undefined;
  const id = (user as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' && key.length > 2 ? `${path.join('')} (${id})` : path.join('');
}

/** The line of the key, or of the nearest thing around it that is written. */
function lineOf(document: Document, lines: LineCounter, key: readonly PropertyKey[]): number {
  for (let length = key.length; length > 0; length -= 1) {
    const node = document.getIn(key.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
