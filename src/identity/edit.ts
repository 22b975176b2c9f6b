// Changes users.yaml as a careful person would: comments and order stay, the result is checked before it replaces the file, and
// only the owner can read it. Must never write a password, only what is made from it.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Document, isMap, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { replaceFile } from './file.ts';
import { makeStored } from '../wire/mysql/auth.ts';
import { makeScrypt, PASSWORD_BYTES_MAX } from './password.ts';
import { makeScramVerifier } from './scram.ts';
import { parseUsers, type User, type Users } from './users.ts';

/** Shortest password accepted from a person, in characters (NIST SP 800-63B-4 asks for 15 where it stands alone). */
export const PASSWORD_CHARS_MIN = 15;

export interface NewUser {
  readonly id: string;
  readonly kind: 'agent' | 'human';
  readonly sponsor?: string | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
}

/** What the caller got wrong; its message says so in one sentence. */
export class EditError extends Error {}

/** Adds a user with a password; the file is made if it is not there. Rejects with EditError or ConfigError; then nothing is written. */
export async function addUser(path: string, user: NewUser, password: string): Promise<void> {
  const forms = await formsOf(user.kind, password);
  await edit(path, (document) => {
    if (find(document, user.id) !== undefined) throw new EditError(`there is a user ${user.id} already`);
    const entry = {
      id: user.id,
      kind: user.kind,
      ...(user.groups?.length && { groups: user.groups }),
      ...(user.sponsor !== undefined && { sponsor: user.sponsor }),
      ...(user.roles?.length && { roles: user.roles }),
      ...forms,
    };
    const users = document.get('users');
    if (isSeq(users)) {
      users.flow = false;
      users.add(document.createNode(entry));
    } else {
      document.set('users', document.createNode([entry]));
    }
  });
}

/** Replaces every form of the user's password. Rejects with EditError or ConfigError; then nothing is written. */
export async function setPassword(path: string, id: string, password: string): Promise<void> {
  const users = await readUsers(path);
  const user = users.get(id);
  if (user === undefined) throw new EditError(`there is no user ${id}`);
  const forms = await formsOf(user.kind, password);
  await edit(path, (document) => {
    const entry = find(document, id);
    if (entry === undefined) throw new EditError(`there is no user ${id}`);
    for (const [key, value] of Object.entries(forms)) entry.set(key, value);
  });
}

/** Lets a user who has none of it log in over the MySQL protocol, too. Rejects as setPassword does. */
export async function addMysql(path: string, id: string, password: string): Promise<void> {
  if ((await readUsers(path)).get(id)?.mysql !== null) return;
  const mysql = await makeStored(password);
  await edit(path, (document) => find(document, id)?.set('mysql', mysql));
}

/** Names who decides instead of a reviewer until `until` (ms since the epoch); null: back again. Rejects as setPassword does. */
export async function setAway(
  path: string,
  id: string,
  away: { readonly instead: string; readonly until: number } | null,
): Promise<void> {
  await edit(path, (document) => {
    const entry = find(document, id);
    if (entry === undefined) throw new EditError(`there is no user ${id}`);
    if (away === null) entry.delete('away');
    else entry.set('away', { instead: away.instead, until: new Date(away.until).toISOString() });
  });
}

/** Replaces the secret of a user's authenticator app, and their recovery codes; null: the user has neither any more. Rejects as setPassword does. */
export async function setTotp(
  path: string,
  id: string,
  totp: { readonly sealed: string; readonly recovery: readonly string[] } | null,
): Promise<void> {
  if ((await readUsers(path)).get(id)?.kind === 'agent') throw new EditError(`${id} is an agent: it does not sign in`);
  await edit(path, (document) => {
    const entry = find(document, id);
    if (entry === undefined) throw new EditError(`there is no user ${id}`);
    if (totp === null) {
      entry.delete('totp');
      entry.delete('recovery');
    } else {
      entry.set('totp', totp.sealed);
      entry.set('recovery', document.createNode(totp.recovery));
    }
  });
}

/** What may be shown of a user: no form of a password. */
export function describeUser(user: User) {
  const { id, kind, groups, sponsor, aliases, people, roles } = user;
  const away = user.away && { instead: user.away.instead, until: new Date(user.away.until).toISOString() };
  const database = user.postgres !== null || user.mysql !== null;
  const signs_in = [...(database ? ['database'] : []), ...(user.password === null ? [] : ['console'])];
  const second_factor = user.totp === null ? [] : ['totp'];
  return { id, kind, groups, sponsor, aliases, people, roles, away, signs_in, second_factor };
}

export async function readUsers(path: string): Promise<Users> {
  return parseUsers(await read(path), { file: resolve(path), shown: path, env: process.env });
}

/** Agents log in to databases only; people to the console too. */
async function formsOf(
  kind: User['kind'],
  password: string,
): Promise<{ postgres: string; mysql: string; password?: string }> {
  if (Array.from(password).length < PASSWORD_CHARS_MIN) {
    throw new EditError(`the password needs at least ${PASSWORD_CHARS_MIN} characters`);
  }
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
    throw new EditError(`the password has more than ${PASSWORD_BYTES_MAX} bytes`);
  }
  const database = { postgres: await makeScramVerifier(password), mysql: await makeStored(password) };
  return kind === 'agent' ? database : { ...database, password: await makeScrypt(password) };
}

async function edit(path: string, change: (document: Document) => void): Promise<void> {
  const before = await read(path);
  // What is wrong already is told with its line, before anything is added.
  parseUsers(before, { file: resolve(path), shown: path, env: process.env });
  const document: Document = parseDocument(before);
  change(document);
  const text = document.toString({ lineWidth: 0 });
  parseUsers(text, { file: resolve(path), shown: path, env: process.env });
  await replaceFile(path, text);
}

async function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

function find(document: Document, id: string): YAMLMap | undefined {
  const users = document.get('users');
  if (!isSeq(users)) return undefined;
  return users.items.find((item): item is YAMLMap => isMap(item) && item.get('id') === id);
}
