// A wire client for tests: says exactly the messages it is told to, in exactly the chunks it is told to, and prints what comes back as text.
// Its encoders and its printer are its own (manual 55.7), so that a mistake in src/wire shows; only the SCRAM login is shared.
import { connect, type Socket } from 'node:net';
import { ScramClient } from '../../src/wire/postgres/scram.ts';

export interface Target {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** A parameter or a row's value: text, SQL NULL, or bytes in the binary format. */
export type Value = string | null | { readonly hex: string };

const cstr = (text: string): Buffer => Buffer.from(`${text}\0`, 'utf8');
const i16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value & 0xffff);
  return bytes;
};
const i32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const list = (items: readonly Buffer[]): Buffer => Buffer.concat([i16(items.length), ...items]);

export const message = (type: string, ...parts: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type, 'latin1'), i32(body.length + 4), body]);
};

const value = (given: Value): Buffer => {
  if (given === null) return i32(-1);
  const bytes = typeof given === 'string' ? Buffer.from(given, 'utf8') : Buffer.from(given.hex, 'hex');
  return Buffer.concat([i32(bytes.length), bytes]);
};

/** Frontend messages by their name in the manual. */
export const SAY = {
  Query: (sql: string) => message('Q', cstr(sql)),
  Parse: (name: string, sql: string, types: readonly number[] = []) =>
    message('P', cstr(name), cstr(sql), list(types.map(i32))),
  Bind: (portal: string, statement: string, values: readonly Value[] = [], results: readonly number[] = []) =>
    message(
      'B',
      cstr(portal),
      cstr(statement),
      list(values.map((given) => i16(given !== null && typeof given === 'object' ? 1 : 0))),
      list(values.map(value)),
      list(results.map(i16)),
    ),
  Describe: (kind: string, name: string) => message('D', Buffer.from(kind), cstr(name)),
  Execute: (portal: string, rows = 0) => message('E', cstr(portal), i32(rows)),
  Close: (kind: string, name: string) => message('C', Buffer.from(kind), cstr(name)),
  Flush: () => message('H'),
  Sync: () => message('S'),
  CopyData: (data: string) => message('d', Buffer.from(data, 'utf8')),
  CopyDone: () => message('c'),
  CopyFail: (why: string) => message('f', cstr(why)),
  /** Arguments and result as text. */
  FunctionCall: (oid: number, values: readonly string[] = []) =>
    message('F', i32(oid), i16(0), list(values.map(value)), i16(0)),
  Terminate: () => message('X'),
  Raw: (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex'),
};

export interface Reply {
  readonly type: string;
  readonly body: Buffer;
}

export class WireClient {
  readonly #socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #closed = false;
  #wake: () => void = () => {};
  processId = 0;
  #secret: Buffer = Buffer.alloc(0);
  readonly #target: Target;

  private constructor(socket: Socket, target: Target) {
    this.#socket = socket;
    this.#target = target;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake();
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
    socket.on('error', () => {});
  }

  /** Connects and logs in. Rejects on any error the server tells. */
  static async open(target: Target, settings: Readonly<Record<string, string>> = {}): Promise<WireClient> {
    const client = new WireClient(connect({ port: target.port, host: '127.0.0.1', noDelay: true }), target);
    const parameters = { user: target.user, database: target.database, ...settings };
    const flat = Object.entries(parameters).flatMap(([name, given]) => [cstr(name), cstr(given)]);
    const body = Buffer.concat([i32(196608), ...flat, Buffer.from([0])]);
    client.send(Buffer.concat([i32(body.length + 4), body]));
    const scram = new ScramClient(target.password);
    for (;;) {
      const reply = await client.next();
      if (!reply) throw new Error('closed while logging in');
      if (reply.type === 'E') throw new Error(printReply(reply));
      if (reply.type === 'Z') return client;
      if (reply.type === 'K') {
        client.processId = reply.body.readInt32BE(0);
        client.#secret = reply.body.subarray(4);
      }
      if (reply.type !== 'R') continue;
      const method = reply.body.readInt32BE(0);
      const data = reply.body.toString('utf8', 4);
      if (method === 10) {
        const first = Buffer.from(scram.first());
        client.send(message('p', cstr('SCRAM-SHA-256'), i32(first.length), first));
      } else if (method === 11) client.send(message('p', Buffer.from(await scram.final(data))));
      else if (method === 12 && !scram.verify(data)) throw new Error('the server does not know the password');
    }
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** Each chunk in a packet of its own, as far as TCP allows: the next one leaves a turn of the loop later. */
  async sendSplit(bytes: Buffer, chunk_bytes: () => number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + Math.max(1, chunk_bytes()));
      await new Promise<void>((resolve) => {
        this.#socket.write(bytes.subarray(at, end), () => resolve());
      });
      at = end;
    }
  }

  /** The next message; null when the connection is closed. */
  async next(): Promise<Reply | null> {
    for (;;) {
      if (this.#buffer.length >= 5) {
        const end = this.#buffer.readInt32BE(1) + 1;
        if (this.#buffer.length >= end) {
          const reply = { type: String.fromCharCode(this.#buffer[0] as number), body: this.#buffer.subarray(5, end) };
          this.#buffer = this.#buffer.subarray(end);
          return reply;
        }
      }
      if (this.#closed) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A CancelRequest with this connection's key; resolves when it was taken. */
  async cancel(): Promise<void> {
    const socket = connect({ port: this.#target.port, host: '127.0.0.1' });
    socket.write(Buffer.concat([i32(12 + this.#secret.length), i32(80877102), i32(this.processId), this.#secret]));
    await new Promise<void>((resolve) => {
      socket.on('close', () => resolve());
      socket.on('error', () => resolve());
      socket.resume();
    });
  }

  /** Resets the connection. */
  destroy(): void {
    this.#socket.destroy();
  }
}

const NAMES: Readonly<Record<string, string>> = {
  '1': 'ParseComplete',
  '2': 'BindComplete',
  '3': 'CloseComplete',
  C: 'CommandComplete',
  d: 'CopyData',
  c: 'CopyDone',
  G: 'CopyInResponse',
  H: 'CopyOutResponse',
  D: 'DataRow',
  I: 'EmptyQueryResponse',
  E: 'ErrorResponse',
  V: 'FunctionCallResponse',
  n: 'NoData',
  N: 'NoticeResponse',
  A: 'NotificationResponse',
  t: 'ParameterDescription',
  S: 'ParameterStatus',
  s: 'PortalSuspended',
  Z: 'ReadyForQuery',
  T: 'RowDescription',
};

export const replyName = (reply: Reply): string => NAMES[reply.type] ?? `(type ${JSON.stringify(reply.type)})`;

const strings = (body: Buffer): string[] => body.toString('utf8').split('\0').slice(0, -1);

/** One line for a message: its name and what a client would look at. */
export const printReply = (reply: Reply): string => {
  const { body } = reply;
  const details = DETAILS[reply.type]?.(body) ?? [];
  return [replyName(reply), ...details].join(' ');
};

const fields = (body: Buffer): string[] => {
  const found = new Map(strings(body).flatMap((field) => (field === '' ? [] : [[field[0] as string, field.slice(1)]])));
  const position = found.get('P');
  return [
    found.get('V') ?? '',
    found.get('C') ?? '',
    JSON.stringify(found.get('M')),
    ...(position ? [`at ${position}`] : []),
  ];
};

const printable = (bytes: Buffer): unknown => {
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) && !/[^\P{Cc}\n\t]/u.test(text) ? text : { hex: bytes.toString('hex') };
};

const DETAILS: Readonly<Record<string, (body: Buffer) => string[]>> = {
  C: (body) => strings(body).map((tag) => JSON.stringify(tag)),
  d: (body) => [JSON.stringify(printable(body))],
  D: (body) => {
    const values: unknown[] = [];
    let at = 2;
    for (let left = body.readUInt16BE(0); left > 0; left--) {
      const length = body.readInt32BE(at);
      at += 4;
      values.push(length < 0 ? null : printable(body.subarray(at, at + length)));
      at += Math.max(0, length);
    }
    return [JSON.stringify(values)];
  },
  E: fields,
  N: fields,
  A: (body) => strings(body.subarray(4)).map((text) => JSON.stringify(text)),
  S: (body) => strings(body).map((text) => JSON.stringify(text)),
  t: (body) => [
    JSON.stringify(Array.from({ length: body.readUInt16BE(0) }, (_, index) => body.readUInt32BE(2 + index * 4))),
  ],
  T: (body) => {
    const columns: string[] = [];
    let at = 2;
    for (let left = body.readUInt16BE(0); left > 0; left--) {
      const end = body.indexOf(0, at);
      const binary = body.readUInt16BE(end + 17) === 1 ? ' binary' : '';
      columns.push(`${body.toString('utf8', at, end)}:${body.readUInt32BE(end + 7)}${binary}`);
      at = end + 19;
    }
    return [JSON.stringify(columns)];
  },
  Z: (body) => [String.fromCharCode(body[0] as number)],
};
