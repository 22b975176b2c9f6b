// Joins one client with one upstream connection: wires the two sides, and begins and ends what they share. A session knows the protocol and
// no policy. It must never send a byte of a statement before its judgement.
//
//   client --> client.ts --> query.ts, statements.ts --> decide.ts --> send.ts; or waits (wait.ts, hold.ts); or refuse.ts
//   server --> server.ts: matched with wire/mysql/replies.ts, outcome.ts --> passes
import type { Duplex } from 'node:stream';
import type { WireText } from '../../errors/catalogue.ts';
import type { MysqlFacts } from '../gate.ts';
import type { MysqlUpstream } from '../upstream.ts';
import { watchBacklog } from './backlog.ts';
import { ClientSide } from './client.ts';
import { clientLeft, finish, violation } from './end.ts';
import { kill, killQuery } from './kill.ts';
import { ServerSide } from './server.ts';
import { type MysqlGate, type MysqlSessionEvents, type MysqlSessionLimits, OPEN, State } from './state.ts';
import { arrived, catchUp } from '../turn.ts';
import { reread } from './wait.ts';

export type { MysqlGate, MysqlSessionEvents, MysqlSessionLimits } from './state.ts';

export class MysqlSession {
  readonly #state: State;
  readonly #client: ClientSide;
  readonly #server: ServerSide;

  constructor(client: Duplex, upstream: MysqlUpstream, limits: MysqlSessionLimits, events: MysqlSessionEvents) {
    this.#state = new State(client, upstream, limits, events, () => this.#client.goOn());
    this.#client = new ClientSide(this.#state);
    this.#server = new ServerSide(this.#state);
  }

  /** What the gate reads of the session; the session keeps it true. */
  get facts(): MysqlFacts {
    return this.#state;
  }

  /**
   * Tells the server what to track, and reads the facts for the first time. Then `admit` takes the gate, and `start` the client's commands.
   * `sequence`: of the next packet to the client, whose login is not over. Rejects if the server goes away first, or does not tell.
   */
  ready(sequence: number): Promise<void> {
    const s = this.#state;
    s.in.sequence = sequence - 1;
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

  /** Who judges what the client sends. The gate is closed with the session from here on: at once if the server went away meanwhile. */
  admit(gate: MysqlGate): void {
    const s = this.#state;
    s.gate = gate;
    if (s.closed) gate.close('the server closed the connection');
  }

  /** From here on the client, which has been told OK, is served. `early` are bytes it sent already. */
  start(early: Buffer): void {
    const s = this.#state;
    if (s.closed) return;
    s.phase = OPEN;
    const { client } = s;
    const left = (): void => {
      catchUp(this.#client);
      clientLeft(s);
    };
    const hears: Readonly<Record<string, (chunk: Buffer) => void>> = {
      data: (chunk) => arrived(this.#client, chunk),
      drain: () => {
        if (s.pace.clientDrained()) s.goOn();
      },
      end: left,
      close: left,
      error: left,
    };
    for (const event in hears) client.on(event, hears[event] as (chunk: Buffer) => void);
    s.letGo = () => {
      catchUp(this.#client);
      for (const event in hears) client.off(event, hears[event] as (chunk: Buffer) => void);
    };
    if (early.length > 0) this.#client.received(early);
    client.resume();
  }

  /** KILL QUERY (or, `whole`, KILL) of this session: ends a hold, else it is the server's to end what runs. */
  kill(whole: boolean): void {
    // What the server has answered by now runs no more.
    catchUp(this.#server);
    catchUp(this.#client);
    if (whole) kill(this.#state);
    else killQuery(this.#state);
  }

  /** Ends the session from the outside, with a word to the client. */
  close(text: WireText): void {
    const s = this.#state;
    if (s.closed) return;
    if (s.gate === undefined) return finish(s, 'closed by Holdpoint');
    violation(s, 'closed by Holdpoint', text);
  }
}
