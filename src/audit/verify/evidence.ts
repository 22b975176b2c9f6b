// Does an evidence folder hold? Its files are those of its manifest, and all its records lead to the root of the checkpoint, whose signature is
// checked with a key that was given. Needs no log. Must never take a word of the folder for granted, nor read a file outside of it.

import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { logLines } from './lines.ts';
import { BadInput, parseCheckpoints, type SignedCheckpoint, type VerifierKey } from './note.ts';
import { HASH_BYTES, Roots } from './tree.ts';

const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;
/** Of the proof; one such line says 2^48 leaves or a checkpoint's note. */
const LINE_CHARS_MAX = 64 * 1024;
const HEIGHT_MAX = 48;
const PROBLEMS_MAX = 100;
const RECORDS = 'records.jsonl';
const PROOF = 'proof.jsonl';

export interface EvidenceReport {
  /** Files and records are as they were made and signed. */
  readonly verified: boolean;
  readonly files: number;
  /** Of the manifest, which nobody signed: to be compared with what the command printed. */
  readonly manifest_sha256: string;
  /** Null: the folder has no proof. */
  readonly checkpoint: { readonly size: number; readonly signed_by: readonly string[] } | null;
  readonly records: number;
  /** Those that the checkpoint covers, led to its root. */
  readonly proved: number;
  /** What is wrong, in words. */
  readonly problems: readonly string[];
}

/** Has this folder a manifest of evidence? */
export async function isEvidence(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.includes('manifest.json') && names.includes(RECORDS);
}

/** Throws BadInput where it is none, or its checkpoint is not signed by a given key. */
export async function verifyEvidence(folder: string, keys: readonly VerifierKey[]): Promise<EvidenceReport> {
  const { files, sha256 } = await manifestOf(folder);
  const problems: string[] = [];
  for (const file of files) {
    const wrong = await compare(folder, file);
    if (wrong !== null) problems.push(wrong);
  }
  const listed = new Set(files.map(({ path }) => path));
  for (const path of await filesIn(folder))
    if (path !== 'manifest.json' && !listed.has(path)) problems.push(`${path}: it is not in manifest.json`);
  const proof =
    listed.has(PROOF) && !problems.some((problem) => problem.startsWith(`${PROOF}:`))
      ? await prove(folder, keys)
      : null;
  if (proof === null) problems.push('there is no proof in this folder that its records are in a log');
  else if (!proof.sound)
    problems.push(
      `${RECORDS}: its records do not lead to the checkpoint of ${proof.checkpoint.size} records: edited, or not of this log`,
    );
  return {
    verified: problems.length === 0,
    files: files.length,
    manifest_sha256: sha256,
    checkpoint: proof && { size: proof.checkpoint.size, signed_by: proof.checkpoint.signed_by },
    records: proof?.records ?? 0,
    proved: proof?.sound ? proof.proved : 0,
    problems: problems.slice(0, PROBLEMS_MAX),
  };
}

interface Listed {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

async function manifestOf(folder: string): Promise<{ readonly files: readonly Listed[]; readonly sha256: string }> {
  const path = join(folder, 'manifest.json');
  const { size } = await lstat(path);
  if (size > MANIFEST_BYTES_MAX) throw new BadInput(`${path} is larger than any manifest`);
  const bytes = await readFile(path);
  const { holdpoint, v, files } = fields(parsed(bytes.toString('utf8'), path));
  if (holdpoint !== 'evidence') throw new BadInput(`${path} is no manifest of evidence`);
  if (v !== 1) throw new BadInput(`${path} is of version ${String(v)}; this program reads version 1`);
  const sound =
    Array.isArray(files) &&
    files
      .map(fields)
      .every(
        (one) =>
          isInside(one['path']) && typeof one['bytes'] === 'number' && /^[0-9a-f]{64}$/.test(String(one['sha256'])),
      );
  if (!sound) throw new BadInput(`${path} is a manifest with parts missing, or it names files outside of the folder`);
  return { files: files as Listed[], sha256: hash('sha256', bytes) };
}

/** A file of the folder, or of a folder in it. */
function isInside(path: unknown): boolean {
  return typeof path === 'string' && /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(path);
}

async function compare(folder: string, { path, bytes, sha256 }: Listed): Promise<string | null> {
  const found = await lstat(join(folder, path)).catch(() => null);
  if (!found?.isFile()) return `${path}: it is missing`;
  if (found.size !== bytes) return `${path}: it has ${found.size} bytes instead of ${bytes}`;
  const digest = createHash('sha256');
  for await (const chunk of createReadStream(join(folder, path))) digest.update(chunk as Buffer);
  return digest.digest('hex') === sha256 ? null : `${path}: it was changed`;
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, '/').length));
}

interface Proof {
  readonly checkpoint: SignedCheckpoint;
  readonly records: number;
  readonly proved: number;
  readonly sound: boolean;
}

async function prove(folder: string, keys: readonly VerifierKey[]): Promise<Proof> {
  const path = join(folder, PROOF);
  const entries = linesOf(path);
  const first = fields((await entries.next()).value);
  const { holdpoint, v, checkpoint: note } = first;
  if (holdpoint !== 'evidence proof' || v !== 1 || typeof note !== 'string')
    throw new BadInput(`${path} is no proof of version 1`);
  const [checkpoint, another] = parseCheckpoints(note, keys, path);
  if (checkpoint === undefined || another !== undefined) throw new BadInput(`${path}: a proof has one checkpoint`);
  const leaves = leavesOf(folder);
  const roots = new Roots();
  let proved = 0;
  let sound = true;
  for await (const entry of entries) {
    const taken = typeof entry === 'number' ? await takeRecords(entry, leaves, roots) : takeTree(entry, roots);
    if (taken === null || roots.size > checkpoint.size) {
      sound = false;
      break;
    }
    proved += taken;
  }
  let records = proved;
  while ((await leaves.next()).done !== true) records++;
  sound &&= roots.size === checkpoint.size && roots.root().equals(checkpoint.root);
  return { checkpoint, records, proved, sound };
}

/** How many; null: there are not so many. */
async function takeRecords(
  count: number,
  leaves: AsyncGenerator<Buffer, void, undefined>,
  roots: Roots,
): Promise<number | null> {
  if (!Number.isSafeInteger(count) || count < 1) return null;
  for (let n = 0; n < count; n++) {
    const { value } = await leaves.next();
    if (value === undefined) return null;
    roots.add(value);
  }
  return count;
}

/** It must begin where a whole subtree of its height does, or the tree would be another one. */
function takeTree(entry: unknown, roots: Roots): 0 | null {
  const [height, text, ...more] = Array.isArray(entry) ? (entry as unknown[]) : [];
  if (typeof height !== 'number' || typeof text !== 'string' || more.length > 0) return null;
  if (!Number.isInteger(height) || height < 0 || height > HEIGHT_MAX) return null;
  const bytes = Buffer.from(text, 'base64');
  const leaves = 2 ** height;
  if (bytes.length !== HASH_BYTES || bytes.toString('base64') !== text || roots.size % leaves !== 0) return null;
  roots.add(bytes, leaves);
  return 0;
}

async function* leavesOf(folder: string): AsyncGenerator<Buffer, void, undefined> {
  const path = join(folder, RECORDS);
  const { size } = await lstat(path);
  for await (const lines of logLines([{ number: 1, path, bytes: size, gone: false }]))
    for (const { leaf } of lines) yield leaf;
}

async function* linesOf(path: string): AsyncGenerator<unknown, void, undefined> {
  let rest = '';
  for await (const chunk of createReadStream(path, 'utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield parsed(line, path);
    if (rest.length > LINE_CHARS_MAX) throw new BadInput(`${path} is no proof: it has a line that is too long`);
  }
  if (rest !== '') yield parsed(rest, path);
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new BadInput(`${path} is damaged: it is no JSON`);
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
