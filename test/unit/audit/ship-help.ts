// A log that is really written and a destination that answers as the test says, on a clock that moves only when told.
import { join } from 'node:path';
import { openAuditLog } from '../../../src/audit/log.ts';
import { JSONL } from '../../../src/audit/ship/format.ts';
import { type Behind, Ship } from '../../../src/audit/ship/ship.ts';
import type { Destination, End, Message, Sent, Settled, ShipClock, Transport } from '../../../src/audit/ship/types.ts';
import type { AuditLog } from '../../../src/audit/types.ts';

export const destination = (more: Partial<Destination> = {}): Destination => ({
  name: 'siem',
  format: 'jsonl',
  from: 'beginning',
  block_after: null,
  ca: null,
  ...more,
  batch: { records: 1000, bytes: 1024 * 1024, age: 0, ...more.batch },
});

export class StillClock implements ShipClock {
  #now = Date.parse('2025-11-22T16:36:38.115Z');
  readonly #due = new Set<{ readonly at: number; readonly callback: () => void }>();
  steady(): number {
    return this.#now;
  }
  now(): number {
    return this.#now;
  }
  after(ms: number, callback: () => void): () => void {
    const entry = { at: this.#now + ms, callback };
    this.#due.add(entry);
    // What is due at once is called at once, but never inside the call.
    if (ms <= 0) queueMicrotask(() => this.#ring());
    return () => this.#due.delete(entry);
  }
  /** How long until the next callback; Infinity: none waits. */
  next(): number {
    return Math.min(...[...this.#due].map(({ at }) => at - this.#now));
  }
  pass(ms: number): void {
    this.#now += ms;
    this.#ring();
  }
  #ring(): void {
    for (const entry of [...this.#due].filter(({ at }) => at <= this.#now).toSorted((a, b) => a.at - b.at))
      if (this.#due.delete(entry)) entry.callback();
  }
}

/** Takes everything, but for what `answers` says first. */
export class Told implements Transport {
  readonly batches: string[][] = [];
  answers: ((batch: readonly Message[]) => Sent | Promise<Sent>)[] = [];
  settles: (() => Settled)[] = [];
  readonly settle?: () => Promise<Settled>;
  closed = false;

  constructor(settles = false) {
    if (settles) this.settle = async () => this.settles.shift()?.() ?? { type: 'taken' };
  }
  async send(batch: readonly Message[]): Promise<Sent> {
    this.batches.push(batch.map(({ bytes }) => bytes.toString()));
    return (await this.answers.shift()?.(batch)) ?? { type: 'taken' };
  }
  close(): void {
    this.closed = true;
  }
  /** Of all batches, one behind the other. */
  seqs(): number[] {
    return this.batches.flat().map(seqOf);
  }
}

export const seqOf = (line: string): number => (JSON.parse(line) as { readonly seq: number }).seq;

export const FAILED: Extract<Sent, { readonly type: 'failed' }> = {
  type: 'failed',
  why: 'it answers 503',
  retry_after_ms: 0,
};

export interface Shipping {
  readonly log: AuditLog;
  readonly ship: Ship;
  readonly warned: string[];
  readonly told: string[];
  readonly blocked: (Behind | null)[];
  /** Appends a record of so many characters. */
  record(chars?: number): Promise<number>;
  /** The log first, then shipping. */
  close(): Promise<void>;
}

interface Options {
  readonly root: string;
  readonly to: readonly (readonly [Destination, Transport])[];
  readonly clock?: ShipClock;
  readonly segment_bytes_max?: number;
  readonly random?: () => number;
}

export async function shipping({
  root,
  to,
  clock = new StillClock(),
  segment_bytes_max,
  random = () => 1,
}: Options): Promise<Shipping> {
  let ship: Ship | null = null;
  let end: End = { seq: 0, segment: 1, offset: 0 };
  const dir = join(root, 'audit');
  const log = await openAuditLog({
    dir,
    node: 'n1',
    ...(segment_bytes_max !== undefined && { segment_bytes_max }),
    durable: (now) => {
      end = now;
      ship?.durable(now);
    },
  });
  const warned: string[] = [];
  const told: string[] = [];
  const blocked: (Behind | null)[] = [];
  const transports = new Map(to.map(([{ name }, transport]) => [name, transport]));
  try {
    ship = await Ship.start(
      to.map(([one]) => one),
      {
        log: dir,
        folder: join(root, 'ship'),
        end,
        clock,
        random,
        format: () => JSONL,
        transport: ({ name }) => transports.get(name) as Transport,
        warn: (text) => void warned.push(text),
        info: (text) => void told.push(text),
        blocked: (by) => void blocked.push(by),
      },
    );
  } catch (error) {
    await log.close();
    throw error;
  }
  const started = ship;
  return {
    log,
    ship: started,
    warned,
    told,
    blocked,
    record: (chars = 10) => log.append({ type: 'test.record', clear: { filler: 'x'.repeat(chars) } }),
    async close() {
      await log.close();
      await started.close();
    },
  };
}
