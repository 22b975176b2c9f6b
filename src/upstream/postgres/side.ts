// A connection of Holdpoint's own beside an agent's: asks one thing at a time by simple Query, for looking at the server only.
// Never sends a word of an agent's, and never shows one what it says.
import type { UpstreamLine } from '../../session/upstream.ts';
import { FRAME, FrameReader, NEED_MORE } from '../../wire/postgres/frame.ts';
import { BACKEND, query, readFields } from '../../wire/postgres/messages.ts';
import { connectUpstream, type UpstreamTarget } from './connect.ts';
import { UpstreamError } from './error.ts';

/** Longest answer, in bytes. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

export class SideConnection {
  readonly line: UpstreamLine;
  readonly #timeout_ms: number;
  readonly #reader = new FrameReader('', ANSWER_BYTES_MAX);
  #gone = false;
  #wake: () => void = () => {};

  private constructor(line: UpstreamLine, timeout_ms: number) {
    this.line = line;
    this.#timeout_ms = timeout_ms;
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

  /** parameters: of the startup message. timeout_ms: for one answer. Rejects with UpstreamError. */
  static async open(
    target: UpstreamTarget,
    parameters: ReadonlyMap<string, string>,
    timeout_ms = target.timeout_ms,
  ): Promise<SideConnection> {
    return new SideConnection(await connectUpstream(target, parameters), timeout_ms);
  }

  get gone(): boolean {
    return this.#gone;
  }

  close(): Promise<void> {
    this.line.end();
    return this.line.gone();
  }

  /** The first column of the last row, '' where there is none. Rejects with UpstreamError; its cause is the server's word. */
  async ask(text: string): Promise<string> {
    const timer = setTimeout(() => this.line.destroy(), this.#timeout_ms);
    let value = '';
    let refused: UpstreamError | null = null;
    this.line.write(query(text));
    try {
      for (;;) {
        const found = this.#reader.next();
        const { buffer, start, end, type } = this.#reader;
        if (found === NEED_MORE) {
          if (this.#gone) throw new UpstreamError('08006', 'the database server was lost');
          await new Promise<void>((resolve) => (this.#wake = resolve));
        } else if (found !== FRAME) throw new UpstreamError('08P01', 'the database server broke the protocol');
        else if (type === BACKEND.DataRow) value = buffer.toString('utf8', start + 11, end);
        else if (type === BACKEND.ErrorResponse) refused = said(readFields(buffer, start, end));
        else if (type === BACKEND.ReadyForQuery) {
          if (refused) throw refused;
          return value;
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

const said = (fields: ReadonlyMap<string, string>): UpstreamError =>
  new UpstreamError(fields.get('C') ?? '', 'the database server refused a look at itself', new Error(fields.get('M')));
