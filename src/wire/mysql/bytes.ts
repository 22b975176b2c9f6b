// Reads and writes the protocol's data types. A reader never goes past its end: whoever lies about a length gets a Malformed.
// Source: MySQL Server Doxygen, "Protocol Basics: Basic Data Types".

/** The bytes are not what they claim to be. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

export class Bytes {
  readonly #buffer: Buffer;
  #at: number;

  constructor(buffer: Buffer, at = 0) {
    this.#buffer = buffer;
    this.#at = at;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#buffer.length - this.#at;
  }

  /** int<1>, int<2>, int<3>, int<4>: little endian, unsigned. */
  int(bytes: 1 | 2 | 3 | 4): number {
    return this.take(bytes).readUIntLE(0, bytes);
  }

  /** int<lenenc>; one over 2^53 is a lie here. */
  lenenc(): number {
    const first = this.int(1);
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.int(2);
    if (first === 0xfd) return this.int(3);
    if (first !== 0xfe) throw new Malformed('not a length');
    const low = this.int(4);
    const number = this.int(4) * 2 ** 32 + low;
    if (!Number.isSafeInteger(number)) throw new Malformed('a length out of bounds');
    return number;
  }

  /** string<fix> */
  take(bytes: number): Buffer {
    if (bytes > this.left) throw new Malformed('shorter than it says');
    this.#at += bytes;
    return this.#buffer.subarray(this.#at - bytes, this.#at);
  }

  /** string<NUL>, without it. */
  nul(): Buffer {
    const end = this.#buffer.indexOf(0, this.#at);
    if (end < 0) throw new Malformed('a string without an end');
    const text = this.#buffer.subarray(this.#at, end);
    this.#at = end + 1;
    return text;
  }

  /** string<EOF> */
  rest(): Buffer {
    return this.take(this.left);
  }
}

/** int<n>. */
export const int = (bytes: 1 | 2 | 3 | 4, value: number): Buffer => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
};

/** int<lenenc>. */
export const lenenc = (value: number): Buffer => {
  if (value < 0xfb) return Buffer.of(value);
  if (value < 0x1_0000) return Buffer.concat([Buffer.of(0xfc), int(2, value)]);
  if (value < 0x100_0000) return Buffer.concat([Buffer.of(0xfd), int(3, value)]);
  const long = Buffer.alloc(9, 0xfe);
  long.writeBigUInt64LE(BigInt(value), 1);
  return long;
};

/** string<lenenc>. */
export const lenencString = (text: Buffer | string): Buffer => {
  const bytes = Buffer.from(text as string);
  return Buffer.concat([lenenc(bytes.length), bytes]);
};

/** string<NUL>. */
export const nulString = (text: Buffer | string): Buffer => Buffer.concat([Buffer.from(text as string), Buffer.of(0)]);
