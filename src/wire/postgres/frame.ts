// Cuts a byte stream into protocol messages by hopping from header to header: one type byte, a four-byte length that
// counts itself. It never looks into a body and never copies one that lies whole in a chunk.
// Manual: "Frontend/Backend Protocol", 55.1 and 55.2.

export const HEADER_BYTES = 5;

/** What `next` found. */
export const NEED_MORE = 0;
/** A whole message lies at [start, end) of `buffer`. */
export const FRAME = 1;
/** A part of a message of a streamed type lies at [start, end); `first` tells whether its header is in it. */
export const PART = 2;
/** A length that cannot be, or is over the limit: the stream is lost. */
export const BAD_LENGTH = 3;

const NOTHING = Buffer.alloc(0);
/** Copied twice: more is left as it is. */
const PACKED_BYTES_MAX = 4096;

/** Types that may pass in parts, by byte code: one table for all readers of the same kind. */
const tables = new Map<string, Uint8Array>();
const tableOf = (letters: string): Uint8Array => {
  const known = tables.get(letters);
  if (known) return known;
  const table = new Uint8Array(256);
  for (const letter of letters) table[letter.charCodeAt(0)] = 1;
  tables.set(letters, table);
  return table;
};

export class FrameReader {
  buffer: Buffer = NOTHING;
  /** Byte code of the message found last. */
  type = 0;
  start = 0;
  end = 0;
  first = true;
  /** Body length field of the message found last, without the type byte. */
  length = 0;

  readonly #streamed: Uint8Array;
  readonly #bytesMax: number;
  #position = 0;
  #streamLeft = 0;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #need = 0;
  /** latin1 of what is unread, where `buffer` has none of it. */
  #packed = '';

  /**
   * @param streamed message types that may pass in parts, however long
   * @param bytes_max longest message of any other type, in bytes
   */
  constructor(streamed: string, bytes_max: number) {
    this.#streamed = tableOf(streamed);
    this.#bytesMax = bytes_max;
  }

  /** Bytes received and not yet consumed by `next`. */
  get unread(): number {
    return this.buffer.length - this.#position + this.#waitingBytes + this.#packed.length;
  }

  /** Takes a chunk over. What `next` has not consumed is kept; the chunk itself is referenced until then. */
  append(chunk: Buffer): void {
    if (this.#packed !== '') this.#unpack();
    if (this.#need > 0) {
      // A long message: collect until it is whole, so that its bytes are copied once and not once a chunk.
      this.#waiting.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes < this.#need) return;
      const rest = this.buffer.subarray(this.#position);
      this.buffer = Buffer.concat([rest, ...this.#waiting]);
      this.#waiting = [];
      this.#waitingBytes = 0;
      this.#need = 0;
    } else if (this.#position >= this.buffer.length) {
      this.buffer = chunk;
    } else {
      this.buffer = Buffer.concat([this.buffer.subarray(this.#position), chunk]);
    }
    this.#position = 0;
  }

  /** Moves on to the next message, or part of one. */
  next(): number {
    const buffer = this.buffer;
    const position = this.#position;
    const available = buffer.length - position;
    if (this.#streamLeft > 0) {
      if (available === 0) return NEED_MORE;
      const bytes = available < this.#streamLeft ? available : this.#streamLeft;
      this.start = position;
      this.end = this.#position = position + bytes;
      this.#streamLeft -= bytes;
      this.first = false;
      return PART;
    }
    if (available < HEADER_BYTES || this.#need > 0) return this.#unpack() ? this.next() : NEED_MORE;
    const type = buffer[position] as number;
    const length = buffer.readInt32BE(position + 1);
    const streamed = this.#streamed[type] === 1;
    if (length < 4 || (!streamed && length > this.#bytesMax)) {
      this.type = type;
      this.length = length;
      return BAD_LENGTH;
    }
    const total = length + 1;
    this.type = type;
    this.length = length;
    this.start = position;
    this.first = true;
    if (available >= total) {
      this.end = this.#position = position + total;
      return FRAME;
    }
    if (streamed) {
      this.end = this.#position = buffer.length;
      this.#streamLeft = total - available;
      return PART;
    }
    this.#need = total - available;
    return NEED_MORE;
  }

  /**
   * Goes on over the whole messages of the same type right behind the one found last, which must be of a streamed type, as far as these
   * counts of them and of their bytes let it; how many.
   */
  run(count_max = Infinity, bytes_max = Infinity): number {
    const { buffer, type } = this;
    let position = this.#position;
    let count = 0;
    const last = position + bytes_max;
    while (count < count_max && buffer.length - position >= HEADER_BYTES && buffer[position] === type) {
      const next = position + 1 + buffer.readInt32BE(position + 1);
      if (next < position + HEADER_BYTES || next > buffer.length || next > last) break;
      position = next;
      count++;
    }
    this.end = this.#position = position;
    return count;
  }

  /** Puts back what was found last, a whole message or the first part of one: `next` finds it again. */
  unread_last(): void {
    this.#position = this.start;
    this.#streamLeft = 0;
  }

  /** Lets go of a buffer that has been read to its end: a session that idles must not keep its last chunk. */
  release(): void {
    if (this.#position < this.buffer.length) return;
    this.buffer = NOTHING;
    this.#position = 0;
  }

  /**
   * Makes what is unread small, where nobody reads it for a while: a Buffer of a few bytes takes ten times as many. What was found last is no
   * more to be had.
   */
  pack(): void {
    if (this.#need > 0 || this.#streamLeft > 0 || this.unread > PACKED_BYTES_MAX) return;
    this.#packed += this.buffer.toString('latin1', this.#position);
    this.buffer = NOTHING;
    this.#position = 0;
  }

  /** False: nothing was packed. */
  #unpack(): boolean {
    if (this.#packed === '') return false;
    this.buffer = Buffer.from(this.#packed, 'latin1');
    this.#position = 0;
    this.#packed = '';
    return true;
  }

  /** Hands over what was not read. */
  takeRest(): Buffer {
    this.#unpack();
    const rest = Buffer.concat([this.buffer.subarray(this.#position), ...this.#waiting]);
    this.buffer = NOTHING;
    this.#position = this.#need = this.#waitingBytes = 0;
    this.#waiting = [];
    return rest;
  }

  /** Visits the whole unread messages without consuming them, until the visitor returns false. */
  peek(visit: (type: number, start: number, end: number) => boolean): void {
    this.#unpack();
    // What follows a part is more of the same message, not a header.
    if (this.#streamLeft > 0) return;
    let position = this.#position;
    while (this.buffer.length - position >= HEADER_BYTES) {
      const length = this.buffer.readInt32BE(position + 1);
      const end = position + 1 + length;
      if (length < 4 || end > this.buffer.length) return;
      if (!visit(this.buffer[position] as number, position, end)) return;
      position = end;
    }
  }
}
