// Another key signs checkpoints: recorded in the log, in a checkpoint that both keys sign, so that whoever trusts the old one can see that
// it vouches for the new. Needs the log's lock: no gateway may be writing it.

import { openCheckpoints } from './checkpoint.ts';
import { realFs } from './files.ts';
import { openAuditLog } from './log.ts';
import { rotateSigner, type Signer } from './signer.ts';
import type { MasterKey } from './wrap.ts';

/** Verifier keys, before and after. Rejects as `openAuditLog` does; a log that was never opened has no key to replace. */
export async function rotateKey(
  dir: string,
  node: string,
  master_key: MasterKey | null = null,
): Promise<{ readonly old_key: string; readonly new_key: string }> {
  let keys: { readonly old: Signer; readonly both: Signer } | null = null;
  const log = await openAuditLog({
    dir,
    node,
    master_key,
    checkpoints: async () => {
      const rotated = await rotateSigner(realFs, dir);
      keys = rotated;
      return openCheckpoints({ dir, node, signer: rotated.both });
    },
  });
  const { old, both } = keys as unknown as { readonly old: Signer; readonly both: Signer };
  const names = { old_key: old.verifier_key, new_key: both.verifier_key };
  try {
    await log.append({ type: 'log.key_rotated', clear: { from: names.old_key, to: names.new_key } });
  } finally {
    await log.close();
  }
  return names;
}
