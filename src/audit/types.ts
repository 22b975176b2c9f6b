// The audit log as its writers see it. Types only. audit/ knows no other folder: payloads are opaque JSON to it.

/** What goes into a record beside what the log adds by itself (seq, prev, time, mono, node). */
export interface RecordInput {
  /** 'session.opened', 'request.opened', 'policy.loaded' ... Documented in docs/audit-log.md. */
  readonly type: string;
  /** In clear: never a statement's text, a parameter, a literal, a rationale. */
  readonly clear: Readonly<Record<string, unknown>>;
  /** Encrypted and committed to; omitted: nothing sealed. */
  readonly sealed?: Readonly<Record<string, unknown>>;
}

/** One allowed statement, for a block record. */
export interface AllowedEntry {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly shape: string;
  readonly rule: string;
  /** Command tag or SQLSTATE. */
  readonly outcome: string;
  readonly rows: number;
  readonly bytes: number;
  /** Microseconds. */
  readonly duration_us: number;
}

export interface ReadRecord {
  readonly seq: number;
  /** ISO 8601 UTC. */
  readonly time: string;
  /** Microseconds since the writer that wrote it opened the log: orders and spaces records where the clock was set. */
  readonly mono: number;
  readonly node: string;
  readonly type: string;
  readonly clear: Readonly<Record<string, unknown>>;
  /** Undefined: nothing was sealed. Null: the key of its period is gone. */
  readonly sealed: Readonly<Record<string, unknown>> | null | undefined;
  /** Of a block record ('statements'), in order; else empty. */
  readonly entries: readonly AllowedEntry[];
}

export interface SessionLog {
  /** Buffers one entry; written as a block of at most 256 or after at most 100 ms. Never blocks, allocates little. */
  allowed(
    time: number,
    shape: string,
    rule: string,
    outcome: string,
    rows: number,
    bytes: number,
    duration_us: number,
  ): void;
  /**
   * Flushes what is buffered and resolves when it is durable. Rejects AuditError when it can't be now; the entries are
   * facts, so they are kept (within `queue_bytes_max`) and written when space returns.
   */
  flush(): Promise<void>;
}

export interface AuditLog {
  /** Resolves with the record's sequence number when it is durable (fsync, group commit). Rejects AuditError when it can't be. */
  append(record: RecordInput): Promise<number>;
  /** For block records of one session; `clear` (session id, who) is repeated in each block. Throws AuditError 'invalid' when it is no JSON object or longer than 64 Ki characters. */
  session(clear: Readonly<Record<string, unknown>>): SessionLog;
  /** Null: writable. Else why not, in words for an operator; forwarding must stop (ZH005). Becomes null by itself when space returns. */
  readonly failure: string | null;
  /** Sequence number of the last durable record; 0: none. */
  readonly seq: number;
  /** Reads back in order, unsealed; for rebuilding at start and for the reviewers' stream. */
  read(from_seq?: number): AsyncIterable<ReadRecord>;
  /** HMAC-SHA-256 under a key that is never in the log; hex, first 32 characters. For digests and equality across records. */
  tag(value: string): string;
  close(): Promise<void>;
}
