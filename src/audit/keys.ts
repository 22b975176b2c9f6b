// Keys of the log, and what is done with them: sealing (AES-256-GCM under one key per UTC month), the salted commitment, tags.
// A key is durable before anything sealed with it is written. Deleting keys/<month>.key deletes that month's texts for good
// and leaves every record, leaf and commitment as it was. No key, salt or text is ever put into a message.

import { createCipheriv, createDecipheriv, createHmac, hash, randomBytes } from 'node:crypto';
import { AuditError } from './error.ts';
import { errorCode, type AuditFs } from './files.ts';
import { key_bytes, keyId, loadKey, type MasterKey, writeKey } from './wrap.ts';

/** Long enough that the commitment of a one-bit text tells nothing. */
export const salt_bytes = 32;
/** NIST SP 800-38D: 96-bit nonces. */
const nonce_bytes = 12;
const mac_bytes = 16;

/** The `sealed` part of a record's line. */
export interface Sealed {
  /** UTC month of the key: '2025-11'. */
  readonly key: string;
  /** First 8 hex digits of SHA-256('holdpoint key id' ‖ key): tells a replaced key from a damaged text. */
  readonly key_id: string;
  /** Hex SHA-256(salt ‖ text). */
  readonly commitment: string;
  /** Base64 of nonce (12) ‖ ciphertext of salt (32) ‖ text ‖ tag (16). */
  readonly text: string;
}

interface Key {
  readonly bytes: Buffer;
  readonly id: string;
}

export class Keys {
  readonly #fs: AuditFs;
  readonly #folder: string;
  readonly #master: MasterKey | null;
  readonly #periods = new Map<string, Key | null>();
  readonly #nonces = new Nonces();
  #salts = Buffer.alloc(0);

  /** Null: keys are not wrapped, and one that is can't be used. */
  constructor(fs: AuditFs, log_folder: string, master: MasterKey | null) {
    this.#fs = fs;
    this.#folder = `${log_folder}/keys`;
    this.#master = master;
  }

  /** Makes the key of a period unless it is there. Must have resolved before `seal` for that period. */
  async ensure(period: string): Promise<void> {
    if (this.#periods.get(period)) return;
    this.#periods.set(period, await this.#loadOrMake(period));
  }

  /** Is there a key of this period? */
  async has(period: string): Promise<boolean> {
    return (await this.#load(period)) !== null;
  }

  /** Whatever was sealed in that month is unreadable from here on. */
  async remove(period: string): Promise<void> {
    this.#periods.delete(period);
    await this.#fs.remove(`${this.#folder}/${period}.key`).catch((error: unknown) => {
      if (errorCode(error) !== 'ENOENT') throw error;
    });
    await this.#fs.syncFolder(this.#folder);
  }

  /** The key of `tag`: one per log, in no record. */
  async tagKey(): Promise<Key> {
    return this.#loadOrMake('tag');
  }

  /** `context` binds the text to its record: it must be equal when unsealed. */
  seal(period: string, text: string, context: string): Sealed {
    const key = this.#periods.get(period);
    if (!key) throw new AuditError('key', `the key of ${period} was not loaded`);
    const salt = this.#salt();
    const nonce = this.#nonces.next();
    const cipher = createCipheriv('aes-256-gcm', key.bytes, nonce).setAAD(Buffer.from(context));
    const parts = [nonce, cipher.update(salt), cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return {
      key: period,
      key_id: key.id,
      commitment: commit(salt, text),
      text: Buffer.concat(parts).toString('base64'),
    };
  }

  /** The text, or null when its key is gone (deleted, or replaced after that). Rejects AuditError 'damaged' when it does not open. */
  async unseal(sealed: Sealed, context: string): Promise<string | null> {
    if (!/^\d{4}-\d{2}$/.test(sealed.key)) throw new AuditError('damaged', 'a sealed text names no month');
    if (!this.#periods.has(sealed.key)) this.#periods.set(sealed.key, await this.#load(sealed.key));
    const key = this.#periods.get(sealed.key);
    if (!key || key.id !== sealed.key_id) return null;
    const bytes = Buffer.from(sealed.text, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, nonce_bytes), {
        authTagLength: mac_bytes,
      });
      decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-mac_bytes));
      const plain = Buffer.concat([decipher.update(bytes.subarray(nonce_bytes, -mac_bytes)), decipher.final()]);
      const text = plain.subarray(salt_bytes).toString('utf8');
      if (commit(plain.subarray(0, salt_bytes), text) === sealed.commitment) return text;
    } catch {
      // The library's words say less than the sentence below.
    }
    throw new AuditError('damaged', `a sealed text does not open with the key of ${sealed.key}`);
  }

  async #loadOrMake(name: string): Promise<Key> {
    const found = await this.#load(name);
    if (found !== null) return found;
    await this.#fs.makeFolder(this.#folder);
    await writeKey(this.#fs, this.#folder, name, randomBytes(key_bytes), this.#master);
    const made = await this.#load(name);
    if (made === null) throw new AuditError('key', `keys/${name}.key vanished after it was made`);
    return made;
  }

  async #load(name: string): Promise<Key | null> {
    const bytes = await loadKey(this.#fs, this.#folder, name, this.#master === null ? [] : [this.#master]);
    return bytes && { bytes, id: keyId(bytes) };
  }

  /** Random bytes are drawn for many salts at once: one call each costs more than the sealing. */
  #salt(): Buffer {
    if (this.#salts.length < salt_bytes) this.#salts = randomBytes(128 * salt_bytes);
    const salt = this.#salts.subarray(0, salt_bytes);
    this.#salts = this.#salts.subarray(salt_bytes);
    return salt;
  }
}

/** Hex HMAC-SHA-256, first 32 characters. */
export function tagOf(key: Buffer, value: string): string {
  // Not a slice of the whole: that would keep it.
  return createHmac('sha256', key).update(value).digest().toString('hex', 0, 16);
}

function commit(salt: Buffer, text: string): string {
  return hash('sha256', Buffer.concat([salt, Buffer.from(text)]), 'hex');
}

/**
 * A random start and a count from there: two runs of a writer collide only if their ranges overlap among 2^95, while nonces
 * drawn at random for each text would allow only 2^32 texts under a key (NIST SP 800-38D, 8.3).
 */
class Nonces {
  readonly #prefix = randomBytes(6);
  #count = Math.floor(randomBytes(6).readUIntBE(0, 6) / 2);

  next(): Buffer {
    const nonce = Buffer.allocUnsafe(nonce_bytes);
    this.#prefix.copy(nonce);
    nonce.writeUIntBE(this.#count++, 6, 6);
    return nonce;
  }
}
