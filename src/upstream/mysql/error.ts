// The one error of this folder.

/** Why there is no connection. `errno`, `sqlstate` and `message` may be told to a client; `cause` is for the log. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly errno: number;
  readonly sqlstate: string;
  constructor(errno: number, sqlstate: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.errno = errno;
    this.sqlstate = sqlstate;
  }
}

/** ER_CONNECT_TO_FOREIGN_DATA_SOURCE: the servers' own word for another server that they cannot use. */
const FOREIGN = 1429;

/** The server behind cannot be reached. */
export const unreachable = (why: string, cause?: unknown): UpstreamError =>
  new UpstreamError(FOREIGN, 'HY000', why, cause);
/** It does not take, or does not get, the gateway's login. */
export const rejected = (why: string, cause?: unknown): UpstreamError =>
  new UpstreamError(FOREIGN, 'HY000', why, cause);
/** It is none that Holdpoint can guard. */
export const unsupported = (why: string): UpstreamError => new UpstreamError(FOREIGN, 'HY000', why);
export const broken = (cause?: unknown): UpstreamError =>
  new UpstreamError(FOREIGN, 'HY000', 'the database server broke the protocol while logging in', cause);
