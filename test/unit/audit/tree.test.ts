// The Merkle tree of the writer and that of the reader against RFC 6962: the vectors that its reference implementation has, a plain
// recursion over its definition for every size to 300, and proofs for every leaf.
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { Tree } from '../../../src/audit/tree.ts';
import { Roots, rootFromProof } from '../../../src/audit/verify/tree.ts';
import { rootsFromConsistency } from './consistency.ts';

const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const leafOf = (data: string) => sha256(Buffer.from([0]), Buffer.from(data, 'hex'));

/** RFC 6962, 2.1, as it stands there. */
function mth(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0] as Buffer;
  const k = split(leaves.length);
  return sha256(Buffer.from([1]), mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}
/** RFC 6962, 2.1.1. */
function path(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  if (m < k) return [...path(m, leaves.slice(0, k)), mth(leaves.slice(k))];
  return [...path(m - k, leaves.slice(k)), mth(leaves.slice(0, k))];
}
const split = (n: number) => 2 ** Math.floor(Math.log2(n - 1));

const DATA = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

it('has the roots of the vectors', () => {
  const writer = new Tree();
  const reader = new Roots();
  for (const [size, root] of ROOTS.entries()) {
    expect([writer.root().toString('hex'), reader.root().toString('hex')]).toEqual([root, root]);
    const data = DATA[size];
    if (data === undefined) break;
    writer.push(leafOf(data));
    reader.add(leafOf(data));
  }
});

it('is the definition at every size, and each proof leads to its root and to no other', () => {
  const leaves = Array.from({ length: 300 }, (_, i) => sha256(Buffer.from([0]), Buffer.from(String(i))));
  const writer = new Tree();
  const reader = new Roots();
  for (let size = 1; size <= leaves.length; size++) {
    writer.push(leaves[size - 1] as Buffer);
    reader.add(leaves[size - 1] as Buffer);
    const all = leaves.slice(0, size);
    if (size > 130 && size % 16 > 1) continue;
    const root = mth(all);
    expect(writer.root().equals(root) && reader.root().equals(root)).toBe(true);
    if (size > 20 && ![33, 64, 100, 256, 257].includes(size)) continue;
    for (const [index, leaf] of all.entries()) {
      const proof = path(index, all);
      expect(rootFromProof(leaf, index, size, proof)?.equals(root)).toBe(true);
      expect(rootFromProof(sha256(leaf), index, size, proof)?.equals(root) ?? false).toBe(false);
      expect(rootFromProof(leaf, index, size, [...proof, root])?.equals(root) ?? false).toBe(false);
      if (size > 1) expect(rootFromProof(leaf, (index + 1) % size, size, proof)?.equals(root) ?? false).toBe(false);
    }
  }
});

/** RFC 6962, 2.1.2. */
function subproof(m: number, leaves: readonly Buffer[], whole: boolean): Buffer[] {
  if (m === leaves.length) return whole ? [] : [mth(leaves)];
  const k = split(leaves.length);
  if (m <= k) return [...subproof(m, leaves.slice(0, k), whole), mth(leaves.slice(k))];
  return [...subproof(m - k, leaves.slice(k), false), mth(leaves.slice(0, k))];
}

// Those of the reference implementation's own tests, of the tree over DATA: a leaf's number from 0, or an earlier size; a size; the proof.
const A = '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7';
const B = '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e';
const C = '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4';
const D = 'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b';
const E = 'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0';
const F = '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a';
const INCLUSION: readonly (readonly [number, number, readonly string[]])[] = [
  [0, 1, []],
  [0, 8, [A, B, C]],
  [5, 8, [D, E, ROOTS[4] as string]],
  [2, 3, [ROOTS[2] as string]],
  [1, 5, [ROOTS[1] as string, B, D]],
];
const CONSISTENCY: readonly (readonly [number, number, readonly string[]])[] = [
  [1, 1, []],
  [1, 8, [A, B, C]],
  [6, 8, [F, E, ROOTS[4] as string]],
  [2, 5, [B, D]],
];

it('has the proofs of the vectors', () => {
  const leaves = DATA.map(leafOf);
  const hex = (hashes: readonly Buffer[]) => hashes.map((one) => one.toString('hex'));
  for (const [index, size, proof] of INCLUSION) {
    expect(hex(path(index, leaves.slice(0, size)))).toEqual(proof);
    const hashes = proof.map((one) => Buffer.from(one, 'hex'));
    expect(rootFromProof(leaves[index] as Buffer, index, size, hashes)?.toString('hex')).toBe(ROOTS[size]);
  }
  for (const [from, to, proof] of CONSISTENCY) {
    expect(hex(subproof(from, leaves.slice(0, to), true))).toEqual(proof);
    const hashes = proof.map((one) => Buffer.from(one, 'hex'));
    expect(rootsFromConsistency(from, to, hashes, Buffer.from(ROOTS[from] as string, 'hex'))?.toString('hex')).toBe(
      ROOTS[to],
    );
  }
});

it('tells each hash of height 0, 8 and 16 once, in order', () => {
  const told = new Map<number, number>();
  const tree = new Tree((height) => told.set(height, (told.get(height) ?? 0) + 1));
  const leaf = sha256();
  for (let i = 0; i < 70_000; i++) tree.push(leaf);
  expect(Object.fromEntries(told)).toEqual({ 0: 70_000, 8: 273, 16: 1 });
});
