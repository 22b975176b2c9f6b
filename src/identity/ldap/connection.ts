// One connection to a directory server: dialled, its TLS checked, bound, searched, each within its time. It does one thing at a time.
// Must never come back by itself: what reconnects is nobody (anonymous), and a search would say what nobody may read: nothing.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Client, type Entry, ExtendedRequest } from 'ldapts';
import type { LdapServer } from '../../config/ldap.ts';
import { DirectoryFault, type Search } from './ask.ts';
import { extendedResult, LdapWire, wholeLength } from './wire.ts';

export interface Dialling {
  /** PEM text; null: the system's authorities. */
  readonly ca: string | null;
  /** TCP and TLS together. */
  readonly connect_timeout_ms: number;
}

/** RFC 4511, 4.14. */
const START_TLS = '1.3.6.1.4.1.1466.20037';
const START_TLS_ID = 1;
/** An answer to StartTLS has a result and a text. */
const START_TLS_BYTES_MAX = 4096;
/** So long may a connection lie unused until it is closed. */
export const IDLE_MS = 30_000;

/**
 * What a bind may be answered without that the directory has a fault: the name or the password is none that lets in (RFC 4511, appendix
 * A; servers say 19 and 53 of accounts that are locked).
 */
const REFUSALS: ReadonlySet<number> = new Set([
  19, // constraintViolation
  32, // noSuchObject
  34, // invalidDNSyntax
  48, // inappropriateAuthentication: it has no password
  49, // invalidCredentials
  50, // insufficientAccessRights
  53, // unwillingToPerform
]);

export class Connection {
  readonly #client: Client;
  readonly #wire: LdapWire;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#wire = new LdapWire(socket);
    let given = false;
    this.#client = new Client({
      // The address is not looked at: this is the one connection that there will be.
      url: 'ldap://directory.invalid',
      createConnection: () => {
        if (given) throw new DirectoryFault('closed', 'the connection is gone');
        given = true;
        return this.#wire as unknown as Socket;
      },
    });
  }

  /** Rejects with DirectoryFault. */
  static async open(server: LdapServer, dialling: Dialling): Promise<Connection> {
    return new Connection(await dial(server, dialling));
  }

  get usable(): boolean {
    return !this.#wire.destroyed;
  }

  /** The protocol and the last day of the server's certificate; null: no TLS. */
  get tls(): { readonly protocol: string; readonly valid_to: string } | null {
    const socket = this.#socket as Partial<TLSSocket>;
    if (socket.encrypted !== true) return null;
    return { protocol: socket.getProtocol?.() ?? 'TLS', valid_to: socket.getPeerCertificate?.().valid_to ?? '' };
  }

  /** Does this name with this password let in? Neither may be empty. Rejects with DirectoryFault. */
  async bind(dn: string, password: string, timeout_ms: number): Promise<boolean> {
    // An empty one of them binds as nobody, and succeeds (RFC 4513, 5.1.2). With an equals sign in it, it is no SASL mechanism's name either.
    if (password === '' || !dn.includes('=')) return false;
    try {
      await this.#operation(timeout_ms, 0, () => this.#client.bind(dn, password));
      return true;
    } catch (error) {
      if (error instanceof DirectoryFault && error.code !== null && REFUSALS.has(error.code)) return false;
      throw error;
    }
  }

  /** What the directory has; references to other servers are passed over. Rejects with DirectoryFault. */
  async search(search: Search, timeout_ms: number): Promise<readonly Entry[]> {
    const { base, scope, filter, attributes, entries_max } = search;
    const { searchEntries } = await this.#operation(timeout_ms, entries_max, () =>
      // No sizeLimit: with one the library takes a result that the server cut for a whole one.
      this.#client.search(base, {
        scope,
        filter,
        attributes: [...attributes],
        timeLimit: Math.ceil(timeout_ms / 1000),
      }),
    );
    return searchEntries;
  }

  /** Nobody uses it now: it may lie so for IDLE_MS. */
  rest(): void {
    this.#socket.setTimeout(IDLE_MS, () => this.close());
  }

  resume(): void {
    this.#socket.setTimeout(0);
    this.#socket.removeAllListeners('timeout');
  }

  close(): void {
    this.#wire.end_with(new DirectoryFault('closed', 'closed'));
  }

  async #operation<T>(timeout_ms: number, entries_max: number, work: () => Promise<T>): Promise<T> {
    const wire = this.#wire;
    if (wire.destroyed) throw wire.fault ?? new DirectoryFault('closed', 'the connection is gone');
    wire.expect(entries_max);
    const late = (): void => wire.end_with(new DirectoryFault('timeout', `no answer within ${timeout_ms} ms`));
    const timer = setTimeout(late, timeout_ms);
    try {
      return await work();
    } catch (error) {
      if (wire.fault !== null) throw wire.fault;
      const code = (error as { code?: unknown }).code;
      if (typeof code === 'number') throw answered(error as Error, code);
      wire.end_with(new DirectoryFault('closed', 'the directory sent what the library cannot read'));
      throw wire.fault ?? error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Connects, with TLS as the server's address says: it is who it should be before a byte of ours is sent. */
async function dial(server: LdapServer, { ca, connect_timeout_ms }: Dialling): Promise<Socket> {
  const { host, port, security } = server;
  const tcp = connectTcp({ host, port, noDelay: true });
  const late = (): void => void tcp.destroy(new Error(`no connection within ${connect_timeout_ms} ms`));
  const timer = setTimeout(late, connect_timeout_ms);
  try {
    await happened(tcp, 'connect');
    if (security === 'starttls') await askForTls(tcp);
    if (security === 'none') return tcp;
    // TLS tells what becomes of the connection below it.
    tcp.on('error', () => {});
    const tls = connectTls({
      socket: tcp,
      host,
      // RFC 6066 has no addresses there.
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== null && { ca }),
      minVersion: 'TLSv1.2',
      // Whatever the environment says.
      rejectUnauthorized: true,
    });
    await happened(tls, 'secureConnect');
    return tls;
  } catch (error) {
    tcp.destroy();
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DirectoryFault('connect', code === undefined ? message : `${code}: ${message}`);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * StartTLS by hand: whatever follows the answer in clear is somebody else's, and ends the connection. Nothing of it may be read as if it had
 * come inside TLS.
 */
async function askForTls(socket: Socket): Promise<void> {
  socket.write(new ExtendedRequest({ messageId: START_TLS_ID, oid: START_TLS }).write());
  let bytes = Buffer.alloc(0);
  let whole: number | null = null;
  while (whole === null || bytes.length < whole) {
    bytes = Buffer.concat([bytes, await chunkOf(socket)]);
    whole = wholeLength(bytes);
    if (bytes.length > START_TLS_BYTES_MAX) throw new Error('no answer to StartTLS');
  }
  if (bytes.length > whole) throw new Error('more than an answer to StartTLS');
  const code = extendedResult(bytes);
  if (code === null) throw new Error('no answer to StartTLS');
  if (code !== 0) throw new Error(`StartTLS was refused (${code})`);
}

/** The next bytes; the socket is paused before and after it. */
async function chunkOf(socket: Socket): Promise<Buffer> {
  socket.resume();
  const chunk = await happened<Buffer>(socket, 'data');
  socket.pause();
  return chunk;
}

/** Rejects when the socket has an error, or ends before. */
function happened<T>(socket: Socket, event: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (): void => failed(new Error('the directory closed the connection'));
    const failed = (error: Error): void => {
      off();
      // An error that comes after this one has been told is nobody's any more.
      socket.on('error', () => {});
      reject(error);
    };
    const done = (value: T): void => {
      off();
      resolve(value);
    };
    const off = (): void => {
      socket.off(event, done).off('error', failed).off('close', ended).off('end', ended);
    };
    socket.on(event, done).on('error', failed).on('close', ended).on('end', ended);
  });
}

/** A result code as a fault; what the directory writes beside it may quote what it was sent. */
function answered(error: Error, code: number): DirectoryFault {
  const name = error.constructor.name.replace(/Error$/, '');
  return new DirectoryFault('answer', `the directory answered ${name === 'ResultCode' ? 'with' : name} ${code}`, code);
}
