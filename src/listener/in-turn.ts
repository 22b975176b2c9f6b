// How many checks of passwords run at once, and how long one may take, waiting for its turn included. Each source that may be silent has places of
// its own. Must never give up the place of one that still runs, never keep the place of somebody who has gone, and never let one source's
// silence take a place of another.

/** Waiting for one source, of one listener: whoever comes then is told at once that it can't be asked. */
export const WAITING_MAX = 1000;

export interface InTurn {
  /**
   * The work's result; null: no turn or no answer until then (performance.now(), ms), too many wait, or whoever waited has gone. Work that runs when
   * its time is over keeps its place until it ends. Rejects as the work does, in time.
   */
  run<T>(work: () => Promise<T>, gone: () => boolean, until: number): Promise<T | null>;
  /** For tests: how many run, how many wait. */
  readonly running: number;
  readonly waiting: number;
}

interface Waiter {
  readonly start: () => void;
  readonly over: () => void;
  readonly gone: () => boolean;
}

export const inTurn = (at_once_max: number, waiting_max: number = WAITING_MAX): InTurn => {
  const waiting = new Set<Waiter>();
  let running = 0;
  const next = (): void => {
    for (const waiter of waiting) {
      if (running >= at_once_max) return;
      waiting.delete(waiter);
      waiter.start();
    }
  };
  /** Whoever has gone makes room. */
  const isFull = (): boolean => {
    if (waiting.size < waiting_max) return false;
    for (const { gone, over } of waiting) if (gone()) over();
    return waiting.size >= waiting_max;
  };
  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiting.size;
    },
    run(work, gone, until) {
      const left_ms = until - performance.now();
      if (left_ms <= 0 || isFull()) return Promise.resolve(null);
      return new Promise((resolve, reject) => {
        const start = (): void => {
          if (gone()) return over();
          running += 1;
          work()
            .then(resolve, reject)
            .finally(() => {
              running -= 1;
              clearTimeout(timer);
              next();
            });
        };
        const over = (): void => {
          clearTimeout(timer);
          waiting.delete(waiter);
          resolve(null);
        };
        const waiter: Waiter = { start, over, gone };
        const timer = setTimeout(over, left_ms);
        waiting.add(waiter);
        next();
      });
    },
  };
};

/** The places of each source by its name; names are the checkers' own, so there are few. */
export const placesOf = (at_once_max: number): ((source: string) => InTurn) => {
  const places = new Map<string, InTurn>();
  return (source) => {
    const known = places.get(source) ?? inTurn(at_once_max);
    places.set(source, known);
    return known;
  };
};
