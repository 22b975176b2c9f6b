// What goes to one peer, gathered over one turn of the event loop: whatever the sockets have to tell is read first, then everything is
// written. Pieces for one socket leave in one write, and a peer that serves many of our connections is woken once: about an eighth of the
// CPU of a query. It must keep the order, and never hold more than a turn's bytes.

/** Gathered bytes that are not kept for the turn's end: a stream gains nothing by it. */
export const AT_ONCE_BYTES = 16 * 1024;

interface Sink {
  /** False: there is a drain to come. */
  write(bytes: Buffer): boolean;
  /** Bytes that the system has not taken yet. */
  readonly writableLength: number;
}

export class Outbox {
  readonly #sink: Sink;
  readonly #full: () => void;
  #first: Buffer | null = null;
  #more: Buffer[] | null = null;
  #bytes = 0;

  /** `full` is called after each write that the sink could not take at once. */
  constructor(sink: Sink, full: () => void) {
    this.#sink = sink;
    this.#full = full;
  }

  /** The bytes must not change any more. */
  write(bytes: Buffer): void {
    if (this.#first === null) {
      this.#first = bytes;
      if (waiting.push(this) === 1) setImmediate(flushAll);
    } else if (this.#more === null) this.#more = [bytes];
    else this.#more.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= AT_ONCE_BYTES) this.flush();
  }

  /** Nothing waits here, nor at the sink. */
  get empty(): boolean {
    return this.#first === null && this.#sink.writableLength === 0;
  }

  flush(): void {
    const first = this.#first;
    if (first === null) return;
    const bytes = this.#more === null ? first : Buffer.concat([first, ...this.#more]);
    this.#first = this.#more = null;
    this.#bytes = 0;
    // A piece over a stream's high water is told to wait even where the system took all of it at once.
    if (!this.#sink.write(bytes) && this.#sink.writableLength > 0) this.#full();
  }
}

/** Those with something to write in this turn; one that was flushed early may stand here in vain. */
let waiting: Outbox[] = [];

const flushAll = (): void => {
  const outboxes = waiting;
  waiting = [];
  for (const outbox of outboxes) outbox.flush();
};
