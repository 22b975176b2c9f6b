// What every listener does, whatever it speaks: accepts up to a limit, gives a login its time, and ends everybody when it closes. Knows no
// protocol; must never leave a connection uncounted.
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import { contextOf, NO_PEER, type Peer, peerOf, type Trust } from '../identity/peer.ts';
import { readingShared } from './accepted.ts';
import { cancelled, CLOSE_GRACE_MS, type Ending } from './leave.ts';
import { ClientGone } from './packets.ts';
import type { Ends } from './same-user.ts';
import type { ListenerTls } from './tls.ts';

export interface DoorLimits {
  readonly connections_max: number;
  readonly startup_timeout_ms: number;
  readonly keepalive_ms: number;
}

export interface DoorOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** Set: every client must use TLS. */
  readonly tls: ListenerTls | null;
  readonly limits: DoorLimits;
  readonly fault: (what: string, error?: unknown) => void;
  /** Is told who has proved to be whom, over which connection. */
  readonly proved?: ((user: string, ends: Ends) => void) | undefined;
}

/** A connection, and what is written to: inside TLS another stream than the socket. */
export interface Line {
  stream: Duplex;
  /** The client's certificate; none before TLS. */
  peer?: Peer;
}

export abstract class Door<L extends Line> {
  #context: SecureContext | null;
  protected closing = false;
  readonly #door: DoorOptions;
  readonly #server: Server;
  readonly #sockets = new Map<Socket, L>();
  /** Closing: the last connection has ended. */
  #emptied: () => void = () => {};

  constructor(options: DoorOptions) {
    this.#door = options;
    this.#context = options.tls && contextOf(options.tls, options.tls.clients ?? null);
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: options.limits.keepalive_ms, pauseOnConnect: true },
      (socket) => this.#accept(readingShared(socket)),
    );
  }

  protected abstract lineOf(socket: Socket): L;
  /** From the first byte to a session that runs. `address`: without port. */
  protected abstract greet(socket: Socket, line: L, address: string): Promise<void>;
  /** `greet` rejected with this: the client is told, where it may be, and the connection is closed. */
  protected abstract refuse(line: L, address: string, error: unknown): Promise<void>;
  /** There is no room, or (`closing`) no more service: as `refuse`. */
  protected abstract turnAway(line: L): void;
  /** Ends every session with a word to its client; their connections to the server. */
  protected abstract endSessions(): readonly Ending[];

  protected get context(): SecureContext | null {
    return this.#context;
  }

  /** From the next connection on, certificates of these authorities count, and these are revoked. Throws, and changes nothing, if they can't be read. */
  trust(trust: Trust): void {
    const { tls } = this.#door;
    if (tls?.clients) this.#context = contextOf(tls, trust);
  }

  get address(): { host: string; port: number } {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return { host: address.address, port: address.port };
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#door.listen.port, this.#door.listen.host, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.#door.fault('the listener failed', error));
        resolve();
      });
    });
  }

  /** Takes nobody new, tells everybody, and waits for the connections to end. */
  async close(): Promise<void> {
    this.closing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
      if (this.#sockets.size === 0) resolve();
    });
    const upstreams = this.endSessions();
    // Not the socket under TLS: what is still to be encrypted would be lost.
    for (const { stream } of this.#sockets.values()) stream.end();
    // A client that does not read its good-bye must not keep the process.
    const timer = setTimeout(() => {
      for (const socket of this.#sockets.keys()) socket.destroy();
    }, CLOSE_GRACE_MS);
    await Promise.all([closed, emptied, ...upstreams.map(cancelled)]);
    clearTimeout(timer);
  }

  #accept(socket: Socket): void {
    const line = this.lineOf(socket);
    this.#sockets.set(socket, line);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#emptied();
    });
    socket.on('error', () => socket.destroy());
    this.#admit(socket, line);
  }

  /** For whoever is to know; a login waits for nobody there. */
  protected proved({ stream }: Line, user: string): void {
    this.#door.proved?.(user, stream as Ends);
  }

  /** Apart from the listeners above: they stay, and would keep what this uses. */
  #admit(socket: Socket, line: L): void {
    const { connections_max, startup_timeout_ms } = this.#door.limits;
    if (this.#sockets.size > connections_max || this.closing) {
      this.turnAway(line);
      return;
    }
    const timer = setTimeout(() => socket.destroy(), startup_timeout_ms);
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    this.greet(socket, line, address)
      .catch((error: unknown) => this.refuse(line, address, error))
      .finally(() => clearTimeout(timer));
  }

  /** TLS from here on, in which `line` is told the client's certificate. `early`: what came already of it. Rejects ClientGone. */
  protected async secure(
    line: Line,
    socket: Socket,
    context: SecureContext,
    early: Buffer,
    protocols: readonly string[] = [],
  ): Promise<TLSSocket> {
    if (early.length > 0) socket.unshift(early);
    const tls = new TLSSocket(socket, {
      isServer: true,
      secureContext: context,
      // Asked for; what it is worth is judged when it is known who wants in: a client is then told in its own protocol.
      requestCert: this.#door.tls?.clients != null,
      rejectUnauthorized: false,
      ...(protocols.length > 0 ? { ALPNProtocols: [...protocols] } : {}),
    });
    await new Promise<void>((resolve, reject) => {
      tls.once('secure', resolve);
      tls.once('error', () => reject(new ClientGone('the TLS handshake failed')));
      tls.once('close', () => reject(new ClientGone('the client left')));
    });
    tls.on('error', () => tls.destroy());
    line.stream = tls;
    line.peer = this.#door.tls?.clients ? peerOf(tls) : NO_PEER;
    return tls;
  }
}
