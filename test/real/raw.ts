// A client that speaks the protocol byte by byte, for what no driver would send: in clear or inside TLS. Test code only;
// it waits for the peer's bytes and never for time.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import {
  cstring,
  readFields,
  saslInitialResponse,
  saslResponse,
  sslRequest,
} from '../../src/wire/postgres/messages.ts';
import { MECHANISM, ScramClient } from '../../src/wire/postgres/scram.ts';

export interface RawMessage {
  readonly type: string;
  readonly body: Buffer;
  /** Of an ErrorResponse or NoticeResponse, by letter. */
  readonly fields: ReadonlyMap<string, string>;
}

export class Raw {
  stream: Duplex;
  readonly socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    this.stream = socket;
    this.#listen();
  }

  /** `allowHalfOpen`: does not close when the peer does. */
  static async connect(port: number, { allowHalfOpen = false, localAddress = '127.0.0.1' } = {}): Promise<Raw> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen, localAddress });
    await once(socket, 'connect');
    return new Raw(socket);
  }

  #listen(): void {
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.stream.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake();
    });
    this.stream.on('end', end).on('close', end).on('error', end);
  }

  send(...bytes: readonly Buffer[]): void {
    this.stream.write(Buffer.concat(bytes));
  }

  destroy(): void {
    this.stream.destroy();
    this.socket.destroy();
  }

  /** Resolves when the peer has closed its side. */
  async ended(): Promise<void> {
    while (!this.#ended) await this.#more();
  }

  /** One byte, the answer to an encryption request; null: the peer closed. */
  async byte(): Promise<string | null> {
    while (this.#buffer.length === 0 && !this.#ended) await this.#more();
    const byte = this.#buffer.length === 0 ? null : this.#buffer.toString('latin1', 0, 1);
    this.#buffer = this.#buffer.subarray(1);
    return byte;
  }

  /** The next whole message; null: the peer closed. */
  async message(): Promise<RawMessage | null> {
    for (;;) {
      const length = this.#buffer.length < 5 ? Infinity : this.#buffer.readInt32BE(1) + 1;
      if (this.#buffer.length >= length) {
        const whole = this.#buffer.subarray(0, length);
        this.#buffer = this.#buffer.subarray(length);
        const type = whole.toString('latin1', 0, 1);
        const fields = type === 'E' || type === 'N' ? readFields(whole, 0, whole.length) : new Map<string, string>();
        return { type, body: whole.subarray(5), fields };
      }
      if (this.#ended) return null;
      await this.#more();
    }
  }

  /** Messages up to and with the first of this type, or to the end of the connection. */
  async until(type: string): Promise<RawMessage[]> {
    const messages: RawMessage[] = [];
    for (;;) {
      const message = await this.message();
      if (message) messages.push(message);
      if (!message || message.type === type) return messages;
    }
  }

  /** SSLRequest, 'S', TLS. */
  async encrypt(options: ConnectionOptions): Promise<void> {
    this.send(sslRequest());
    const answer = await this.byte();
    if (answer !== 'S') throw new Error(`the gateway answered ${answer} to an SSLRequest`);
    await this.encryptDirectly(options);
  }

  /** TLS without being asked. Rejects when the handshake fails. */
  async encryptDirectly(options: ConnectionOptions): Promise<void> {
    this.socket.removeAllListeners('data').removeAllListeners('end').removeAllListeners('close');
    const tls: TLSSocket = connectTls({ socket: this.socket, ...options });
    this.stream = tls;
    this.#listen();
    await once(tls, 'secureConnect');
  }

  /** Startup and SCRAM; the messages from AuthenticationOk to ReadyForQuery, or the ErrorResponse alone at the end. */
  async login(
    user: string,
    password: string,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<RawMessage[]> {
    this.send(startup({ user, ...parameters }));
    return this.authenticate(password);
  }

  async authenticate(password: string): Promise<RawMessage[]> {
    const scram = new ScramClient(password);
    const seen: RawMessage[] = [];
    for (;;) {
      const message = await this.message();
      if (!message) return seen;
      seen.push(message);
      if (message.type === 'E' || message.type === 'Z') return seen;
      if (message.type !== 'R') continue;
      const method = message.body.readInt32BE(0);
      if (method === 10) this.send(saslInitialResponse(MECHANISM, scram.first()));
      if (method === 11) this.send(saslResponse(await scram.final(message.body.toString('utf8', 4))));
      if (method === 12 && !scram.verify(message.body.toString('utf8', 4))) throw new Error('no server signature');
    }
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = () => {};
  }
}

/** A StartupMessage of any version, well-formed. */
export const startup = (parameters: Readonly<Record<string, string>>, version = 196608): Buffer => {
  const body = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  const bytes = Buffer.from(`${body.join('')}\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(bytes.length + 8, 0);
  head.writeInt32BE(version, 4);
  return Buffer.concat([head, bytes]);
};

/** Any message: type, then a length that counts itself, unless another one is wanted. */
export const message = (type: string, body: Buffer | string = '', length?: number): Buffer => {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(length ?? bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
};

/** SQLSTATE of the error among these messages; undefined: there is none. */
export const sqlstate = (messages: readonly RawMessage[]): string | undefined =>
  messages.find(({ type }) => type === 'E')?.fields.get('C');

export const errorText = (messages: readonly RawMessage[]): string =>
  messages.find(({ type }) => type === 'E')?.fields.get('M') ?? '';

/** Process id and secret of a BackendKeyData. */
export const keyOf = (messages: readonly RawMessage[]): { processId: number; secret: Buffer } => {
  const key = messages.find(({ type }) => type === 'K');
  if (!key) throw new Error('there is no BackendKeyData');
  return { processId: key.body.readInt32BE(0), secret: Buffer.from(key.body.subarray(4)) };
};

/** ParameterStatus by name. */
export const statuses = (messages: readonly RawMessage[]): Map<string, string> =>
  new Map(
    messages
      .filter(({ type }) => type === 'S')
      .map(({ body }) => {
        const name = cstring(body, 0, body.length);
        const value = name && cstring(body, name.next, body.length);
        return [name?.text ?? '', value?.text ?? ''] as const;
      }),
  );
