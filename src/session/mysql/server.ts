// The server's side: its bytes become packets, each is matched with the reply that is due (wire/mysql/replies.ts) and passes as it came, is kept
// from the client, or is replaced. It must never pass an answer that fits nothing it was asked, nor the answers to Holdpoint's own questions.
//
//   received --> take: true --> kept in the run, one write a chunk; rows behind a row pass without a look
//                  \--> false: kept back --> after the chunk: whoever waited for the server goes on
import type { MysqlError } from '../../errors/mysql.ts';
import { ANY_SEQUENCE, BAD_SEQUENCE, NEED_MORE, PACKET, ROWS, shift, TOO_LONG, WHOLE } from '../../wire/mysql/frame.ts';
import { HEADER, readErr } from '../../wire/mysql/messages.ts';
import { BROKEN, END, FILE_REQUEST, PASSES, RESULT_END, ROW } from '../../wire/mysql/replies.ts';
import { AT_ONCE_BYTES } from '../turn.ts';
import { broken, desync, finish, handOver, tell, violation } from './end.ts';
import { cutByGoing, cutEnded, hasRoom, pause } from './limit.ts';
import { ended, resultEnded } from './outcome.ts';
import { type Cutting, IMPORTING, OPEN, type State } from './state.ts';
import { GUARDED_CHARSET, UNASKED_FILE, UPSTREAM_GONE } from './texts.ts';
import { ownAnswer, ownRow } from './wait.ts';

/** What a result must have brought to be a long one. */
const LONG_RESULT_BYTES = 1024 * 1024;
/** A piece of one that is worth its own read and write. */
const GATHERED_BYTES = 32 * 1024;

/** An error's head, number and SQLSTATE. */
const ERROR_BYTES_MIN = 9;

/** What becomes of a packet of the server: it passes, it is kept from the client, or it has to wait, and everything behind it. */
type Passing = 'pass' | 'keep' | 'stop';

export class ServerSide {
  readonly #state: State;
  /** What became of the last packet, for the parts of it that are still to come, and packets that carry it on. */
  #passed = false;
  /** What passes of the buffer and is not yet written; -1: nothing. */
  #runStart = -1;
  #runEnd = -1;

  constructor(state: State) {
    this.#state = state;
    state.relay = () => {
      if (!state.closed) this.#relay(state, null);
    };
  }

  /** Bytes of the server, ours from now on. */
  received(chunk: Buffer): void {
    const s = this.#state;
    if (s.closed) return;
    s.out.append(chunk);
    if (s.limiting?.name !== 'paused') this.#relay(s, chunk);
  }

  /** `chunk`: what came just now; null: what waited goes on. */
  #relay(s: State, chunk: Buffer | null): void {
    const { out, limiting } = s;
    let stopped = false;
    try {
      for (;;) {
        out.parts = s.reply.inRows ? ROWS : WHOLE;
        if (s.reply.done) out.expect(ANY_SEQUENCE);
        const found = out.next();
        if (found === NEED_MORE) break;
        if (found === BAD_SEQUENCE || found === TOO_LONG) {
          this.#desync(s, found === TOO_LONG ? 'a packet that is too long' : 'packets out of order');
          break;
        }
        const { ahead } = s;
        const passing = out.first && !out.continues ? this.#take(s) : this.#continued(s, found === PACKET);
        if (passing === 'stop') {
          out.unread_last();
          stopped = true;
          break;
        }
        this.#passed = passing === 'pass';
        if (this.#passed) {
          if (ahead > 0 && out.first) shift(out, ahead);
          if (this.#runStart < 0) this.#runStart = out.start;
          this.#runEnd = out.end;
          continue;
        }
        this.#forward(s);
        if (s.closed) return;
      }
      this.#forward(s);
      if (stopped) pause(s);
    } catch (error) {
      broken(s, 'a server packet could not be handled', error);
    } finally {
      out.release();
    }
    if (s.closed) return;
    if (chunk !== null) {
      if (chunk.length > AT_ONCE_BYTES && out.unread === 0 && s.toClient.empty) s.upstream.reuse(chunk);
      if (s.bytes > LONG_RESULT_BYTES && chunk.length < GATHERED_BYTES && s.reply.inRows) s.pace.gather();
    }
    if (s.phase === OPEN || s.phase === IMPORTING || limiting !== s.limiting) s.goOn();
  }

  gone(): void {
    const s = this.#state;
    if (s.closed) return;
    if (s.first) return s.first();
    cutByGoing(s);
    if (!s.clientGone) tell(s, UPSTREAM_GONE);
    finish(s, 'the server closed the connection', 'upstream-gone');
  }

  /** What may pass goes to the client: to be called before the buffer changes, and before anything else is told. */
  #forward(s: State): void {
    const start = this.#runStart;
    if (start < 0) return;
    this.#runStart = -1;
    if (s.clientGone) return;
    const { buffer } = s.out;
    const whole = start === 0 && this.#runEnd === buffer.length;
    s.toClient.write(whole ? buffer : buffer.subarray(start, this.#runEnd));
  }

  #desync(s: State, what: string, text?: MysqlError): 'keep' {
    this.#forward(s);
    desync(s, what, text);
    return 'keep';
  }

  #unreadable(s: State): 'keep' {
    this.#forward(s);
    violation(s, 'character_set_client was changed to one that cannot be read', GUARDED_CHARSET);
    return 'keep';
  }

  /** A later part of a packet, or a packet that carries on a row, goes the way of what came before. */
  #continued(s: State, whole: boolean): Passing {
    const { out } = s;
    if (!s.reply.inRows && out.continues && whole) return this.#desync(s, 'a packet that is too long');
    if (!this.#passed) return 'keep';
    s.bytes += out.end - out.start;
    return 'pass';
  }

  /** The first packet of a message, or its first part. */
  #take(s: State): Passing {
    const { reply, out, phase, limiting } = s;
    if (reply.done) return this.#unasked(s);
    const what = reply.read(out.body, out.from, out.to, out.length);
    if (what === BROKEN) return this.#desync(s, 'a packet that fits nothing it was asked');
    if (phase.name === 'rereading') {
      if (what === ROW) ownRow(phase, out.body, out.from, out.to);
      else if (what === END) ownAnswer(s, phase);
      else if (what !== PASSES) desync(s, 'something else than an answer to Holdpoint');
      return 'keep';
    }
    if (limiting?.name === 'cutting') return this.#withheld(s, limiting, what);
    switch (what) {
      case ROW: {
        const { meter } = s;
        const bytes = out.length + 4;
        if (!hasRoom(meter, bytes)) return 'stop';
        meter?.passed(1, bytes);
        s.rows++;
        s.bytes += out.end - out.start;
        if (s.ahead === 0 && out.last && out.end - out.start === bytes) this.#passAlike(s);
        return 'pass';
      }
      case FILE_REQUEST:
        return this.#fileRequest(s);
      case RESULT_END:
        if (!resultEnded(s))
          violation(s, 'character_set_client was changed to one that cannot be read', GUARDED_CHARSET);
        return s.closed ? 'keep' : 'pass';
      case END:
        return this.#ended(s);
      default:
        return 'pass';
    }
  }

  #ended(s: State): Passing {
    if (s.changing !== null) {
      handOver(s, s.changing);
      return 'keep';
    }
    if (!resultEnded(s)) return this.#unreadable(s);
    ended(s);
    s.phase = OPEN;
    return 'pass';
  }

  /** Rows right behind a row pass, too. */
  #passAlike(s: State): void {
    const { out, meter } = s;
    const from = out.end;
    const count = meter === null ? out.run() : out.run(meter.rows_left, meter.bytes_left);
    meter?.passed(count, out.end - from);
    s.rows += count;
    s.bytes += out.end - from;
  }

  /** The server wants a file of the client's: only a statement that was judged as an import may have made it ask. */
  #fileRequest(s: State): Passing {
    if (s.plan?.copy_in !== true || !s.localFiles)
      return this.#desync(s, 'a request for a file that nothing imports', UNASKED_FILE);
    s.in.expect(s.out.sequence + 1 + s.ahead);
    s.phase = IMPORTING;
    return 'pass';
  }

  /** The same while the rest of a result is withheld: everything is kept in mind, and nothing passes. */
  #withheld(s: State, cutting: Cutting, what: number): Passing {
    if (what === FILE_REQUEST) desync(s, 'a request for a file that nothing imports', UNASKED_FILE);
    else if (what === RESULT_END || what === END) {
      resultEnded(s);
      // A row that was half-way when it was cut is whole before the error.
      this.#forward(s);
      if (what === END) cutEnded(s, cutting);
    }
    return 'keep';
  }

  /** Nothing was asked: the server may say why it ends the connection, and no more. */
  #unasked(s: State): Passing {
    const { out } = s;
    if (out.body[out.from] !== HEADER.ERR || out.to - out.from < ERROR_BYTES_MIN)
      return this.#desync(s, 'a packet that answers nothing');
    this.#forward(s);
    tell(s, readErr(out.body.subarray(out.from, out.to)));
    finish(s, 'the server ended the session', 'upstream-gone');
    return 'keep';
  }
}
