// Is there a pooler before the server that hands a session's transactions to several backends? It would void all that is known of a
// session: settings, prepared names, what an approval was given for. Such an upstream is refused; a pooler in session mode is not.
// Looks with connections of its own, runs nothing but BEGIN and pg_backend_pid(), and must never decide by a name or a version.
import type { UpstreamTarget } from './connect.ts';
import { UpstreamError } from './error.ts';
import { Refused, Side } from './side.ts';

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
  const one = await Side.open(target, database);
  try {
    const first = (await one.ask(BACKEND_PID))[0];
    // The server itself tells a client its backend's process id. A pooler makes one up.
    if (first === String(one.processId)) return false;
    const two = await Side.open(target, database);
    try {
      // In a transaction, so that a pooler must keep it there: if that is what the first one had, they share.
      await two.run('BEGIN');
      return (await two.ask(BACKEND_PID))[0] === first || (await one.ask(BACKEND_PID))[0] !== first;
    } finally {
      await two.close();
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new UpstreamError('08004', 'the database server refused to say whether it is a pooler', error);
  } finally {
    // Gone before the agent's own login: its role may have a connection limit of one.
    await one.close();
  }
};
