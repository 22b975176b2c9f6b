// Joins one client with one upstream connection: wires the two sides, and begins and ends what they share. A session knows the protocol and
// no policy. It must never send a byte of a statement before its judgement, nor answer a status that the server does not have.
//
//   client --> client.ts --> query.ts, extended.ts --> decide.ts --> passes; or waits (wait.ts, hold.ts); or refuse.ts
//   server --> server.ts: matched with replies.ts, batch.ts, outcome.ts --> passes
import type { Duplex } from 'node:stream';
import type { WireText } from '../../errors/catalogue.ts';
import { errorResponse } from '../../wire/postgres/messages.ts';
import type { GateSession, PostgresFacts } from '../gate.ts';
import type { Upstream } from '../upstream.ts';
import { watchBacklog } from './backlog.ts';
import { ClientSide } from './client.ts';
import { cancel } from './decide.ts';
import { clientLeft, finish } from './end.ts';
import { ServerSide } from './server.ts';
import { OPEN, type SessionEvents, type SessionLimits, State } from './state.ts';
import { arrived, catchUp } from '../turn.ts';
import { reread } from './wait.ts';

export type { SessionEvents, SessionLimits } from './state.ts';

export class PostgresSession {
  readonly #state: State;
  readonly #client: ClientSide;
  readonly #server: ServerSide;

  constructor(client: Duplex, upstream: Upstream, limits: SessionLimits, events: SessionEvents) {
    this.#state = new State(client, upstream, limits, events, () => this.#client.goOn());
    this.#client = new ClientSide(this.#state);
    this.#server = new ServerSide(this.#state);
  }

  /** What the gate reads of the session; the session keeps it true. */
  get facts(): PostgresFacts {
    return this.#state;
  }

  /**
   * Reads the facts from the server for the first time. Then `start` takes the client's messages.
   * Rejects if the server goes away first.
   */
  ready(): Promise<void> {
    const s = this.#state;
    const known = new Promise<void>((resolve, reject) => {
      s.first = () => {
        s.first = null;
        if (s.factsKnown) resolve();
        else reject(new Error('the server did not tell its settings'));
      };
    });
    // Not in the promise's own function: these stay, and would keep it.
    s.upstream.listen({
      data: (chunk) => arrived(this.#server, chunk),
      drain: () => {
        s.pace.serverDrained();
        watchBacklog(s);
      },
      closed: () => {
        catchUp(this.#server);
        this.#server.gone();
      },
    });
    reread(s);
    return known;
  }

  /** From here on the client is served. `early` are bytes it sent already. */
  start(gate: GateSession, early: Buffer): void {
    const s = this.#state;
    s.gate = gate;
    s.accounts.gate = gate;
    if (s.closed) {
      // The server went away meanwhile.
      gate.close('the server closed the connection');
      s.events.closed();
      return;
    }
    s.phase = OPEN;
    s.replies.rest();
    const { client } = s;
    client.on('data', (chunk: Buffer) => arrived(this.#client, chunk));
    client.on('drain', () => {
      if (s.pace.clientDrained()) s.goOn();
    });
    const left = (): void => {
      catchUp(this.#client);
      clientLeft(s);
    };
    client.on('end', left);
    client.on('close', left);
    client.on('error', left);
    if (early.length > 0) this.#client.received(early);
    client.resume();
  }

  /** The client asked to cancel: ends a hold, else it is the server's to cancel. */
  cancel(): void {
    catchUp(this.#client);
    cancel(this.#state);
  }

  /** Ends the session from the outside, with a word to the client. */
  close(text: WireText): void {
    const s = this.#state;
    if (s.closed) return;
    s.toClient.write(errorResponse(text));
    finish(s, 'closed by Holdpoint');
  }
}
