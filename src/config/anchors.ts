// audit.checkpoint and audit.anchors in holdpoint.yaml: how often the log's tree is signed, and where that goes. Must never put a secret's
// value into an error message.
import { z } from 'zod';
import type { webhookParts } from './webhooks.ts';

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** The longest that checkpoints, or what goes to an anchor, may be apart. */
const APART_MS_MAX = 24 * 3_600_000;
const ANCHORS_MAX = 10;

/** At least `min_ms`. */
function duration(min_ms: number, by: string) {
  return z
    .string()
    .regex(/^\d{1,6}(ms|s|m|h)$/, 'a duration is a whole number and a unit: 500ms, 1s, 5m, 1h')
    .default(by)
    .transform((value) => Number.parseInt(value, 10) * UNIT_MS[/[a-z]+$/.exec(value)?.[0] as keyof typeof UNIT_MS])
    .refine((ms) => ms >= min_ms && ms <= APART_MS_MAX, `is not between ${min_ms} ms and 24 h`);
}

interface Parts {
  readonly path: z.ZodType<string, string>;
  /** url, secret, allow_private and ca, as webhooks have them. */
  readonly posted: ReturnType<typeof webhookParts>;
}

const name = z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, 'needs a short lower-case name such as vault');

const DAY_MS = 24 * 3_600_000;
const UNIT_BYTES = { MB: 1e6, GB: 1e9, TB: 1e12 } as const;
/** Two segments: the one that is written stays in any case. */
const KEEP_BYTES_MIN = 128e6;

/** Without it everything is kept. */
const keep = z
  .strictObject({
    age: z
      .string()
      .regex(/^[1-9]\d{0,4}d$/, 'an age is a whole number of days: 400d')
      .transform((value) => Number.parseInt(value, 10) * DAY_MS)
      .nullable()
      .default(null)
      .describe('records older than this are removed, with the segment that they stand in: 400d'),
    size: z
      .string()
      .regex(/^[1-9]\d{0,5}(MB|GB|TB)$/, 'a size is a whole number and a unit: 500MB, 50GB, 2TB')
      .transform(
        (value) => Number.parseInt(value, 10) * UNIT_BYTES[/[A-Z]+$/.exec(value)?.[0] as keyof typeof UNIT_BYTES],
      )
      .refine((bytes) => bytes >= KEEP_BYTES_MIN, 'is less than 128MB')
      .nullable()
      .default(null)
      .describe(
        'the oldest segments are removed when all take more than this: 50GB. Their hashes stay and come on top, 64 bytes a record',
      ),
  })
  .prefault({});

/** Keys of `audit`. */
export function checkpointShape({ path, posted }: Parts) {
  const every = duration(100, '1m').describe('at most one checkpoint in so much time: the newest');
  const folder = z.strictObject({
    name,
    every,
    folder: path.describe('a folder on another machine, or one that can only be added to'),
    layout: z
      .enum(['files', 'append'])
      .default('files')
      .describe('files: one for each checkpoint; append: one for each day'),
  });
  const url = posted.check(z.strictObject({ name, every, ...posted.shape }));
  return {
    checkpoint: duration(100, '1s').describe(
      'how long a record waits for the next checkpoint: a signed hash of the whole log. None is made when nothing was written',
    ),
    checkpoint_records: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe('one is also made when so many records wait for it'),
    keep,
    anchors: z
      .array(z.union([folder, url]))
      .max(ANCHORS_MAX)
      .refine((all) => new Set(all.map((one) => one.name)).size === all.length, 'names one twice')
      .default([])
      .describe('where checkpoints are kept so that whoever runs this machine cannot rewrite them'),
  };
}
