// Reads holdpoint.yaml once into a frozen Config. Every error names file, line and key, and all errors are told together.
// Must never guess: an unknown key, an unset variable or a part this release lacks is an error, not a default.
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import type { LdapConfig } from './ldap.ts';
import type { JwtIssuer } from './jwt.ts';
import type { Limits } from './limits.ts';
import type { OidcConfig } from './oidc.ts';
import { type CheckerName, type ClientCertificates, loginProblems, type LoginRule } from './logins.ts';
import type { MapRule } from './map.ts';
import type { PasswordSource } from './own-login.ts';
import type { UpstreamAddress } from './references.ts';
import { configSchema, NOT_IN_THIS_RELEASE, type RawConfig } from './schema.ts';

export { DEFAULT_LIMITS, limitsTable, type Limits } from './limits.ts';
export type { LdapConfig } from './ldap.ts';
export type { ClientCertificates, LoginRule, PemFile } from './logins.ts';
export type { UpstreamAddress } from './references.ts';

export interface Address {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Contents of PEM files, not their paths. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

export interface UpstreamTls {
  /** As libpq's sslmode; there is no 'prefer': it protects from nobody. */
  readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  /** PEM text; null: the system's authorities. */
  readonly ca: string | null;
}

export interface PostgresConfig {
  readonly name: string;
  readonly listen: Address;
  readonly upstream: UpstreamAddress;
  /** relay, for demos: the server's own questions for a password go to the agent. */
  readonly auth: 'terminate' | 'relay';
  /** null: agents connect without TLS. */
  readonly tls: (TlsPair & { readonly clients: ClientCertificates | null }) | null;
  readonly logins: readonly LoginRule[];
  readonly upstream_tls: UpstreamTls;
  /** Reads the catalog. Default: the login of `upstream`. */
  readonly catalog?: 'none' | { readonly user: string; readonly password: string } | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** A MySQL or MariaDB server. */
export interface MysqlConfig
  extends Pick<
    PostgresConfig,
    'name' | 'listen' | 'upstream' | 'tls' | 'logins' | 'upstream_tls' | 'catalog' | 'tags'
  > {
  /** Other servers than those that this release is tested with. */
  readonly allow_untested_version: boolean;
}

/** Where events are posted. */
export interface WebhookConfig {
  readonly name: string;
  readonly url: string;
  /** One, or two while one is replaced by the other: `whsec_` and base64, or a text that is the key itself. Never printed. */
  readonly secret: readonly string[];
  /** Patterns: request.opened, request.*, *. */
  readonly events: readonly string[];
  /** The receiver may be on this machine or a private network. */
  readonly allow_private: boolean;
  /** PEM text; null: the system's authorities. */
  readonly ca: string | null;
  /** With the statement, its parameters and the agent's reason. */
  readonly text: boolean;
  /** With what reviewers and agents say. */
  readonly words: boolean;
}

/** Where checkpoints are kept outside of this machine; `every`: milliseconds. */
export type AnchorConfig = { readonly name: string; readonly every: number } & (
  | { /** Absolute. */ readonly folder: string; readonly layout: 'files' | 'append' }
  | Pick<WebhookConfig, 'url' | 'secret' | 'allow_private' | 'ca'>
);

/** Where the log's records are sent to; milliseconds and bytes. */
export type ShipConfig = {
  readonly name: string;
  readonly format: 'jsonl' | 'ocsf';
  readonly from: 'beginning' | 'now';
  readonly block_after: number | null;
  readonly batch: { readonly records: number; readonly bytes: number; readonly age: number };
  readonly allow_private: boolean;
  /** PEM text; null: the system's authorities. */
  readonly ca: string | null;
} & (
  | {
      readonly url: string;
      /** Never printed. */
      readonly headers: Readonly<Record<string, string>>;
      readonly content_type: string;
      readonly gzip: boolean;
    }
  | { readonly syslog: Address /** Contents of PEM files. */; readonly client: TlsPair | null }
);

export interface Config {
  /** Absolute path of the file it came from. */
  readonly path: string;
  /** Absolute. */
  readonly data: string;
  /** Absolute. */
  readonly policy: string;
  readonly postgres: readonly PostgresConfig[];
  readonly mysql: readonly MysqlConfig[];
  readonly review: {
    readonly listen: Address;
    /** Without a slash at its end; null: not given, reviewers open the listen address. */
    readonly url: string | null;
    readonly tls: TlsPair | null;
    /** Who is asked about a password at a sign-in, in this order. */
    readonly sign_in: readonly ('local' | 'ldap')[];
  };
  readonly identity: {
    /** Absolute path of users.yaml. */
    readonly users: string;
    readonly unsponsored: 'refuse' | 'allow';
    /** Undefined: there is no provider to sign in with. */
    readonly oidc?: OidcConfig | undefined;
    /** Of those who sign in to the console with a password. */
    readonly second_factor: 'required' | 'optional';
    /** Undefined: no directory is asked. */
    readonly ldap?: LdapConfig | undefined;
    /** Whose tokens are passwords of databases. */
    readonly jwt: readonly JwtIssuer[];
    /** In this order; the first that fits counts. */
    readonly map: readonly MapRule[];
  };
  readonly audit: {
    readonly allowed: 'async' | 'sync';
    /** What the keys of sealed texts are wrapped with; null: they are not. */
    readonly master_key: PasswordSource | null;
    /** Milliseconds that a record waits for the next checkpoint, at most; and how many records do. */
    readonly checkpoint: number;
    readonly checkpoint_records: number;
    readonly anchors: readonly AnchorConfig[];
    readonly ship: readonly ShipConfig[];
    /** Milliseconds and bytes; null: everything is kept. */
    readonly keep: { readonly age: number | null; readonly size: number | null };
  };
  readonly chat: { readonly webhooks: readonly WebhookConfig[] };
  readonly store: 'memory';
  /** observe: the policy is recorded, not enforced. */
  readonly mode: 'enforce' | 'observe';
  readonly limits: Limits;
}

/** What is said of `mode: observe` wherever somebody could think that the policy is enforced. */
export const OBSERVING = 'mode: observe. Nothing is held or denied by policy: what it would stop runs, and is recorded';

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** One line each, `file:line: key: what is wrong`. */
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export interface LoadOptions {
  /** Where `${NAME}` is looked up; default process.env. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Reads and validates the file; paths in it are relative to its folder. Rejects with ConfigError. */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<Config> {
  return parseConfig(await textOf(path), { file: resolve(path), shown: path, ...options });
}

/** The users file that it names, absolute; nothing else of it is looked at, so passwords need not be there. Rejects with ConfigError. */
export async function loadUsersPath(path: string, options: LoadOptions = {}): Promise<string> {
  const source = { file: resolve(path), shown: path, ...options };
  const { value } = checked(await textOf(path), source, ({ shape }) => z.object({ identity: shape.identity }));
  return value.identity.users;
}

/** The same, and the data folder. Rejects with ConfigError. */
export async function loadIdentityPaths(
  path: string,
  options: LoadOptions = {},
): Promise<{ readonly users: string; readonly data: string }> {
  const source = { file: resolve(path), shown: path, ...options };
  const { value } = checked(await textOf(path), source, ({ shape }) =>
    z.object({ data: shape.data, identity: z.object({ users: shape.identity.shape.users }) }),
  );
  return { users: value.identity.users, data: value.data };
}

/** The data folder, and where the master key of the audit log is found. Rejects with ConfigError. */
export async function loadAuditPaths(
  path: string,
  options: LoadOptions = {},
): Promise<{ readonly data: string; readonly master_key: PasswordSource | null }> {
  const source = { file: resolve(path), shown: path, ...options };
  const { value } = checked(await textOf(path), source, ({ shape }) =>
    z.object({
      data: shape.data,
      audit: z.object({ master_key: shape.audit.unwrap().shape.master_key }).prefault({}),
    }),
  );
  return { data: value.data, master_key: value.audit.master_key };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(resolve(path), 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new ConfigError([`${path}: cannot be read (${code}); 'holdpoint init' writes one`]);
  }
}

/** `file` is absolute, `shown` is how messages name it. */
interface Source extends LoadOptions {
  readonly file: string;
  readonly shown?: string;
}

/** As loadConfig, from text. Throws ConfigError. */
export function parseConfig(text: string, source: Source): Config {
  const { value, problem } = checked(text, source, (schema) => schema);
  const problems = contradictions(value).map(({ key, what }) => problem(key, what));
  if (problems.length > 0) throw new ConfigError(problems);
  return freeze(finish(value, source.file));
}

/** What the schema, or the part of it that `part` takes, makes of the text, and how to word a problem with a key of it. */
function checked<S extends z.ZodType>(
  text: string,
  source: Source,
  part: (schema: ReturnType<typeof configSchema>) => S,
) {
  const shown = source.shown ?? source.file;
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => `${shown}:${lines.linePos(error.pos[0]).line}: ${error.message}`),
    );
  }
  const problem = (key: readonly PropertyKey[], what: string): string => {
    const line = lineOf(document, lines, key);
    return `${shown}:${line}: ${key.length === 0 ? '' : `${keyText(key)}: `}${what}`;
  };

  const value: unknown = document.toJS();
  const missing = NOT_IN_THIS_RELEASE.flatMap((entry) => occurrences(value, entry.path, entry.value));
  if (missing.length > 0) {
    throw new ConfigError(missing.map((found) => problem(found.key, `${found.what} is not in this release`)));
  }

  const schema = configSchema({ env: source.env ?? process.env, dir: dirname(source.file) });
  const parsed = part(schema).safeParse(value, { reportInput: false });
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.flatMap((issue) => explain(issue, problem)));
  }
  return { value: parsed.data, problem };
}

/** JSON Schema of holdpoint.yaml, for editors; printed into docs/generated/. */
export function configJsonSchema(): object {
  return {
    title: 'holdpoint.yaml',
    ...z.toJSONSchema(configSchema({ env: {}, dir: '/' }), { io: 'input', target: 'draft-2020-12' }),
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function finish(raw: RawConfig, path: string): Config {
  return {
    ...raw,
    path,
    postgres: raw.postgres.map(withTls),
    mysql: raw.mysql.map(withTls),
    review: { ...raw.review, url: raw.review.url?.replace(/\/+$/, '') ?? null },
  };
}

const withTls = <S extends { upstream: UpstreamAddress; upstream_tls?: UpstreamTls | undefined }>(server: S) => ({
  ...server,
  upstream_tls: server.upstream_tls ?? { mode: defaultMode(server.upstream.host), ca: null },
});

const defaultMode = (host: string): UpstreamTls['mode'] => (isLoopback(host) ? 'disable' : 'verify-full');

/** What no single value is to blame for. */
function contradictions(raw: RawConfig): { readonly key: readonly PropertyKey[]; readonly what: string }[] {
  const found: { key: PropertyKey[]; what: string }[] = [];
  const sources: Readonly<Record<CheckerName, boolean>> = {
    local: true,
    ldap: raw.identity.ldap !== undefined,
    jwt: raw.identity.jwt.length > 0,
  };
  const names = new Map<string, string>();
  const listens = new Map<string, string>();
  const listen = (address: Address, key: PropertyKey[]): void => {
    const at = `${address.host}:${address.port}`;
    const taken = listens.get(at);
    if (taken !== undefined && address.port !== 0) found.push({ key, what: `${at} is also ${taken}` });
    listens.set(at, keyText(key));
  };
  const common = (kind: 'postgres' | 'mysql', server: RawConfig['postgres' | 'mysql'][number], index: number): void => {
    const taken = names.get(server.name);
    if (taken !== undefined) found.push({ key: [kind, index, 'name'], what: `'${server.name}' is also ${taken}.name` });
    else names.set(server.name, `${kind}[${index}]`);
    listen(server.listen, [kind, index, 'listen']);
    for (const { key, what } of loginProblems(server, (name) => sources[name]))
      found.push({ key: [kind, index, ...key], what });
    const mode = server.upstream_tls?.mode;
    if (server.upstream_tls?.ca != null && (mode === 'disable' || mode === 'require')) {
      found.push({
        key: [kind, index, 'upstream_tls', 'ca'],
        what: `is not looked at in mode ${mode}; use verify-ca or verify-full`,
      });
    }
  };
  const noUser = 'names no user for the gateway to log in as';
  raw.postgres.forEach((server, index) => {
    common('postgres', server, index);
    const mode = server.upstream_tls?.mode;
    if (server.auth === 'terminate' && server.upstream.user === '')
      found.push({ key: ['postgres', index, 'upstream'], what: noUser });
    // SCRAM binds a login to the TLS it happens in: the agent's and the server's would be two.
    if (server.auth === 'relay' && server.tls !== null && (mode ?? defaultMode(server.upstream.host)) !== 'disable') {
      found.push({
        key: ['postgres', index, 'auth'],
        what: "relay fails with TLS on both sides (SCRAM's channel binding); use terminate, or upstream_tls: {mode: disable}",
      });
    }
  });
  raw.mysql.forEach((server, index) => {
    common('mysql', server, index);
    if (server.upstream.user === '') found.push({ key: ['mysql', index, 'upstream'], what: noUser });
  });
  if (raw.postgres.length + raw.mysql.length === 0)
    found.push({ key: ['postgres'], what: 'needs at least one server to guard' });
  const oidc = raw.identity.oidc;
  raw.identity.jwt.forEach(({ issuer, audience }, index) => {
    if (oidc && issuer === oidc.issuer && audience.includes(oidc.client_id))
      found.push({
        key: ['identity', 'jwt', index, 'audience'],
        what: "is identity.oidc's client_id: what signs a reviewer in would log in to databases",
      });
  });
  listen(raw.review.listen, ['review', 'listen']);
  if (raw.review.sign_in.includes('ldap') && raw.identity.ldap === undefined)
    found.push({ key: ['review', 'sign_in'], what: 'names ldap, and there is no identity.ldap' });
  // The provider compares the address character by character.
  if (raw.identity.oidc !== undefined && raw.review.url === undefined)
    found.push({
      key: ['identity', 'oidc'],
      what: 'needs review.url: the provider sends browsers back to <review.url>/oidc/callback',
    });
  return found;
}

function occurrences(
  value: unknown,
  path: readonly string[],
  only: string | undefined,
  at: readonly PropertyKey[] = [],
): { readonly key: readonly PropertyKey[]; readonly what: string }[] {
  const [step, ...rest] = path;
  if (step === undefined) {
    if (only === undefined) return [{ key: at, what: 'this key' }];
    return typeof value === 'string' && value.startsWith(only) ? [{ key: at, what: `'${only}'` }] : [];
  }
  if (step === '*') {
    return Array.isArray(value) ? value.flatMap((item, index) => occurrences(item, rest, only, [...at, index])) : [];
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return [];
  return occurrences((value as Record<string, unknown>)[step], rest, only, [...at, step]);
}

function explain(issue: z.core.$ZodIssue, problem: (key: readonly PropertyKey[], what: string) => string): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => problem([...issue.path, key], 'unknown key'));
  }
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') {
    // Of what it could be, what is nearest is what was meant.
    const [nearest] = issue.errors.toSorted((a, b) => a.length - b.length);
    if (nearest?.some(({ path }) => path.length > 0) || nearest?.some(({ code }) => code === 'unrecognized_keys'))
      return nearest.flatMap((one) => explain({ ...one, path: [...issue.path, ...one.path] }, problem));
  }
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) {
    return [problem(issue.path, 'is required')];
  }
  return [problem(issue.path, issue.message.charAt(0).toLowerCase() + issue.message.slice(1))];
}

/** Line of the key itself, or of the nearest thing around it that exists. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent: unknown = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    const key = isMap(parent)
      ? parent.items.find((pair) => isScalar(pair.key) && pair.key.value === last)?.key
      : undefined;
    const node: unknown = key ?? document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range != null) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

function keyText(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('');
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) freeze(part);
    Object.freeze(value);
  }
  return value;
}
