// One socket to a real server from dialling to the hand-over: TCP or a Unix socket, TLS when the protocol says so, and what came so far.
// Knows no protocol; must never take bytes that came before TLS for encrypted ones.
import { connect as dialTcp, type Socket, type TcpNetConnectOpts, type IpcNetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as dialTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { UpstreamEvents } from '../session/upstream.ts';

export interface LineTarget {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly mode: 'disable' | 'require' | 'verify-ca' | 'verify-full'; readonly ca: string | null };
  /** Silence before TCP asks whether the server is still there. */
  readonly keepalive_ms: number;
}

/** Finds messages in what came, until the hand-over. */
export interface LoginReader {
  /** Bytes that came and were not consumed. */
  readonly unread: number;
  append(chunk: Buffer): void;
  /** Hands over what was not read. */
  takeRest(): Buffer;
}

/** All sockets read into one buffer, out of which each chunk is copied. */
const READ_BYTES = 64 * 1024;
/** What the server gets to take what was sent and to close; then the connection is closed for it. */
const END_GRACE_MS = 10_000;
const shared = Buffer.allocUnsafe(READ_BYTES);
/** Memory of large pieces that were given back; each new one of that size would bring the next full collection nearer. */
const spare: ArrayBufferLike[] = [];
const SPARE_MAX = 16;
const SPARE_BYTES_MIN = 16 * 1024;
const copied = (bytes: number): Buffer => {
  const chunk = bytes < SPARE_BYTES_MIN ? Buffer.allocUnsafe(bytes) : Buffer.from(memory(), 0, bytes);
  shared.copy(chunk, 0, 0, bytes);
  return chunk;
};
const memory = (): ArrayBufferLike => spare.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES).buffer;

export class Line<R extends LoginReader> {
  secure = false;
  #socket: Socket | null = null;
  #tls: TLSSocket | null = null;
  /** Of the login; null: over. */
  #reader: R | null;
  #error: Error | null = null;
  #wake: (() => void) | null = null;
  #events: UpstreamEvents | null = null;
  #inClear: ((chunk: Buffer) => void) | null = null;
  /** Makes the error that a reason for the end becomes. */
  readonly #because: (why: string, cause?: unknown) => Error;

  constructor(reader: R, because: (why: string, cause?: unknown) => Error) {
    this.#reader = reader;
    this.#because = because;
  }

  get reader(): R {
    return this.#reader as R;
  }

  get stream(): Duplex {
    return this.#tls ?? (this.#socket as Socket);
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  destroy(): void {
    this.#tls?.destroy();
    this.#socket?.destroy();
  }

  write(bytes: Buffer): boolean {
    return this.stream.write(bytes);
  }

  /** `path`: the Unix socket's; null: TCP. */
  async open(target: LineTarget, path: string | null): Promise<void> {
    const address = path === null ? { host: target.host, port: target.port } : { path };
    const options = { ...address, noDelay: true, keepAlive: true, keepAliveInitialDelay: target.keepalive_ms };
    await this.#connect(target, options);
    if (target.tls.mode === 'disable') this.#watch();
    else this.#socket?.on('data', this.#listener());
  }

  #connect(target: LineTarget, options: TcpNetConnectOpts | IpcNetConnectOpts): Promise<void> {
    const socket = dialTcp(target.tls.mode === 'disable' ? { ...options, onread: this.#onread() } : options);
    this.#socket = socket;
    this.#watchSocket(socket);
    return this.#until((resolve) => socket.once('connect', resolve));
  }

  // What stays as long as the socket is made in functions of its own: a closure keeps all that others of its function use.

  #onread(): { buffer: Buffer; callback: (bytes: number) => boolean } {
    return { buffer: shared, callback: (bytes) => this.#read(copied(bytes)) };
  }

  #watchSocket(socket: Socket): void {
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.fail(this.#because(`the database server can't be reached (${error.code ?? error.message})`, error)),
    );
    socket.on('close', () => this.#closed());
  }

  /** Of what comes in clear, ahead of TLS: no line without TLS has one. */
  #listener(): (chunk: Buffer) => void {
    return (this.#inClear ??= (chunk) => void this.#read(chunk));
  }

  /** TLS from here on. Whatever came before it and was not read would be an injection. */
  async encrypt(target: LineTarget): Promise<void> {
    const socket = this.#socket as Socket;
    socket.off('data', this.#listener());
    this.#inClear = null;
    if (this.reader.unread > 0) throw this.#because('the database server sent bytes in clear ahead of TLS');
    const { mode, ca } = target.tls;
    const options: ConnectionOptions = {
      socket,
      // Whom the certificate must name; left out, Node would take it for 'localhost'.
      host: target.host,
      rejectUnauthorized: mode !== 'require',
      ...(ca === null ? {} : { ca }),
      ...(/^[\d.]+$|:|^\//.test(target.host) ? {} : { servername: target.host }),
      ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    };
    await this.#until((resolve) => {
      const tls = dialTls(options);
      this.#tls = tls;
      tls.once('secureConnect', resolve);
      tls.on('error', (error) => this.fail(this.#because('TLS to the database server failed', error)));
      tls.on('close', () => this.#closed());
    });
    this.secure = true;
    this.#tls?.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#watch();
  }

  /** Rejects when the line fails before it. */
  async #until(begin: (resolve: () => void) => void): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#wake = () => this.#error && reject(this.#error);
      begin(resolve);
    });
    this.#wake = null;
  }

  #watch(): void {
    this.stream.on('drain', () => this.#events?.drain());
  }

  #closed(): void {
    this.fail(this.#because('the database server closed the connection'));
    const events = this.#events;
    this.#events = null;
    events?.closed();
  }

  #read(chunk: Buffer): boolean {
    if (this.#events) this.#events.data(chunk);
    else {
      this.#reader?.append(chunk);
      this.#wake?.();
    }
    return true;
  }

  /** What `find` finds in what came; it is asked again after each chunk while it gives null. Rejects when the line ends before. */
  async next<T>(find: (reader: R) => T | null): Promise<T> {
    for (;;) {
      const found = find(this.reader);
      if (found !== null) return found;
      if (this.#error) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  /** From here on whatever comes is told there. */
  listen(events: UpstreamEvents): void {
    this.#events = events;
    const early = this.#reader?.takeRest();
    this.#reader = null;
    if (early && early.length > 0) events.data(early);
    if (this.#error) this.#closed();
  }

  get writableLength(): number {
    return this.stream.writableLength;
  }

  reuse(chunk: Buffer): void {
    const { buffer, byteLength } = chunk;
    const ours = !this.secure && byteLength >= SPARE_BYTES_MIN && buffer.byteLength === READ_BYTES;
    if (ours && spare.length < SPARE_MAX) spare.push(buffer);
  }

  /** Says goodbye and closes. */
  end(lastWords: Buffer): void {
    const { stream } = this;
    stream.end(lastWords);
    // What it still sends nobody wants; but its end must be read, and a server that hangs must not keep the socket.
    stream.resume();
    const timer = setTimeout(() => this.destroy(), END_GRACE_MS).unref();
    stream.once('close', () => clearTimeout(timer));
  }

  /** Resolves when the connection is closed. */
  gone(): Promise<void> {
    const { stream } = this;
    return new Promise((resolve) => {
      if (stream.closed) resolve();
      else stream.once('close', resolve);
    });
  }
}
