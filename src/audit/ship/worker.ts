// One destination at work: batch after batch in the order of the log, each until the other side took it. Waits for nobody but its own
// destination, and no statement waits for it. Must never move its cursor past a record that was not taken.
import { type Cursor, cursorAt, type CursorFile } from './cursor.ts';
import type { LineReader, Place } from './lines.ts';
import type { Format } from './format.ts';
import { inWords } from './tls.ts';
import type { Destination, End, Message, Position, Sent, Settled, ShipClock, Transport } from './types.ts';

/** Full jitter: any time up to this, which doubles with each failure. */
const BACKOFF_MS_FIRST = 500;
const BACKOFF_MS_MAX = 60_000;
/** Between two attempts where somebody must do something first. */
const REFUSED_MS = 60_000;
/** The longest that a receiver may ask us to wait. */
const RETRY_AFTER_MS_MAX = 3_600_000;
/** After a fault of our own disk. */
const OWN_FAULT_MS = 5_000;
/** Where taking must be made sure of: so long after the first that is not sure, or after so many bytes. */
const SETTLE_MS = 5_000;
const SETTLE_BYTES = 16 * 1024 * 1024;
/** Batches taken in a row before one may be twice as large again as the last that was too large. */
const GROW_AFTER = 64;

export interface WorkerOptions {
  readonly reader: LineReader;
  readonly transport: Transport;
  readonly format: Format;
  readonly file: CursorFile;
  readonly clock: ShipClock;
  /** 0 to 1. */
  readonly random: () => number;
  /** Completes "shipping to NAME ...". */
  readonly warn: (text: string) => void;
  readonly info: (text: string) => void;
  /** The cursor moved, or it began to fail or to work. */
  readonly moved: () => void;
}

export class Worker {
  readonly #to: Destination;
  readonly #options: WorkerOptions;
  #position: Position;
  /** The last record that was taken for sure. */
  #cursor: Cursor;
  /** The last record that was sent; behind `#cursor` lie those that are not sure. */
  #sent: Cursor;
  #end: End;
  #unsure: { readonly since: number; bytes: number } | null = null;
  #limit: { records: number; bytes: number };
  #in_a_row = 0;
  #failing: { readonly tries: number; readonly why: string } | null = null;
  /** The next batch does not wait to be full: its records have waited. */
  #late = false;
  /** Its place is to be found anew, behind `#cursor`. */
  #rewind = false;
  /** The format knows what it must of the records before. */
  #prepared = false;
  #wake: () => void = () => {};
  /** Which records end a wait. */
  #wakes: 'any' | 'full' | 'none' = 'none';
  #closing = false;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(to: Destination, cursor: Cursor, place: Place, end: End, options: WorkerOptions) {
    this.#to = to;
    this.#options = options;
    this.#position = place.position;
    this.#cursor = cursor;
    this.#sent = cursor;
    this.#end = end;
    this.#limit = { records: to.batch.records, bytes: to.batch.bytes };
  }

  get name(): string {
    return this.#to.name;
  }

  /** Of the last record that was taken. */
  get seq(): number {
    return this.#cursor.seq;
  }

  /** The same, as a restart would find it. */
  get kept(): number {
    return this.#options.file.kept.seq;
  }

  get failing(): { readonly why: string } | null {
    return this.#failing;
  }

  get block_after(): number | null {
    return this.#to.block_after;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** The log is durable up to there. */
  durable(end: End): void {
    this.#end = end;
    if (this.#wakes === 'any' || (this.#wakes === 'full' && this.#isFull())) this.#wake();
  }

  /** Sends what is left, for so long at most, and once only; then nothing is under way and the cursor is on disk. */
  async close(ms: number): Promise<void> {
    this.#closing = true;
    this.#wake();
    const cancel = this.#options.clock.after(ms, () => this.#stop());
    await this.#running;
    cancel();
    this.#stop();
    await this.#options.reader.close();
    await this.#options.file.flush();
  }

  #stop(): void {
    this.#stopped = true;
    this.#options.transport.close();
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#untilDue();
        if (this.#stopped) return;
        const left = this.#hasMore();
        const done = this.#isUnsureTooLong() || !left ? await this.#settle() : await this.#sendNext();
        if (this.#closing && (!done || (!this.#hasMore() && this.#unsure === null))) return;
      } catch (error) {
        if (this.#stopped) return;
        this.#rewind = true;
        await this.#fails({
          type: 'failed',
          why: `the log cannot be read: ${inWords(error)}`,
          retry_after_ms: OWN_FAULT_MS,
        });
        if (this.#closing) return;
      }
    }
  }

  /** Until there is a batch to send, or what was sent is to be made sure of, or it is to end. */
  async #untilDue(): Promise<void> {
    const { clock } = this.#options;
    let first: number | null = null;
    for (;;) {
      if (this.#stopped || this.#closing || this.#isUnsureTooLong()) return;
      const now = clock.steady();
      if (this.#hasMore()) {
        first ??= now;
        if (this.#late || this.#isFull() || now - first >= this.#to.batch.age) return;
      }
      const batch_ms = first === null ? Infinity : first + this.#to.batch.age - now;
      const settle_ms = this.#unsure === null ? Infinity : this.#unsure.since + SETTLE_MS - now;
      await this.#woken(Math.min(batch_ms, settle_ms), first === null ? 'any' : 'full');
    }
  }

  #hasMore(): boolean {
    const { segment, offset } = this.#position;
    // What was sent before is to be sent again.
    if (this.#rewind) return true;
    return segment < this.#end.segment || (segment === this.#end.segment && offset < this.#end.offset);
  }

  /** Is there enough for a batch? */
  #isFull(): boolean {
    const { segment, offset, seq } = this.#end;
    if (segment > this.#position.segment || seq - this.#sent.seq >= this.#limit.records) return true;
    return offset - this.#position.offset >= this.#limit.bytes;
  }

  #isUnsureTooLong(): boolean {
    if (this.#unsure === null) return false;
    return this.#options.clock.steady() >= this.#unsure.since + SETTLE_MS || this.#unsure.bytes >= SETTLE_BYTES;
  }

  /** False: not all of it was taken. */
  async #sendNext(): Promise<boolean> {
    const { reader, transport, format, clock } = this.#options;
    if (this.#rewind) await this.#findPlace();
    if (!this.#prepared) await format.prepare?.(reader, { ...this.#position, seq: this.#cursor.seq });
    this.#prepared = true;
    const { lines: all, position: behind, unreadable } = await reader.take(this.#position, this.#end, this.#limit);
    if (unreadable > 0)
      this.#options.warn(`passes over ${unreadable} lines that are no records: the log was damaged, and accepted so`);
    const batch: Message[] = [];
    let left = this.#limit.bytes;
    let count = 0;
    for (const line of all) {
      const messages = format.of(line);
      left -= messages.reduce((sum, { length }) => sum + length + 1, 0);
      // Formatted it may be many times as large.
      if (left < 0 && count > 0) break;
      for (const bytes of messages) batch.push({ line, bytes });
      count++;
    }
    const next = all[count];
    const position = next === undefined ? behind : { segment: next.segment, offset: next.at };
    const sent: Sent = batch.length === 0 ? { type: 'taken' } : await transport.send(batch);
    if (this.#stopped) return false;
    if (sent.type !== 'taken') {
      await (sent.type === 'too-large' ? this.#tooLarge(batch, sent.why) : this.#fails(sent));
      return false;
    }
    this.#position = position;
    const last = all[count - 1];
    if (last !== undefined) this.#sent = cursorAt(last);
    if (transport.settle === undefined || (batch.length === 0 && this.#unsure === null)) this.#taken();
    else {
      this.#unsure ??= { since: clock.steady(), bytes: 0 };
      this.#unsure.bytes += batch.reduce((sum, { bytes }) => sum + bytes.length, 0);
    }
    if (++this.#in_a_row % GROW_AFTER === 0) this.#grow();
    return true;
  }

  async #settle(): Promise<boolean> {
    if (this.#unsure === null) return true;
    const sent: Settled = (await this.#options.transport.settle?.()) ?? { type: 'taken' };
    if (sent.type === 'taken') this.#taken();
    else await this.#fails(sent);
    return sent.type === 'taken';
  }

  #taken(): void {
    const { file, info, moved } = this.#options;
    this.#unsure = null;
    this.#late = false;
    if (this.#sent !== this.#cursor) file.save(this.#sent);
    this.#cursor = this.#sent;
    if (this.#failing) info(`works again, after ${this.#failing.tries} failures`);
    this.#failing = null;
    moved();
  }

  /** Half of it is tried at once. */
  async #tooLarge(batch: readonly Message[], why: string): Promise<void> {
    const [one] = batch;
    this.#in_a_row = 0;
    const lines = new Set(batch.map(({ line }) => line));
    if (lines.size > 1) {
      const bytes = batch.reduce((sum, message) => sum + message.bytes.length + 1, 0);
      this.#limit = { records: lines.size >> 1, bytes: bytes >> 1 };
      this.#late = true;
      return;
    }
    await this.#fails({
      type: 'refused',
      why: `${why} to record ${one?.line.seq} alone: it must be told to take more at once`,
    });
  }

  #grow(): void {
    const { records, bytes } = this.#to.batch;
    this.#limit = {
      records: Math.min(records, this.#limit.records * 2),
      bytes: Math.min(bytes, this.#limit.bytes * 2),
    };
  }

  /** What was not taken for sure is sent again, after a time. */
  async #fails(sent: Exclude<Settled, { readonly type: 'taken' }>): Promise<void> {
    const { warn, moved } = this.#options;
    if (this.#stopped) return;
    if (this.#failing === null || (sent.type === 'refused' && sent.why !== this.#failing.why)) {
      const then =
        sent.type === 'refused' ? 'It is tried again each minute, and nothing is passed over' : 'It is tried again';
      warn(`fails: ${sent.why}. ${then}; what happens meanwhile waits in the log`);
    }
    const tries = (this.#failing?.tries ?? 0) + 1;
    this.#failing = { tries, why: sent.why };
    this.#late = true;
    this.#in_a_row = 0;
    this.#unsure = null;
    this.#rewind ||= this.#sent !== this.#cursor;
    moved();
    await this.#pause(sent.type === 'refused' ? REFUSED_MS : this.#backoff(tries, sent.retry_after_ms));
  }

  async #findPlace(): Promise<void> {
    const { position, odd } = await this.#options.reader.find(this.#cursor, this.#end);
    if (odd !== null) this.#options.warn(`goes on after record ${this.#cursor.seq}: ${odd}`);
    this.#position = position;
    this.#sent = this.#cursor;
    this.#rewind = false;
  }

  #backoff(tries: number, asked_ms: number): number {
    const most_ms = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** Math.min(20, tries - 1));
    return Math.max(Math.min(asked_ms, RETRY_AFTER_MS_MAX), this.#options.random() * most_ms);
  }

  async #pause(ms: number): Promise<void> {
    const { clock } = this.#options;
    const until = clock.steady() + ms;
    for (let left = ms; left > 0 && !this.#stopped && !this.#closing; left = until - clock.steady())
      await this.#woken(left, 'none');
  }

  /** After so long at most, or by records. */
  #woken(ms: number, by: 'any' | 'full' | 'none'): Promise<void> {
    this.#wakes = by;
    return new Promise((resolve) => {
      const cancel = Number.isFinite(ms) ? this.#options.clock.after(Math.max(0, ms), () => this.#wake()) : () => {};
      this.#wake = () => {
        this.#wake = () => {};
        this.#wakes = 'none';
        cancel();
        resolve();
      };
    });
  }
}
