// Log, checkpoints and receipts as an outsider has them: the command and the Python program of docs/verify.py, which was written by the format's
// page alone, say the same of what is whole and of what is not.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportText } from '../../../src/cli/audit.ts';
import { type Checkpoints, openCheckpoints } from '../../../src/audit/checkpoint.ts';
import { openAuditLog } from '../../../src/audit/log.ts';
import { type Receipt, receiptOf } from '../../../src/audit/receipt.ts';
import { verifyLog } from '../../../src/audit/verify/log.ts';
import { BadInput, parseCheckpoints, parseKey } from '../../../src/audit/verify/note.ts';
import { verifyReceipt } from '../../../src/audit/verify/receipt.ts';
import { type Tampered, writeTampered } from './tampering.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-evidence-'));
const dir = join(root, 'log');
const script = join(import.meta.dirname, '../../../docs/verify.py');
const REQUEST = 'HP-7KQ4M2XA';
const POLICY = '5e'.repeat(32);
let key: string;
let receipt: Receipt;
let checkpoints: Checkpoints;

const python = (...args: string[]): Promise<{ readonly status: number; readonly out: string }> =>
  new Promise((resolve) => {
    execFile('python3', [script, ...args], { encoding: 'utf8' }, (error, out, errors) => {
      resolve({ status: error === null ? 0 : Number(error.code), out: out + errors });
    });
  });

const about = (type: string, clear: object) => ({
  type: `request.${type}`,
  clear: { id: REQUEST, at: 1, ...clear },
  sealed: { text: 'ß' },
});

beforeAll(async () => {
  const log = await openAuditLog({
    dir,
    node: 'n1',
    segment_bytes_max: 60_000,
    checkpoints: async () => (checkpoints = await openCheckpoints({ dir, node: 'n1', every_ms: 3_600_000 })),
  });
  const others = (count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => log.append({ type: 'x.y', clear: { i, text: 'ä\u2028' } })));
  await log.append({ type: 'policy.loaded', clear: { path: 'p.yaml', hash: POLICY, rules: 3 } });
  await others(200);
  await log.append({
    type: 'request.opened',
    clear: { at: 1, request: { id: REQUEST, policy: POLICY } },
    sealed: { sql: 'select 1' },
  });
  await others(100);
  writeFileSync(join(root, 'early'), (await checkpoints.cover(250, 10_000))?.note ?? '');
  await log.append(about('decided', { decision: { decision: 'approve', by: 'ines' } }));
  await log.append(about('released', {}));
  // Another one's, which only mentions it.
  await log.append({ type: 'request.opened', clear: { request: { id: 'HP-22222222', like: REQUEST } } });
  await others(300);
  await log.append(about('executed', { outcome: { tag: 'SELECT 1' } }));
  const made = await receiptOf(REQUEST, { dir, cover: (size) => checkpoints.cover(size, 10_000) });
  expect(typeof made).toBe('object');
  receipt = made as Receipt;
  writeFileSync(join(root, 'held'), checkpoints.last?.note ?? '');
  await others(3);
  await log.close();
  key = checkpoints.signer.verifier_key;
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ours = async (folder: string, ...names: string[]) => {
  const given = names.flatMap((name) =>
    parseCheckpoints(readFileSync(join(root, name), 'utf8'), [parseKey(key)], name).map((one) => ({
      ...one,
      from: name,
    })),
  );
  return verifyLog({ folder, checkpoints: given });
};

describe('a log', () => {
  it('is verified by both, and what no checkpoint covers is told by both', async () => {
    const report = await ours(dir, 'early', 'held');
    expect(report).toMatchObject({
      verified: true,
      covered: 607,
      uncovered: { from: 608, to: 610 },
      checkpoints: { good: 2 },
    });
    expect(reportText(report)).toContain(
      'not covered   records 608 to 610: after the newest checkpoint, not yet covered',
    );
    expect(await python('log', dir, key, join(root, 'early'), join(root, 'held'))).toEqual({
      status: 0,
      out: '610 records; records 1 to 607 are as they were signed\nrecords 608 to 610 are not yet covered by a checkpoint\n',
    });
  });

  const changes: readonly Tampered['change'][] = [
    { kind: 'edit', at: 5 },
    { kind: 'delete', at: 400 },
    { kind: 'insert', at: 302, copy: null },
    { kind: 'swap', at: 10, with: 500 },
    { kind: 'cut', at: 600 },
  ];
  it.each(
    changes.flatMap((change) =>
      [false, true].map((recomputed) => ({ change, recomputed, sides: 'recomputed' as const })),
    ),
  )('is refused by both, in the same interval: $change.kind, recomputed: $recomputed', async (how) => {
    const folder = join(root, 'tampered');
    writeTampered(dir, folder, how);
    const report = await ours(folder, 'early', 'held');
    expect(report.verified).toBe(false);
    const told = await python('log', folder, key, join(root, 'early'), join(root, 'held'));
    expect(told.status).toBe(1);
    expect(told.out).toContain(`records ${report.interval?.from} to ${report.interval?.to}\n`);
    expect(told.out).toContain(`records 1 to ${report.covered} are as they were signed\n`);
  });

  it('with a whole segment gone names its records', async () => {
    const folder = join(root, 'tampered');
    writeTampered(dir, folder, { change: { kind: 'cut', at: 610 }, recomputed: false, sides: 'kept' });
    const lines = readFileSync(join(folder, '00000001.jsonl'), 'utf8').split('\n').slice(0, -1);
    writeFileSync(
      join(folder, '00000001.jsonl'),
      lines
        .slice(0, 100)
        .map((line) => `${line}\n`)
        .join(''),
    );
    writeFileSync(
      join(folder, '00000003.jsonl'),
      lines
        .slice(350)
        .map((line) => `${line}\n`)
        .join(''),
    );
    const report = await ours(folder, 'held');
    expect(report.findings.map(({ kind, record, to }) => [kind, record, to])).toEqual([['removed', 101, 350]]);
    expect(report.notes).toEqual(['00000002.jsonl is missing']);
  });
});

describe('a checkpoint', () => {
  it('of another key, or with one character changed, is taken by neither', async () => {
    const note = readFileSync(join(root, 'held'), 'utf8');
    const other = await openCheckpoints({ dir: join(root, 'other-log'), node: 'n1' }).catch(() => null);
    expect(other).toBeNull();
    for (const changed of [
      note.replace('\n607\n', '\n606\n'),
      note.replace(/(\u2014 \S+ .{20})./u, '$1_'),
      `x${note}`,
      note.slice(0, -20),
      '',
    ]) {
      writeFileSync(join(root, 'forged'), changed);
      expect(() => parseCheckpoints(changed, [parseKey(key)], 'forged')).toThrow(BadInput);
      expect((await python('log', dir, key, join(root, 'forged'))).status).toBe(2);
    }
    const [name, id, data = ''] = key.split('+');
    const damaged = `${name}+${id}+${data.startsWith('A') ? 'B' : 'A'}${data.slice(1)}`;
    expect(() => parseKey(damaged)).toThrow(BadInput);
    expect((await python('log', dir, damaged, join(root, 'held'))).status).toBe(2);
  });

  it('that contradicts another one of the same size is told as that', async () => {
    const forged = checkpoints.signer.note(607, Buffer.alloc(32, 7));
    writeFileSync(join(root, 'second'), forged);
    const report = await ours(dir, 'held', 'second');
    expect(report.verified).toBe(false);
    expect(report.findings[0]).toMatchObject({ kind: 'contradiction', to: 607 });
  });
});

describe('a receipt', () => {
  const both = async (changed: unknown) => {
    const path = join(root, 'receipt.json');
    writeFileSync(path, JSON.stringify(changed));
    const report = verifyReceipt(readFileSync(path, 'utf8'), [parseKey(key)], path);
    return { ours: report, theirs: (await python('receipt', path, key)).status };
  };

  it('has the request’s records and the policy that held it, each proved to both', async () => {
    const { ours: report, theirs } = await both(receipt);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ verified: true, request: REQUEST, policy: POLICY, checkpoint: { size: 607 } });
    expect(report.records.map(({ type, record }) => [type, record])).toEqual([
      ['policy.loaded', 2],
      ['request.opened', 203],
      ['request.decided', 304],
      ['request.released', 305],
      ['request.executed', 607],
    ]);
    expect(receipt.keys).toEqual([key.split('+').slice(0, 2).join('+')]);
    expect(theirs).toBe(0);
  });

  it('is made without tiles, too, and with torn ones', async () => {
    rmSync(join(dir, 'tile/0/001'));
    writeFileSync(join(dir, 'tile/0/000'), Buffer.alloc(8192));
    const again = await receiptOf(REQUEST, { dir, cover: async () => checkpoints.last });
    expect((await both(again)).ours.verified).toBe(true);
  });

  it('of an unknown request, or of one that no checkpoint covers, is none', async () => {
    expect(await receiptOf('HP-00000000', { dir, cover: async () => checkpoints.last })).toBe('unknown');
    expect(await receiptOf(REQUEST, { dir, cover: async () => null })).toBe('uncovered');
  });

  const record = (index: number, change: (line: string) => string) => ({
    ...receipt,
    records: receipt.records.map((one, i) => (i === index ? { ...one, line: change(one.line) } : one)),
  });
  it.each([
    ['an edited record', () => record(2, (line) => line.replace('"approve"', '"deny"'))],
    [
      'a record of another place',
      () => ({
        ...receipt,
        records: receipt.records.map((one, i) => (i === 2 ? { ...one, index: one.index + 1 } : one)),
      }),
    ],
    [
      'another proof',
      () => ({
        ...receipt,
        records: receipt.records.map((one, i) => (i === 2 ? { ...one, proof: receipt.records[3]?.proof ?? [] } : one)),
      }),
    ],
    ['no records', () => ({ ...receipt, records: [] })],
    ['another request’s name', () => ({ ...receipt, request: 'HP-22222222' })],
  ])('with %s is refused by both', async (_, changed) => {
    const { ours: report, theirs } = await both(changed());
    expect(report.verified).toBe(false);
    expect(theirs).toBe(1);
  });

  it.each([
    ['its first record left out', () => ({ ...receipt, records: receipt.records.slice(2) })],
    ['another policy’s hash', () => ({ ...receipt, policy: 'aa'.repeat(32) })],
    ['its records out of order', () => ({ ...receipt, records: receipt.records.toReversed() })],
  ])('with %s is refused', async (_, changed) => {
    expect((await both(changed())).ours.verified).toBe(false);
  });
});
