// The audit log as the gateway keeps it: with its signing key and checkpoints.
import { join } from 'node:path';
import { Checkpoints, openCheckpoints } from '../audit/checkpoint.ts';
import { openAuditLog } from '../audit/log.ts';
import type { AuditLog } from '../audit/types.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../telemetry/log.ts';

export interface KeptLog {
  readonly log: AuditLog;
  readonly checkpoints: Checkpoints;
}

/** Rejects as `openAuditLog` does. */
export async function openLog(config: Config, node: string, log: Log): Promise<KeptLog> {
  const dir = join(config.data, 'audit');
  let checkpoints!: Checkpoints;
  const opened = await openAuditLog({
    dir,
    node,
    checkpoints: async () => (checkpoints = await openCheckpoints({ dir, node, warn: (text) => log.warn(text) })),
  });
  return { log: opened, checkpoints };
}
