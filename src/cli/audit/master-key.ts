// The master key of the audit log, from where the configuration or an option says that it is. Must never print it.
import { AuditError } from '../../audit/error.ts';
import { masterKey, type MasterKey } from '../../audit/wrap.ts';
import { loadAuditPaths } from '../../config/config.ts';
import type { PasswordSource } from '../../config/own-login.ts';
import { NoCredential, readSource } from '../../identity/credentials.ts';

/** Null: there is none. Rejects AuditError 'key', naming `what`. */
export async function masterKeyOf(source: PasswordSource | null, what = 'audit.master_key'): Promise<MasterKey | null> {
  if (source === null) return null;
  try {
    return masterKey(await readSource(source));
  } catch (error) {
    if (!(error instanceof NoCredential) && !(error instanceof AuditError)) throw error;
    throw new AuditError('key', `${what}: ${error.message}`, { cause: error });
  }
}

/** As the configuration says; null: none is named, or it names no master key. */
export async function masterKeyAt(config: string | undefined): Promise<MasterKey | null> {
  return config === undefined ? null : masterKeyOf((await loadAuditPaths(config)).master_key);
}
