// What shipping is made of: a destination as it is configured, one record's line, a place in the log, and the port that each kind of destination
// fills. Types only; audit/ knows no other folder, so who resolves names and who keeps time come from outside.
import type { LookupFunction } from 'node:net';

/** One destination of audit.ship (config/config.ts ShipConfig); milliseconds and bytes. */
export interface Destination {
  /** Its cursor's file is called so, too. */
  readonly name: string;
  readonly format: 'jsonl' | 'ocsf';
  /** Where one without a cursor begins. */
  readonly from: 'beginning' | 'now';
  /** Nothing is forwarded while it is behind by more; null: it never stops anything. */
  readonly block_after: number | null;
  readonly batch: { readonly records: number; readonly bytes: number; readonly age: number };
  /** PEM text; null: the system's authorities. */
  readonly ca: string | null;
}

export interface HttpDestination extends Destination {
  readonly url: string;
  /** Names and values; values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  readonly content_type: string;
  readonly gzip: boolean;
}

export interface SyslogDestination extends Destination {
  readonly syslog: { readonly host: string; readonly port: number };
  /** Null: it asks for no certificate. */
  readonly client: { readonly cert: string; readonly key: string } | null;
}

/** Which addresses may be connected to. */
export interface Guard {
  /** Throws where the address stands in the configuration itself and may not be connected to. */
  literal(): void;
  /** Answers with addresses that were looked at, and with none if one of them may not be connected to. */
  readonly lookup: LookupFunction;
}

/** A place between two lines of the log. */
export interface Position {
  readonly segment: number;
  /** Byte at which the next line begins. */
  readonly offset: number;
}

/** Up to where the log is durable. */
export interface End extends Position {
  readonly seq: number;
}

/** A record as it stands in the log. */
export interface Line {
  readonly seq: number;
  /** Without its newline. */
  readonly bytes: Buffer;
  readonly segment: number;
  readonly at: number;
}

/** One record as it is sent. */
export interface Message {
  readonly line: Line;
  readonly bytes: Buffer;
}

export type Sent =
  | { readonly type: 'taken' }
  /** The batch is too much at once. */
  | { readonly type: 'too-large'; readonly why: string }
  /** Somebody must do something about it: it is tried again, seldom. */
  | { readonly type: 'refused'; readonly why: string }
  /** `retry_after_ms`: what the other side asks for; 0: nothing. */
  | { readonly type: 'failed'; readonly why: string; readonly retry_after_ms: number };

/** Whether all of it was taken. */
export type Settled = Exclude<Sent, { readonly type: 'too-large' }>;

export interface Transport {
  /** Rejects never. 'taken': it is there for good, or where there is a `settle`, on its way. */
  send(batch: readonly Message[]): Promise<Sent>;
  /** Makes sure of all that was sent since the last time: 'taken', or it must be sent again. Absent: `send` says it. */
  readonly settle?: () => Promise<Settled>;
  /** At once; what is under way fails. */
  close(): void;
}

export interface ShipClock {
  /** Milliseconds that never run backwards, whatever is done to the clock. */
  steady(): number;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}
