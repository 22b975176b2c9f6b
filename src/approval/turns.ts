// Order for those who keep something that the log has, too: one change at a time of each thing, and all of them true in the order of the log.
// Must never let one that failed hold up the next.
import type { ApprovalEvent, Journal, PermitEvent } from './types.ts';

/** Runs work on a key when all earlier work on it has ended, however it did; resolves and rejects as the work does. Keeps nothing of an idle key. */
export function turns(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (key, work) => {
    const before = last.get(key) ?? Promise.resolve();
    const run = before.then(work);
    const settled = run.catch(() => {});
    last.set(key, settled);
    try {
      return await run;
    } finally {
      if (last.get(key) === settled) last.delete(key);
    }
  };
}

/**
 * The journal, whose appends resolve in the order in which they were made, which is the log's, whichever is durable first.
 * Rejects as the journal does, in that order, too.
 */
export function inOrder(journal: Journal): (event: ApprovalEvent | PermitEvent) => Promise<number> {
  let last: Promise<unknown> = Promise.resolve();
  return async (event) => {
    const before = last;
    const durable = journal.append(event);
    // Without their values: each would keep those of all before it.
    const turn = Promise.allSettled([before, durable]).then(() => {});
    last = turn;
    await turn;
    return await durable;
  };
}
