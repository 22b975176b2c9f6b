// How a command ends: its exit codes, and how an expected fault is told. Must never print a stack for a fault the user can mend.
import { AuditError } from '../audit/error.ts';
import { ConfigError } from '../config/config.ts';
import { BadState } from '../review/webhooks/files.ts';

/** 3 to 7 are those of `approve` and `deny`: see their --help. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** A fault that its message explains: what is, and what to do. */
export class Failure extends Error {
  readonly exit: number;
  constructor(message: string, exit: number = EXIT.failed) {
    super(message);
    this.exit = exit;
  }
}

/** For the user: expected faults by their message, system errors too, bugs with their stack. */
export function faultText(error: unknown): { readonly text: string; readonly exit: number } {
  if (error instanceof Failure) return { text: error.message, exit: error.exit };
  if (error instanceof ConfigError) return { text: error.problems.join('\n'), exit: EXIT.failed };
  // A log that another process writes, that does not verify, or that the disk refuses; a webhook's state that was edited.
  if (error instanceof AuditError || error instanceof BadState) return { text: error.message, exit: EXIT.failed };
  if (error instanceof Error && 'code' in error && 'syscall' in error)
    return { text: error.message, exit: EXIT.failed };
  return { text: error instanceof Error ? (error.stack ?? error.message) : String(error), exit: EXIT.failed };
}
