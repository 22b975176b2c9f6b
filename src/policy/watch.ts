// Keeps a policy in force up to date with its file. A change is all or nothing: a file with a fault, a vanished file or
// one still being written leaves the old policy in force, and the fault is reported once.
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Analyse } from './examples.ts';
import { compilePolicy, type LoadedPolicy } from './load.ts';
import type { PolicyError } from './types.ts';

/** How often the file is read again, whatever the operating system says: folders on network mounts report nothing. */
const POLL_MS = 2_000;
/** A content counts once it was read twice, this far apart: half a file can be a valid policy with fewer rules. */
const SETTLE_MS = 100;

export interface PolicyWatch {
  /** The policy in force. */
  current(): LoadedPolicy;
  /** Errors of the file as it is now, while an older policy is in force; empty: file and policy agree. */
  errors(): readonly PolicyError[];
  close(): void;
}

export interface WatchOptions {
  /** Runs the file's examples before it is put in force. */
  readonly analyse?: Analyse;
  readonly onLoaded?: (policy: LoadedPolicy, warnings: readonly PolicyError[]) => void;
  /** The file changed and is not put in force. */
  readonly onRefused?: (errors: readonly PolicyError[]) => void;
}

/** Watches the folder, so that an editor's rename-and-replace is seen, and reads the file every 2 s besides. */
export function watchPolicy(policy: LoadedPolicy, options: WatchOptions = {}): PolicyWatch {
  const { path } = policy;
  let inForce = policy;
  let errors: readonly PolicyError[] = [];
  let judged = policy.hash;
  let seen = policy.hash;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  // A look is due shortly or under way: further events of a busy folder must not put it off.
  let soon = false;

  const look = async (): Promise<void> => {
    soon = true;
    const bytes = await readFile(path).catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    );
    const now =
      bytes instanceof Error ? `unreadable: ${bytes.message}` : createHash('sha256').update(bytes).digest('hex');
    const settled = now === seen;
    seen = now;
    if (settled && now !== judged) {
      judged = now;
      await replace(bytes);
    }
    soon = !settled;
    schedule(settled ? POLL_MS : SETTLE_MS);
  };

  const replace = async (bytes: Buffer | Error): Promise<void> => {
    const result =
      bytes instanceof Error
        ? { errors: [{ path, line: 1, column: 1, message: bytes.message, excerpt: '' }] }
        : await compilePolicy(path, bytes, options.analyse);
    if (closed) return;
    errors = 'errors' in result ? result.errors : [];
    if ('errors' in result) options.onRefused?.(result.errors);
    else {
      inForce = result.policy;
      options.onLoaded?.(result.policy, result.warnings);
    }
  };

  const schedule = (ms: number): void => {
    clearTimeout(timer);
    if (closed) return;
    timer = setTimeout(() => void look(), ms);
    timer.unref();
  };

  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), { persistent: false }, () => {
      if (!soon) schedule(SETTLE_MS);
      soon = true;
    });
    watcher.on('error', () => watcher?.close());
  } catch {
    // No inotify here: the poll alone finds changes.
  }
  schedule(POLL_MS);

  return {
    current: () => inForce,
    errors: () => errors,
    close: () => {
      closed = true;
      clearTimeout(timer);
      watcher?.close();
    },
  };
}
