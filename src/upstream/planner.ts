// Questions about what held statements would touch, one at a time for each upstream: what both engines share.
import type { Impact, Planner } from '../sql/impact.ts';

/** Requests that wait for their turn on one upstream; a further one is told that it can't be estimated now. */
export const WAITING_MAX = 50;

/** For the operator's log; never holds the statement or a value. */
export type Fault = (what: string, error: unknown) => void;

export const unknown = (why: string): string => `Cannot be estimated: ${why}`;
export const nothing = (why: string): Impact => ({ rows: [], tables: [], notes: [unknown(why)] });

/** One for all of them: there may be thousands. */
const TOO_MANY = Promise.resolve(nothing('too many requests are being looked at.'));

/** In the order of the questions. `look` gives up when `closing` is aborted; `codeOf` names an error without the server's words. */
export const inTurn = <Q>(
  look: (question: Q, closing: AbortSignal) => Promise<Impact>,
  codeOf: (error: unknown) => string,
  fault: Fault,
): Planner<Q> => {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  const closing = new AbortController();
  return {
    close: async () => {
      closing.abort();
      await last;
    },
    estimate(question) {
      if (waiting >= WAITING_MAX) return TOO_MANY;
      waiting += 1;
      const turn = last
        .then(() => (closing.signal.aborted ? null : look(question, closing.signal)))
        .catch((error: unknown) => {
          if (closing.signal.aborted) return null;
          fault('the impact of a held statement could not be estimated', error);
          return nothing(`the server did not answer: ${codeOf(error)}.`);
        })
        .finally(() => {
          waiting -= 1;
        });
      last = turn;
      return turn;
    },
  };
};
