// The server's side: its bytes become messages, each is matched with what was asked (replies.ts) and passes as it came, is kept from the
// client, or is replaced. It must never pass an answer that fits nothing it was asked, nor the answers to Holdpoint's own questions.
//
//   received --> reply: true --> kept in the run, one write a chunk; rows behind a row pass without a look
//                  |    \-> bytes: sent in its place
//                  \--> false: kept back --> after the chunk: whoever waited for the server goes on
import { Buffer } from 'node:buffer';
import { BAD_LENGTH, FRAME, FrameReader, NEED_MORE } from '../../wire/postgres/frame.ts';
import {
  BACKEND,
  cstring,
  cutTexts,
  errorResponse,
  FAILED_BLOCK,
  IDLE,
  IN_BLOCK,
  movePosition,
  readFields,
  readParameterTypes,
  readyForQuery,
  shortLatin1,
  SYNC as SYNC_MESSAGE,
} from '../../wire/postgres/messages.ts';
import type { Plan } from '../gate.ts';
import { AT_ONCE_BYTES } from '../turn.ts';
import { ownUpTo, withOwnAround, withOwnBefore } from './batch.ts';
import { broken, desync, finish, hex, violation } from './end.ts';
import { completedWithSync, completedWithoutSync, errorRoom, hasRoom, pause } from './limit.ts';
import { discard, ended, portalsEnded, skipToSync } from './outcome.ts';
import {
  BIND,
  CLOSE,
  DESCRIBE,
  type Entry,
  EXECUTE,
  isOwn,
  OWN_BIND,
  OWN_CLOSE,
  OWN_EXECUTE,
  OWN_PARSE,
  OWN_SYNC,
  PARSE,
  QUERY,
  SYNC,
} from './replies.ts';
import { COPYING, type Cutting, DISCARDING, FACTS, OPEN, SETTLING, type State } from './state.ts';
import { GUARDED_SETTING, UPSTREAM_GONE } from './texts.ts';
import { isUtf8Name, ownCompleted, ownFailed, ownRow, rereadEnded } from './wait.ts';

/** Longest message of the server that must be whole to be read: an error quotes what it is about, a parameter for example. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;
/** Types whose body nobody reads may pass in parts; the rest is small, or ends the session. */
const IN_PARTS = 'DdTtGHWVNA';
/** What a result must have brought to be a long one. */
const LONG_RESULT_BYTES = 1024 * 1024;
/** A piece of one that is worth its own read and write. */
const GATHERED_BYTES = 32 * 1024;
/** The tag of a Query that has failed. */
const ERROR_TAG = '(error)';
const NO_BYTES = Buffer.alloc(0);

/** What the client gets of a message of the server: it as it is, nothing, or this instead. */
type Passing = boolean | Buffer;

/** It has to wait, and everything behind it. */
const STOP = Buffer.alloc(0);

export class ServerSide {
  readonly #state: State;
  readonly #out = new FrameReader(IN_PARTS, REPLY_BYTES_MAX);
  /** What became of the last message, for the parts of it that are still to come. */
  #passed = false;
  /** The server has said good-bye itself. */
  #fatal = false;

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
    this.#out.append(chunk);
    if (s.limiting?.name !== 'paused') this.#relay(s, chunk);
  }

  /** `chunk`: what came just now; null: what waited goes on. */
  #relay(s: State, chunk: Buffer | null): void {
    const out = this.#out;
    const { limiting } = s;
    let stopped = false;
    let runStart = -1;
    let runEnd = -1;
    try {
      for (;;) {
        const found = out.next();
        if (found === NEED_MORE) break;
        if (found === BAD_LENGTH) {
          desync(s, `a message of length ${out.length}`);
          break;
        }
        const pass = found === FRAME || out.first ? this.#reply(s, found === FRAME) : this.#continued(s);
        if (pass === STOP) {
          out.unread_last();
          stopped = true;
          break;
        }
        this.#passed = pass !== false;
        if (pass === true) {
          if (runStart < 0) runStart = out.start;
          if (found === FRAME) this.#passAlike(s);
          runEnd = out.end;
          continue;
        }
        if (runStart >= 0) this.#forward(s, runStart, runEnd);
        runStart = -1;
        if (pass !== false) s.toClient.write(pass);
        if (s.closed) return;
      }
      if (runStart >= 0) this.#forward(s, runStart, runEnd);
      if (stopped) this.#stop(s);
    } catch (error) {
      broken(s, 'a server message could not be handled', error);
    } finally {
      out.release();
    }
    if (chunk !== null) {
      if (chunk.length > AT_ONCE_BYTES && out.unread === 0 && s.toClient.empty) s.upstream.reuse(chunk);
      if (s.accounts.passing > LONG_RESULT_BYTES && chunk.length < GATHERED_BYTES) s.pace.gather();
    }
    goOnAfterReplies(s);
    // The client was not read meanwhile.
    if (limiting !== null && s.limiting === null && !s.closed) s.goOn();
  }

  gone(): void {
    const s = this.#state;
    if (s.closed) return;
    if (s.first) return s.first();
    if (!s.clientGone && !this.#fatal) s.toClient.write(errorResponse(UPSTREAM_GONE));
    finish(s, 'the server closed the connection', 'upstream-gone');
  }

  #forward(s: State, start: number, end: number): void {
    if (s.clientGone) return;
    const { buffer } = this.#out;
    s.toClient.write(start === 0 && end === buffer.length ? buffer : buffer.subarray(start, end));
  }

  /** Where a row has passed, the rows right behind it pass too: they answer the same message, and what stood before the first was told. */
  #passAlike(s: State): void {
    const out = this.#out;
    if (out.type !== BACKEND.DataRow && out.type !== BACKEND.CopyData) return;
    const from = out.end;
    const { meter } = s.replies.head;
    const count = meter === null ? out.run() : out.run(meter.rows_left, meter.bytes_left);
    meter?.passed(count, out.end - from);
    if (out.type === BACKEND.DataRow) s.accounts.rows(count, out.end - from);
    else s.accounts.lines(count, out.end - from);
  }

  /** A later part of a long message goes the way of its first part; one that was kept is a row of ours. */
  #continued(s: State): boolean {
    const out = this.#out;
    if (!this.#passed) {
      ownRow(s, out.buffer.subarray(out.start, out.end), false);
      return false;
    }
    s.accounts.data(out.end - out.start);
    return true;
  }

  /** A result has reached its limit; or the end of one that is withheld is here before our cancel is. */
  #stop(s: State): void {
    if (s.limiting !== null) s.pace.stopServer();
    else pause(s, s.replies.head);
  }

  /** One message of the server, or the first part of one. */
  #reply(s: State, whole: boolean): Passing {
    const { limiting } = s;
    return limiting?.name === 'cutting' ? this.#withheld(s, limiting, whole) : this.#answer(s, whole);
  }

  #answer(s: State, whole: boolean): Passing {
    const out = this.#out;
    const { type, buffer, start, end } = out;
    const { head } = s.replies;
    const own = isOwn(head.op);
    switch (type) {
      case BACKEND.DataRow:
        if (head.op !== QUERY && head.op !== EXECUTE && !own) return unexpected(s, type);
        if (own) {
          ownRow(s, buffer.subarray(start, end), true);
          return false;
        }
        if (!hasRoom(head, out.length + 1)) return STOP;
        head.meter?.passed(1, out.length + 1);
        s.accounts.rows(1, end - start);
        return head.op === QUERY ? withOwnBefore(s, head.plan, out) : true;
      case BACKEND.CopyData:
        if (!hasRoom(head, out.length + 1)) return STOP;
        head.meter?.passed(1, out.length + 1);
        s.accounts.lines(1, end - start);
        return true;
      case BACKEND.RowDescription:
        if (own) return false;
        if (head.op === DESCRIBE) s.replies.pop();
        else if (head.op !== QUERY) return unexpected(s, type);
        return head.op === QUERY ? withOwnBefore(s, head.plan, out) : true;
      case BACKEND.ParameterDescription:
        if (head.op !== DESCRIBE) return unexpected(s, type);
        if (head.prepared && whole) head.prepared.types = readParameterTypes(buffer, start, end);
        return true;
      case BACKEND.NoData:
        if (own) return false;
        if (head.op !== DESCRIBE) return unexpected(s, type);
        s.replies.pop();
        return true;
      case BACKEND.ParseComplete:
        return done(s, head.op === PARSE || head.op === OWN_PARSE, type);
      case BACKEND.BindComplete:
        return done(s, head.op === BIND || head.op === OWN_BIND, type);
      case BACKEND.CloseComplete:
        return done(s, head.op === CLOSE || head.op === OWN_CLOSE, type);
      case BACKEND.CommandComplete:
      case BACKEND.EmptyQueryResponse:
        return this.#completed(
          s,
          head,
          type === BACKEND.CommandComplete ? shortLatin1(buffer, start + 5, end - 1) : '',
        );
      case BACKEND.PortalSuspended:
        if (head.op !== EXECUTE) return unexpected(s, type);
        s.accounts.suspended(head);
        s.replies.pop();
        return true;
      case BACKEND.ReadyForQuery:
        return becameReady(s, buffer[start + 5] as number);
      case BACKEND.ErrorResponse:
        return this.#error(s, head);
      case BACKEND.CopyInResponse:
        if (head.op !== QUERY && head.op !== EXECUTE) return unexpected(s, type);
        // Only a plan with copy_in gets here, and it was sent alone: nothing else is under way.
        if (!head.plan?.copy_in) return unexpected(s, type);
        s.phase = COPYING;
        s.copySyncs = 0;
        return head.op === QUERY ? withOwnBefore(s, head.plan, out) : true;
      case BACKEND.CopyOutResponse:
      case BACKEND.CopyDone:
        if (head.op !== QUERY && head.op !== EXECUTE) return unexpected(s, type);
        return head.op === QUERY ? withOwnBefore(s, head.plan, out) : true;
      case BACKEND.FunctionCallResponse:
        if (head.op !== QUERY) return unexpected(s, type);
        if (!hasRoom(head, out.length + 1)) return STOP;
        head.meter?.passed(1, out.length + 1);
        s.tag = 'FunctionCall';
        return true;
      case BACKEND.NoticeResponse:
        // It may say what was read.
        if (!hasRoom(head, out.length + 1)) return STOP;
        head.meter?.passed(0, out.length + 1);
        return true;
      case BACKEND.NotificationResponse:
        return true;
      case BACKEND.ParameterStatus:
        return whole ? parameterStatus(s, buffer, start, end) : unexpected(s, type);
      default:
        return unexpected(s, type);
    }
  }

  /** The same while the rest of a result is withheld: everything is kept in mind, and nothing passes that answers it. */
  #withheld(s: State, cutting: Cutting, whole: boolean): Passing {
    const { type, buffer, start, end } = this.#out;
    const { head } = s.replies;
    if (cutting.cancelling && ENDS.has(type)) return STOP;
    switch (type) {
      case BACKEND.DataRow:
      case BACKEND.CopyData:
        return false;
      case BACKEND.NoticeResponse:
        return hasRoom(head, this.#out.length + 1) && this.#answer(s, whole);
      case BACKEND.NotificationResponse:
      case BACKEND.ParameterStatus:
        return this.#answer(s, whole);
      case BACKEND.CommandComplete:
      case BACKEND.EmptyQueryResponse:
      case BACKEND.PortalSuspended:
        if (head.op !== EXECUTE) {
          this.#answer(s, whole);
          break;
        }
        if (head.meter === cutting.meter) cutting.meter.cut(tagOf(type, buffer, start, end));
        ended(s, head, null, cutting.completed.sqlstate);
        s.replies.pop();
        break;
      case BACKEND.ErrorResponse:
        if (head.meter === cutting.meter) cutting.meter.cut(readFields(buffer, start, end).get('C') ?? '');
        else head.refusal = cutting.completed;
        cutting.told = true;
        if (head.op !== QUERY && !s.replies.synced) s.limiting = null;
        return this.#answer(s, whole);
      case BACKEND.ReadyForQuery: {
        const status = buffer[start + 5] as number;
        if (cutting.told) s.limiting = null;
        else if (head.op === QUERY) {
          cutting.meter.cut(s.tag);
          ended(s, head, null, cutting.completed.sqlstate);
          s.tag = ERROR_TAG;
        }
        const pass = becameReady(s, status);
        return cutting.told ? pass : completedWithSync(s, cutting, status);
      }
      default:
        this.#answer(s, whole);
    }
    // No Sync was sent, so nothing else tells that this was all.
    if (s.replies.length === 0 && !s.closed) completedWithoutSync(s, cutting);
    return false;
  }

  /** A statement of a Query, or an Execute, has come to its end. */
  #completed(s: State, head: Entry, tag: string): Passing {
    if (head.op === OWN_EXECUTE) {
      ownCompleted(s);
      s.replies.pop();
      return false;
    }
    if (head.op === EXECUTE) {
      ended(s, head, tag, null);
      s.replies.pop();
      return true;
    }
    if (head.op !== QUERY) return unexpected(s, BACKEND.CommandComplete);
    s.tag = tag;
    return withOwnAround(s, head.plan, this.#out);
  }

  #error(s: State, head: Entry): Passing {
    const { buffer, start, end } = this.#out;
    const fields = readFields(buffer, start, end);
    const sqlstate = fields.get('C') ?? 'XX000';
    const fatal = fields.get('V') === 'FATAL' || fields.get('V') === 'PANIC';
    if (s.touched) s.factsKnown = false;
    if (fatal) this.#fatal = true;
    if (head.op === 0 || fatal) {
      // Between two messages (a timeout of the server): what the client sends before its Sync is skipped there.
      if (!fatal && s.sentSinceSync) discard(s);
      return true;
    }
    if (isOwn(head.op)) {
      ownFailed(s, buffer.subarray(start, end));
      skipToSync(s, sqlstate);
      return false;
    }
    const { refusal } = head;
    const room = errorRoom(head);
    const cut = cutTexts(buffer, start, end, room);
    if (!refusal) head.meter?.passed(0, Math.min(room, end - start));
    const shift = head.plan?.position_shift ?? [];
    // Own statements that stand before the one that failed are done, and stay done.
    const before = head.op === QUERY && head.plan && head.plan.own.length > 0 ? ownUpTo(s, head.plan) : NO_BYTES;
    ended(s, head, null, sqlstate);
    if (head.op === QUERY) {
      s.tag = ERROR_TAG;
      if (s.phase === COPYING) s.phase = OPEN;
    } else {
      const synced = skipToSync(s, sqlstate);
      // The server skips what follows until a Sync: nothing the client sends before that is judged or sent.
      if (!synced || s.replies.head.op === OWN_SYNC) discard(s);
      if (s.status === IN_BLOCK) s.status = FAILED_BLOCK;
    }
    if (s.copySyncs > 0) syncsBehindCopy(s);
    if (refusal) return errorResponse(refusal);
    if (cut === null && before.length === 0 && shift.length === 0) return true;
    const told = cut ?? buffer.subarray(start, end);
    return Buffer.concat([before, moved(told, 0, told.length, shift)]);
  }
}

/** With these a statement that is cut has come to its end. */
const ENDS: ReadonlySet<number> = new Set([
  BACKEND.CommandComplete,
  BACKEND.EmptyQueryResponse,
  BACKEND.PortalSuspended,
  BACKEND.ErrorResponse,
  BACKEND.ReadyForQuery,
]);

const tagOf = (type: number, buffer: Buffer, start: number, end: number): string =>
  type === BACKEND.CommandComplete ? shortLatin1(buffer, start + 5, end - 1) : 'PortalSuspended';

/** Parse, Bind or Close was done, if that was what stands at the head. */
const done = (s: State, fits: boolean, type: number): boolean => {
  if (!fits) return unexpected(s, type);
  const { op, undo } = s.replies.head;
  if (op === PARSE) s.accounts.parsed();
  // A portal that was closed, or bound anew.
  if (undo?.map === 'portal' && undo.before) s.accounts.endPortal(undo.before);
  s.replies.pop();
  return !isOwn(op);
};

const becameReady = (s: State, status: number): Passing => {
  const { head } = s.replies;
  const { op } = head;
  if (op !== SYNC && op !== QUERY && op !== OWN_SYNC) return unexpected(s, BACKEND.ReadyForQuery);
  let before: Buffer | null = null;
  if (op === QUERY && head.plan) {
    if (s.tag !== ERROR_TAG && head.plan.own.length > 0) before = ownUpTo(s, head.plan);
    if (s.tag !== ERROR_TAG) ended(s, head, s.tag, null);
  }
  s.tag = '';
  s.queryDone = 0;
  s.replies.pop();
  s.status = status;
  if (s.replies.length === 0) s.barrier = false;
  // What was executed before is told of by this status: it went with the block, and no Sync can commit it.
  if (status === FAILED_BLOCK && s.replies.length === 0) s.executedSinceSync = false;
  if (status === IDLE) {
    s.transactionEnded();
    // What is under way already may have touched them again.
    if (s.replies.length === 0) {
      s.idle();
      if (op === QUERY) s.sentSinceSync = s.executedSinceSync = s.boundSinceSync = false;
    }
    if (s.earlier.length > 0) s.earlier = [];
    if (s.names.portals.size > 0) portalsEnded(s);
  }
  if (op === OWN_SYNC) return false;
  return before && before.length > 0 ? Buffer.concat([before, readyForQuery(status)]) : true;
};

/** The server's error with its position in the text as the client sent it. */
const moved = (buffer: Buffer, start: number, end: number, shift: Plan['position_shift']): Buffer =>
  movePosition(buffer, start, end, (position) => {
    let off = 0;
    for (const [from, characters] of shift) if (position >= from) off = characters;
    return position - off;
  });

const parameterStatus = (s: State, buffer: Buffer, start: number, end: number): boolean => {
  const name = cstring(buffer, start + 5, end);
  const value = name && cstring(buffer, name.next, end);
  if (!value) return unexpected(s, BACKEND.ParameterStatus);
  const guarded =
    (name.text === 'standard_conforming_strings' && value.text !== 'on') ||
    (name.text === 'client_encoding' && !isUtf8Name(value.text));
  // Told without being asked: the server's configuration may have been read anew. 18 reports search_path.
  const fact = FACTS.find((known) => known === name.text);
  if (fact && s.facts[fact] !== Buffer.from(value.text, 'latin1').toString('utf8')) s.factsKnown = false;
  if (!guarded) return true;
  violation(s, `${name.text} was changed`, GUARDED_SETTING);
  return false;
};

const unexpected = (s: State, type: number): false => {
  desync(s, `an unexpected message of type 0x${hex(type)}`);
  return false;
};

/** A COPY has failed before its data: the server has yet to come to the Syncs that stand before that. */
const syncsBehindCopy = (s: State): void => {
  for (; s.copySyncs > 0; s.copySyncs--) {
    s.toServer.write(SYNC_MESSAGE);
    s.replies.push(SYNC, null, null, null, 0);
    s.pipelineEnds(SYNC);
  }
  s.phase = OPEN;
};

/** After a chunk of replies: whoever waited for the server may go on. */
const goOnAfterReplies = (s: State): void => {
  const { phase } = s;
  // What was sent may not have been done: nothing is under way any more, so the server's word counts.
  if (s.replies.length === 0) s.in_transaction = s.status !== IDLE;
  if (phase === COPYING || phase === DISCARDING) return s.goOn();
  if (s.replies.length > 0) return;
  if (phase.name === 'rereading') rereadEnded(s, phase);
  else if (phase === SETTLING) {
    s.barrier = false;
    s.resume(SETTLING);
  }
};
