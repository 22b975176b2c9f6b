// What the fuzzers of bytes share: numbers from a seed, and ways to spoil what was valid.
import { randomInt } from 'node:crypto';
import { seeded } from '../unit/audit/disk.ts';

export const PROVE = process.env['HOLDPOINT_PROVE'] === '1';
/** HOLDPOINT_SEED repeats a run. */
export const SEED = Number(process.env['HOLDPOINT_SEED'] ?? randomInt(2 ** 31 - 1));

/** Integers below `below`. */
export type Random = (below: number) => number;
export const random = (): Random => seeded(SEED);

export const pick = <T>(below: Random, from: readonly T[]): T => from[below(from.length)] as T;

export const noise = (below: Random, bytes: number): Buffer => {
  const made = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; at++) made[at] = below(4) === 0 ? pick(below, EDGES) : below(256);
  return made;
};

/** Bytes that readers compare with. */
const EDGES = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff] as const;
const NUMBERS = [0, 1, 3, 4, 5, 0xff, 0xffff, 0x10000, 0x7fffffff, -1, -2, -0x80000000] as const;

/** One to four changes: bytes set, put in, taken out, repeated, cut off, or a number that lies. */
export const spoilt = (below: Random, sound: Buffer): Buffer => {
  let bytes = Buffer.from(sound);
  for (let left = 1 + below(4); left > 0 && bytes.length > 0; left--) {
    const at = below(bytes.length);
    switch (below(6)) {
      case 0:
        bytes[at] = below(2) === 0 ? pick(below, EDGES) : below(256);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), noise(below, 1 + below(4)), bytes.subarray(at)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(4))]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at + below(8)), bytes.subarray(at)]);
        break;
      case 4:
        bytes = bytes.subarray(0, at);
        break;
      default:
        if (at + 4 <= bytes.length) bytes.writeInt32BE(pick(below, NUMBERS), at);
        else bytes[at] = 0xff;
    }
  }
  return bytes;
};

/** One line for the figures: what, how many steps, from which seed, how long. */
export const figure = (what: string, steps: number, since: number): void => {
  const seconds = ((performance.now() - since) / 1000).toFixed(1);
  console.log(`fuzz ${what}: ${steps.toLocaleString('en')} steps in ${seconds} s, HOLDPOINT_SEED=${SEED}`);
};
