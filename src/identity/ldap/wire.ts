// What stands between the LDAP library and a socket: one request at a time, whole and well-formed messages only, so many bytes and no more.
// The library keeps what it is sent without limit, and trusts its lengths; must never let it see what is too long or does not fit.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { DirectoryFault } from './ask.ts';

/** One message (RFC 4511, 4.1.1): an entry with the attributes that were asked for. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** All messages that answer one request. */
export const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** References to other servers that one search may bring; none is followed. */
const REFERENCES_MAX = 100;

const TAG = {
  integer: 0x02,
  octets: 0x04,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31,
  controls: 0xa0,
  bind: 0x61,
  entry: 0x64,
  done: 0x65,
  reference: 0x73,
  extended: 0x78,
} as const;

/** What may answer each request of ours: the library takes any result for one of what it asked, and a reference for success. */
const ANSWERS: ReadonlyMap<number, readonly number[]> = new Map([
  [0x60, [TAG.bind]],
  [0x63, [TAG.entry, TAG.reference, TAG.done]],
]);
/** Nothing answers an UnbindRequest. */
const UNBIND = 0x42;
/** Names under which the library has no attributes: an entry's own name stands there. */
const NOT_ATTRIBUTES: ReadonlySet<string> = new Set(['dn', '__proto__']);

/** A tag with one byte, and where its content lies. */
interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

interface Message {
  readonly id: number;
  readonly operation: Element;
  /** Without controls: none was asked for. */
  readonly bytes: Buffer;
}

/** Satisfies what the library uses of a socket. Ends for good at the first thing that is wrong; `fault` says what it was. */
export class LdapWire extends Duplex {
  /** What the library looks at to see that it is connected. */
  readonly connecting = false;
  readonly readyState = 'open';
  fault: DirectoryFault | null = null;
  readonly #socket: Socket;
  /** What was received of a message that is not whole yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** The request that is under way, and what may answer it; null: nothing is, and nothing may come. */
  #due: { readonly id: number; readonly answers: readonly number[] } | null = null;
  #entries_max = 0;
  #entries = 0;
  #references = 0;
  #bytes = 0;

  /** `socket`: connected, and through with TLS where there is any. */
  constructor(socket: Socket) {
    super({ readableObjectMode: true });
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => this.end_with(new DirectoryFault('closed', codeOf(error))));
    socket.on('end', () => this.end_with(new DirectoryFault('closed', 'the directory ended the connection')));
    socket.on('close', () => this.end_with(new DirectoryFault('closed', 'the connection is gone')));
  }

  /** Before a request: how many entries its answer may have. */
  expect(entries_max: number): void {
    this.#entries_max = entries_max;
    this.#entries = 0;
    this.#references = 0;
    this.#bytes = 0;
  }

  /** The first fault counts. */
  end_with(fault: DirectoryFault): void {
    if (this.destroyed) return;
    this.fault ??= fault;
    this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const message = readMessage(chunk);
    if (message !== null && message.operation.tag !== UNBIND)
      this.#due = { id: message.id, answers: ANSWERS.get(message.operation.tag) ?? [] };
    this.#socket.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#rest = Buffer.alloc(0);
    this.#socket.destroy();
    done();
  }

  #received(chunk: Buffer): void {
    if (this.destroyed) return;
    if (this.#due === null)
      return this.end_with(new DirectoryFault('closed', 'the directory sent what nobody asked for'));
    this.#bytes += chunk.length;
    if (this.#bytes > ANSWER_BYTES_MAX) return this.end_with(tooMuch('bytes', ANSWER_BYTES_MAX));
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    try {
      while (!this.destroyed && this.#next());
    } catch (error) {
      this.end_with(error instanceof DirectoryFault ? error : malformed());
    }
  }

  /** False: no whole message is there. Throws DirectoryFault. */
  #next(): boolean {
    const whole = wholeLength(this.#rest);
    if (whole === null || whole > this.#rest.length) return false;
    const message = readMessage(this.#rest.subarray(0, whole));
    this.#rest = this.#rest.subarray(whole);
    // Id 0: a notice that the directory ends the connection (RFC 4511, 4.4.1).
    if (message?.id === 0) throw new DirectoryFault('closed', 'the directory ends the connection');
    if (message === null || message.id !== this.#due?.id) throw malformed();
    if (!this.#due.answers.includes(message.operation.tag)) throw malformed();
    this.#count(message.operation.tag);
    this.push(message.bytes);
    return true;
  }

  /** Throws DirectoryFault. */
  #count(tag: number): void {
    if (tag === TAG.entry) {
      this.#entries += 1;
      if (this.#entries > this.#entries_max) throw tooMuch('entries', this.#entries_max);
    } else if (tag === TAG.reference) {
      this.#references += 1;
      if (this.#references > REFERENCES_MAX) throw tooMuch('references', REFERENCES_MAX);
    } else {
      this.#due = null;
      if (this.#rest.length > 0) throw malformed();
    }
  }
}

/** Whole length of the message that begins there; null: not enough to tell. Throws DirectoryFault. */
export function wholeLength(bytes: Buffer): number | null {
  if (bytes.length < 2) return null;
  const element = elementAt(bytes, 0, Number.MAX_SAFE_INTEGER);
  if (element === null) {
    // Long enough for any length, or one that does not say how long it is (RFC 4511, 5.1).
    if (bytes.length >= 6 || bytes[1] === 0x80) throw malformed();
    return null;
  }
  if (element.tag !== TAG.sequence) throw malformed();
  if (element.end > MESSAGE_BYTES_MAX) throw tooMuch('bytes in one message', MESSAGE_BYTES_MAX);
  return element.end;
}

/** A whole message, checked so far that no reader of it can leave it; null: it is not well-formed. */
export function readMessage(bytes: Buffer): Message | null {
  const envelope = elementAt(bytes, 0, bytes.length);
  if (envelope?.tag !== TAG.sequence || envelope.end !== bytes.length) return null;
  const [id, operation, ...controls] = childrenOf(bytes, envelope) ?? [];
  if (id?.tag !== TAG.integer || operation === undefined || controls.length > 1) return null;
  if (id.end === id.start || id.end - id.start > 4) return null;
  if (controls.some(({ tag }) => tag !== TAG.controls) || !fits(bytes, operation)) return null;
  return {
    id: bytes.readUIntBE(id.start, id.end - id.start),
    operation,
    bytes: controls.length === 0 ? bytes : sequence(bytes.subarray(envelope.start, operation.end)),
  };
}

/** The result code of the answer to an extended request; null: it is none. */
export function extendedResult(bytes: Buffer): number | null {
  const message = readMessage(bytes);
  if (message?.operation.tag !== TAG.extended) return null;
  const code = childrenOf(bytes, message.operation)?.[0];
  return code === undefined ? null : bytes.readUIntBE(code.start, code.end - code.start);
}

/** Are its parts what RFC 4511 has there? Requests are ours, and well-formed. */
function fits(bytes: Buffer, operation: Element): boolean {
  const parts = (): readonly Element[] | null => childrenOf(bytes, operation);
  switch (operation.tag) {
    case TAG.entry: {
      const [name, attributes, ...more] = parts() ?? [];
      return name?.tag === TAG.octets && attributes?.tag === TAG.sequence && more.length === 0
        ? (childrenOf(bytes, attributes)?.every((one) => isAttribute(bytes, one)) ?? false)
        : false;
    }
    case TAG.reference:
      return parts()?.every(({ tag }) => tag === TAG.octets) ?? false;
    case TAG.bind:
    case TAG.done:
    case TAG.extended: {
      const [code, matched, text] = parts() ?? [];
      const size = code === undefined ? 0 : code.end - code.start;
      return (
        code?.tag === TAG.enumerated && size > 0 && size <= 4 && matched?.tag === TAG.octets && text?.tag === TAG.octets
      );
    }
    default:
      return true;
  }
}

function isAttribute(bytes: Buffer, element: Element): boolean {
  if (element.tag !== TAG.sequence) return false;
  const [type, values, ...more] = childrenOf(bytes, element) ?? [];
  if (type !== undefined && NOT_ATTRIBUTES.has(bytes.toString('latin1', type.start, type.end))) return false;
  return type?.tag === TAG.octets && values?.tag === TAG.set && more.length === 0
    ? (childrenOf(bytes, values)?.every(({ tag }) => tag === TAG.octets) ?? false)
    : false;
}

/** Null: they do not fill it exactly. */
function childrenOf(bytes: Buffer, { start, end }: Element): readonly Element[] | null {
  const found: Element[] = [];
  let at = start;
  while (at < end) {
    const child = elementAt(bytes, at, end);
    if (child === null) return null;
    found.push(child);
    at = child.end;
  }
  return found;
}

/** Null: it is not there as a whole up to `end`, or its length is written as LDAP does not allow (RFC 4511, 5.1). */
function elementAt(bytes: Buffer, at: number, end: number): Element | null {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) return null;
  const more = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || more > 4 || at + 2 + more > bytes.length) return null;
  const start = at + 2 + more;
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
  return start + length > end ? null : { tag, start, end: start + length };
}

function sequence(content: Buffer): Buffer {
  const length = Buffer.alloc(5);
  length[0] = 0x84;
  length.writeUInt32BE(content.length, 1);
  return Buffer.concat([Buffer.from([TAG.sequence]), length, content]);
}

function malformed(): DirectoryFault {
  return new DirectoryFault('closed', 'the directory sent what is not LDAP');
}

function tooMuch(what: string, most: number): DirectoryFault {
  return new DirectoryFault('limit', `the directory sent more than ${most} ${what}`);
}

/** Without what else an error says: addresses are the caller's to name. */
function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
