// What follows from the server's word that a command has ended: who is told, what the session has now, and what a reviewer of this
// transaction's next statement is shown of it. Sends nothing. Must never report a release twice, nor forget one.
import { performance } from 'node:perf_hooks';
import { isReadable } from '../../wire/mysql/charsets.ts';
import { COM } from '../../wire/mysql/commands.ts';
import { readChanges, STATUS_FLAGS, TRACK } from '../../wire/mysql/replies.ts';
import type { Plan } from '../gate.ts';
import { TRACKED } from './facts.ts';
import { apply, reset } from './own.ts';
import { Prepared } from './prepared.ts';
import { NO_TABLES, type State } from './state.ts';

/** Statements of an open transaction that a reviewer is shown, and bytes of their texts. */
const EARLIER_MAX = 100;
const EARLIER_BYTES_MAX = 1024 * 1024;
/** Temporary tables that are kept in mind; of more, the others count as any table. */
const TEMPORARIES_MAX = 100;
const OK_TAG = 'OK';
/** The tag of a statement whose client or server went away before its end. */
const UNKNOWN_TAG = 'unknown';
const { timeOrigin } = performance;

/** One result has ended: its packet is what `out` found last. False: the session cannot go on under what it told. */
export const resultEnded = (s: State): boolean => {
  const { reply } = s;
  s.untracked ||= !reply.tracked;
  s.rows += reply.hadRows ? 0 : reply.affected;
  if (!reply.failed) s.status = reply.status;
  if (reply.changesTo === 0) return true;
  const { body } = s.out;
  let sound = true;
  const read = readChanges(body, reply.changesFrom, reply.changesTo, (kind, name, value) => {
    s.told ||= kind === TRACK.SCHEMA || TRACKED.includes(name);
    if (kind === TRACK.SCHEMA) s.change({ database: value === '' ? null : value });
    else if (name === 'sql_mode') s.change({ sql_mode: value });
    else if (name === 'character_set_client') {
      s.change({ charset: value.toLowerCase() });
      sound &&= isReadable(value.toLowerCase());
    }
    // A list without ours would tell nothing any more.
    else if (name === 'session_track_system_variables') s.factsKnown = false;
  });
  return read && sound;
};

/** The reply is complete: accounts for the command and follows its effects. `cut`: the rest was withheld, and the client got this instead. */
export const ended = (s: State, cut: string | null = null): void => {
  const { plan, reply } = s;
  const sqlstate = cut ?? (reply.failed ? sqlstateOf(s) : null);
  followCommand(s);
  if (plan !== null) {
    const now = performance.now();
    const started = timeOrigin + s.sent;
    if (s.release)
      s.release.finished({
        tag: sqlstate === null ? OK_TAG : null,
        sqlstate,
        rows: s.rows,
        bytes: s.bytes,
        duration_ms: now - s.sent,
      });
    else s.gate.ran(plan, started, sqlstate ?? OK_TAG, s.rows, s.bytes, (now - s.sent) * 1000);
    // What is only prepared has done nothing.
    follow(s, plan, sqlstate !== null || s.preparing !== null);
    if ((s.status & STATUS_FLAGS.IN_TRANS) === 0) {
      if (s.earlier.length > 0) s.earlier = [];
    } else if (earlierFits(s, plan.text)) s.earlier.push({ sql: plan.text, at: started, outcome: sqlstate ?? OK_TAG });
  }
  nothingUnderWay(s);
};

/** The connection ends before the reply does. */
export const abandoned = (s: State): void => {
  const { plan, release } = s;
  if (release) release.finished(null);
  else if (plan)
    s.gate.ran(plan, timeOrigin + s.sent, UNKNOWN_TAG, s.rows, s.bytes, (performance.now() - s.sent) * 1000);
  nothingUnderWay(s);
};

const nothingUnderWay = (s: State): void => {
  s.plan = null;
  s.release = null;
  s.meter = null;
  s.preparing = null;
  s.executing = null;
  s.command = 0;
  s.ahead = 0;
  s.values = NO_VALUES;
};

const NO_VALUES: readonly (string | null)[] = [];

/** What the statement's text changes of the session. */
const follow = (s: State, plan: Plan, failed: boolean): void => {
  const { reply } = s;
  if (plan.opaque || plan.changes_role || (plan.changes_facts && !isTold(s, plan))) s.factsKnown = false;
  if (((s.status & STATUS_FLAGS.NO_BACKSLASH_ESCAPES) !== 0) !== s.noEscapes) s.factsKnown = false;
  followNames(s, plan);
  if (plan.changes_catalog !== null) s.catalog_changes++;
  if (plan.temporary.length > 0 || plan.opaque) followTemporary(s, plan, failed);
  if (reply.failed) return;
  for (const command of plan.own) apply(s, command, s.values);
  if (plan.resets) reset(s);
};

/**
 * Has the server told what became of the facts? Not of a list that it was told not to tell of any more, and what a name of SQL PREPARE says is
 * not in the text.
 */
const isTold = (s: State, plan: Plan): boolean =>
  s.tracks && !s.untracked && s.told && !plan.by_name && !/session_track/i.test(plan.text);

/** Names of SQL PREPARE. Which statement of several has failed is not told: each name may mean what it meant, something else, or nothing. */
const followNames = (s: State, plan: Plan): void => {
  // A procedure may have put other statements under the names that are known.
  if (plan.opaque) {
    s.names.clear();
    s.namesSure = false;
  }
  for (const effect of plan.names) {
    const name = effect.name?.toLowerCase();
    if (name === undefined) s.names.clear();
    else if (effect.type === 'prepare' && !s.reply.failed) s.names.set(name, { inner: effect.inner, text: plan.text });
    else s.names.delete(name);
    if (s.reply.failed) s.namesSure = false;
  }
};

/**
 * Temporary tables. One is certain only after the word that all of its text succeeded; of several statements with an error among them nobody
 * tells which have run. A name that goes takes along those that differ in case alone, which some servers do not tell apart.
 */
const followTemporary = (s: State, { temporary, opaque }: Plan, failed: boolean): void => {
  let tables = opaque ? NO_TABLES : s.temporaries;
  for (const { op, table } of temporary) {
    if (table === null) tables = NO_TABLES;
    else {
      tables = tables.filter((other) => other.toLowerCase() !== table.toLowerCase());
      if (op === 'made' && !failed && tables.length < TEMPORARIES_MAX) tables = [...tables, table];
    }
  }
  s.temporaries = tables;
};

/** What the command itself does. */
const followCommand = (s: State): void => {
  const { reply } = s;
  if (s.preparing !== null) {
    if (reply.failed) s.statements.noLast();
    else s.statements.add(new Prepared(reply.statement, s.preparing, reply.parameters, s.now));
    return;
  }
  if (reply.failed) return;
  switch (s.command) {
    case COM.INIT_DB:
      if (s.untracked || !s.tracks) s.factsKnown = false;
      return;
    case COM.SET_OPTION:
      s.multi_statements = s.option;
      return;
    case COM.RESET_CONNECTION:
      s.factsKnown = s.tracking = false;
      s.statements.clear();
      s.names.clear();
      s.namesSure = true;
      s.earlier = [];
      s.temporaries = NO_TABLES;
      reset(s);
      return;
    case COM.STMT_EXECUTE: {
      const { executing } = s;
      if (executing === null) return;
      // Its rows are taken by COM_STMT_FETCH.
      const cursor = (reply.status & STATUS_FLAGS.CURSOR_EXISTS) !== 0;
      executing.plan = cursor ? s.plan : null;
      executing.meter = cursor ? s.meter : null;
      executing.permitted = cursor ? (s.release?.permitted ?? null) : null;
      return;
    }
  }
};

const sqlstateOf = ({ reply, out }: State): string =>
  reply.sqlstateAt < 0 ? 'HY000' : out.body.toString('latin1', reply.sqlstateAt, reply.sqlstateAt + 5);

const earlierFits = (s: State, text: string): boolean => {
  if (s.earlier.length >= EARLIER_MAX) return false;
  return s.earlier.reduce((sum, { sql }) => sum + sql.length, text.length) <= EARLIER_BYTES_MAX;
};
