// A client of the MySQL protocol, packet by packet, for what no driver would send: in clear or inside TLS. Test code only; it waits for the
// peer's bytes and never for time.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { cachingSha2Proof } from '../../src/wire/mysql/auth.ts';
import { type Capabilities, CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { packets } from '../../src/wire/mysql/frame.ts';
import {
  type Greeting,
  handshakeResponse,
  type HandshakeResponse,
  readGreeting,
} from '../../src/wire/mysql/handshake.ts';
import { type ErrorPacket, readErr } from '../../src/wire/mysql/messages.ts';

export interface RawPacket {
  readonly sequence: number;
  readonly payload: Buffer;
}

/** What a plain client asks for. */
export const PLAIN_FLAGS =
  CLIENT.MYSQL |
  CLIENT.PROTOCOL_41 |
  CLIENT.SECURE_CONNECTION |
  CLIENT.PLUGIN_AUTH |
  CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA |
  CLIENT.TRANSACTIONS;

export const flags = (value: number): Capabilities => ({ flags: value >>> 0, mariadb: 0 });

export class RawMysql {
  stream: Duplex;
  readonly socket: Socket;
  /** As its greeting had it. */
  id = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    this.stream = socket;
    this.#listen();
  }

  static async connect(port: number): Promise<RawMysql> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawMysql(socket);
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

  /** Goes on inside TLS; what is sent already is not undone. */
  async secure(options: ConnectionOptions = {}): Promise<void> {
    this.socket.removeAllListeners('data').removeAllListeners('end');
    this.stream = connectTls({ socket: this.socket, rejectUnauthorized: false, ...options });
    await once(this.stream, 'secureConnect');
    this.#listen();
  }

  send(sequence: number, payload: Buffer): void {
    this.stream.write(packets(sequence, payload));
  }

  bytes(bytes: Buffer): void {
    this.stream.write(bytes);
  }

  /** Null: the connection was closed. */
  async next(): Promise<RawPacket | null> {
    for (;;) {
      const { length } = this.#buffer;
      const whole = length < 4 ? Infinity : 4 + this.#buffer.readUIntLE(0, 3);
      if (length >= whole) {
        const packet = { sequence: this.#buffer[3] as number, payload: this.#buffer.subarray(4, whole) };
        this.#buffer = this.#buffer.subarray(whole);
        return packet;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async greeting(): Promise<Greeting> {
    const packet = await this.next();
    if (packet === null) throw new Error('no greeting');
    const greeting = readGreeting(packet.payload);
    this.id = greeting.threadId;
    return greeting;
  }

  /** Logs in; the server must know the password, so that the proof is enough. */
  async login(user: string, password: string, change: Partial<HandshakeResponse> = {}): Promise<Greeting> {
    const greeting = await this.greeting();
    this.send(1, response(greeting, user, password, change));
    for (;;) {
      const packet = await this.next();
      if (packet === null) throw new Error('closed while logging in');
      if (packet.payload[0] === 0xff) throw new Error(readErr(packet.payload).message);
      if (packet.payload[0] === 0) return greeting;
    }
  }

  command(code: number, body: Buffer | string = ''): void {
    this.send(0, Buffer.concat([Buffer.of(code), Buffer.from(body as string)]));
  }

  /** The first packet of the answer to a command: a number of an error, 'OK', 'rows', or 'closed'. What follows rows is read up to their end. */
  async answer(): Promise<number | 'OK' | 'rows' | 'closed'> {
    const first = await this.next();
    if (first === null) return 'closed';
    if (first.payload[0] === 0xff) return readErr(first.payload).errno;
    if (first.payload[0] === 0) return 'OK';
    // Definitions end with an EOF, and so do rows.
    for (let ends = 0; ends < 2; ) {
      const packet = await this.next();
      if (packet === null) return 'closed';
      if (packet.payload[0] === 0xff) return readErr(packet.payload).errno;
      if (packet.payload[0] === 0xfe && packet.payload.length < 9) ends++;
    }
    return 'rows';
  }

  /** The rest of the conversation: the error at its end, which the peer closes. Null: it closed without one. */
  async error(): Promise<ErrorPacket | null> {
    let error: ErrorPacket | null = null;
    for (let packet = await this.next(); packet !== null; packet = await this.next())
      if (packet.payload[0] === 0xff) error = readErr(packet.payload);
    this.stream.destroy();
    return error;
  }

  destroy(): void {
    this.stream.destroy();
  }
}

/** A handshake response of a plain client for `greeting`, with changes. */
export const response = (
  { nonce }: Greeting,
  user: string,
  password: string,
  change: Partial<HandshakeResponse> = {},
): Buffer =>
  handshakeResponse({
    capabilities: flags(PLAIN_FLAGS),
    packet_bytes_max: 2 ** 24,
    collation: 45,
    user,
    proof: cachingSha2Proof(password, nonce),
    database: '',
    plugin: 'caching_sha2_password',
    attributes: new Map(),
    ...change,
  });
