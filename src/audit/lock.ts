// One writer per log. Each writer makes a file that names it and no other (host, boot, process id, its start time), and only
// then looks at the others: of two that race at least one sees the other, so two never both go on (at worst both refuse).
// A dead writer's file is removed; no file is ever taken over, so there is no moment in which a live lock can be stolen.

import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { AuditError } from './error.ts';
import { errorCode, type AuditFs } from './files.ts';

export interface Lock {
  release(): Promise<void>;
}

/** Rejects AuditError 'locked' when another writer lives, or when that cannot be known (another host). */
export async function lockFolder(fs: AuditFs, folder: string): Promise<Lock> {
  const own = fileName(writerOf(process.pid));
  const path = `${folder}/${own}`;
  try {
    await (await fs.open(path, 'create')).close();
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') {
      await fs.remove(path).catch(() => undefined);
      throw error;
    }
    throw new AuditError('locked', `this process (pid ${process.pid}) has the audit log in ${folder} open already`);
  }
  try {
    for (const name of await fs.list(folder)) {
      const other = name === own ? null : parse(name);
      if (other === null) continue;
      const state = stateOf(other);
      if (state === 'dead') await fs.remove(`${folder}/${name}`).catch(ignoreMissing);
      else throw new AuditError('locked', sentence(folder, name, other, state));
    }
  } catch (error) {
    await fs.remove(path).catch(() => undefined);
    throw error;
  }
  return { release: () => fs.remove(path).catch(ignoreMissing) };
}

/** `start`: clock ticks from boot to the process's start, /proc/<pid>/stat field 22 (proc(5)); '0' where /proc is missing. */
interface Writer {
  readonly host: string;
  readonly boot: string;
  readonly pid: number;
  readonly start: string;
}

function writerOf(pid: number): Writer {
  return { host: hostname().replace(/[^\w.-]/g, '_') || '_', boot: bootId(), pid, start: startOf(pid) };
}

function fileName(writer: Writer): string {
  return `lock@${writer.host}@${writer.boot}@${writer.pid}@${writer.start}`;
}

function parse(name: string): Writer | null {
  const match = /^lock@([\w.-]+)@(\w+)@(\d+)@(\d+)$/.exec(name);
  if (match === null) return null;
  const [, host = '', boot = '', pid = '', start = ''] = match;
  return { host, boot, pid: Number(pid), start };
}

function stateOf(writer: Writer): 'alive' | 'dead' | 'elsewhere' {
  const here = writerOf(writer.pid);
  if (writer.host !== here.host) return 'elsewhere';
  if (writer.boot !== here.boot) return 'dead';
  try {
    process.kill(writer.pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to another user.
    if (errorCode(error) === 'ESRCH') return 'dead';
  }
  // Killed, and its parent has not asked for its status yet: it holds no file any more.
  if (ENDED.has(fieldOf(writer.pid, 3))) return 'dead';
  // The number lives on in another process.
  return writer.start === here.start ? 'alive' : 'dead';
}

function sentence(folder: string, name: string, other: Writer, state: 'alive' | 'elsewhere'): string {
  if (state === 'alive') return `the audit log in ${folder} has a writer already: process ${other.pid} is running`;
  return (
    `the audit log in ${folder} was last written by process ${other.pid} on host ${other.host}, and from here ` +
    `nobody can tell whether it still runs; if it does not, remove ${folder}/${name}`
  );
}

function bootId(): string {
  return readOr('/proc/sys/kernel/random/boot_id', '0').slice(0, 8).trim();
}

function startOf(pid: number): string {
  return fieldOf(pid, 22);
}

/** States of a process that runs no more, field 3: zombie and dead. */
const ENDED: ReadonlySet<string> = new Set(['Z', 'X']);

/** A field of /proc/<pid>/stat by its number in proc(5), from 3; '0' where there is none. */
function fieldOf(pid: number, number: number): string {
  const stat = readOr(`/proc/${pid}/stat`, '');
  // The command name, in parentheses, may hold spaces and parentheses itself; field 3 follows the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[number - 3] || '0';
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return fallback;
  }
}

function ignoreMissing(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error;
}
