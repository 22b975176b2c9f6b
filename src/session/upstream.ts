// The port that upstream/ implements: one logged-in connection to the real server. Types only.

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
  /** ParameterStatus values sent at login. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly user: string;
  /** Hands events over; what came early is delivered before this returns. */
  listen(events: UpstreamEvents): void;
  /** False: the server does not keep up; wait for drain. */
  write(bytes: Buffer): boolean;
  pause(): void;
  resume(): void;
  /** Sends a CancelRequest for this connection, on a connection of its own. Nothing is reported. */
  cancel(): void;
  /** Terminate, then close. */
  end(): void;
  destroy(): void;
}
