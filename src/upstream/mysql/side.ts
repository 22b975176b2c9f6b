// A connection of Holdpoint's own beside a session's, for questions about the database: it asks one thing at a time and waits for the
// answer. Nobody else's statement is ever executed on it. The twin of postgres/side.ts.
import type { MysqlServer, MysqlUpstreamLine } from '../../session/upstream.ts';
import { COM } from '../../wire/mysql/commands.ts';
import { NEED_MORE, PACKET, PacketReader, packets } from '../../wire/mysql/frame.ts';
import { behindString, lenencAt, lenencBytes } from '../../wire/mysql/lenenc.ts';
import { HEADER, readErr } from '../../wire/mysql/messages.ts';
import { connectMysql } from './connect.ts';
import { unreachable, UpstreamError } from './error.ts';
import { PLAIN } from './kill.ts';
import type { MysqlTarget } from './login.ts';

/** Longest row that is read, in bytes: the catalog of a large database. */
const ROW_BYTES_MAX = 256 * 1024 * 1024;
/** An EOF packet is shorter than this; a row that begins like one is not. */
const EOF_BYTES_MAX = 9;
const NULL = 0xfb;

/** The server's refusal of what was asked. Its words may hold values, so only its codes are kept. */
export class Refused extends Error {
  readonly errno: number;
  readonly sqlstate: string;
  constructor(errno: number, sqlstate: string) {
    super(`${errno} (${sqlstate})`);
    this.errno = errno;
    this.sqlstate = sqlstate;
  }
}

/** A row's columns as text; null: NULL. */
export type Row = readonly (string | null)[];

export class Side {
  readonly server: MysqlServer;
  readonly threadId: number;
  readonly #timeout_ms: number;
  readonly #line: MysqlUpstreamLine;
  readonly #reader = new PacketReader(ROW_BYTES_MAX);
  #gone = false;
  #wake: () => void = () => {};

  private constructor(line: MysqlUpstreamLine, timeout_ms: number) {
    this.#line = line;
    this.#timeout_ms = timeout_ms;
    this.server = line.server;
    this.threadId = line.threadId;
    line.listen({
      data: (chunk) => {
        this.#reader.append(chunk);
        this.#wake();
      },
      drain: () => {},
      closed: () => {
        this.#gone = true;
        this.#wake();
      },
    });
  }

  /** answer_ms: the longest wait for an answer. The connection's character set is utf8mb4. Rejects with UpstreamError. */
  static async open(target: MysqlTarget, answer_ms = target.timeout_ms): Promise<Side> {
    return new Side(await connectMysql(target, PLAIN), answer_ms);
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Runs one statement; the rows that it returns. Bytes are sent as they are. Rejects with Refused or UpstreamError. */
  async ask(text: string | Buffer): Promise<readonly Row[]> {
    const late = setTimeout(() => this.#line.destroy(), this.#timeout_ms);
    this.#reader.expect(1);
    this.#line.write(packets(0, Buffer.concat([Buffer.of(COM.QUERY), Buffer.from(text)])));
    try {
      const first = await this.#packet();
      if (first[0] === HEADER.OK) return [];
      const columns = lenencAt(first, 0, first.length);
      if (columns <= 0) throw broken();
      for (let column = 0; column < columns; column += 1) await this.#packet();
      if (!isEof(await this.#packet())) throw broken();
      const rows: Row[] = [];
      for (;;) {
        const packet = await this.#packet();
        if (isEof(packet)) return rows;
        rows.push(rowOf(packet, columns));
      }
    } finally {
      clearTimeout(late);
    }
  }

  /** Gone, at once. */
  destroy(): void {
    this.#line.destroy();
  }

  close(): Promise<void> {
    this.#line.end();
    return this.#line.gone();
  }

  /** The next packet's payload. */
  async #packet(): Promise<Buffer> {
    for (;;) {
      const found = this.#reader.message();
      if (found === PACKET) {
        const { body, from, to } = this.#reader;
        const payload = body.subarray(from, to);
        if (payload.length === 0) throw broken();
        if (payload[0] !== HEADER.ERR) return payload;
        const { errno, sqlstate } = readErr(payload);
        throw new Refused(errno, sqlstate);
      }
      if (found !== NEED_MORE) throw broken();
      if (this.#gone) throw unreachable('the database server was lost right after the login');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const broken = (): UpstreamError => new UpstreamError(1835, 'HY000', 'the database server broke the protocol');

const isEof = (payload: Buffer): boolean => payload[0] === HEADER.EOF && payload.length < EOF_BYTES_MAX;

const rowOf = (payload: Buffer, columns: number): Row => {
  const row: (string | null)[] = [];
  let at = 0;
  for (let column = 0; column < columns; column += 1) {
    if (payload[at] === NULL) {
      row.push(null);
      at += 1;
      continue;
    }
    const end = behindString(payload, at, payload.length);
    if (end < 0) throw broken();
    row.push(payload.toString('utf8', at + lenencBytes(payload, at), end));
    at = end;
  }
  return row;
};
