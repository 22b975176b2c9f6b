// What several parts of a policy file are made of: objects without unknown keys, texts, and durations. Nothing here knows a rule.
import { z } from 'zod';

const MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const strict = <Shape extends z.ZodRawShape>(shape: Shape) => z.strictObject(shape);
export const text = z.string().trim().min(1, 'an empty text');
export const duration = z
  .string()
  .regex(/^\d{1,6}(s|m|h|d)$/, 'a duration is a whole number and a unit: 45s, 15m, 1h, 2d')
  .describe('A whole number and a unit: 45s, 15m, 1h, 2d');

export function durationMs(written: string): number {
  return Number.parseInt(written, 10) * MS[written.at(-1) as keyof typeof MS];
}

/** As a file has it, in the largest unit of which it is a whole number; parts of a second are not told. */
export function durationText(ms: number): string {
  const [unit, size] = LARGEST_FIRST.find(([, whole]) => ms > 0 && ms % whole === 0) ?? ['s', 1_000];
  return `${Math.floor(ms / size)}${unit}`;
}
const LARGEST_FIRST = Object.entries(MS).toReversed();
