// Does a receipt hold? Each of its records is led to the root of its checkpoint, whose signature is checked with a key that was given; what
// the receipt says of itself must be what its records say. Needs no log. Must never take a word of it for granted.

import { createHash } from 'node:crypto';
import { BadInput, parseCheckpoints, type VerifierKey } from './note.ts';
import { HASH_BYTES, rootFromProof } from './tree.ts';

export interface ReceiptReport {
  readonly verified: boolean;
  readonly request: string;
  readonly policy: string;
  readonly checkpoint: { readonly size: number; readonly signed_by: readonly string[] };
  readonly records: readonly {
    readonly record: number;
    readonly time: string;
    readonly type: string;
    readonly proved: boolean;
  }[];
  /** What is wrong, in words. */
  readonly problems: readonly string[];
}

interface Claimed {
  readonly request: string;
  readonly policy: string;
  readonly checkpoint: string;
  readonly records: readonly { readonly index: number; readonly line: string; readonly proof: readonly string[] }[];
}

/** Throws BadInput where the text is no receipt, or its checkpoint is not signed by a given key. */
export function verifyReceipt(text: string, keys: readonly VerifierKey[], from: string): ReceiptReport {
  const claimed = read(text, from);
  const [checkpoint, another] = parseCheckpoints(claimed.checkpoint, keys, from);
  if (checkpoint === undefined || another !== undefined) throw new BadInput(`${from}: a receipt has one checkpoint`);
  const problems: string[] = [];
  let before = -1;
  let opened = false;
  const records = claimed.records.map(({ index, line, proof }) => {
    const leaf = createHash('sha256').update(Buffer.alloc(1)).update(line, 'utf8').digest();
    const path = proof.map((one) => Buffer.from(one, 'base64'));
    const sound = path.every((one, i) => one.length === HASH_BYTES && one.toString('base64') === proof[i]);
    const root = sound ? rootFromProof(leaf, index, checkpoint.size, path) : null;
    const proved = root?.equals(checkpoint.root) ?? false;
    const record = index + 1;
    if (!proved)
      problems.push(
        `record ${record}: it is not in what the checkpoint covers as it stands here: edited, or not of this log`,
      );
    if (index <= before) problems.push(`record ${record}: it stands out of order`);
    before = index;
    const said = saidBy(line);
    const own = said.type.startsWith('request.');
    if (own && said.request !== claimed.request)
      problems.push(`record ${record}: it is of another request than ${claimed.request}`);
    if (!own && said.type !== 'policy.loaded') problems.push(`record ${record}: it is of no request`);
    if (own && !opened) {
      opened = true;
      if (said.type !== 'request.opened')
        problems.push(`record ${record}: the first record of a request is request.opened, and this is ${said.type}`);
      if (said.policy !== claimed.policy)
        problems.push(`record ${record}: it names another policy than the receipt does`);
    }
    return { record, time: said.time, type: said.type, proved };
  });
  if (!opened) problems.push('it holds no record of the request');
  const { size, signed_by } = checkpoint;
  const { request, policy } = claimed;
  return { verified: problems.length === 0, request, policy, checkpoint: { size, signed_by }, records, problems };
}

function read(text: string, from: string): Claimed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BadInput(`${from} is no receipt: it is no JSON`);
  }
  const { holdpoint, v, request, policy, checkpoint, records } = fields(value);
  if (holdpoint !== 'receipt') throw new BadInput(`${from} is no receipt`);
  if (v !== 1) throw new BadInput(`${from} is a receipt of version ${String(v)}; this program reads version 1`);
  const wrong = new BadInput(`${from} is a receipt with parts missing`);
  if (
    typeof request !== 'string' ||
    typeof policy !== 'string' ||
    typeof checkpoint !== 'string' ||
    !Array.isArray(records)
  )
    throw wrong;
  return {
    request,
    policy,
    checkpoint,
    records: records.map((one: unknown) => {
      const { index, line, proof } = fields(one);
      if (typeof index !== 'number' || typeof line !== 'string' || !isTexts(proof)) throw wrong;
      return { index, line, proof };
    }),
  };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** What a line says; '' for what it does not. */
function saidBy(line: string): {
  readonly time: string;
  readonly type: string;
  readonly request: string;
  readonly policy: string;
} {
  let value: unknown = null;
  try {
    value = JSON.parse(line);
  } catch {
    // Then it says nothing.
  }
  const { time, type, clear } = fields(value);
  const { id, request } = fields(clear);
  const { id: inner, policy } = fields(request);
  const text = (one: unknown): string => (typeof one === 'string' ? one : '');
  return {
    time: text(time),
    type: text(type),
    request: text(id) || text(request) || text(inner),
    policy: text(policy),
  };
}
