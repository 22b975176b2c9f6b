// The one error of the audit log. Whoever gets it must stop what the record was to precede: an unwritten record is no record.
// Its message is for an operator and never holds a record's content.

/**
 * unwritable: the disk refused; retried by the log itself. busy: more is queued than `queue_bytes_max`.
 * invalid: the record cannot be written as it is (size, type, not JSON). closed: the log was closed.
 * locked: another writer is alive. damaged: the log does not verify. key: a key file is unusable.
 */
export type AuditErrorKind = 'unwritable' | 'busy' | 'invalid' | 'closed' | 'locked' | 'damaged' | 'key';

export class AuditError extends Error {
  readonly kind: AuditErrorKind;

  constructor(kind: AuditErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AuditError';
    this.kind = kind;
  }
}

/** What went wrong on the disk, in a few words without a path's content: 'ENOSPC: no space left on device'. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message.split(',')[0] ?? error.message;
}
