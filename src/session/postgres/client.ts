// The client's side: its bytes become messages, each is looked up in table.ts and handled where its kind has its story, and what may pass is
// kept in the run. Nothing is sent on here that its handler has not let pass; a message that has to wait is put back and read again.
//
//   received --> read: HANDLING[phase][type] --> keep: part of the run, one write a chunk
//                           |                \-> wait: put back; goOn reads it again when the phase is a reading one
//                           \--> drop: answered here, or not to be answered
import { BAD_LENGTH, NEED_MORE, PART } from '../../wire/postgres/frame.ts';
import { errorResponse } from '../../wire/postgres/messages.ts';
import { watchBacklog } from './backlog.ts';
import { broken, finish, hex, violation } from './end.ts';
import { onBind, onClose, onDescribe, onExecute, onParse } from './extended.ts';
import { onFunctionCall, onQuery } from './query.ts';
import { malformed, refuseCancelled } from './refuse.ts';
import { QUERY, SYNC } from './replies.ts';
import { OPEN, type Phase, SETTLING, type State, type Step } from './state.ts';
import { HANDLING, type Handling } from './table.ts';
import { notInCopy, TOO_LONG } from './texts.ts';
import { settle } from './wait.ts';

/** Messages sent and not yet answered; beyond it the client is not read. */
const REPLIES_MAX = 20_000;

export class ClientSide {
  readonly #state: State;
  #reading = false;
  /** The first part of a long message was kept, so the others are. */
  #partKept = false;

  constructor(state: State) {
    this.#state = state;
  }

  /** Bytes of the client, ours from now on. */
  received(chunk: Buffer): void {
    const s = this.#state;
    if (s.closed) return;
    s.in.append(chunk);
    this.goOn();
  }

  /** Reads on with the message at hand, if the phase lets it. */
  goOn(): void {
    this.#read();
    watchBacklog(this.#state);
  }

  #read(): void {
    if (this.#reading) return;
    const s = this.#state;
    this.#reading = true;
    try {
      this.#readAll(s);
    } catch (error) {
      broken(s, 'a client message could not be handled', error);
    } finally {
      s.toServer.end();
      s.in.release();
      this.#reading = false;
    }
  }

  #readAll(s: State): void {
    for (;;) {
      if (s.pace.clientFull || s.limiting !== null) return;
      const phase = s.phase.name;
      if (phase !== 'open' && phase !== 'copying' && phase !== 'discarding') return;
      if (s.replies.length > REPLIES_MAX) return void settle(s);
      const found = s.in.next();
      if (found === NEED_MORE) return;
      // What was asked before is answered first, as the server does.
      if (found === BAD_LENGTH) return void (answering(s) ? settle(s) : tooLong(s));
      if (found === PART && !s.in.first) {
        if (this.#partKept) s.toServer.keep();
        continue;
      }
      const handling = HANDLING[phase][s.in.type];
      if (handling === undefined) {
        if (!answering(s)) return violation(s, `unexpected message type 0x${hex(s.in.type)}`);
        s.in.unread_last();
        return void settle(s);
      }
      const step = s.cancelled ? refuseCancelled(s) : handle(s, handling);
      this.#partKept = step === 'keep';
      if (step === 'keep') s.toServer.keep();
      else if (step === 'wait') return s.in.unread_last();
      else if (s.closed) return;
    }
  }
}

/** Replies are still to come that do not wait for the client. */
const answering = (s: State): boolean => s.phase === OPEN && s.replies.length > 0;

const handle = (s: State, handling: Handling): Step => {
  switch (handling) {
    case 'query':
      return onQuery(s);
    case 'parse':
      return onParse(s);
    case 'bind':
      return onBind(s);
    case 'execute':
      return onExecute(s);
    case 'describe':
      return onDescribe(s);
    case 'close':
      return onClose(s);
    case 'flush':
      // The server would skip to a Sync.
      return s.in.length === 4 ? 'keep' : malformed(s, 'Flush');
    case 'copy-data':
      s.copySyncs = 0;
      return 'keep';
    case 'copy-sync':
      s.copySyncs++;
      return 'drop';
    case 'sync':
      return onSync(s);
    case 'function-call':
      return onFunctionCall(s);
    case 'copy-end':
      s.copySyncs = 0;
      s.phase = copyEnded(s);
      return 'keep';
    case 'copy-broken':
      s.toClient.write(errorResponse(notInCopy(`0x${hex(s.in.type)}`)));
      violation(s, 'terminating connection because protocol synchronization was lost');
      return 'drop';
    case 'drop':
      return 'drop';
    case 'terminate':
      if (answering(s)) return settle(s);
      finish(s, 'client said goodbye');
      return 'drop';
  }
};

const onSync = (s: State): Step => {
  // It commits what was done together with a limited statement, whose end is to decide of that.
  if (s.limited && s.workedSinceSync && !s.in_transaction) return settle(s);
  // In a block what follows must not run when that statement turns out to have been cut.
  s.phase = s.limited && s.in_transaction ? SETTLING : OPEN;
  s.replies.push(SYNC, null, null, null, 0);
  s.pipelineEnds(SYNC);
  return 'keep';
};

/** A Query may start another COPY: what the client sends next depends on it. Execute is answered only after a Sync. */
const copyEnded = (s: State): Phase => (s.replies.head.op === QUERY ? SETTLING : OPEN);

const tooLong = (s: State): void => {
  const { type, length } = s.in;
  violation(s, `invalid length ${length} of message type 0x${hex(type)}`, length < 4 ? undefined : TOO_LONG);
};
