// Who may go on: a side that does not take what is written to it is waited for, and the other one is not read meanwhile.
// Must never leave a side paused that nobody resumes, nor read a client for whose answers there is no room.
import type { Duplex } from 'node:stream';
import { Outbox } from './turn.ts';
import type { Upstream } from './upstream.ts';

/** What is needed of a connection to the server, whatever its protocol. */
type Line = Pick<Upstream, 'write' | 'writableLength' | 'pause' | 'resume'>;

/** How long the server's next bytes of a long result gather, in ms. */
const GATHER_MS = 1;

export class Pace {
  readonly toClient: Outbox;
  readonly toServer: Outbox;
  readonly #client: Duplex;
  readonly #upstream: Line;
  #clientFull = false;
  #serverFull = false;
  #clientPaused = false;
  #gathering = false;
  #stopped = false;

  constructor(client: Duplex, upstream: Line) {
    this.#client = client;
    this.#upstream = upstream;
    this.toClient = new Outbox(client, () => {
      this.#clientFull = true;
      upstream.pause();
      // Some of what it sends is answered here.
      this.#pauseClient();
    });
    this.toServer = new Outbox(upstream, () => {
      this.#serverFull = true;
      this.#pauseClient();
    });
  }

  /** The client does not take its answers: nothing more of what it sent is handled. */
  get clientFull(): boolean {
    return this.#clientFull;
  }

  /** The client has taken everything. True: it had not kept up, so whoever waited for it goes on. */
  clientDrained(): boolean {
    if (!this.#clientFull) return false;
    this.#clientFull = false;
    if (!this.#gathering && !this.#stopped) this.#upstream.resume();
    return true;
  }

  serverDrained(): void {
    this.#serverFull = false;
  }

  /** Pauses or resumes the client. `waiting`: nothing of it can be handled now; `full`: as much of it is kept as may be. */
  watch(waiting: boolean, full: boolean): void {
    const blocked = this.#serverFull || this.#clientFull || waiting;
    if (blocked && full) this.#pauseClient();
    else if (this.#clientPaused && !blocked) this.readClient();
  }

  /** Reads the client whatever its pace: somebody wants to see it leave. */
  readClient(): void {
    this.#clientPaused = false;
    this.#client.resume();
  }

  /** A long result comes in small pieces: fewer reads and writes carry it if some of them are let gather. */
  gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#upstream.pause();
    setTimeout(() => {
      this.#gathering = false;
      if (!this.#clientFull && !this.#stopped) this.#upstream.resume();
    }, GATHER_MS);
  }

  /** The server's result must not go on for now. */
  stopServer(): void {
    this.#stopped = true;
    this.#upstream.pause();
  }

  letServerGoOn(): void {
    this.#stopped = false;
    if (!this.#clientFull && !this.#gathering) this.#upstream.resume();
  }

  #pauseClient(): void {
    this.#clientPaused = true;
    this.#client.pause();
  }
}
