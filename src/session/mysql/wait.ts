// Holdpoint's own questions to the server, and their answers: what names and texts mean now. They stand between two commands of the client, which
// must never see them.
//
//   reread: [SET ...], SELECT ... --> Rereading --> ownAnswer, ownRow --> rereadEnded --> the command is read again
import { isReadable } from '../../wire/mysql/charsets.ts';
import { readErr } from '../../wire/mysql/messages.ts';
import { RESULT_REPLY } from '../../wire/mysql/replies.ts';
import { behindString, lenencBytes } from '../../wire/mysql/lenenc.ts';
import { violation } from './end.ts';
import { questions, readFacts } from './facts.ts';
import { refuse } from './refuse.ts';
import { BUSY, OPEN, type Rereading, type State, type Step } from './state.ts';
import { GUARDED_CHARSET, INTERNAL } from './texts.ts';

/** ER_QUERY_INTERRUPTED */
const INTERRUPTED = 1317;

/** Reads the facts anew. Nothing else is under way. */
export const reread = (s: State, again = false): Step => {
  const track = s.tracks && !s.tracking;
  const asked = questions(s.engine, track, s.attributes);
  for (const bytes of asked) s.toServer.write(bytes);
  s.phase = { name: 'rereading', left: asked.length, values: null, error: null, tracking: track, again };
  s.reply.begin(RESULT_REPLY);
  s.out.expect(1);
  return 'wait';
};

/** A row that answers us, of the text protocol. */
export const ownRow = (phase: Rereading, body: Buffer, from: number, to: number): void => {
  const values: (string | null)[] = [];
  for (let at = from; at < to; ) {
    if (body[at] === 0xfb) {
      values.push(null);
      at++;
      continue;
    }
    const end = behindString(body, at, to);
    if (end < 0) return;
    values.push(body.toString('latin1', at + lenencBytes(body, at), end));
    at = end;
  }
  phase.values ??= values;
};

/** One of our questions is answered, by the packet that `out` found last. */
export const ownAnswer = (s: State, phase: Rereading): void => {
  const { reply, out } = s;
  if (reply.failed) phase.error ??= Buffer.from(out.body.subarray(out.from, out.to));
  else s.status = reply.status;
  phase.left--;
  if (phase.left === 0) return rereadEnded(s, phase);
  reply.begin(RESULT_REPLY);
  out.expect(1);
};

const rereadEnded = (s: State, phase: Rereading): void => {
  const read = phase.values === null ? null : readFacts(phase.values);
  if (phase.tracking && phase.error === null) s.tracking = true;
  if (phase.error !== null || read === null) return rereadFailed(s, phase);
  const { sql_mode, charset, database, role, idle_ms, idle_in_transaction_ms } = read;
  s.change({ sql_mode, charset, database }, role);
  s.idle_ms = idle_ms;
  s.idle_in_transaction_ms = idle_in_transaction_ms;
  if (!isReadable(charset)) {
    s.phase = OPEN;
    return violation(s, 'character_set_client was changed to one that cannot be read', GUARDED_CHARSET);
  }
  // Somebody took our names off the list: they are put there again, and read once more.
  if (s.tracks && !read.tracks && !phase.tracking) {
    s.tracking = false;
    reread(s);
    return;
  }
  s.factsKnown = true;
  s.killed = false;
  if (s.first) {
    s.phase = BUSY;
    return s.first();
  }
  s.resume(phase);
};

/** Our own question failed (a KILL hit it): the client's command gets that error. */
const rereadFailed = (s: State, { error, again }: Rereading): void => {
  if (s.first) return s.first();
  const said = error === null ? INTERNAL : readErr(error);
  if ('errno' in said && said.errno === INTERRUPTED && !again) return void reread(s, true);
  s.dropReady();
  s.phase = OPEN;
  s.in.expect(0);
  s.in.message();
  refuse(s, said);
  s.goOn();
};
