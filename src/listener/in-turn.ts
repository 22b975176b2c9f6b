// How many checks of passwords run at once, and how long one may take, waiting for its turn included. Must never give up the place of one that
// still runs, and never keep the place of somebody who has gone.

export interface InTurn {
  /**
   * The work's result; null: no answer in time (ms), or whoever waited has gone. Work that runs when its time is over keeps its place until it ends.
   * Rejects as the work does, in time.
   */
  run<T>(work: () => Promise<T>, gone: () => boolean): Promise<T | null>;
  /** For tests: how many run, how many wait. */
  readonly running: number;
  readonly waiting: number;
}

export const inTurn = (at_once_max: number, timeout_ms: number): InTurn => {
  const waiting = new Set<() => void>();
  let running = 0;
  const next = (): void => {
    for (const start of waiting) {
      if (running >= at_once_max) return;
      waiting.delete(start);
      start();
    }
  };
  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiting.size;
    },
    run(work, gone) {
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
          waiting.delete(start);
          resolve(null);
        };
        const timer = setTimeout(over, timeout_ms);
        waiting.add(start);
        next();
      });
    },
  };
};
