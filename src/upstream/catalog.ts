// Keeps the catalog of one database, or of one server, as the server has it: a connection of its own asks, several times a second, whether
// anything has changed, and reads it anew if so. It only reads, and must never hand out what is older than it may be.
// How an engine tells that something has changed is its CatalogReading's affair, and how it is asked that of the connection (CatalogSide).
import { performance } from 'node:perf_hooks';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { CatalogReading, CatalogSnapshot, LiveCatalog } from '../sql/catalog.ts';

/** Between two looks: half of what a catalog may be old. */
const LOOK_EVERY_MS = 500;
/** What lacked something, since a table was locked, is read again after this many times what reading it took. Looks have such pauses, too. */
const AGAIN_AFTER = 10;
/** Nobody waits longer for a look; what is not known then is held. */
const WAIT_MS = 2000;
/** The connection outlives the last session that needs it by this: agents come and go. */
const LINGER_MS = 5000;
/** After a failure, until the next attempt. */
const RETRY_MS = 5000;

/** A connection of Holdpoint's own that a catalog is read over. */
export interface CatalogSide {
  readonly gone: boolean;
  /** The answer to a question of the CatalogReading, as one text. Rejects. */
  ask(question: string): Promise<string>;
  /** Gone, at once. */
  destroy(): void;
  close(): Promise<void>;
}

export interface CatalogOptions {
  readonly reading: CatalogReading;
  /** Read for the first time, or again after a failure; ms: how long it took. */
  readonly found: (what: string, ms: number) => void;
  /** It can't be read: whatever users made is unknown until it can. Told once for each spell. */
  readonly lost: (error: unknown) => void;
}

export class KeptCatalog implements LiveCatalog {
  readonly #options: CatalogOptions;
  /** Rejects where the server can't be asked. */
  readonly #connect: () => Promise<CatalogSide>;
  /** Read for every statement, so no clock stands before it. */
  last: CatalogSnapshot | null = null;
  /** Ends `last`. */
  #expiry: NodeJS.Timeout | null = null;
  #users = 0;
  #side: CatalogSide | null = null;
  #catalog: CatalogSnapshot | null = null;
  /** As the server answered. */
  #rows = '';
  #more = '';
  #snapshot = '';
  #fingerprint: string | null = null;
  /** When it is read again though nothing has changed, for what it lacks. */
  #again_at = Number.POSITIVE_INFINITY;
  /** How long the last look took, in ms. */
  #took = 0;
  /** When the last look that succeeded began. */
  #looked = Number.NEGATIVE_INFINITY;
  #retry_at = Number.NEGATIVE_INFINITY;
  #told = false;
  /** Opened by `introduce`, and not read yet. */
  #introducing = false;
  #timer: NodeJS.Timeout | null = null;
  /** The look under way, and one that will begin after it. */
  #look: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(options: CatalogOptions, connect: () => Promise<CatalogSide>) {
    this.#options = options;
    this.#connect = connect;
  }

  get current(): CatalogSnapshot | null {
    return performance.now() - this.#looked <= this.#options.reading.fresh_ms ? this.last : null;
  }

  async refresh(): Promise<boolean> {
    const asked = performance.now();
    const waited = new AbortController();
    await Promise.race([
      this.#lookAfterNow(),
      sleep(WAIT_MS, undefined, { signal: waited.signal, ref: false }).catch(() => {}),
    ]);
    waited.abort();
    return this.#looked >= asked;
  }

  #lookAfterNow(): Promise<void> {
    if (performance.now() < this.#retry_at) return Promise.resolve();
    if (this.#look === null) {
      this.#look = this.#lookOnce().finally(() => {
        this.#look = null;
      });
      return this.#look;
    }
    this.#next ??= this.#look.then(() => {
      this.#next = null;
      return this.#lookAfterNow();
    });
    return this.#next;
  }

  async open(): Promise<void> {
    this.#users += 1;
    if (this.#users === 1) this.#keep();
    // The server was not there at the start; whoever comes now has just logged in to it.
    if (this.#introducing) this.#retry_at = Math.min(this.#retry_at, 0);
    // What was made before somebody connected is there for it.
    await this.refresh();
  }

  close(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#cancelTimer();
    this.#timer = setTimeout(() => void this.end(), LINGER_MS).unref();
  }

  /**
   * Reads it before anybody needs it, again and again until it can be read, so that `found` or `lost` is told. Then leaves no connection.
   * Resolves when it is told, or nobody waits longer; never rejects.
   */
  async introduce(): Promise<void> {
    this.#introducing = true;
    await this.open();
  }

  /** A look that began then has succeeded: what is known counts for so long, or until the next one. */
  #succeeded(began: number): void {
    const now = performance.now();
    this.#looked = began;
    this.#took = now - began;
    this.last = this.#catalog;
    if (this.#expiry) clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => this.#expired(), Math.max(0, began + this.#options.reading.last_ms - now)).unref();
  }

  #expired(): void {
    if (this.#expiry) clearTimeout(this.#expiry);
    this.#expiry = null;
    this.last = null;
  }

  /** Closes the connection; `open` makes a new one. */
  async end(): Promise<void> {
    this.#introduced();
    this.#cancelTimer();
    await this.#leave();
  }

  #introduced(): void {
    if (this.#introducing) this.#users -= 1;
    this.#introducing = false;
  }

  async #leave(): Promise<void> {
    const side = this.#side;
    this.#side = null;
    this.#looked = Number.NEGATIVE_INFINITY;
    this.#expired();
    await side?.close();
  }

  #keep(): void {
    this.#cancelTimer();
    this.#timer = setTimeout(
      () => {
        void this.refresh().then(() => {
          if (this.#users > 0) this.#keep();
        });
      },
      Math.max(LOOK_EVERY_MS, AGAIN_AFTER * this.#took),
    ).unref();
  }

  /** Nobody needs it, not even in a moment. */
  get #ended(): boolean {
    return this.#users === 0 && this.#timer === null;
  }

  #cancelTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #lookOnce(): Promise<void> {
    const { reading, found, lost } = this.#options;
    const began = performance.now();
    try {
      const side = await this.#connection();
      // In this order: what changes in between is seen by the next look.
      const changed = reading.changed(this.#snapshot, await side.ask(reading.snapshot));
      const anyway = this.#catalog === null || began >= this.#again_at;
      if (anyway || changed !== null) {
        const fingerprint = reading.fingerprint === null ? null : await side.ask(reading.fingerprint);
        if (anyway || fingerprint === null || fingerprint !== this.#fingerprint) {
          await this.#read(side);
          this.#fingerprint = fingerprint;
        }
        this.#snapshot = changed ?? this.#snapshot;
      }
      if (!this.#told) {
        this.#told = true;
        found(this.#catalog ? reading.describe(this.#catalog) : '', performance.now() - began);
      }
      this.#succeeded(began);
      if (this.#introducing) {
        this.#introduced();
        if (this.#users === 0) this.#cancelTimer();
      }
      if (this.#ended) await this.#leave();
    } catch (error) {
      if (!this.#ended && (this.#told || this.#retry_at === Number.NEGATIVE_INFINITY)) lost(error);
      this.#told = false;
      this.#retry_at = performance.now() + RETRY_MS;
      this.#side?.destroy();
      this.#side = null;
    }
  }

  async #read(side: CatalogSide): Promise<void> {
    const { reading } = this.#options;
    const began = performance.now();
    const rows = await side.ask(reading.rows);
    // What came and went without a trace, such as temporary tables of others, makes no other catalog.
    if (this.#catalog !== null && rows === this.#rows && this.#again_at === Number.POSITIVE_INFINITY) return;
    const question = reading.more?.(rows) ?? '';
    const more = question === '' ? '' : await side.ask(question);
    if (this.#catalog === null || rows !== this.#rows || more !== this.#more)
      this.#catalog = await inSteps(reading.steps(rows, more));
    this.#rows = rows;
    this.#more = more;
    const now = performance.now();
    const whole = reading.isWhole(this.#catalog);
    this.#again_at = whole ? Number.POSITIVE_INFINITY : now + AGAIN_AFTER * (now - began);
  }

  async #connection(): Promise<CatalogSide> {
    if (!this.#side || this.#side.gone) this.#side = await this.#connect();
    return this.#side;
  }
}

/** Everybody else has a turn after each. */
async function inSteps<Result>(steps: Generator<void, Result>): Promise<Result> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await setImmediate();
  }
}
