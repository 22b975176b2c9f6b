// A client of the MySQL protocol that says one command at a time and reads its reply to the end, whatever the command: what drivers would
// not send is sent. It logs in by the proof that a gateway takes from whoever logged in before. Test code only.
import { type Capabilities, CLIENT } from '../../src/wire/mysql/capabilities.ts';
import { COM } from '../../src/wire/mysql/commands.ts';
import { HEADER } from '../../src/wire/mysql/messages.ts';
import { CURSOR_REPLY, END, FILE_REQUEST, NO_REPLY, ReplyReader, RESULT_REPLY } from '../../src/wire/mysql/replies.ts';
import { HANDLING } from '../../src/session/mysql/table.ts';
import { flags, PLAIN_FLAGS, RawMysql, response } from './mysql-raw.ts';

export interface Reply {
  /** Payload of the error at its end; null: there is none. */
  readonly error: Buffer | null;
  /** The connection was closed before it ended. */
  readonly closed: boolean;
  /** Payloads of all its packets. */
  readonly packets: readonly Buffer[];
}

export interface Login {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly collation?: number;
  /** Besides those that any client has. */
  readonly flags?: number;
}

/** A logged-in connection. */
export class MysqlWire {
  readonly threadId: number;
  readonly #raw: RawMysql;
  readonly #reader: ReplyReader;
  readonly #attributes: boolean;
  /** Id of the statement prepared last. */
  #statement = 0;

  private constructor(raw: RawMysql, threadId: number, { flags: agreed }: Capabilities) {
    const has = (flag: number): boolean => (agreed & flag) !== 0;
    this.#raw = raw;
    this.threadId = threadId;
    this.#attributes = has(CLIENT.QUERY_ATTRIBUTES);
    this.#reader = new ReplyReader({
      deprecateEof: has(CLIENT.DEPRECATE_EOF),
      sessionTrack: has(CLIENT.SESSION_TRACK),
      optionalMetadata: false,
      optionalPrepared: false,
      progress: false,
    });
  }

  /** Resolves with the payload of the error that refuses the login, or empty bytes where it was just closed. */
  static async open({
    port,
    user,
    password,
    database,
    collation = 45,
    flags: more = 0,
  }: Login): Promise<MysqlWire | Buffer> {
    const raw = await RawMysql.connect(port);
    const greeting = await raw.greeting();
    const wanted =
      PLAIN_FLAGS |
      CLIENT.LONG_FLAG |
      CLIENT.LOCAL_FILES |
      CLIENT.MULTI_RESULTS |
      CLIENT.PS_MULTI_RESULTS |
      CLIENT.CONNECT_WITH_DB;
    const capabilities = flags((wanted | more) & (greeting.capabilities.flags | CLIENT.MYSQL));
    raw.send(1, response(greeting, user, password, { capabilities, collation, database }));
    for (;;) {
      const packet = await raw.next();
      if (packet?.payload[0] === HEADER.MORE_DATA) continue;
      if (packet?.payload[0] === HEADER.OK) return new MysqlWire(raw, greeting.threadId, capabilities);
      raw.destroy();
      return packet?.payload ?? Buffer.alloc(0);
    }
  }

  /** COM_QUERY, with attributes where they were agreed on. */
  query(text: Buffer, attributes: readonly (readonly [string, string])[] = [], infile = ''): Promise<Reply> {
    const before = this.#attributes ? queryAttributes(attributes) : Buffer.alloc(0);
    return this.command(Buffer.concat([Buffer.of(COM.QUERY), before, text]), infile);
  }

  async prepare(text: Buffer): Promise<Reply> {
    const reply = await this.command(Buffer.concat([Buffer.of(COM.STMT_PREPARE), text]));
    if (reply.error === null && !reply.closed) this.#statement = this.#reader.statement;
    return reply;
  }

  /** COM_STMT_EXECUTE with texts for parameters; `direct`: by the id that means the last one prepared. */
  execute(values: readonly (string | null)[], { cursor = 0, direct = false, long = false } = {}): Promise<Reply> {
    const id = direct ? 0xffff_ffff : this.#statement;
    const head = Buffer.alloc(10);
    head[0] = COM.STMT_EXECUTE;
    head.writeUInt32LE(id, 1);
    head[5] = cursor;
    head.writeUInt32LE(1, 6);
    const count = long ? 1 : values.length;
    if (count === 0) return this.command(head);
    const nulls = Buffer.alloc((count + 7) >> 3);
    for (const [index, value] of values.entries()) if (value === null) nulls[index >> 3]! |= 1 << (index & 7);
    const types = Buffer.concat(Array.from({ length: count }, () => Buffer.of(0xfd, 0)));
    const texts = values.flatMap((value) => (value === null ? [] : [lenencText(value)]));
    return this.command(Buffer.concat([head, nulls, Buffer.of(1), types, ...texts]));
  }

  longData(parameter: number, text: string): Promise<Reply> {
    const head = Buffer.alloc(7);
    head[0] = COM.STMT_SEND_LONG_DATA;
    head.writeUInt32LE(this.#statement, 1);
    head.writeUInt16LE(parameter, 5);
    return this.command(Buffer.concat([head, Buffer.from(text)]));
  }

  fetch(rows: number): Promise<Reply> {
    const payload = Buffer.alloc(9);
    payload[0] = COM.STMT_FETCH;
    payload.writeUInt32LE(this.#statement, 1);
    payload.writeUInt32LE(rows, 5);
    return this.command(payload);
  }

  /** Any command; resolves with its reply. A file that is asked for is `infile`. */
  async command(payload: Buffer, infile = ''): Promise<Reply> {
    const reader = this.#reader;
    const kind = replyTo(payload);
    const packets: Buffer[] = [];
    this.#raw.send(0, payload);
    if (kind === NO_REPLY) return { error: null, closed: false, packets };
    reader.begin(kind);
    for (;;) {
      const packet = await this.#raw.next();
      if (packet === null) return { error: null, closed: true, packets };
      packets.push(packet.payload);
      const { length } = packet.payload;
      // Asked for a proof of who else it is, it has none.
      if (
        payload[0] === COM.CHANGE_USER &&
        (packet.payload[0] === HEADER.EOF || packet.payload[0] === HEADER.MORE_DATA)
      ) {
        this.#raw.send(packet.sequence + 1, Buffer.alloc(0));
        continue;
      }
      const what = reader.read(packet.payload, 0, length, length);
      if (what === FILE_REQUEST) {
        if (infile !== '') this.#raw.send(packet.sequence + 1, Buffer.from(infile));
        this.#raw.send(packet.sequence + (infile === '' ? 1 : 2), Buffer.alloc(0));
        reader.fileSent();
      } else if (what === END) return { error: reader.failed ? packet.payload : null, closed: false, packets };
    }
  }

  destroy(): void {
    this.#raw.destroy();
  }
}

/** How the command is answered. */
const replyTo = (payload: Buffer): number => {
  const [code = 0] = payload;
  if (code === COM.STMT_EXECUTE && payload[5] !== 0) return CURSOR_REPLY;
  return HANDLING[code]?.reply ?? RESULT_REPLY;
};

const lenencText = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  if (bytes.length > 250) throw new RangeError('a value of more than 250 bytes');
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
};

const queryAttributes = (attributes: readonly (readonly [string, string])[]): Buffer => {
  const count = Buffer.of(attributes.length, 1);
  if (attributes.length === 0) return count;
  const nulls = Buffer.alloc((attributes.length + 7) >> 3);
  const names = attributes.map(([name]) => Buffer.concat([Buffer.of(0xfe, 0), lenencText(name)]));
  return Buffer.concat([count, nulls, Buffer.of(1), ...names, ...attributes.map(([, value]) => lenencText(value))]);
};
