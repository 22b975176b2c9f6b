// What goes to the server. Messages that pass as they came and lie side by side are one run, written as one piece of the buffer they
// came in. Whatever else is sent ends the run first, so that the order of the client's messages and ours is the order of the calls.
import type { FrameReader } from '../../wire/postgres/frame.ts';
import type { Outbox } from '../turn.ts';

export class Run {
  readonly #in: FrameReader;
  readonly #outbox: Outbox;
  /** Bytes of #in.buffer; -1: none. */
  #start = -1;
  #end = -1;

  constructor(client: FrameReader, outbox: Outbox) {
    this.#in = client;
    this.#outbox = outbox;
  }

  /** The message at hand, or the part of one, goes on. */
  keep(): void {
    if (this.#end === this.#in.start && this.#start >= 0) {
      this.#end = this.#in.end;
      return;
    }
    this.end();
    this.#start = this.#in.start;
    this.#end = this.#in.end;
  }

  /** Ends the run: to be called before the buffer changes. */
  end(): void {
    if (this.#start < 0) return;
    const { buffer } = this.#in;
    const whole = this.#start === 0 && this.#end === buffer.length;
    const bytes = whole ? buffer : buffer.subarray(this.#start, this.#end);
    this.#start = this.#end = -1;
    this.#outbox.write(bytes);
  }

  /** Sends bytes of our own, which must not change any more. */
  write(bytes: Buffer): void {
    this.end();
    this.#outbox.write(bytes);
  }

  /** Everything leaves now, not at the turn's end. */
  flush(): void {
    this.end();
    this.#outbox.flush();
  }
}
