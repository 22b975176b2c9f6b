// Replaces a file that holds secrets: readers see the old one or the new one, only the owner can read it.
// Must never leave half a file behind its name.
import { randomBytes } from 'node:crypto';
import { open, realpath, rename, stat, unlink } from 'node:fs/promises';

/** Mode 0600 whatever it was before; the owner stays (root edits a service's file), and so does a symbolic link. */
export async function replaceFile(path: string, content: string | Buffer): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  const before = await stat(target).catch(() => null);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      if (before !== null && before.uid !== process.getuid?.()) await file.chown(before.uid, before.gid);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
}
