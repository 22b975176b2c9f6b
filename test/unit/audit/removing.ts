// A log with retention, as compose/log.ts puts it together, for tests: on any disk, with a clock that is set by hand.
import { type Checkpoint, type Checkpoints, openCheckpoints } from '../../../src/audit/checkpoint.ts';
import type { AuditFs } from '../../../src/audit/files.ts';
import { type KeptAuditLog, openAuditLog } from '../../../src/audit/log.ts';
import { Retention, type RetentionOptions } from '../../../src/audit/retention.ts';

export interface Kept {
  readonly log: KeptAuditLog;
  readonly checkpoints: Checkpoints;
  readonly retention: Retention;
  /** What an operator was told. */
  readonly told: string[];
  close(): Promise<void>;
}

export interface KeptOptions extends Partial<RetentionOptions> {
  readonly dir: string;
  readonly fs?: AuditFs;
  readonly segment_bytes_max?: number;
  readonly override?: boolean;
  readonly made?: (checkpoint: Checkpoint) => void;
}

export async function keptLog(options: KeptOptions): Promise<Kept> {
  const { dir, fs, segment_bytes_max = 4000, override, made, now, ...parts } = options;
  let checkpoints!: Checkpoints;
  const on = fs && { fs };
  let mono = 0;
  const log = await openAuditLog({
    dir,
    node: 'n1',
    segment_bytes_max,
    ...on,
    ...(override && { override }),
    ...(now && { clock: { now, mono: () => mono++ } }),
    checkpoints: async () =>
      (checkpoints = await openCheckpoints({
        dir,
        node: 'n1',
        every_ms: 3_600_000,
        ...on,
        ...(now && { now }),
        ...(made && { made }),
      })),
  });
  const told: string[] = [];
  const retention = new Retention({
    dir,
    ...on,
    log,
    age_ms: null,
    bytes_max: null,
    // It is made at once, or the disk refuses.
    cover: (size) => checkpoints.cover(size, 500),
    followers: () => [],
    anchored: () => true,
    needed: () => null,
    facts: () => ({}),
    info: (text) => told.push(text),
    warn: (text) => told.push(text),
    ...(now && { now }),
    ...parts,
  });
  return {
    log,
    checkpoints,
    retention,
    told,
    close: async () => {
      await retention.close();
      await log.close();
    },
  };
}
