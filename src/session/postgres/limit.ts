// One result that may not all pass: its rows are counted while they go by, and at the limit it stops, the server is not read, and somebody
// is asked. Refused, the rest is withheld: the server is told to cancel, and what it says is waited for. Must never tell the client an
// error while the server's transaction goes on, nor let a cancel hit another statement than this one.
//
//   passing --> paused: Hold --> run: the rest passes, under its release
//                            \-> refuse: cutting (what has written is not cancelled) --> the server failed it: our text in place of the server's
//                                                \-> it completed: outside a block our error is told, in one the server is made to fail too
import { errorResponse, FLUSH, IDLE, readBind, readyForQuery, SYNC } from '../../wire/postgres/messages.ts';
import { decodeParameters } from '../../wire/postgres/parameters.ts';
import type { WireText } from '../../errors/catalogue.ts';
import type { BoundParameter, Meter, Plan, Release } from '../gate.ts';
import { watchPaused } from './backlog.ts';
import { cancel } from './decide.ts';
import { broken } from './end.ts';
import { type Answer, Hold } from '../hold.ts';
import type { Portal } from './names.ts';
import { notice, REFUSED_PARSE } from './refuse.ts';
import { type Entry, PARSE, SYNC as SYNC_OP } from './replies.ts';
import { type Cutting, DISCARDING, SETTLING, type State } from './state.ts';

const NO_PARAMETERS = (): readonly BoundParameter[] => [];

/** The meter of what is sent now; null: nothing limits it. */
export const meterOf = (s: State, plan: Plan, portal: Portal | null, parameters = NO_PARAMETERS): Meter | null => {
  let meter: Meter | null = portal?.meter ?? null;
  if (plan.limited) meter ??= s.gate.meter(plan, portal ? parametersOf(portal) : parameters);
  for (const { op, name } of plan.cursors) {
    if (op !== 'fetch' || name === null) continue;
    const its = s.cursors.of(name) ?? s.names.portals.get(name)?.meter ?? null;
    // Nobody here declared it: what it brings counts together from now on.
    if (its === null && meter !== null && plan.statements === 1)
      s.cursors.perhaps({ op: 'open', name, holds: false }, meter);
    // A statement of its own has one; a batch may fetch from several: the one with the least room counts all.
    if (its && (meter === null || plan.statements === 1 || its.rows_left < meter.rows_left)) meter = its;
  }
  if (portal) {
    portal.meter = meter;
    portal.bound = null;
  }
  return meter;
};

const parametersOf =
  ({ bound, boundStart, boundEnd, prepared }: Portal) =>
  (): readonly BoundParameter[] => {
    const message = bound && readBind(bound, boundStart, boundEnd);
    return message ? decodeParameters(message, prepared.types) : [];
  };

/** This entry, the newest, is a limited statement. */
export const limit = (s: State, entry: Entry, meter: Meter | null): void => {
  if (meter === null) return;
  entry.meter = meter;
  s.limitedUntil = s.replies.taken + s.replies.length;
};

/** Is there room for one more row, or line of COPY, of so many bytes? */
export const hasRoom = ({ meter }: Entry, bytes: number): boolean =>
  meter === null || (meter.rows_left >= 1 && meter.bytes_left >= bytes);

/** Longest texts of an error of a limited statement that pass, in bytes: it can quote any value that was read, or all of them. */
const ERROR_TEXT_BYTES_MAX = 64 * 1024;
/** And of any other: what returns nothing can read as much. */
const UNLIMITED_ERROR_BYTES_MAX = 1024 * 1024;

/** How many bytes of an error's texts pass: what the limit leaves, and of no more rows nothing. */
export const errorRoom = ({ meter }: Entry): number => {
  if (meter === null) return UNLIMITED_ERROR_BYTES_MAX;
  return meter.rows_left < 1 ? 0 : Math.min(meter.bytes_left, ERROR_TEXT_BYTES_MAX);
};

/** The statement runs under a release that goes so far and no farther; null: it goes to its end. */
export const permit = (s: State, entry: Entry, release: Release | null): Meter | null => {
  const permitted = release?.permitted ?? null;
  if (permitted === null) return null;
  limit(s, entry, permitted.meter);
  permitted.onGone = () => {
    // What it is behind of is over first; then its first row stops it.
    const its = s.limiting === null && !s.closed ? s.replies.counted(permitted.meter) : null;
    if (its !== null) pause(s, its);
  };
  return permitted.meter;
};

/** The next row of this statement is too much: the server is not read until somebody has said what becomes of it. */
export const pause = (s: State, entry: Entry): void => {
  const meter = entry.meter as Meter;
  s.pace.stopServer();
  const hold = new Hold(meter.judge(), [], s.limits.heartbeat_ms, {
    notice: (text) => notice(s, text),
    heartbeat: (words) => notice(s, words.heartbeat()),
    said: (text, words) => notice(s, text ?? words.heartbeat()),
    waiting: () => {
      s.pace.readClient();
      watchPaused(s);
    },
    answered: (answer) => {
      if (answer.type === 'run') letPass(s, entry, meter, answer);
      else cut(s, entry, meter, answer.text);
      s.pace.letServerGoOn();
      s.relay();
      s.goOn();
    },
    failed: (what, error) => broken(s, what, error),
    fault: (what, error) => s.events.fault(what, error),
  });
  s.limiting = { name: 'paused', hold };
};

const letPass = (
  s: State,
  entry: Entry,
  meter: Meter,
  { release, cancelled }: Extract<Answer, { type: 'run' }>,
): void => {
  s.limiting = null;
  meter.lift();
  if (entry.portal) entry.portal.release = release;
  else s.accounts.query(release);
  if (cancelled) setImmediate(() => cancel(s));
};

const cut = (s: State, entry: Entry, meter: Meter, text: WireText): void => {
  const stopped = withServers(text, STOPPED);
  const cutting: Cutting = {
    name: 'cutting',
    stopped,
    completed: withServers(text, (entry.plan?.statements ?? 1) > 1 ? ALL_COMPLETED : COMPLETED),
    failed: withServers(text, FAILED),
    meter,
    told: false,
    cancelling: false,
  };
  s.limiting = cutting;
  entry.refusal = stopped;
  // The client's Sync may be among what is not read.
  if (!s.replies.synced) s.toServer.write(FLUSH);
  // A cancel hits what runs when it comes: only this statement can, or what falls with it.
  if (meter.withholds || !s.replies.onePipeline) return;
  cutting.cancelling = true;
  s.toServer.flush();
  void s.upstream.cancel().then(() => {
    cutting.cancelling = false;
    if (s.limiting !== cutting) return;
    s.pace.letServerGoOn();
    s.relay();
  });
};

/** What the server said is told behind our own words. */
const withServers = (text: WireText, said: string): WireText => ({
  ...text,
  detail: text.detail === undefined ? said : `${text.detail} ${said}`,
});
const STOPPED = 'The database server stopped the statement.';
const ALL_COMPLETED =
  'Every statement of the message completed on the database server; the rest of the rows was withheld.';
const FAILED =
  'The statement completed on the database server; the rest of its rows was withheld. With this error its transaction fails.';
const COMPLETED = 'The statement completed on the database server; the rest of its rows was withheld.';

/** The server has completed what was to be stopped, and everything behind it up to its Sync, whose status this is. What the client gets. */
export const completedWithSync = (s: State, { completed, failed }: Cutting, status: number): Buffer | false => {
  s.limiting = null;
  if (status === IDLE) return Buffer.concat([errorResponse(completed), readyForQuery(status)]);
  // The server's block must fail as well; its own status comes with that. Nothing else was sent: a block makes what follows wait.
  if (s.replies.length > 0) {
    broken(s, 'a statement was sent behind a limited one in a block', undefined);
    return false;
  }
  s.toServer.write(Buffer.concat([REFUSED_PARSE, SYNC]));
  s.replies.push(PARSE, null, null, null, 0).refusal = failed;
  s.replies.push(SYNC_OP, null, null, null, 0);
  s.pipelineEnds(SYNC_OP);
  s.phase = SETTLING;
  return false;
};

/** The same where no Sync was sent yet: what was executed since the last one must fail with it. */
export const completedWithoutSync = (s: State, { failed }: Cutting): void => {
  s.limiting = null;
  s.toServer.write(Buffer.concat([REFUSED_PARSE, FLUSH]));
  s.replies.push(PARSE, null, null, null, 0).refusal = failed;
  s.phase = DISCARDING;
};
