// What `holdpoint check` finds about how reviewers sign in: who has only a password, and whose code nobody can check.
// Must never make the data folder, or anything in it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { FACTORS_FILE, FACTORS_KEY, openFactors } from '../identity/factors.ts';
import { openTotp } from '../identity/totp.ts';
import { openUsers } from '../identity/users.ts';
import type { Finding } from './check.ts';

export async function checkSignIn({ data, identity }: Config): Promise<Finding[]> {
  const file = await openUsers(identity.users).catch(() => null);
  // Told already, as a finding about the users.
  if (file === null) return [];
  file.close();
  const users = file.current();
  const key = await readFile(join(data, FACTORS_KEY)).catch(() => Buffer.alloc(0));
  const sealed = users.all.filter(
    ({ id, totp }) => totp !== null && (key.length !== 32 || openTotp(totp, id, key) === null),
  );
  const found: Finding[] = [];
  if (sealed.length > 0)
    found.push({
      level: 'fail',
      about: 'sign-in',
      text: `${FACTORS_KEY} in ${data} does not open the codes of ${names(sealed)}: put it back from a backup, or 'holdpoint user totp' again`,
    });
  try {
    const factors = await openFactors({ file: join(data, FACTORS_FILE), users: () => users, key });
    const bare = users.all.filter(
      ({ id, kind, roles, password }) =>
        kind === 'human' && roles.length > 0 && password !== null && factors.of(id).length === 0,
    );
    if (bare.length > 0)
      found.push({
        level: 'warn',
        about: 'sign-in',
        text:
          identity.second_factor === 'required'
            ? `no second factor, so they cannot sign in with their password: ${names(bare)}; 'holdpoint user totp'`
            : `a password alone signs in ${names(bare)}: 'holdpoint user totp', or a security key; identity.second_factor: required makes sure`,
      });
  } catch (error) {
    found.push({ level: 'fail', about: 'sign-in', text: error instanceof Error ? error.message : String(error) });
  }
  return found;
}

const names = (users: readonly { readonly id: string }[]): string => users.map(({ id }) => id).join(', ');
