// A connection of Holdpoint's own beside a session's, for questions about the database: it asks one thing at a time and waits for the
// answer. What it asks is constant text or is bound; nobody else's statement is ever executed on it.
import { UpstreamError } from './error.ts';
import { connectUpstream, type UpstreamTarget } from './connect.ts';
import type { UpstreamLine } from '../../session/upstream.ts';
import { FRAME, FrameReader, NEED_MORE } from '../../wire/postgres/frame.ts';
import {
  BACKEND,
  bindText,
  DESCRIBE_STATEMENT,
  execute,
  parseTyped,
  query,
  readFields,
  readParameterTypes,
  SYNC,
} from '../../wire/postgres/messages.ts';

/** Longest single message that is read, in bytes: a plan of a large query, the catalog of a large database. */
const MESSAGE_BYTES_MAX = 256 * 1024 * 1024;

/** What sessions are started with: a text must be read as it was judged. */
const AS_SESSIONS = [
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
] as const;

/** The server's refusal of what was asked. Its words may hold values, so only its code is kept. */
export class Refused extends Error {
  readonly sqlstate: string;
  constructor(sqlstate: string) {
    super(`SQLSTATE ${sqlstate}`);
    this.sqlstate = sqlstate;
  }
}

export class Side {
  readonly serverVersion: number;
  readonly processId: number;
  readonly #timeout_ms: number;
  readonly #line: UpstreamLine;
  readonly #reader = new FrameReader('', MESSAGE_BYTES_MAX);
  #gone = false;
  #wake: () => void = () => {};

  private constructor(line: UpstreamLine, timeout_ms: number) {
    this.#line = line;
    this.#timeout_ms = timeout_ms;
    this.processId = line.processId;
    this.serverVersion = line.serverVersion;
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

  /** settings: further startup parameters. answer_ms: the longest wait for an answer. Rejects with UpstreamError. */
  static async open(
    target: UpstreamTarget,
    database: string,
    settings: readonly (readonly [string, string])[] = [],
    answer_ms = target.timeout_ms,
  ): Promise<Side> {
    const line = await connectUpstream(target, new Map([['database', database], ...AS_SESSIONS, ...settings]));
    return new Side(line, answer_ms);
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Runs constant text, as many statements as it has. Rejects with Refused or UpstreamError. */
  async run(text: string): Promise<void> {
    await this.#talk(query(text));
  }

  /** The first column of each row. `text` is one statement in latin1, `values` its parameters in text. Rejects as `run` does. */
  async ask(text: string, values: readonly (string | null)[] = [], types: readonly number[] = []): Promise<string[]> {
    const messages = [parseTyped(text, types), bindText(values), execute(''), SYNC];
    return (await this.#talk(Buffer.concat(messages))).rows;
  }

  /** Lets the server parse a statement, and no more: the types of its parameters. It is neither planned nor run. Rejects as `run` does. */
  async describe(text: string, types: readonly number[]): Promise<readonly number[]> {
    return (await this.#talk(Buffer.concat([parseTyped(text, types), DESCRIBE_STATEMENT, SYNC]))).types;
  }

  /** Gone, at once: what was under way is given up by the server. */
  destroy(): void {
    this.#line.destroy();
  }

  close(): Promise<void> {
    this.#line.end();
    return this.#line.gone();
  }

  /** Writes, and reads until the server is ready for more. */
  async #talk(bytes: Buffer): Promise<{ readonly rows: string[]; readonly types: readonly number[] }> {
    const late = setTimeout(() => this.#line.destroy(), this.#timeout_ms);
    this.#line.write(bytes);
    const rows: string[] = [];
    let types: readonly number[] = [];
    let refused: Refused | null = null;
    try {
      for (;;) {
        const found = this.#reader.next();
        const { buffer, start, end, type } = this.#reader;
        if (found === NEED_MORE) {
          if (this.#gone)
            throw refused ?? new UpstreamError('08006', 'the database server was lost right after the login');
          await new Promise<void>((resolve) => (this.#wake = resolve));
        } else if (found !== FRAME) throw new UpstreamError('08P01', 'the answer is too long');
        else if (type === BACKEND.DataRow) rows.push(buffer.toString('utf8', start + 11, firstEnd(buffer, start, end)));
        else if (type === BACKEND.ParameterDescription) types = readParameterTypes(buffer, start, end);
        else if (type === BACKEND.ErrorResponse) refused ??= new Refused(readFields(buffer, start, end).get('C') ?? '');
        else if (type === BACKEND.ReadyForQuery) {
          if (refused) throw refused;
          return { rows, types };
        }
      }
    } finally {
      clearTimeout(late);
    }
  }
}

/** End of a DataRow's first column; a NULL reads as ''. */
const firstEnd = (buffer: Buffer, start: number, end: number): number => {
  const length = end >= start + 11 ? buffer.readInt32BE(start + 7) : 0;
  return start + 11 + Math.max(0, length);
};
