// Packets with a client that has no session yet, one at a time, bounded and in step: the twin of packets.ts.
import type { Duplex } from 'node:stream';
import { NEED_MORE, PACKET, PacketReader, packets, TOO_LONG } from '../wire/mysql/frame.ts';
import { ClientGone } from './packets.ts';

/** What a client sent was no packet: too long, or out of its turn. */
export class BadPacket extends Error {
  override readonly name = 'BadPacket';
  readonly outOfOrder: boolean;
  constructor(outOfOrder: boolean) {
    super(outOfOrder ? 'a packet out of order' : 'a packet out of bounds');
    this.outOfOrder = outOfOrder;
  }
}

export class MysqlPackets {
  readonly #stream: Duplex;
  #bytesMax: number;
  #reader: PacketReader;
  #sequence: number;
  #gone = false;
  #wake: () => void = () => {};
  readonly #onData = (chunk: Buffer): void => {
    this.#reader.append(chunk);
    // More than a login has: whatever it is, it can wait.
    if (this.#reader.unread > 2 * this.#bytesMax) this.#stream.pause();
    this.#wake();
  };
  readonly #onGone = (): void => {
    this.#gone = true;
    this.#wake();
  };

  /** `sequence`: of the next packet, whoever sends it. `early`: what the client sent already. */
  constructor(stream: Duplex, bytes_max: number, sequence: number, early?: Buffer) {
    this.#stream = stream;
    this.#bytesMax = bytes_max;
    this.#reader = new PacketReader(bytes_max);
    this.#sequence = sequence;
    if (early) this.#reader.append(early);
    stream.on('data', this.#onData);
    stream.on('end', this.#onGone);
    stream.on('close', this.#onGone);
    stream.on('error', this.#onGone);
    stream.resume();
  }

  /** From here on packets may be so long. */
  allow(bytes_max: number): void {
    const rest = this.#reader.takeRest();
    this.#bytesMax = bytes_max;
    this.#reader = new PacketReader(bytes_max);
    this.#reader.append(rest);
  }

  /** The next packet's payload. Rejects ClientGone or BadPacket. */
  async read(): Promise<Buffer> {
    const reader = this.#reader;
    reader.expect(this.#sequence);
    for (;;) {
      const found = reader.message();
      if (found === PACKET) {
        this.#sequence = reader.sequence + 1;
        return reader.body.subarray(reader.from, reader.to);
      }
      if (found !== NEED_MORE) throw new BadPacket(found !== TOO_LONG);
      if (this.#gone) throw new ClientGone('the client left');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = () => {};
    }
  }

  write(...payloads: readonly Buffer[]): void {
    this.#stream.write(Buffer.concat(payloads.map((payload) => this.packet(payload))));
  }

  /** The payload as the next packet of the conversation. */
  packet(payload: Buffer): Buffer {
    return packets(this.#sequence++, payload);
  }

  /** Of the next packet. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Stops reading and gives back what was not consumed. The stream is paused. */
  release(): Buffer {
    this.#stream.pause();
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onGone);
    this.#stream.off('close', this.#onGone);
    // Whoever owns the stream watches its errors.
    this.#stream.off('error', this.#onGone);
    return this.#reader.takeRest();
  }

  get gone(): boolean {
    return this.#gone;
  }
}
