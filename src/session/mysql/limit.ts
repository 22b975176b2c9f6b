// One result that may not all pass: its rows are counted while they go by, and at the limit it stops, the server is not read, and somebody
// is asked. Refused, the rest is withheld: the server is told to end the statement, and all it still says is waited for. Must never let a
// KILL QUERY hit another statement than this one.
//
//   passing --> paused: Hold --> run: the rest passes, under its release
//                            \-> refuse: cutting --> all is answered, and the kill has gone by: the client gets its error
import type { WireText } from '../../errors/catalogue.ts';
import { mysqlError } from '../../errors/mysql.ts';
import { packets } from '../../wire/mysql/frame.ts';
import { errPacket } from '../../wire/mysql/messages.ts';
import type { BoundParameter, Meter, Plan, Release } from '../gate.ts';
import { type Answer, Hold } from '../hold.ts';
import { watchPaused } from './backlog.ts';
import { broken } from './end.ts';
import { interrupt } from './kill.ts';
import { ended } from './outcome.ts';
import { BUSY, type Cutting, OPEN, type State } from './state.ts';

/** The meter of what is sent now; null: nothing limits it. */
export const meterOf = (
  s: State,
  plan: Plan,
  release: Release | null,
  parameters: () => readonly BoundParameter[],
): Meter | null => {
  if (release !== null) return permit(s, release);
  return plan.limited ? s.gate.meter(plan, parameters) : null;
};

/** Is there room for one more row of so many bytes? */
export const hasRoom = (meter: Meter | null, bytes: number): boolean =>
  meter === null || (meter.rows_left >= 1 && meter.bytes_left >= bytes);

/** What is sent now runs under a release that goes so far and no farther; null: it goes to its end. */
const permit = (s: State, release: Release): Meter | null => {
  const { permitted } = release;
  if (permitted === null) return null;
  permitted.onGone = () => {
    const { reply, phase, limiting, meter } = s;
    // Between definitions of columns no error can stand: behind them its first row stops it.
    if (meter === permitted.meter && phase === BUSY && limiting === null && (reply.waits || reply.inRows)) pause(s);
  };
  return permitted.meter;
};

/** The next row is too much: the server is not read until somebody has said what becomes of it. */
export const pause = (s: State): void => {
  const meter = s.meter as Meter;
  s.pace.stopServer();
  const hold = new Hold(meter.judge(), [], null, {
    notice: () => {},
    waiting: () => {
      s.pace.readClient();
      watchPaused(s);
    },
    // Its answer has begun.
    heartbeat: () => {},
    said: () => {},
    answered: (answer) => {
      if (answer.type === 'run') letPass(s, meter, answer);
      else cut(s, meter, answer.text);
      s.pace.letServerGoOn();
      s.relay();
      s.goOn();
    },
    failed: (what, error) => broken(s, what, error),
    fault: (what, error) => s.events.fault(what, error),
  });
  s.limiting = { name: 'paused', hold };
};

const letPass = (s: State, meter: Meter, { release, cancelled }: Extract<Answer, { type: 'run' }>): void => {
  s.limiting = null;
  meter.lift();
  s.release = release;
  if (cancelled) setImmediate(() => interrupt(s));
};

const cut = (s: State, meter: Meter, text: WireText): void => {
  // What has written what it returns is not ended half-way: it runs to its end, unseen.
  const cancelling = !meter.withholds;
  const cutting: Cutting = {
    name: 'cutting',
    text,
    meter,
    sequence: s.out.expected + s.ahead,
    ended: false,
    cancelling,
  };
  s.limiting = cutting;
  if (!cancelling) return;
  s.toServer.flush();
  void s.upstream.cancel().then(() => {
    cutting.cancelling = false;
    if (s.limiting !== cutting || !cutting.ended) return;
    cutEnded(s, cutting);
    s.goOn();
  });
};

/** The server has said all it has to say of what is cut. */
export const cutEnded = (s: State, cutting: Cutting): void => {
  cutting.ended = true;
  if (cutting.cancelling) return;
  s.limiting = null;
  const error = mysqlError(withServers(cutting.text, s.reply.failed ? STOPPED : COMPLETED));
  cutting.meter.cut(s.reply.failed ? '70100' : 'OK');
  ended(s, cutting.text.sqlstate);
  // The kill may have come when nothing ran: our own question takes it.
  s.factsKnown = false;
  s.killed = true;
  s.toClient.write(packets(cutting.sequence, errPacket(error)));
  s.phase = OPEN;
};

/** The server is gone: there is no kill to wait for any more. It ends a connection behind the log of changes, for one. */
export const cutByGoing = (s: State): void => {
  const { limiting } = s;
  if (limiting?.name !== 'cutting' || !limiting.ended) return;
  limiting.cancelling = false;
  cutEnded(s, limiting);
};

/** What the server said is told behind our own words. */
const withServers = (text: WireText, said: string): WireText => ({
  ...text,
  detail: text.detail === undefined ? said : `${text.detail} ${said}`,
});
const STOPPED = 'The database server stopped the statement.';
const COMPLETED = 'The statement completed on the database server; the rest of its rows was withheld.';
