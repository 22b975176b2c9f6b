// The ports between a session's two sides: one logged-in connection to the real server, and an agent whose login the server judges.
// Types only.
import type { Capabilities } from '../wire/mysql/capabilities.ts';

export interface UpstreamEvents {
  /** Bytes from the server, the receiver's from now on. */
  data(chunk: Buffer): void;
  drain(): void;
  /** The connection is gone; no more data comes. Once. */
  closed(): void;
}

/** A logged-in connection of either protocol. */
interface Connection {
  /** The login at the server. */
  readonly user: string;
  /** Hands events over; what came early is delivered before this returns. */
  listen(events: UpstreamEvents): void;
  /** False: there is a drain to come. */
  write(bytes: Buffer): boolean;
  /** Bytes that the system has not taken yet. */
  readonly writableLength: number;
  /** Gives a piece back that came by `data` and that nobody looks at any more. */
  reuse(chunk: Buffer): void;
  pause(): void;
  resume(): void;
  /**
   * Ends the statement that runs here, by a CancelRequest or KILL QUERY on a connection of its own. Resolves when the server has taken it, or it is
   * lost; never rejects.
   */
  cancel(): Promise<void>;
  /** Says goodbye, then closes. */
  end(): void;
  destroy(): void;
}

export interface Upstream extends Connection {
  readonly processId: number;
  /** Major version: 15 ... 18. */
  readonly serverVersion: number;
  /** ParameterStatus values sent at login; until `listen`, which lets go of them. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** What a server of the MySQL protocol says of itself before anybody logs in. */
export interface MysqlServer {
  readonly engine: 'mysql' | 'mariadb';
  /** Such as 90704 and 101119. */
  readonly version: number;
  /** As its greeting has it. */
  readonly version_text: string;
  /** What it can do. */
  readonly capabilities: Capabilities;
  /** Low byte of its default collation. */
  readonly collation: number;
}

export interface MysqlUpstream extends Connection {
  readonly server: MysqlServer;
  /** What KILL and CONNECTION_ID() know it by at the server. */
  readonly threadId: number;
  /** In force on this connection. */
  readonly capabilities: Capabilities;
  /** SERVER_STATUS_* flags at the end of the login. */
  readonly status: number;
  /** Closes without a goodbye. A server at work looks whether its client is there still; a goodbye that it has not read would be a yes. */
  hangUp(): void;
}

/** A connection as a listener knows it, which waits for its end. */
export interface UpstreamLine extends Upstream {
  /** Resolves when the connection is closed. */
  gone(): Promise<void>;
}
export interface MysqlUpstreamLine extends MysqlUpstream {
  gone(): Promise<void>;
}

/** An agent whose login is passed through to the server. */
export interface RelayedLogin {
  /** Passes a whole Authentication message on. */
  tell(message: Buffer): void;
  /** The agent's next message, whole; rejects when that is no answer to a question about a password, or the agent is gone. */
  answer(): Promise<Buffer>;
}
