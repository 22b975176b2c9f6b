// Cuts a byte stream into packets by hopping from header to header: a three-byte length of the payload, then a sequence id. A message is
// one packet, or several where all but the last have the longest payload there is. It never copies a payload that lies whole in a chunk, and
// must never lose step: a sequence id that is not the next one ends the stream.
// Source: MySQL Server Doxygen, "Protocol Basics: MySQL Packets".

export const HEADER_BYTES = 4;
/** A payload of so many bytes goes on in the next packet. */
export const PAYLOAD_BYTES_MAX = 0xff_ffff;

/** What `next` and `message` found. */
export const NEED_MORE = 0;
/** A whole packet (`message`: a whole message) lies at [start, end) of `buffer`. */
export const PACKET = 1;
/** A part of a packet lies at [start, end); `first` tells whether its header is in it. */
export const PART = 2;
/** Longer than the reader takes. */
export const TOO_LONG = 3;
/** A sequence id that is not the next one: the stream is lost. */
export const BAD_SEQUENCE = 4;

/** What `next` may hand out in parts. */
export const WHOLE = 0;
/** Rows: packets that begin with neither 0xFF (ERR) nor, unless they are of the greatest length, 0xFE (EOF). */
export const ROWS = 1;
/** Whatever comes: data of LOCAL INFILE. */
export const ANY = 2;

/** For `expect`: nothing was asked. */
export const ANY_SEQUENCE = -1;

const NOTHING = Buffer.alloc(0);
/** Copied twice: more is left as it is. */
const PACKED_BYTES_MAX = 4096;

export class PacketReader {
  buffer: Buffer = NOTHING;
  /** What was found, headers included. */
  start = 0;
  end = 0;
  /** The header is in it. */
  first = true;
  /** It carries on a message that an earlier packet began. */
  continues = false;
  /** Its payload is the last of its message. */
  last = true;
  /** Of the packet found last: bytes of its payload, and its sequence id. */
  length = 0;
  sequence = 0;
  /** Where the payload of a whole packet or message lies: in `buffer`, but for a message of several packets, which is put together. */
  body: Buffer = NOTHING;
  from = 0;
  to = 0;
  /** What may pass in parts: WHOLE (nothing), ROWS or ANY. */
  parts = WHOLE;

  readonly #bytesMax: number;
  #position = 0;
  /** Bytes of the packet at hand that are still to come. */
  #partLeft = 0;
  #expected = 0;
  /** The last packet was of the greatest length: what comes is more of its message. */
  #more = false;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #need = 0;
  /** latin1 of what is unread, where `buffer` has none of it. */
  #packed = '';

  /** @param bytes_max longest payload of what has to be whole, in bytes */
  constructor(bytes_max: number) {
    this.#bytesMax = bytes_max;
  }

  /** Bytes received and not yet consumed. */
  get unread(): number {
    return this.buffer.length - this.#position + this.#waitingBytes + this.#packed.length;
  }

  /** The sequence id that the next packet must have. */
  get expected(): number {
    return this.#expected;
  }

  /** The next packet must have this sequence id: 0 begins a command. ANY_SEQUENCE: none that could be told before. */
  expect(sequence: number): void {
    this.#expected = sequence === ANY_SEQUENCE ? sequence : sequence & 0xff;
  }

  /** Takes a chunk over. What has not been consumed is kept; the chunk itself is referenced until then. */
  append(chunk: Buffer): void {
    if (this.#packed !== '') this.#unpack();
    if (this.#need > 0) {
      // A long packet: collect until it is whole, so that its bytes are copied once and not once a chunk.
      this.#waiting.push(chunk);
      this.#waitingBytes += chunk.length;
      if (this.#waitingBytes < this.#need) return;
      this.buffer = Buffer.concat([this.buffer.subarray(this.#position), ...this.#waiting]);
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

  /** Moves on to the next packet, or part of one. */
  next(): number {
    const { buffer } = this;
    const position = this.#position;
    const available = buffer.length - position;
    if (this.#partLeft > 0) {
      if (available === 0) return NEED_MORE;
      const bytes = available < this.#partLeft ? available : this.#partLeft;
      this.start = position;
      this.end = this.#position = position + bytes;
      this.#partLeft -= bytes;
      this.first = false;
      return PART;
    }
    if (available < HEADER_BYTES || this.#need > 0) return this.#unpack() ? this.next() : NEED_MORE;
    const length = lengthAt(buffer, position);
    const sequence = buffer[position + 3] as number;
    if (sequence !== this.#expected && this.#expected !== ANY_SEQUENCE) return BAD_SEQUENCE;
    const total = HEADER_BYTES + length;
    const whole = available >= total;
    if (!whole || length > this.#bytesMax) {
      if (available === HEADER_BYTES && this.parts !== WHOLE) return NEED_MORE;
      if (!this.#passes(buffer[position + HEADER_BYTES] as number, length)) {
        if (length > this.#bytesMax) return TOO_LONG;
        this.#need = total - available;
        return NEED_MORE;
      }
    }
    this.start = position;
    this.end = this.#position = whole ? position + total : buffer.length;
    this.#partLeft = whole ? 0 : total - available;
    this.first = true;
    this.length = length;
    this.sequence = sequence;
    this.#expected = (sequence + 1) & 0xff;
    this.continues = this.#more;
    this.#more = length === PAYLOAD_BYTES_MAX;
    this.last = !this.#more;
    this.body = buffer;
    this.from = position + HEADER_BYTES;
    this.to = this.end;
    return whole ? PACKET : PART;
  }

  /** Moves on to the next whole message. `sequence` is that of its last packet. */
  message(): number {
    const { buffer } = this;
    const position = this.#position;
    if (this.#need > 0) return NEED_MORE;
    let at = position;
    let sequence = this.#expected;
    let payload = 0;
    for (;;) {
      if (buffer.length - at < HEADER_BYTES) return this.#unpack() ? this.message() : NEED_MORE;
      const length = lengthAt(buffer, at);
      if (buffer[at + 3] !== sequence) return BAD_SEQUENCE;
      payload += length;
      if (payload > this.#bytesMax) return TOO_LONG;
      at += HEADER_BYTES + length;
      if (at > buffer.length) {
        this.#need = at - buffer.length;
        return NEED_MORE;
      }
      if (length < PAYLOAD_BYTES_MAX) break;
      sequence = (sequence + 1) & 0xff;
    }
    this.start = position;
    this.end = this.#position = at;
    this.first = this.last = true;
    this.continues = false;
    this.length = payload;
    this.sequence = sequence;
    this.#expected = (sequence + 1) & 0xff;
    if (payload < PAYLOAD_BYTES_MAX) {
      this.body = buffer;
      this.from = position + HEADER_BYTES;
      this.to = at;
    } else {
      this.body = joined(buffer, position, at);
      this.from = 0;
      this.to = payload;
    }
    return PACKET;
  }

  /**
   * Goes on over the whole packets right behind the one found last that are rows of a single packet, as far as these counts of them and of
   * their bytes let it; how many.
   */
  run(count_max = Infinity, bytes_max = Infinity): number {
    const { buffer } = this;
    let position = this.#position;
    let count = 0;
    if (this.#more || this.#partLeft > 0) return 0;
    const last = position + bytes_max;
    while (count < count_max && buffer.length - position > HEADER_BYTES) {
      const length = lengthAt(buffer, position);
      const next = position + HEADER_BYTES + length;
      const head = buffer[position + HEADER_BYTES] as number;
      if (length === 0 || length === PAYLOAD_BYTES_MAX || head >= 0xfe || next > buffer.length || next > last) break;
      if (buffer[position + 3] !== this.#expected) break;
      this.sequence = this.#expected;
      this.#expected = (this.#expected + 1) & 0xff;
      position = next;
      count++;
    }
    this.end = this.#position = position;
    return count;
  }

  /** Puts back what was found last, a whole packet, a whole message, or the first part of a packet. */
  unread_last(): void {
    this.#expected = this.buffer[this.start + 3] as number;
    this.#more = this.continues;
    this.#position = this.start;
    this.#partLeft = 0;
  }

  /** Lets go of a buffer that has been read to its end: a session that idles must not keep its last chunk. */
  release(): void {
    if (this.#position < this.buffer.length) return;
    this.buffer = this.body = NOTHING;
    this.#position = 0;
  }

  /**
   * Makes what is unread small, where nobody reads it for a while: a Buffer of a few bytes takes ten times as many. What was found last is no
   * more to be had.
   */
  pack(): void {
    if (this.#need > 0 || this.#partLeft > 0 || this.unread > PACKED_BYTES_MAX) return;
    this.#packed += this.buffer.toString('latin1', this.#position);
    this.buffer = this.body = NOTHING;
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
    this.buffer = this.body = NOTHING;
    this.#position = this.#need = this.#waitingBytes = this.#partLeft = 0;
    this.#waiting = [];
    return rest;
  }

  /** Visits the unread packets that are whole without consuming them, until the visitor returns false. */
  peek(visit: (start: number, end: number) => boolean): void {
    this.#unpack();
    if (this.#partLeft > 0) return;
    let position = this.#position;
    while (this.buffer.length - position >= HEADER_BYTES) {
      const end = position + HEADER_BYTES + lengthAt(this.buffer, position);
      if (end > this.buffer.length || !visit(position, end)) return;
      position = end;
    }
  }

  #passes(head: number, length: number): boolean {
    if (this.parts === WHOLE) return false;
    if (this.parts === ANY || this.#more) return true;
    return head < 0xfe || (head === 0xfe && length === PAYLOAD_BYTES_MAX);
  }
}

/** The packet found last, header included, goes on with a sequence id that is so much later. */
export const shift = ({ buffer, start, sequence }: PacketReader, by: number): void => {
  buffer[start + 3] = (sequence + by) & 0xff;
};

const lengthAt = (buffer: Buffer, at: number): number =>
  (buffer[at] as number) | ((buffer[at + 1] as number) << 8) | ((buffer[at + 2] as number) << 16);

/** The payload of the packets at [start, end). */
const joined = (buffer: Buffer, start: number, end: number): Buffer => {
  const pieces: Buffer[] = [];
  for (let at = start; at < end; ) {
    const next = at + HEADER_BYTES + lengthAt(buffer, at);
    pieces.push(buffer.subarray(at + HEADER_BYTES, next));
    at = next;
  }
  return Buffer.concat(pieces);
};

/** The payload as packets, the first of which has this sequence id. */
export const packets = (sequence: number, payload: Buffer): Buffer => {
  const pieces: Buffer[] = [];
  for (let at = 0; ; at += PAYLOAD_BYTES_MAX) {
    const length = Math.min(payload.length - at, PAYLOAD_BYTES_MAX);
    pieces.push(header(length, sequence), payload.subarray(at, at + length));
    sequence++;
    if (length < PAYLOAD_BYTES_MAX) return Buffer.concat(pieces);
  }
};

const header = (length: number, sequence: number): Buffer => {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUIntLE(length, 0, 3);
  bytes[3] = sequence & 0xff;
  return bytes;
};
