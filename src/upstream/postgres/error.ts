// The one error of this folder.

/** Why there is no connection. `sqlstate` and `message` may be told to a client; `cause` is for the log. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly sqlstate: string;
  constructor(sqlstate: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.sqlstate = sqlstate;
  }
}
