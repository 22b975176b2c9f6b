// Records as syslog messages (RFC 5424) over TLS, framed by their length (RFC 5425). Syslog acknowledges nothing, so what was sent counts as
// taken only after both sides have closed the connection in order, which the receiver does when it has read everything; then another connection is made.
// Must never count what was sent over a connection that ended otherwise.
import type { TLSSocket } from 'node:tls';
import { connectTls, inWords } from './tls.ts';
import type { Guard, Line, Message, Sent, Settled, ShipClock, SyslogDestination, Transport } from './types.ts';

/** Facility 13, "log audit", severity 6, "informational" (RFC 5424, 6.2.1). */
const PRIORITY = 13 * 8 + 6;
/** Until what was written last has been sent. */
const FLUSH_TIMEOUT_MS = 60_000;
/** Silence before we close: a receiver that is itself about to close has told so by then. */
const QUIET_MS = 250;
/** Until the receiver has closed, too. */
const CLOSE_TIMEOUT_MS = 10_000;
const HEAD_BYTES = 512;

export interface SyslogOptions {
  readonly guard: Guard;
  readonly clock: Pick<ShipClock, 'after'>;
}

export class SyslogTransport implements Transport {
  readonly #to: SyslogDestination;
  readonly #options: SyslogOptions;
  readonly #stop = new AbortController();
  #connection: Connection | null = null;

  constructor(to: SyslogDestination, options: SyslogOptions) {
    this.#to = to;
    this.#options = options;
  }

  async send(batch: readonly Message[]): Promise<Sent> {
    try {
      this.#connection ??= await this.#connect();
      await this.#within(
        this.#connection.write(Buffer.concat(batch.map(frameOf))),
        FLUSH_TIMEOUT_MS,
        'it takes nothing',
      );
      return { type: 'taken' };
    } catch (error) {
      return this.#failed(error);
    }
  }

  readonly settle = async (): Promise<Settled> => {
    const connection = this.#connection;
    if (connection === null) return { type: 'taken' };
    try {
      const { clock } = this.#options;
      await Promise.race([new Promise<void>((resolve) => clock.after(QUIET_MS, resolve)), connection.gone]);
      await this.#within(connection.end(), CLOSE_TIMEOUT_MS, 'it does not close its side after us');
      this.#connection = null;
      return { type: 'taken' };
    } catch (error) {
      return this.#failed(error);
    }
  };

  close(): void {
    this.#stop.abort();
    this.#connection?.destroy();
  }

  #failed(error: unknown): Settled {
    this.#connection?.destroy();
    this.#connection = null;
    return { type: 'failed', why: inWords(error), retry_after_ms: 0 };
  }

  async #connect(): Promise<Connection> {
    const { syslog, ca, client } = this.#to;
    return new Connection(await connectTls({ ...syslog, ca, client }, this.#options.guard, this.#stop.signal));
  }

  async #within(work: Promise<void>, ms: number, what: string): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.#options.clock.after(ms, () => reject(new Error(`${what}, for ${ms / 1000} s`)));
    });
    try {
      await Promise.race([work, late]);
    } finally {
      cancel();
    }
  }
}

class Connection {
  readonly #socket: TLSSocket;
  /** Resolves when the other side is gone, whoever began it. */
  readonly gone: Promise<void>;
  #fault: Error | null = null;
  #ending = false;
  #closed = false;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    // It says nothing of use, but only who reads hears that it has closed.
    socket.resume();
    socket.on('error', (error) => (this.#fault ??= error));
    socket.once('end', () => {
      if (!this.#ending) this.#fault ??= new Error('it closed the connection');
    });
    this.gone = new Promise((resolve) => {
      socket.once('close', () => {
        this.#closed = true;
        if (!this.#ending) this.#fault ??= new Error('it closed the connection');
        resolve();
      });
    });
  }

  /** Resolves when all of it was handed to the network. */
  async write(bytes: Buffer): Promise<void> {
    if (this.#fault) throw this.#fault;
    const written = new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
    await Promise.race([written, this.gone]);
    if (this.#fault) throw this.#fault;
  }

  /** Resolves when both sides have closed in order. */
  async end(): Promise<void> {
    if (this.#fault) throw this.#fault;
    this.#ending = true;
    if (!this.#closed) this.#socket.end();
    await this.gone;
    if (this.#fault) throw this.#fault;
  }

  destroy(): void {
    this.#fault ??= new Error('the connection was given up');
    this.#socket.destroy();
  }
}

/** The message's length in octets, a space, the message (RFC 5425, 4.3). */
export function frameOf({ line, bytes }: Message): Buffer {
  const head = headOf(line);
  return Buffer.concat([Buffer.from(`${head.length + bytes.length} ${head}`), bytes]);
}

/** As every line begins: docs/audit-log.md, "A record". */
const FACTS =
  /^\{"v":1,"seq":\d+,"prev":"[0-9a-f]*","time":"([0-9TZ:.-]{20,32})","mono":\d+,"node":"([^"\\]*)","type":"([a-z_.]+)"/;

/** Header and structured data of RFC 5424, 6; what a record lacks, or what may not stand there, is the nil value. */
function headOf({ bytes }: Line): string {
  const [, time = '-', node = '', type = '-'] = FACTS.exec(bytes.toString('latin1', 0, HEAD_BYTES)) ?? [];
  const host = /^[!-~]{1,255}$/.test(node) ? node : '-';
  return `<${PRIORITY}>1 ${time} ${host} holdpoint - ${type.slice(0, 32)} - `;
}
