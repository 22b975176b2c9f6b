// Reads what a client sends before it has a session: startup packets and password messages, one at a time, bounded.
// Never reads past what it was asked for without keeping it: bytes sent in clear before TLS must not count as encrypted.
import type { Duplex } from 'node:stream';
import { readStartupPacket, type StartupPacket } from '../wire/postgres/startup.ts';

/** Longest password message; a SCRAM one is below 1 KiB. */
const PASSWORD_BYTES_MAX = 10_000;
/** A password in clear, with its NUL, and what frames it: a token may have 16 KiB. */
export const CLEAR_PASSWORD_BYTES_MAX = 16 * 1024 + 16;

export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

const NOTHING = Buffer.alloc(0);

export class Packets {
  readonly #stream: Duplex;
  #buffer: Buffer = NOTHING;
  #gone = false;
  #wake: () => void = () => {};
  readonly #onData = (chunk: Buffer): void => {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    // More than any packet of this part: whatever it is, it can wait.
    if (this.#buffer.length > 2 * CLEAR_PASSWORD_BYTES_MAX) this.#stream.pause();
    this.#wake();
  };
  readonly #onGone = (): void => {
    this.#gone = true;
    this.#wake();
  };

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', this.#onData);
    stream.on('end', this.#onGone);
    stream.on('close', this.#onGone);
    stream.on('error', this.#onGone);
    stream.resume();
  }

  /** The first bytes, without taking them: a TLS client hello starts with 0x16. Rejects ClientGone. */
  async first(): Promise<number> {
    while (this.#buffer.length === 0) await this.#more();
    return this.#buffer[0] as number;
  }

  /** Rejects ClientGone. */
  async startup(bytes_max: number): Promise<StartupPacket> {
    for (;;) {
      const read = readStartupPacket(this.#buffer, bytes_max);
      if (read) {
        this.#buffer = this.#buffer.subarray(read.end);
        return read.packet;
      }
      await this.#more();
    }
  }

  /** A whole PasswordMessage, SASLInitialResponse or SASLResponse; null for anything else. Rejects ClientGone. */
  async answer(bytes_max = PASSWORD_BYTES_MAX): Promise<Buffer | null> {
    while (this.#buffer.length < 5) await this.#more();
    const length = this.#buffer.readInt32BE(1);
    if (this.#buffer[0] !== 0x70 || length < 4 || length > bytes_max) return null;
    while (this.#buffer.length < length + 1) await this.#more();
    const message = this.#buffer.subarray(0, length + 1);
    this.#buffer = this.#buffer.subarray(length + 1);
    return message;
  }

  /** The body of one. Rejects ClientGone. */
  async password(bytes_max = PASSWORD_BYTES_MAX): Promise<Buffer | null> {
    return (await this.answer(bytes_max))?.subarray(5) ?? null;
  }

  /** Bytes that came and were not asked for. */
  get early(): number {
    return this.#buffer.length;
  }

  /** Stops reading and gives back what was not consumed. The stream is paused. */
  release(): Buffer {
    this.#stream.pause();
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onGone);
    this.#stream.off('close', this.#onGone);
    // Whoever owns the stream watches its errors.
    this.#stream.off('error', this.#onGone);
    const rest = this.#buffer;
    this.#buffer = NOTHING;
    return rest;
  }

  get gone(): boolean {
    return this.#gone;
  }

  async #more(): Promise<void> {
    if (this.#gone) throw new ClientGone('the client left');
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = () => {};
  }
}
