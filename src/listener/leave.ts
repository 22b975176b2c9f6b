// How connections end, whatever they speak. Must never cut off last words, and never wait for ever for who does not go.
import type { Duplex } from 'node:stream';

/** What a client gets to read its last words and to close; then the connection is closed for it, and counts no more. */
export const LEAVE_GRACE_MS = 5000;
/** The same for all of them when the listener closes. */
export const CLOSE_GRACE_MS = 2000;
/** A server that has read its goodbye is gone by then. */
const BUSY_MS = 250;

/** Says goodbye. Nothing more is read, but the end must be: a client that does not go must not keep its place. */
export const leave = (stream: Duplex, lastWords?: Buffer): void => {
  stream.end(lastWords);
  stream.resume();
  const timer = setTimeout(() => stream.destroy(), LEAVE_GRACE_MS).unref();
  stream.once('close', () => clearTimeout(timer));
};

/** A connection to a server that is on its way out. */
export interface Ending {
  gone(): Promise<void>;
  cancel(): Promise<void>;
}

/** A server at work on a statement reads no goodbye: nobody waits for the statement any more, so it is cancelled. */
export const cancelled = async (upstream: Ending): Promise<void> => {
  const gone = upstream.gone().then(() => true);
  const within = (ms: number): Promise<boolean> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    return Promise.race([gone, late]).finally(() => clearTimeout(timer));
  };
  if (await within(BUSY_MS)) return;
  void upstream.cancel();
  await within(CLOSE_GRACE_MS);
};
