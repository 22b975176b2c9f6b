// References inside configuration values: `${NAME}` to the environment, `file:path` to a secret's file, and the upstream URL
// that may hold both. Must never put a secret's value into an error message.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export interface Sources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from: the configuration file's. */
  readonly dir: string;
}

export interface UpstreamAddress {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** '': none given. */
  readonly user: string;
  /** null: none given; the server must not ask for one. */
  readonly password: string | null;
  readonly database: string;
}

/** A value that can't be used; its message is for the person who wrote the configuration. */
export class BadReference extends Error {}

/** Replaces each `${NAME}`; a variable that is not set is an error, an empty one is not. */
export function expand(text: string, sources: Sources): string {
  return text.replace(/\$\{([^}]*)\}/g, (_, name: string) => variable(name, sources));
}

/** How a server's address begins, its usual port, and whether its database defaults to the user's name, as libpq has it. */
interface Scheme {
  readonly scheme: RegExp;
  readonly name: string;
  readonly port: number;
  readonly database_is_user: boolean;
}
export const POSTGRES: Scheme = { scheme: /^postgres(ql)?$/, name: 'postgres', port: 5432, database_is_user: true };
export const MYSQL: Scheme = { scheme: /^(mysql|mariadb)$/, name: 'mysql', port: 3306, database_is_user: false };

/**
 * Splits scheme://user:password@host:port/database first and substitutes afterwards, so a referenced password needs no
 * encoding; what is written out is percent-decoded as in any URL. Throws BadReference.
 */
export function upstreamAddress(url: string, sources: Sources, of: Scheme): UpstreamAddress {
  const parts =
    /^(?<scheme>\w+):\/\/(?:(?<login>.*)@)?(?<place>[^@/?#]*)(?:\/(?<database>[^@?#/]*))?(?<rest>[?#].*)?$/s.exec(url);
  if (parts?.groups === undefined || !of.scheme.test(parts.groups['scheme'] ?? ''))
    throw new BadReference(`is not ${of.name}://user:password@host:port/database`);
  const { login = '', place = '', database = '', rest } = parts.groups;
  if (rest !== undefined) {
    throw new BadReference('has options after the address; TLS is set by upstream_tls, the rest is not supported');
  }
  const colon = login.indexOf(':');
  const user = decode(colon < 0 ? login : login.slice(0, colon), sources);
  const { host, port } = hostPort(expand(place, sources), of.port);
  return {
    host,
    port,
    user,
    password: colon < 0 ? null : secret(login.slice(colon + 1), sources),
    database: decode(database, sources) || (of.database_is_user ? user : ''),
  };
}

/** `host:port` or `[v6]:port`. Without a port: `fallback`, or an error where that is null. Throws BadReference. */
export function hostPort(text: string, fallback: number | null): { readonly host: string; readonly port: number } {
  const parts = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<name>[^:[\]\s]+))(?::(?<port>\d{1,5}))?$/.exec(text);
  const host = parts?.groups?.['v6'] ?? parts?.groups?.['name'];
  const port = parts?.groups?.['port'] === undefined ? fallback : Number(parts.groups['port']);
  if (host === undefined || port === null || port > 65_535) {
    throw new BadReference('needs an address as host:port, such as 127.0.0.1:6432');
  }
  return { host, port };
}

function secret(text: string, sources: Sources): string {
  return text.startsWith('file:') ? secretFile(text, sources) : decode(text, sources);
}

/** The content of the file that `file:<path>` names, without the newline at its end. Throws BadReference. */
export function secretFile(text: string, sources: Sources): string {
  const path = resolve(sources.dir, expand(text.slice('file:'.length), sources));
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new BadReference(
      `refers to file:${path}, which cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
    );
  }
}

function decode(text: string, sources: Sources): string {
  return text.replace(/\$\{([^}]*)\}|[^$]+|\$/gs, (literal, name: string | undefined) => {
    if (name !== undefined) return variable(name, sources);
    try {
      return decodeURIComponent(literal);
    } catch {
      throw new BadReference('has a % that is not a percent-encoding; write %25, or put the value into a ${VARIABLE}');
    }
  });
}

function variable(name: string, sources: Sources): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new BadReference(`has \${${name}}, which is not a variable's name`);
  const value = sources.env[name];
  if (value === undefined) throw new BadReference(`refers to the environment variable ${name}, which is not set`);
  return value;
}
