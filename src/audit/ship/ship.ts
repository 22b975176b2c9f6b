// All destinations that the log's records are shipped to: each with its cursor, started where it left off, and whether one of them is so far
// behind that nothing may be forwarded. Must never start one whose cursor can't be read.
import { realFs } from '../files.ts';
import { Marks } from './behind.ts';
import { type Cursor, CursorFile, NOTHING, readCursor, writeCursor } from './cursor.ts';
import type { Format } from './format.ts';
import { LineReader } from './lines.ts';
import { inWords } from './tls.ts';
import type { Destination, End, Line, ShipClock, Transport } from './types.ts';
import { Worker } from './worker.ts';

/** How long the end of the process waits for what is left to be taken. */
const LAST_MS = 5_000;
/** How often it is looked whether one is too far behind. */
const LOOK_MS = 1_000;

export interface ShipHealth {
  readonly name: string;
  /** The last record that is there for sure; 0: none. */
  readonly record: number;
  /** Records after it, and for how long there have been some. */
  readonly behind: number;
  readonly behind_ms: number;
  readonly failing: boolean;
  /** Nothing is forwarded because of it. */
  readonly blocking: boolean;
}

export interface ShipOptions {
  /** The log's folder. */
  readonly log: string;
  /** Where cursors are kept. */
  readonly folder: string;
  /** Where the log was durable when this began. */
  readonly end: End;
  readonly transport: (to: Destination) => Transport;
  readonly format: (to: Destination) => Format;
  readonly clock: ShipClock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly warn: (text: string) => void;
  readonly info: (text: string) => void;
  /** Forwarding stops because of `name`, or goes on (null). */
  readonly blocked: (by: Behind | null) => void;
}

/** A destination that is so far behind that nothing is forwarded. */
export interface Behind {
  readonly name: string;
  /** Milliseconds since the epoch: when its first record that was not taken was written. */
  readonly since: number;
}

export class Ship {
  readonly #options: ShipOptions;
  readonly #marks: Marks;
  #workers: readonly Worker[] = [];
  #end: End;
  #blocking: Behind | null = null;
  #cancel: () => void = () => {};
  #closed = false;

  private constructor(options: ShipOptions, marks: Marks) {
    this.#options = options;
    this.#end = options.end;
    this.#marks = marks;
  }

  /** Rejects BadCursor, and what the disk says. */
  static async start(destinations: readonly Destination[], options: ShipOptions): Promise<Ship> {
    await realFs.makeFolder(options.folder);
    const { clock, end } = options;
    const ship = new Ship(options, new Marks(0, clock.steady()));
    const workers: Worker[] = [];
    let oldest: number | null = null;
    for (const to of destinations) {
      const { worker, waits_since } = await ship.#worker(to);
      workers.push(worker);
      if (waits_since !== null) oldest = Math.min(oldest ?? Infinity, waits_since);
    }
    // What waited before this start has waited since its record's own time.
    const waited_ms = oldest === null ? 0 : Math.max(0, clock.now() - oldest);
    ship.#marks.note(end.seq, clock.steady() - waited_ms);
    ship.#workers = workers;
    for (const worker of workers) worker.start();
    ship.#look();
    return ship;
  }

  async #worker(to: Destination): Promise<{ readonly worker: Worker; readonly waits_since: number | null }> {
    const { log, folder, end, warn, info, clock, random } = this.#options;
    const told = {
      warn: (text: string) => warn(`shipping to ${to.name} ${text}`),
      info: (text: string) => info(`shipping to ${to.name} ${text}`),
    };
    const found = await readCursor(`${folder}/${to.name}.json`);
    const reader = new LineReader(log);
    const cursor = found ?? (to.from === 'now' ? { ...NOTHING, seq: end.seq } : NOTHING);
    const place = await reader.find(cursor, end);
    if (place.odd !== null) told.warn(`goes on after record ${Math.min(cursor.seq, end.seq)}: ${place.odd}`);
    const kept: Cursor = cursor.seq > end.seq ? { ...NOTHING, seq: end.seq } : cursor;
    // So that a crash before the first batch does not move where `now` was.
    if (found === null || kept !== cursor) await writeCursor(realFs, folder, to.name, kept);
    const file = new CursorFile(realFs, folder, to.name, kept, (error) =>
      told.warn(`cannot keep how far it is: ${inWords(error)}. After a restart it sends again what it has sent since`),
    );
    const [first] = (await reader.take(place.position, end, { records: 1, bytes: 1 })).lines;
    const worker = new Worker(to, kept, place, end, {
      reader,
      transport: this.#options.transport(to),
      format: this.#options.format(to),
      file,
      clock,
      random,
      ...told,
      moved: () => this.#moved(),
    });
    return { worker, waits_since: first === undefined ? null : timeOf(first) };
  }

  /** The log is durable up to there. Takes no time. */
  durable(end: End): void {
    this.#end = end;
    this.#marks.note(end.seq, this.#options.clock.steady());
    for (const worker of this.#workers) worker.durable(end);
  }

  health(): readonly ShipHealth[] {
    return this.#workers.map((worker) => ({
      name: worker.name,
      record: worker.seq,
      behind: Math.max(0, this.#end.seq - worker.seq),
      behind_ms: Math.round(this.#behindMs(worker)),
      failing: worker.failing !== null,
      blocking: this.#blocking?.name === worker.name,
    }));
  }

  /** Because of whom nothing may be forwarded; null: of nobody. */
  get blocking(): Behind | null {
    return this.#blocking;
  }

  /** Records up to this one are at every destination, and a restart knows it: retention may remove them. Infinity: there is no destination. */
  shippedUpTo(): number {
    return Math.min(...this.#workers.map(({ kept }) => kept));
  }

  /** Sends what is left, for 5 s at most. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await Promise.all(this.#workers.map((worker) => worker.close(LAST_MS)));
  }

  #behindMs({ seq }: Worker): number {
    const since = this.#marks.since(seq);
    return since === null ? 0 : Math.max(0, this.#options.clock.steady() - since);
  }

  #moved(): void {
    if (this.#workers.length > 0) this.#marks.forget(Math.min(...this.#workers.map(({ seq }) => seq)));
    // Gone on as soon as it can.
    if (this.#blocking !== null) this.#judge();
  }

  #look(): void {
    if (this.#closed || this.#workers.every(({ block_after }) => block_after === null)) return;
    this.#judge();
    this.#cancel = this.#options.clock.after(LOOK_MS, () => this.#look());
  }

  #judge(): void {
    const { clock, blocked } = this.#options;
    const over = (worker: Worker): boolean => this.#behindMs(worker) > (worker.block_after ?? Infinity);
    const before = this.#blocking;
    // The one that blocks is named for as long as it does.
    const by = this.#workers.find((worker) => worker.name === before?.name && over(worker)) ?? this.#workers.find(over);
    if (by?.name === before?.name) return;
    this.#blocking = by === undefined ? null : { name: by.name, since: clock.now() - this.#behindMs(by) };
    blocked(this.#blocking);
  }
}

/** Milliseconds since the epoch, as the record says. */
function timeOf({ bytes }: Line): number | null {
  const time = Date.parse(/"time":"([0-9TZ:.-]{20,32})"/.exec(bytes.toString('latin1', 0, 256))?.[1] ?? '');
  return Number.isNaN(time) ? null : time;
}
