// What two runs of one file of the suite differ in. Must never hide a difference: nothing is normalised.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One run of lines that differ: `-` direct, `+` through the gateway, each line with its sign. */
export interface Hunk {
  readonly file: string;
  /** Line in the direct run's output. */
  readonly line: number;
  readonly text: string;
}

/** Byte for byte; texts are latin1, one character a byte. */
export async function hunks(file: string, direct: string, gateway: string): Promise<readonly Hunk[]> {
  if (direct === gateway) return [];
  const dir = await mkdtemp(join(tmpdir(), 'holdpoint-diff-'));
  try {
    await writeFile(join(dir, 'direct'), direct, 'latin1');
    await writeFile(join(dir, 'gateway'), gateway, 'latin1');
    const text = await diff(join(dir, 'direct'), join(dir, 'gateway'));
    const found = text.split(/^(?=@@ )/m).slice(1);
    if (found.length === 0) throw new Error(`diff found no difference in ${file}, and there is one`);
    return found.map((hunk) => {
      const line = Number(/^@@ -(\d+)/.exec(hunk)?.[1]);
      return { file, line, text: hunk.slice(hunk.indexOf('\n') + 1) };
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Status 1 is diff's way to say that there are differences. */
function diff(one: string, other: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      '/usr/bin/env',
      ['diff', '-a', '-U0', one, other],
      { encoding: 'latin1', maxBuffer: 2 ** 28 },
      (error, stdout) => {
        if (error && error.code !== 1) reject(error);
        else resolve(stdout);
      },
    );
  });
}
