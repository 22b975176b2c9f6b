// The key that signs checkpoints, and the notes it signs: C2SP signed-note and tlog-checkpoint, Ed25519 (RFC 8032). The key is made once,
// durable before it signs, mode 0600, and never in the log, a message or a note. Public keys, old ones too, are kept beside it.

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { AuditError } from './error.ts';
import { errorCode, readRange, writeNewFile, type AuditFs } from './files.ts';

/** RFC 8410, 7: what stands before the 32 bytes of a key in PKCS#8. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const seed_bytes = 32;
/** C2SP signed-note: Ed25519. */
const ALGORITHM = Buffer.from([1]);
const file_bytes_max = 64 * 1024;

const SIGNING = 'checkpoint.key';
const PUBLIC = 'checkpoint.pub';

export interface Signer {
  /** Of the log and of its keys: the first line of its checkpoints. */
  readonly name: string;
  /** `name+hash+base64`, as verifiers take it. */
  readonly verifier_key: string;
  /** The signed note of a tree of `size` leaves. */
  note(size: number, root: Uint8Array): string;
}

interface Key {
  readonly name: string;
  readonly seed: Buffer;
}

/** Loads the key, or makes one; `log_folder`/keys must be there. Rejects AuditError 'key' when the file is none. */
export async function openSigner(fs: AuditFs, log_folder: string, node: string): Promise<Signer> {
  const folder = `${log_folder}/keys`;
  const found = (await readKeys(fs, folder)).at(-1);
  if (found) {
    await keepPublic(fs, log_folder, found);
    return signerOf([found]);
  }
  const host = node.replace(/[^\w.-]/g, '_') || '_';
  const key = { name: `holdpoint/${host}/${randomBytes(4).toString('hex')}`, seed: randomBytes(seed_bytes) };
  await writeNewFile(fs, folder, SIGNING, Buffer.from(privateText(key)));
  await keepPublic(fs, log_folder, key);
  return signerOf([key]);
}

/**
 * Makes another key of the same name. The returned signer signs with both, for the one checkpoint in which the old key vouches for the
 * new; from the next `openSigner` on the new one signs alone.
 */
export async function rotateSigner(
  fs: AuditFs,
  log_folder: string,
): Promise<{ readonly old: Signer; readonly both: Signer }> {
  const folder = `${log_folder}/keys`;
  const old = (await readKeys(fs, folder)).at(-1);
  if (!old) throw new AuditError('key', `there is no ${folder}/${SIGNING} yet`);
  const key = { name: old.name, seed: randomBytes(seed_bytes) };
  await keepPublic(fs, log_folder, old);
  await writeNewFile(fs, folder, SIGNING, Buffer.from(privateText(key)));
  await keepPublic(fs, log_folder, key);
  return { old: signerOf([old]), both: signerOf([key, old]) };
}

/** The public keys of a log, oldest first; the last one signs now. */
export async function verifierKeys(fs: AuditFs, log_folder: string): Promise<string[]> {
  const text = await readText(fs, `${log_folder}/${PUBLIC}`);
  return text.split('\n').filter((line) => line !== '');
}

/** The first signs, and so does each of the others: a note may have several signatures. */
function signerOf(keys: readonly [Key, ...Key[]]): Signer {
  const lines = keys.map((key) => {
    const secret = secretOf(key);
    const id = keyHash(key.name, publicOf(secret));
    return (text: Buffer) => `\u2014 ${key.name} ${Buffer.concat([id, sign(null, text, secret)]).toString('base64')}\n`;
  });
  const [{ name }] = keys;
  return {
    name,
    verifier_key: verifierKey(keys[0]),
    note(size, root) {
      const text = `${name}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
      const bytes = Buffer.from(text);
      return `${text}\n${lines.map((line) => line(bytes)).join('')}`;
    },
  };
}

function secretOf({ seed }: Key): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
}

function publicOf(secret: KeyObject): Buffer {
  const { x } = createPublicKey(secret).export({ format: 'jwk' });
  return Buffer.from(x ?? '', 'base64url');
}

/** C2SP signed-note: the first four bytes of SHA-256(name ‖ newline ‖ algorithm ‖ public key). */
function keyHash(name: string, key: Uint8Array): Buffer {
  return createHash('sha256').update(`${name}\n`).update(ALGORITHM).update(key).digest().subarray(0, 4);
}

function verifierKey(key: Key): string {
  const bytes = publicOf(secretOf(key));
  return `${key.name}+${keyHash(key.name, bytes).toString('hex')}+${Buffer.concat([ALGORITHM, bytes]).toString('base64')}`;
}

/** As Go's note package writes a signer's key. */
function privateText(key: Key): string {
  const hash = keyHash(key.name, publicOf(secretOf(key))).toString('hex');
  return `PRIVATE+KEY+${key.name}+${hash}+${Buffer.concat([ALGORITHM, key.seed]).toString('base64')}\n`;
}

async function readKeys(fs: AuditFs, folder: string): Promise<Key[]> {
  const text = await readText(fs, `${folder}/${SIGNING}`);
  if (text === '') return [];
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const match = /^PRIVATE\+KEY\+([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line);
      const bytes = Buffer.from(match?.[3] ?? '', 'base64');
      const key = { name: match?.[1] ?? '', seed: bytes.subarray(1) };
      if (bytes[0] !== ALGORITHM[0] || key.seed.length !== seed_bytes || privateText(key) !== `${line}\n`)
        throw new AuditError('key', `${folder}/${SIGNING} is not a key that signs checkpoints`);
      return key;
    });
}

async function keepPublic(fs: AuditFs, folder: string, key: Key): Promise<void> {
  const text = await readText(fs, `${folder}/${PUBLIC}`);
  const line = `${verifierKey(key)}\n`;
  if (!text.includes(line)) await writeNewFile(fs, folder, PUBLIC, Buffer.from(text + line));
}

/** '' where there is no such file. */
async function readText(fs: AuditFs, path: string): Promise<string> {
  const file = await fs.open(path, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return '';
  try {
    return (await readRange(file, 0, file_bytes_max)).toString('utf8');
  } finally {
    await file.close();
  }
}
