// The client's side: its bytes become commands, each is looked up in table.ts and handled where its kind has its story. One command at a time: the
// next one is read when the server has answered. Nothing is sent on here that its handler has not let pass; a command that has to wait is put
// back and read again.
//
//   received --> read: HANDLING[command] --> done: sent, or answered here
//                                       \--> wait: put back; goOn reads it again when the phase is open
import { ANY, BAD_SEQUENCE, NEED_MORE, shift, TOO_LONG, WHOLE } from '../../wire/mysql/frame.ts';
import { watchBacklog } from './backlog.ts';
import { broken, finish, violation } from './end.ts';
import { onKill, onQuery, onStatement, onUncarried } from './query.ts';
import { refuse } from './refuse.ts';
import { send, sendPayload } from './send.ts';
import { onBulkExecute, onClose, onExecute, onFetch, onLongData, onPrepare, onResetStatement } from './statements.ts';
import { BUSY, IMPORTING, OPEN, type State, type Step } from './state.ts';
import { HANDLING, type Row } from './table.ts';
import { MALFORMED, OUT_OF_ORDER, TOO_LONG as TOO_LONG_TEXT, UNKNOWN_COMMAND } from './texts.ts';
import { COM } from '../../wire/mysql/commands.ts';

const RESET = Buffer.of(COM.RESET_CONNECTION);

export class ClientSide {
  readonly #state: State;
  #reading = false;

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

  /** Reads on with the command at hand, if the phase lets it. */
  goOn(): void {
    if (!this.#reading) this.#read();
    watchBacklog(this.#state);
  }

  #read(): void {
    const s = this.#state;
    this.#reading = true;
    try {
      while (readable(s) && (s.phase === IMPORTING ? readFile(s) : readCommand(s)));
    } catch (error) {
      broken(s, 'a client command could not be handled', error);
    } finally {
      s.in.release();
      this.#reading = false;
    }
  }
}

const readable = (s: State): boolean =>
  !s.pace.clientFull && s.limiting === null && ((s.phase === OPEN && s.interrupting === 0) || s.phase === IMPORTING);

/** The next command. False: nothing more can be read now. */
const readCommand = (s: State): boolean => {
  s.in.parts = WHOLE;
  s.in.expect(0);
  const found = s.in.message();
  if (found === NEED_MORE) return false;
  if (!isSound(s, found)) return false;
  const step =
    s.in.to > s.in.from ? handle(s, HANDLING[s.in.body[s.in.from] as number] ?? null) : refuse(s, UNKNOWN_COMMAND);
  if (step === 'done') return !s.closed;
  s.in.unread_last();
  return false;
};

/** A packet of the file that the client sends, or a part of one: it goes on as it is. An empty one is the end. */
const readFile = (s: State): boolean => {
  const { in: packets } = s;
  packets.parts = ANY;
  const found = packets.next();
  if (found === NEED_MORE) return false;
  if (!isSound(s, found)) return false;
  if (packets.first && s.ahead > 0) shift(packets, -s.ahead);
  s.toServer.write(packets.buffer.subarray(packets.start, packets.end));
  if (packets.first && !packets.continues && packets.length === 0) {
    s.reply.fileSent();
    s.out.expect((packets.sequence + 1 - s.ahead) & 0xff);
    s.phase = BUSY;
  }
  return true;
};

const isSound = (s: State, found: number): boolean => {
  if (found === BAD_SEQUENCE) violation(s, 'packets out of order', OUT_OF_ORDER);
  else if (found === TOO_LONG) violation(s, 'a packet that is too long', TOO_LONG_TEXT);
  else return true;
  return false;
};

const handle = (s: State, row: Row | null): Step => {
  const command = s.in.body[s.in.from] as number;
  if (row === null) return refuse(s, UNKNOWN_COMMAND);
  switch (row.handling) {
    case 'query':
      return onQuery(s);
    case 'prepare':
      return onPrepare(s);
    case 'execute':
      return onExecute(s);
    case 'bulk-execute':
      return onBulkExecute(s);
    case 'fetch':
      return onFetch(s);
    case 'long-data':
      return onLongData(s);
    case 'close':
      return onClose(s);
    case 'reset-statement':
      return onResetStatement(s);
    case 'as-statement':
      return onStatement(s);
    case 'uncarried':
      return onUncarried(s);
    case 'kill':
      return onKill(s);
    case 'option':
      if (s.in.to - s.in.from !== 3) return refuse(s, MALFORMED);
      // MYSQL_OPTION_MULTI_STATEMENTS_ON is 0.
      s.option = s.in.body.readUInt16LE(s.in.from + 1) === 0;
      return send(s, command, row.reply);
    case 'change-user':
      // The server's locks and what is not committed are gone when the answer is here; a connection that closes may take longer.
      s.changing = Buffer.from(s.in.body.subarray(s.in.from, s.in.to));
      return sendPayload(s, RESET, row.reply);
    case 'reset-connection':
    case 'pass':
      return send(s, command, row.reply);
    case 'quit':
      finish(s, 'client said goodbye');
      return 'done';
  }
};
