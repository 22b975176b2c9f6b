// The random bytes behind mock verifiers: made once, kept over restarts, or an unknown user's salt would change and tell.
// Must never be readable by anyone but the owner.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { replaceFile } from './file.ts';

const SECRET_BYTES = 32;

/** Reads the secret at `path`, or makes it. Rejects when the file is there and is not one. */
export async function openSecret(path: string): Promise<Buffer> {
  try {
    const secret = await readFile(path);
    if (secret.length !== SECRET_BYTES) throw new Error(`${path} is not a secret of ${SECRET_BYTES} bytes; remove it`);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const secret = randomBytes(SECRET_BYTES);
    await replaceFile(path, secret);
    return secret;
  }
}
