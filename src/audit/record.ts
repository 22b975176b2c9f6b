// The line format, version 1: what a record looks like on disk, its leaf hash, and its way back. docs/audit-log.md says it in words.
// Every line starts with the same three fields in the same bytes, so a chain is checked without parsing JSON.
// Must never put sealed text anywhere but into the sealer's hands.

import { createHash, hash } from 'node:crypto';
import { AuditError } from './error.ts';
import type { Keys, Sealed } from './keys.ts';
import type { AllowedEntry, ReadRecord } from './types.ts';

export const format_version = 1;
export const leaf_bytes = 32;
/** `prev` of record 1. */
export const no_leaf = '0'.repeat(64);
/** A line longer than this is refused when written and unreadable when read. */
export const record_bytes_max = 32 * 1024 * 1024;

/** Everything of a record but what its place in the chain decides (seq, prev, the sealing). */
export interface Draft {
  readonly time: string;
  readonly type: string;
  /** JSON from `,"time":` to before the sealed part, without the closing brace. */
  readonly middle: string;
  /** JSON of the sealed part, in clear. Null: nothing to seal. */
  readonly sealed: string | null;
}

/** Throws AuditError 'invalid' when the record is not JSON, or misnamed, or too long. */
export function draft(
  time_ms: number,
  mono_us: number,
  node_json: string,
  type: string,
  clear_json: string,
  extra: { readonly block?: string; readonly sealed?: string | null },
): Draft {
  if (!/^[a-z][a-z_]*(\.[a-z][a-z_]*)?$/.test(type)) throw new AuditError('invalid', `'${type}' is no record type`);
  const time = new Date(time_ms).toISOString();
  const block = extra.block === undefined ? '' : `,"block":${extra.block}`;
  const middle = `,"time":"${time}","mono":${Math.round(mono_us)},"node":${node_json},"type":"${type}","clear":${clear_json}${block}`;
  const sealed = extra.sealed ?? null;
  // Base64 of UTF-8 takes at most 4 bytes for each UTF-16 unit; the rest of the line is under 1 KiB.
  if (middle.length * 3 + (sealed?.length ?? 0) * 4 + 1024 > record_bytes_max)
    throw new AuditError('invalid', `a record of type ${type} is longer than ${record_bytes_max} bytes`);
  return { time, type, middle, sealed };
}

/** JSON of an object, as `clear` and `sealed` must be. */
export function objectJson(value: Readonly<Record<string, unknown>>, what: string): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new AuditError('invalid', `${what} of a record is no JSON`, { cause: error });
  }
  if (!json?.startsWith('{')) throw new AuditError('invalid', `${what} of a record is no JSON object`);
  return json;
}

/** The line without its newline. Keys for the draft's month must have been ensured. */
export function lineOf(drafted: Draft, seq: number, prev: string, node: string, keys: Keys): string {
  const start = `{"v":1,"seq":${seq},"prev":"${prev}"${drafted.middle}`;
  if (drafted.sealed === null) return `${start}}`;
  const sealed = keys.seal(periodOf(drafted.time), drafted.sealed, sealContext(node, seq, drafted.type));
  return `${start},"sealed":${JSON.stringify(sealed)}}`;
}

/** RFC 6962, 2.1: SHA-256(0x00 ‖ the line's bytes without the newline). `JSON.stringify` leaves no lone surrogate, so UTF-8 is exact. */
export function leafOf(line: string): string {
  return hash('sha256', `\0${line}`, 'hex');
}

const ZERO = Buffer.alloc(1);
export function leafOfBytes(line: Uint8Array): string {
  return createHash('sha256').update(ZERO).update(line).digest('hex');
}

export function periodOf(time: string): string {
  return time.slice(0, 7);
}

/** The start of a line, if it is one that this version writes. */
export function parseStart(line: Buffer): { readonly seq: number; readonly prev: string } | null {
  const match = /^\{"v":1,"seq":([1-9]\d{0,15}),"prev":"([0-9a-f]{64})",/.exec(line.toString('latin1', 0, 120));
  return match === null ? null : { seq: Number(match[1]), prev: match[2] ?? '' };
}

export function isJson(line: Buffer): boolean {
  try {
    JSON.parse(line.toString());
    return true;
  } catch {
    return false;
  }
}

/** A parsed line, before unsealing. */
export interface Line {
  readonly v: number;
  readonly seq: number;
  readonly prev: string;
  readonly time: string;
  readonly mono: number;
  readonly node: string;
  readonly type: string;
  readonly clear: Readonly<Record<string, unknown>>;
  readonly block?: BlockJson;
  readonly sealed?: Sealed;
}

/** A block's columns: entry i is the i-th of each; shape, rule and outcome index `words`. */
export interface BlockJson {
  /** Milliseconds since the epoch that `ms` counts from. */
  readonly from: number;
  readonly words: readonly string[];
  readonly ms: readonly number[];
  readonly shape: readonly number[];
  readonly rule: readonly number[];
  readonly outcome: readonly number[];
  readonly rows: readonly number[];
  readonly bytes: readonly number[];
  readonly us: readonly number[];
}

export async function unsealed(line: Line, keys: Keys): Promise<ReadRecord> {
  let sealed: ReadRecord['sealed'];
  if (line.sealed !== undefined) {
    const text = await keys.unseal(line.sealed, sealContext(line.node, line.seq, line.type)).catch((error: unknown) => {
      throw error instanceof AuditError && error.kind === 'damaged'
        ? new AuditError('damaged', `record ${line.seq}: ${error.message}`)
        : error;
    });
    sealed = text === null ? null : (JSON.parse(text) as Readonly<Record<string, unknown>>);
  }
  const { seq, time, mono, node, type, clear } = line;
  return { seq, time, mono, node, type, clear, sealed, entries: line.block === undefined ? [] : entriesOf(line.block) };
}

export function entriesOf(block: BlockJson): AllowedEntry[] {
  const word = (column: readonly number[], i: number) => block.words[column[i] ?? -1] ?? '';
  return block.ms.map((ms, i) => ({
    time: block.from + ms,
    shape: word(block.shape, i),
    rule: word(block.rule, i),
    outcome: word(block.outcome, i),
    rows: block.rows[i] ?? 0,
    bytes: block.bytes[i] ?? 0,
    duration_us: block.us[i] ?? 0,
  }));
}

function sealContext(node: string, seq: number, type: string): string {
  return JSON.stringify(['holdpoint sealed text', format_version, node, seq, type]);
}
