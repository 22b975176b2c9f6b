// Is there a pooler before the server that hands a session's transactions to several backends? It would void all that is known of a
// session: settings, prepared names, what an approval was given for. Such an upstream is refused; a pooler in session mode is not.
// Looks with connections of its own, runs nothing but BEGIN and pg_backend_pid(), and must never decide by a name or a version.
import type { UpstreamLine } from '../../session/upstream.ts';
import { FRAME, FrameReader, NEED_MORE } from '../../wire/postgres/frame.ts';
import { BACKEND, query } from '../../wire/postgres/messages.ts';
import { connectUpstream, type UpstreamTarget } from './connect.ts';
import { UpstreamError } from './error.ts';

/** How long an answer counts: a pooler put between meanwhile is noticed after it. */
export const LOOKED_MS = 60_000;

const BACKEND_PID = 'SELECT pg_backend_pid()';

export class PoolerWatch {
  /** The last look, or the one under way, by user and database; those that ended badly are forgotten. */
  readonly #looks = new Map<string, { readonly at: number; readonly done: Promise<void> }>();

  /** Resolves when this login's sessions will have backends of their own; rejects with UpstreamError. Leaves no connection. */
  check(target: UpstreamTarget, database: string): Promise<void> {
    const key = JSON.stringify([target.user, database]);
    const last = this.#looks.get(key);
    if (last && performance.now() - last.at < LOOKED_MS) return last.done;
    const look = { at: performance.now(), done: refuseSharing(target, database) };
    this.#looks.set(key, look);
    look.done.catch(() => {
      if (this.#looks.get(key) === look) this.#looks.delete(key);
    });
    return look.done;
  }
}

const refuseSharing = async (target: UpstreamTarget, database: string): Promise<void> => {
  if (await sharesBackends(target, database))
    throw new UpstreamError(
      '0A000',
      'before the database server is a pooler that gives a session more than one backend; Holdpoint needs the server, or session mode',
    );
};

/** Whether what served one session may now serve another. Rejects with UpstreamError. */
const sharesBackends = async (target: UpstreamTarget, database: string): Promise<boolean> => {
  const one = await Look.open(target, database);
  try {
    const first = await one.ask(BACKEND_PID);
    // The server itself tells a client its backend's process id. A pooler makes one up.
    if (first === String(one.line.processId)) return false;
    const two = await Look.open(target, database);
    try {
      // In a transaction, so that a pooler must keep it there: if that is what the first one had, they share.
      await two.ask('BEGIN');
      return (await two.ask(BACKEND_PID)) === first || (await one.ask(BACKEND_PID)) !== first;
    } finally {
      await two.close();
    }
  } finally {
    // Gone before the agent's own login: its role may have a connection limit of one.
    await one.close();
  }
};

/** A connection that asks one thing at a time. */
class Look {
  readonly line: UpstreamLine;
  readonly #timeout_ms: number;
  readonly #reader = new FrameReader('', 64 * 1024);
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

  static async open(target: UpstreamTarget, database: string): Promise<Look> {
    return new Look(await connectUpstream(target, new Map([['database', database]])), target.timeout_ms);
  }

  close(): Promise<void> {
    this.line.end();
    return this.line.gone();
  }

  /** The first column of the last row, '' where there is none. Rejects with UpstreamError. */
  async ask(text: string): Promise<string> {
    const timer = setTimeout(() => this.line.destroy(), this.#timeout_ms);
    let value = '';
    this.line.write(query(text));
    try {
      for (;;) {
        const found = this.#reader.next();
        const { buffer, start, end, type } = this.#reader;
        if (found === NEED_MORE) {
          if (this.#gone) throw new UpstreamError('08006', 'the database server was lost right after the login');
          await new Promise<void>((resolve) => (this.#wake = resolve));
        } else if (found !== FRAME) throw new UpstreamError('08P01', 'the database server broke the protocol');
        else if (type === BACKEND.DataRow) value = buffer.toString('latin1', start + 11, end);
        else if (type === BACKEND.ReadyForQuery) return value;
        else if (type === BACKEND.ErrorResponse)
          throw new UpstreamError('08004', `the database server refused to say whether it is a pooler`);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
