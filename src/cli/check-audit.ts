// What `holdpoint check` says of the audit log's keys. Reads them, and writes none.
import { join } from 'node:path';
import { AuditError } from '../audit/error.ts';
import { errorCode, realFs } from '../audit/files.ts';
import { openKeys } from '../audit/wrap.ts';
import type { Config } from '../config/config.ts';
import { masterKeyOf } from './audit/master-key.ts';
import type { Finding } from './check.ts';

const UNWRAPPED =
  'the keys of sealed texts lie unwrapped beside the log, so a copy of data/ is a copy of every statement: set audit.master_key';

export async function checkMasterKey({ audit, data }: Config): Promise<Finding> {
  try {
    const master = await masterKeyOf(audit.master_key);
    const ring = await openKeys(realFs, join(data, 'audit', 'keys'), master).catch((error: unknown) => {
      // There is no log yet.
      if (errorCode(error) === 'ENOENT') return { keys: 0, stale: 0 };
      throw error;
    });
    if (master === null) return { level: 'warn', about: 'audit', text: UNWRAPPED };
    const next = ring.stale === 0 ? '' : `; the next start wraps ${ring.stale} of them`;
    return { level: 'ok', about: 'audit', text: `master key ${master.id}, ${ring.keys} keys${next}` };
  } catch (error) {
    if (error instanceof AuditError) return { level: 'fail', about: 'audit', text: error.message };
    throw error;
  }
}
