// One TLS connection to a destination of shipping, within its time; for shipping itself and for who only asks whether it could be made. Must
// never trust a certificate that does not verify, or a host that it does not name.
import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Guard } from './types.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const WHY_CHARS_MAX = 300;

export interface TlsTo {
  readonly host: string;
  readonly port: number;
  readonly ca: string | null;
  readonly client: { readonly cert: string; readonly key: string } | null;
}

/** Resolves when the other side has proved who it is. Rejects with what went wrong; `signal` ends the attempt. */
export function connectTls({ host, port, ca, client }: TlsTo, guard: Guard, signal?: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    guard.literal();
    const socket = connect({
      host,
      port,
      lookup: guard.lookup,
      // Names in a certificate are compared with this; an address is not sent as a name.
      ...(isIP(host) === 0 && { servername: host }),
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(ca !== null && { ca }),
      ...client,
    });
    const stop = (what: string) => (): void => void socket.destroy(new Error(what));
    const timer = setTimeout(stop(`no connection within ${CONNECT_TIMEOUT_MS / 1000} s`), CONNECT_TIMEOUT_MS);
    const aborted = stop('stopped');
    signal?.addEventListener('abort', aborted, { once: true });
    const settled = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      socket.off('error', refused);
    };
    const refused = (error: Error): void => {
      settled();
      socket.on('error', () => {});
      reject(error);
    };
    socket.once('error', refused);
    socket.once('secureConnect', () => {
      settled();
      resolve(socket);
    });
    if (signal?.aborted) aborted();
  });
}

/** What went wrong, for an operator. */
export function inWords(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  // Of several addresses none could be reached: it has a code and no words.
  const why = code === undefined || message.includes(code) ? message : message === '' ? code : `${code}: ${message}`;
  return why.slice(0, WHY_CHARS_MAX);
}
