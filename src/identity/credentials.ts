// The password of a principal's own login on the guarded server: from the environment, a file, or a command such as a vault's. Refreshed
// without a restart, and asked for anew where the server refuses it. Must never log or tell what a command printed, and never run one
// through a shell, or two at a time for one principal.
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import type { OwnLogin, PasswordSource } from '../config/own-login.ts';

/** From its start to the end of its output; then it is killed, with what it has started. */
export const COMMAND_TIMEOUT_MS = 10_000;
/** Of a command or a file. */
export const OUTPUT_BYTES_MAX = 64 * 1024;
/** The shortest time between two runs for one principal, whatever the server says of the answers. */
export const COMMAND_PAUSE_MS = 1000;
/** Answers remembered; the one that was used longest ago is asked for again. */
const ANSWERS_MAX = 10_000;

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** There is no password now; the message names no secret. */
export class NoCredential extends Error {
  override readonly name = 'NoCredential';
}

export interface Credentials {
  /** As it is good now. Rejects NoCredential. */
  get(principal: string, own: OwnLogin): Promise<Login>;
  /** The server has refused this one. True: another may be had now; `get` says which. */
  refused(principal: string, own: OwnLogin, password: string | null): boolean;
}

interface Answer {
  /** By now(); when it was asked for. */
  readonly at: number;
  readonly password: Promise<string>;
  /** Null: it is not there yet, or will not come. */
  value: string | null;
  /** The server does not take it, or it did not come. */
  stale: boolean;
}

export function createCredentials(
  now: () => number = () => performance.now(),
  env: NodeJS.ProcessEnv = process.env,
): Credentials {
  const answers = new LRUCache<string, Answer>({ max: ANSWERS_MAX });
  const keyOf = (principal: string, { user, password }: OwnLogin): string =>
    JSON.stringify([principal, user, password.type === 'command' ? password.command : null]);

  function ask(key: string, source: Extract<PasswordSource, { type: 'command' }>): Promise<string> {
    const known = answers.get(key);
    const age_ms = known === undefined ? Infinity : now() - known.at;
    const least_ms = known?.stale ? Math.min(COMMAND_PAUSE_MS, source.refresh_ms) : source.refresh_ms;
    // One that is not there yet is the newest there can be.
    const pending = known !== undefined && known.value === null && !known.stale;
    if (known !== undefined && (pending || age_ms < least_ms)) return known.password;
    const answer: Answer = { at: now(), password: run(source.command, env), value: null, stale: false };
    answer.password.then(
      (value) => {
        answer.value = value;
      },
      // Tried again, but not by everybody at once.
      () => {
        answer.stale = true;
      },
    );
    answers.set(key, answer);
    return answer.password;
  }

  return {
    async get(principal, own) {
      const { user, password } = own;
      if (password.type === 'value') return { user, password: password.value };
      if (password.type === 'file') return { user, password: await readSecret(password.path) };
      return { user, password: await ask(keyOf(principal, own), password) };
    },
    refused(principal, own, password) {
      if (own.password.type === 'value') return false;
      // The file may have been changed since it was read; whoever asks compares.
      if (own.password.type === 'file') return true;
      const known = answers.get(keyOf(principal, own));
      // Another login may have asked anew meanwhile: its answer is the one to try.
      if (known?.value === password) known.stale = true;
      return true;
    },
  };
}

/** What it gives now, once. Rejects NoCredential. */
export async function readSource(source: PasswordSource, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  if (source.type === 'value') return source.value;
  return source.type === 'file' ? readSecret(source.path) : run(source.command, env);
}

async function readSecret(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(OUTPUT_BYTES_MAX + 1), 0, OUTPUT_BYTES_MAX + 1, 0);
      return firstLine(buffer.subarray(0, bytesRead), `file:${path}`);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof NoCredential) throw error;
    throw new NoCredential(`file:${path} can not be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

function run([program, ...words]: readonly [string, ...string[]], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that what it has started ends with it. What it says on standard error may hold secrets: nobody reads it.
    const child = spawn(program, words, { env, stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    const parts: Buffer[] = [];
    let bytes = 0;
    let over = false;
    const end = (done: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      done();
    };
    const fail = (why: string): void => end(() => reject(new NoCredential(`${program} ${why}`)));
    const stop = (why: string): void => {
      if (!over) kill(child.pid);
      child.stdout.destroy();
      fail(why);
    };
    const timer = setTimeout(() => stop(`did not end in ${COMMAND_TIMEOUT_MS / 1000} s`), COMMAND_TIMEOUT_MS);
    child.on('error', (error: NodeJS.ErrnoException) => fail(`can not be run (${error.code ?? 'unknown'})`));
    child.stdout.on('data', (part: Buffer) => {
      bytes += part.length;
      parts.push(part);
      if (bytes > OUTPUT_BYTES_MAX) stop(`printed more than ${OUTPUT_BYTES_MAX} bytes`);
    });
    child.on('close', (code, signal) => {
      if (code !== 0) return fail(`ended with ${signal ?? `status ${code}`}`);
      try {
        const password = firstLine(Buffer.concat(parts), program);
        end(() => resolve(password));
      } catch (error) {
        end(() => reject(error));
      }
    });
  });
}

/** The whole group; it may be gone already. */
function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone.
  }
}

function firstLine(bytes: Buffer, of: string): string {
  const text = bytes.toString('utf8');
  const [line = '', ...rest] = text.replace(/\r?\n$/, '').split(/\r?\n/);
  if (bytes.length > OUTPUT_BYTES_MAX) throw new NoCredential(`${of} has more than ${OUTPUT_BYTES_MAX} bytes`);
  if (line === '' || line.includes('\0')) throw new NoCredential(`${of} gave no password`);
  if (rest.length > 0) throw new NoCredential(`${of} gave more than one line`);
  return line;
}
