// The ports between a session's two sides: one logged-in connection to the real server, and an agent whose login the server judges.
// Types only.

export interface UpstreamEvents {
  /** Bytes from the server, the receiver's from now on. */
  data(chunk: Buffer): void;
  drain(): void;
  /** The connection is gone; no more data comes. Once. */
  closed(): void;
}

export interface Upstream {
  readonly processId: number;
  /** Major version: 15 ... 18. */
  readonly serverVersion: number;
  /** ParameterStatus values sent at login; until `listen`, which lets go of them. */
  readonly parameters: ReadonlyMap<string, string>;
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
  /** Sends a CancelRequest for this connection, on a connection of its own. Resolves when the server has taken it, or it is lost; never rejects. */
  cancel(): Promise<void>;
  /** Terminate, then close. */
  end(): void;
  destroy(): void;
}

/** A connection as the listener knows it, which waits for its end. */
export interface UpstreamLine extends Upstream {
  /** Resolves when the connection is closed. */
  gone(): Promise<void>;
}

/** An agent whose login is passed through to the server. */
export interface RelayedLogin {
  /** Passes a whole Authentication message on. */
  tell(message: Buffer): void;
  /** The agent's next message, whole; rejects when that is no answer to a question about a password, or the agent is gone. */
  answer(): Promise<Buffer>;
}
