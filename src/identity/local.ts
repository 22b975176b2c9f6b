// Passwords in clear against the verifiers in users.yaml, of either protocol. Must never tell by its answer or the time it takes whether a user
// exists, and never take more than one check's work for a login.
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import saslprep from '@mongodb-js/saslprep';
import { checkStored, NATIVE, parseStored, type StoredPassword } from '../wire/mysql/auth.ts';
import { createQueue } from './mysql.ts';
import { PASSWORD_BYTES_MAX } from './password.ts';
import { mockScramVerifier, parseScramVerifier, type ScramVerifier } from './scram.ts';
import type { PasswordChecker } from './types.ts';
import type { User, Users } from './users.ts';

type Form = { readonly scram: ScramVerifier } | { readonly mysql: Exclude<StoredPassword, { plugin: typeof NATIVE }> };

/** `secret`: at least 16 bytes, kept over restarts: whom an unknown user is like must not change. */
export const createLocalChecker = (users: () => Users, secret: Buffer): PasswordChecker => {
  // The threads that do the work are those of the audit log's disk writes. How many wait is the callers' to bound.
  const oneByOne = createQueue(Number.POSITIVE_INFINITY);
  return {
    name: 'local',
    async check(name, password) {
      if (password.length > PASSWORD_BYTES_MAX) return null;
      const user = users().get(name);
      const form = user && formOf(user);
      const fits = await oneByOne(() => isPassword(password, form ?? decoy(name, users(), secret)));
      if (!fits || !form) return null;
      const said = { sponsor: null, on_behalf_of: [], task: null, expires: null, token: null };
      return { source: 'local', id: name, groups: [], aliases: [], ...said };
    },
  };
};

/** mysql_native_password is left out: its form costs nothing to try passwords against. */
const formOf = ({ postgres, mysql }: User): Form | null => {
  const scram = postgres === null ? null : parseScramVerifier(postgres);
  if (scram !== null) return { scram };
  const stored = mysql === null ? null : parseStored(mysql);
  return stored === null || stored.plugin === NATIVE ? null : { mysql: stored };
};

/** Whom an unknown user is like in how long it takes: some user, the same one each time. */
const decoy = (name: string, users: Users, secret: Buffer): Form => {
  const forms = users.all.map(formOf).filter((form) => form !== null);
  const at = createHmac('sha256', secret).update(`local:${name}`).digest().readUInt32BE(0) % Math.max(forms.length, 1);
  return forms[at] ?? { scram: mockScramVerifier(name, secret) };
};

const isPassword = async (password: Buffer, form: Form): Promise<boolean> => {
  if ('mysql' in form) return checkStored(password, form.mysql);
  const { salt, iterations, storedKey } = form.scram;
  const salted = await promisify(pbkdf2)(prepare(password), salt, iterations, storedKey.length, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  return timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey);
};

/** As the server and libpq do: a password that SASLprep refuses, or that is no UTF-8, is used as it is. */
const prepare = (password: Buffer): string | Buffer => {
  try {
    return saslprep(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(password));
  } catch {
    return password;
  }
};
