// Key files of the log, as they lie on disk: 32 bytes, or wrapped with the master key, so that who copies the folder reads no text.
// Wrapping is AES-256-GCM, and not RFC 3394's key wrap, as that binds no name: a month's file must not pass for another's. A file is
// replaced whole, durably or not at all, and never before all of them have been opened. No key is ever put into a message.

import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { AuditError } from './error.ts';
import { errorCode, readRange, writeNewFile, type AuditFs } from './files.ts';

export const key_bytes = 32;
const wrap_version = 1;
const nonce_bytes = 12;
const mac_bytes = 16;
const file_bytes_max = 4096;

/** Of a month, or of the equality tags. What signs checkpoints opens no text, and is not wrapped. */
const KEY_FILE = /^(\d{4}-\d{2}|tag)\.key$/;
const LEFT_OVER = /^(?:\d{4}-\d{2}|tag)\.key\.\d+\.tmp$/;

/** What the others are wrapped with: kept apart from the log. */
export interface MasterKey {
  readonly bytes: Buffer;
  /** First 8 hex digits of SHA-256('holdpoint master key id' ‖ key). */
  readonly id: string;
}

/** From 64 hex digits, or base64 of 32 bytes (also as URLs have it). Throws AuditError 'key'. */
export function masterKey(text: string): MasterKey {
  const trimmed = text.trim();
  const bytes = /^[0-9a-f]{64}$/i.test(trimmed)
    ? Buffer.from(trimmed, 'hex')
    : /^[\w+/-]{43}=?$/.test(trimmed)
      ? Buffer.from(trimmed, 'base64')
      : Buffer.alloc(0);
  if (bytes.length !== key_bytes)
    throw new AuditError('key', `the master key is not ${key_bytes} bytes, written as 64 hex digits or as base64`);
  return { bytes, id: idOf('holdpoint master key id', bytes) };
}

/** How records name a key: first 8 hex digits of SHA-256('holdpoint key id' ‖ key). */
export function keyId(bytes: Uint8Array): string {
  return idOf('holdpoint key id', bytes);
}

function idOf(what: string, bytes: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(what), bytes]), 'hex').slice(0, 8);
}

interface Wrapped {
  readonly holdpoint: 'wrapped key';
  readonly v: number;
  readonly name: string;
  readonly key_id: string;
  /** Id of the master key. */
  readonly master: string;
  /** Base64 of nonce (12) ‖ ciphertext (32) ‖ tag (16). */
  readonly wrapped: string;
}

/** `keys/<name>.key`; null: there is none. Rejects AuditError 'key' when none of the master keys opens it, or it is damaged. */
export async function loadKey(
  fs: AuditFs,
  folder: string,
  name: string,
  masters: readonly MasterKey[],
): Promise<Buffer | null> {
  return (await loadFile(fs, folder, name, masters))?.bytes ?? null;
}

/** Durable when it resolves. */
export async function writeKey(
  fs: AuditFs,
  folder: string,
  name: string,
  bytes: Buffer,
  master: MasterKey | null,
): Promise<void> {
  await writeNewFile(fs, folder, `${name}.key`, master === null ? bytes : wrap(name, bytes, master));
}

/** All keys of a log, opened. */
export interface KeyRing {
  readonly keys: number;
  /** Those that are not wrapped as they should be. */
  readonly stale: number;
  /** Writes these anew. Killed in between it leaves some as they were: done again it goes on. */
  rewrap(): Promise<void>;
}

/**
 * Opens every key of the log, wrapped with `to` (null: with none), with one of `from`, or not at all, and writes nothing: where one does not
 * open it rejects AuditError 'key'. For `rewrap` the log must be locked.
 */
export async function openKeys(
  fs: AuditFs,
  folder: string,
  to: MasterKey | null,
  from: readonly MasterKey[] = [],
): Promise<KeyRing> {
  const files = (await fs.list(folder)).toSorted();
  const names = files.flatMap((file) => KEY_FILE.exec(file)?.[1] ?? []);
  const stale: { readonly name: string; readonly bytes: Buffer }[] = [];
  for (const name of names) {
    const found = await loadFile(fs, folder, name, to === null ? from : [to, ...from]);
    if (found !== null && found.master !== (to?.id ?? null)) stale.push({ name, bytes: found.bytes });
  }
  return {
    keys: names.length,
    stale: stale.length,
    async rewrap() {
      // Of a process that was killed while it wrote one: it may hold a key that is not wrapped.
      for (const file of files) if (LEFT_OVER.test(file)) await fs.remove(`${folder}/${file}`);
      for (const { name, bytes } of stale) await writeKey(fs, folder, name, bytes, to);
    },
  };
}

async function loadFile(
  fs: AuditFs,
  folder: string,
  name: string,
  masters: readonly MasterKey[],
): Promise<{ readonly bytes: Buffer; readonly master: string | null } | null> {
  const file = await fs.open(`${folder}/${name}.key`, 'read').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const bytes = await readRange(file, 0, file_bytes_max);
    if (bytes.length === key_bytes) return { bytes, master: null };
    const wrapped = wrappedIn(bytes);
    if (wrapped === null)
      throw new AuditError(
        'key',
        `keys/${name}.key holds ${bytes.length} bytes instead of ${key_bytes}, or of a wrapped key`,
      );
    return { bytes: unwrap(name, wrapped, masters), master: wrapped.master };
  } finally {
    await file.close();
  }
}

function wrappedIn(bytes: Buffer): Wrapped | null {
  try {
    const file = JSON.parse(bytes.toString('utf8')) as Wrapped;
    return file.holdpoint === 'wrapped key' && file.v === wrap_version ? file : null;
  } catch {
    return null;
  }
}

function wrap(name: string, bytes: Buffer, master: MasterKey): Buffer {
  const key_id = keyId(bytes);
  const nonce = randomBytes(nonce_bytes);
  const cipher = createCipheriv('aes-256-gcm', master.bytes, nonce).setAAD(bound(name, key_id, master.id));
  const wrapped = Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()]).toString('base64');
  const file: Wrapped = { holdpoint: 'wrapped key', v: wrap_version, name, key_id, master: master.id, wrapped };
  return Buffer.from(`${JSON.stringify(file)}\n`);
}

function unwrap(name: string, { key_id, master: id, wrapped }: Wrapped, masters: readonly MasterKey[]): Buffer {
  const master = masters.find((one) => one.id === id);
  const file = `keys/${name}.key is wrapped with the master key ${id}`;
  if (master === undefined)
    throw new AuditError(
      'key',
      masters.length === 0
        ? `${file}, and none is given: set audit.master_key`
        : `${file}, and what audit.master_key gives is ${masters.map((one) => one.id).join(', ')}: give the right one, ` +
            "or, where it is a new one, run 'holdpoint audit rotate-master-key'",
    );
  const bytes = Buffer.from(wrapped, 'base64');
  try {
    const nonce = bytes.subarray(0, nonce_bytes);
    const decipher = createDecipheriv('aes-256-gcm', master.bytes, nonce, { authTagLength: mac_bytes });
    decipher.setAAD(bound(name, key_id, id)).setAuthTag(bytes.subarray(-mac_bytes));
    const key = Buffer.concat([decipher.update(bytes.subarray(nonce_bytes, -mac_bytes)), decipher.final()]);
    if (key.length === key_bytes) return key;
  } catch {
    // The library's words say less than the sentence below.
  }
  throw new AuditError(
    'key',
    `${file}, and does not open with it: it was changed, or is another key's file. Restore it from a backup`,
  );
}

function bound(name: string, key_id: string, master_id: string): Buffer {
  return Buffer.from(JSON.stringify(['holdpoint wrapped key', wrap_version, name, key_id, master_id]));
}
