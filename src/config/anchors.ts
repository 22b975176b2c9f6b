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
    anchors: z
      .array(z.union([folder, url]))
      .max(ANCHORS_MAX)
      .refine((all) => new Set(all.map((one) => one.name)).size === all.length, 'names one twice')
      .default([])
      .describe('where checkpoints are kept so that whoever runs this machine cannot rewrite them'),
  };
}
