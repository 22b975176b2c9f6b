// How much is asked of a directory at once: so much in flight, so many waiting, each so long. Decisions go before logins.
// Must never let those who only try passwords take the last place, or keep anybody waiting without an end.
import { DirectoryFault } from './ask.ts';

/** Logins and readings in flight over all servers; with 2,000 a connection broke. */
export const IN_FLIGHT_MAX = 64;
/** Of these, for readings alone: a flood of logins does not stop decisions. */
export const RESERVED = 8;
export const WAITING_MAX = 1000;
/** So long at most for a turn. */
export const WAIT_MS = 5000;

/** read: somebody is decided about; check: somebody wants in. */
export type Lane = 'read' | 'check';

interface Waiter {
  go(): void;
}

export interface Slots {
  /** Runs it when it is its turn; `until` (performance.now) bounds the wait. Rejects with DirectoryFault, or as the work does. */
  run<T>(lane: Lane, until: number, work: () => Promise<T>): Promise<T>;
  readonly in_flight: number;
  readonly waiting: number;
}

export function createSlots(): Slots {
  const queues: Record<Lane, Set<Waiter>> = { read: new Set(), check: new Set() };
  let in_flight = 0;
  const free = (lane: Lane): boolean => in_flight < IN_FLIGHT_MAX - (lane === 'check' ? RESERVED : 0);
  const waiting = (): number => queues.read.size + queues.check.size;

  function turn(lane: Lane, until: number): Promise<void> {
    if (free(lane) && queues[lane].size === 0) {
      in_flight += 1;
      return Promise.resolve();
    }
    if (waiting() >= WAITING_MAX)
      return Promise.reject(new DirectoryFault('limit', `more than ${WAITING_MAX} wait for it`));
    return new Promise((resolve, reject) => {
      const wait_ms = Math.max(0, Math.min(WAIT_MS, until - performance.now()));
      const timer = setTimeout(() => {
        queues[lane].delete(waiter);
        reject(new DirectoryFault('limit', `too much is asked of it: no turn within ${Math.round(wait_ms)} ms`));
      }, wait_ms);
      const waiter: Waiter = {
        go() {
          clearTimeout(timer);
          in_flight += 1;
          resolve();
        },
      };
      queues[lane].add(waiter);
    });
  }

  function done(): void {
    in_flight -= 1;
    for (const lane of ['read', 'check'] as const) {
      for (const waiter of queues[lane]) {
        if (!free(lane)) break;
        queues[lane].delete(waiter);
        waiter.go();
      }
    }
  }

  return {
    get in_flight() {
      return in_flight;
    },
    get waiting() {
      return waiting();
    },
    async run(lane, until, work) {
      await turn(lane, until);
      try {
        return await work();
      } finally {
        done();
      }
    },
  };
}
