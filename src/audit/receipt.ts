// A receipt: the records of one request as they stand in the log, byte for byte, with a proof for each that a signed checkpoint covers it.
// Whatever was sealed stays sealed in it. Must never hand out a proof that does not lead to the checkpoint's root.

import { AuditError } from './error.ts';
import { errorCode, realFs, type AuditFs } from './files.ts';
import { Hashes } from './proof.ts';
import { leafOfBytes, type Line } from './record.ts';
import { nameOf, rawLines, recordsBefore, segmentsOf } from './scan.ts';
import { rootFromProof } from './verify/tree.ts';

/** One request has a few dozen; a question asked without end must not make a receipt without end. */
export const receipt_records_max = 10_000;
export const receipt_bytes_max = 64 * 1024 * 1024;

export interface Receipt {
  readonly holdpoint: 'receipt';
  readonly v: 1;
  readonly request: string;
  /** SHA-256 of the policy that held it, hex; '' where the records name none. */
  readonly policy: string;
  /** `name+id` of the keys that signed the checkpoint. */
  readonly keys: readonly string[];
  /** The signed note. */
  readonly checkpoint: string;
  readonly records: readonly {
    /** Place in the log, from 0. */
    readonly index: number;
    /** The record's line without its newline. */
    readonly line: string;
    /** Base64, from the leaf's sibling upwards. */
    readonly proof: readonly string[];
  }[];
}

export interface ReceiptSource {
  readonly fs?: AuditFs;
  /** The log's own folder. */
  readonly dir: string;
  /** The newest checkpoint that covers so many records; null: there is none. */
  cover(size: number): Promise<{ readonly size: number; readonly root: string; readonly note: string } | null>;
}

/** 'unknown': no record names it. 'uncovered': no checkpoint covers all of its records yet. Rejects AuditError 'damaged'. */
export async function receiptOf(request: string, source: ReceiptSource): Promise<Receipt | 'unknown' | 'uncovered'> {
  const { fs = realFs, dir } = source;
  const found = await recordsOf(fs, dir, request).catch((error: unknown) => {
    // Retention has removed a segment in the same moment.
    if (errorCode(error) === 'ENOENT') return recordsOf(fs, dir, request);
    throw error;
  });
  const last = found.records.at(-1);
  if (last === undefined) return 'unknown';
  const checkpoint = await source.cover(last.index + 1);
  if (checkpoint === null) return 'uncovered';
  const receipt = await receiptFrom(fs, dir, request, found, checkpoint);
  if (receipt === null)
    throw new AuditError(
      'damaged',
      `the leaf hashes in ${dir} do not lead to the checkpoint's root: run 'holdpoint audit verify'`,
    );
  return receipt;
}

/** Null: the log's own hashes do not lead to the checkpoint's root. */
export async function receiptFrom(
  fs: AuditFs,
  dir: string,
  request: string,
  { records: found, policy }: Found,
  { size, root, note }: { readonly size: number; readonly root: string; readonly note: string },
): Promise<Receipt | null> {
  const records =
    (await proved(new Hashes(fs, dir, true), found, size, root)) ??
    (await proved(new Hashes(fs, dir, false), found, size, root));
  return records && { holdpoint: 'receipt', v: 1, request, policy, keys: signersOf(note), checkpoint: note, records };
}

interface Found {
  readonly records: readonly { readonly index: number; readonly line: string; readonly leaf: Buffer }[];
  readonly policy: string;
}

async function recordsOf(fs: AuditFs, dir: string, request: string): Promise<Found> {
  const needle = Buffer.from(JSON.stringify(request));
  const records: { index: number; line: string; leaf: Buffer }[] = [];
  let bytes_kept = 0;
  let policy = '';
  /** The last record that put a policy in force; it belongs to the receipt if it is the one that held the request. */
  let loaded: (typeof records)[number] | null = null;
  const segments = await segmentsOf(fs, dir);
  let index = await recordsBefore(fs, dir, segments);
  for (const segment of segments) {
    const file = await fs.open(`${dir}/${nameOf(segment)}.jsonl`, 'read');
    try {
      for await (const lines of rawLines(file, 0, await file.size())) {
        for (const { bytes, whole } of lines) {
          if (!whole && segment === segments.at(-1)) break;
          const at = index++;
          const isPolicy = bytes.includes('"type":"policy.loaded"');
          if (!isPolicy && !bytes.includes(needle)) continue;
          const line = parsed(bytes);
          if (line === null) continue;
          const kept = { index: at, line: bytes.toString('utf8'), leaf: Buffer.from(leafOfBytes(bytes), 'hex') };
          if (line.type === 'policy.loaded') loaded = kept;
          if (!isOf(line, request)) continue;
          if (records.length === 0) {
            policy = policyOf(line);
            if (loaded !== null && policy !== '' && loaded.line.includes(JSON.stringify(policy))) records.push(loaded);
          }
          records.push(kept);
          bytes_kept += bytes.length;
          if (records.length > receipt_records_max || bytes_kept > receipt_bytes_max)
            throw new AuditError('invalid', `request ${request} has more records than a receipt may hold`);
        }
      }
    } finally {
      await file.close();
    }
  }
  return { records: records.every(({ line }) => line === loaded?.line) ? [] : records, policy };
}

/** By the id that every record of a request has in clear. */
function isOf({ type, clear }: Line, request: string): boolean {
  if (!type.startsWith('request.')) return false;
  const opened = clear['request'];
  return clear['id'] === request || opened === request || (isObject(opened) && opened['id'] === request);
}

function policyOf({ clear }: Line): string {
  const opened = clear['request'];
  const policy = isObject(opened) ? opened['policy'] : undefined;
  return typeof policy === 'string' ? policy : '';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function parsed(bytes: Buffer): Line | null {
  try {
    const line = JSON.parse(bytes.toString('utf8')) as Line;
    return isObject(line.clear) && typeof line.type === 'string' ? line : null;
  } catch {
    return null;
  }
}

async function proved(
  hashes: Hashes,
  found: Found['records'],
  size: number,
  root: string,
): Promise<Receipt['records'] | null> {
  const records: Receipt['records'][number][] = [];
  for (const { index, line, leaf } of found) {
    const proof = await hashes.proof(index, size).catch(() => null);
    if (proof === null || rootFromProof(leaf, index, size, proof)?.toString('hex') !== root) return null;
    records.push({ index, line, proof: proof.map((one) => one.toString('base64')) });
  }
  return records;
}

function signersOf(note: string): string[] {
  return [...note.matchAll(/^\u2014 (\S+) (\S+)$/gm)].map(
    ([, name = '', signature = '']) => `${name}+${Buffer.from(signature, 'base64').toString('hex', 0, 4)}`,
  );
}
