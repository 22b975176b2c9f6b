// The gateway's own indexes: a full segment gets one in a thread, while records go on being written.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { openAuditLog } from '../../../../src/audit/log.ts';
import { BackgroundIndexer } from '../../../../src/audit/search/background.ts';
import { missingIndexes } from '../../../../src/audit/search/indexes.ts';

const PATIENCE = { timeout: 60_000, interval: 50 };

it('each full segment gets its index, and the log goes on', { timeout: 90_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'audit-background-'));
  const warnings: string[] = [];
  const indexer = new BackgroundIndexer(dir, (text) => warnings.push(text));
  let rolled = 0;
  const log = await openAuditLog({
    dir,
    node: 'n1',
    segment_bytes_max: 4096,
    rolled: () => {
      rolled++;
      indexer.wake();
    },
  });
  try {
    for (let n = 0; n < 100; n++)
      await log.append({ type: 'session.opened', clear: { session: `s-${n}`, who: 'bot' } });
    expect(rolled).toBeGreaterThan(3);
    await vi.waitFor(async () => expect((await missingIndexes(dir)).segments).toEqual([]), PATIENCE);
    expect(readdirSync(join(dir, 'index')).filter((name) => name.endsWith('.index'))).toHaveLength(rolled);
    expect(warnings).toEqual([]);
  } finally {
    await log.close();
    await indexer.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
