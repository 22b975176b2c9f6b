// Waiting for the server: until everything sent is answered, or until it has told the facts anew that names and timeouts depend on.
// Holdpoint's own questions (facts.ts) stand among the client's messages; the client must never see them, nor their answers.
//
//   settle: Flush, or a Sync of ours where that loses nothing --> SETTLING --> goOnAfterReplies (server.ts) --> the message is read again
//   reread: SHOW ...; Flush or Sync --> Rereading --> ownRow, ownCompleted, ownFailed --> rereadEnded --> the message is read again
//   rereadHeld: the same for a statement that is about to be let through --> rereadEnded --> Hold.looked
//   the catalog could not be read in a block --> back to the savepoint before it --> rereadEnded
import { performance } from 'node:perf_hooks';
import { FRAME } from '../../wire/postgres/frame.ts';
import { FAILED_BLOCK, FLUSH, FRONTEND, IDLE, IN_BLOCK, readyForQuery, SYNC } from '../../wire/postgres/messages.ts';
import type { Hold } from '../hold.ts';
import { violation } from './end.ts';
import { least, reading, readTimeout, takingBack } from './facts.ts';
import { type Op, OWN_SYNC, QUERY, SYNC as SYNC_OP } from './replies.ts';
import {
  type CatalogQuestion,
  DISCARDING,
  type Facts,
  FACTS,
  OPEN,
  type Rereading,
  SETTLING,
  type State,
  type Step,
} from './state.ts';
import { GUARDED_SETTING } from './texts.ts';

/** Waits until everything sent has been answered; makes the server answer where nothing else does. */
export const settle = (s: State): Step => {
  const { last } = s.replies;
  if (last !== QUERY && last !== SYNC_OP && last !== OWN_SYNC) answerNow(s);
  s.phase = SETTLING;
  return 'wait';
};

/** Without bound or executed work a Sync of ours loses nothing, and leaves no lock while somebody thinks. */
const answerNow = (s: State): void => {
  if (s.boundSinceSync || s.executedSinceSync) {
    s.toServer.write(FLUSH);
    return;
  }
  sync(s);
};

/** Reads the facts anew, once everything before is answered. */
export const reread = (s: State): Step => {
  if (s.replies.length > 0) return settle(s);
  readAnew(s, null);
  return 'wait';
};

/** What a statement that was approved would mean now hangs on them, and on what the session has alone. */
export const rereadHeld = (s: State, hold: Hold): void => {
  // Nothing can be asked in a failed block, and nothing runs there.
  if (s.replies.length > 0 || s.status === FAILED_BLOCK) return hold.looked();
  // What is this session's alone may have been dropped by others, and leaves no trace in what all see. To read it takes a snapshot, as the
  // statement will.
  if (s.catalog_is_own && (s.status === IDLE || s.queried || hold.queries)) s.ownCatalogRead = null;
  readAnew(s, hold);
};

const readAnew = (s: State, hold: Hold | null): void => {
  const asked = s.first ? 'user-schema' : s.namesDoubted ? 'sql-names' : 'none';
  const catalog = s.first === null && s.wantsCatalog ? s.gate.catalogQuery : null;
  const savepoint = s.status === IN_BLOCK;
  const { names, before, bytes, ops } = reading(s.upstream.serverVersion, asked, catalog, savepoint);
  ask(s, bytes, ops);
  answerNow(s);
  if (catalog !== null) s.takesSnapshot();
  const question =
    catalog === null
      ? null
      : { query: catalog, changes: s.catalog_changes, mark: s.gate.catalogMark(), before, savepoint, failed: false };
  s.phase = { name: 'rereading', names, catalog: question, values: [], row: NO_ROW, error: null, hold };
};

const ask = (s: State, bytes: Buffer, ops: readonly Op[]): void => {
  s.toServer.write(bytes);
  for (const op of ops) s.replies.push(op, null, null, null, 0);
};

const sync = (s: State): void => {
  s.toServer.write(SYNC);
  s.replies.push(OWN_SYNC, null, null, null, 0);
  s.sentSinceSync = false;
};

/** A DataRow that answers us; `first`: else it goes on with the one before. The bytes are copied: a slab would be kept whole. */
export const ownRow = (s: State, bytes: Buffer, first: boolean): void => {
  const { phase } = s;
  if (phase.name !== 'rereading') return;
  if (first) phase.row = [Buffer.from(bytes)];
  else phase.row.push(Buffer.from(bytes));
};

/** One of our questions is answered. */
export const ownCompleted = (s: State): void => {
  const { phase } = s;
  if (phase.name !== 'rereading') return;
  phase.values.push(firstColumn(Buffer.concat(phase.row)));
  phase.row = NO_ROW;
};

/** The server's error to one of our questions. */
export const ownFailed = (s: State, error: Buffer): void => {
  if (s.phase.name === 'rereading') s.phase.error = Buffer.from(error);
};

/** Everything sent is answered, our questions too. */
export const rereadEnded = (s: State, phase: Rereading): void => {
  const { error, catalog, values, names } = phase;
  if (error === null) return rereadDone(s, phase);
  if (catalog === null || catalog.failed || values.length < names.length) return rereadFailed(s, phase, error);
  // Nothing else is lost where the catalog alone could not be read: what users made is unknown then.
  if (catalog.savepoint && values.length > catalog.before) return takeBack(s, { ...phase, catalog });
  if (s.status === IDLE && !s.sentSinceSync) return rereadDone(s, phase);
  rereadFailed(s, phase, error);
};

/** The server skips what it is sent up to a Sync, which ends no block. */
const takeBack = (s: State, phase: Rereading & { readonly catalog: CatalogQuestion }): void => {
  if (s.status !== FAILED_BLOCK) sync(s);
  const { bytes, ops } = takingBack();
  ask(s, bytes, ops);
  sync(s);
  s.phase = { ...phase, catalog: { ...phase.catalog, failed: true }, error: null };
};

const rereadDone = (s: State, phase: Rereading): void => {
  const value = (name: string): string | null => phase.values[phase.names.indexOf(name)] ?? null;
  const facts: Facts = {
    search_path: value('search_path'),
    role: value('role'),
    session_authorization: value('session_authorization'),
  };
  if (FACTS.some((name) => facts[name] !== s.facts[name])) s.epoch++;
  s.facts = facts;
  s.search_path_start ??= facts.search_path;
  const inBlock = s.status !== IDLE || s.executedSinceSync;
  s.server_timeout_ms = least(
    inBlock ? readTimeout(value('idle_in_transaction_session_timeout') ?? '0') : null,
    inBlock ? leftOf(s, readTimeout(value('transaction_timeout') ?? '0')) : null,
    inBlock ? null : readTimeout(value('idle_session_timeout') ?? '0'),
  );
  if (value('standard_conforming_strings') !== 'on' || !isUtf8Name(value('client_encoding') ?? ''))
    return violation(s, 'a setting that Holdpoint depends on was changed behind its back', GUARDED_SETTING);
  s.factsKnown = true;
  s.fresh = true;
  s.barrier = false;
  const [...answers] = phase.values.slice(phase.names.length);
  const { catalog } = phase;
  if (catalog) {
    // Behind the answer of what else was asked: perhaps a savepoint, settings put aside, the catalog, the settings put back.
    const own = answers.splice(s.namesDoubted ? 1 : 0);
    const [isolation, rows = null] = own.slice(catalog.savepoint ? 1 : 0);
    const { temporary, whole, alone } = s.gate.ownCatalog(catalog.query, phase.error || catalog.failed ? null : rows);
    s.hasTemporary = temporary;
    const again_at = whole ? Number.POSITIVE_INFINITY : performance.now() + AGAIN_MS;
    // The server looks names up in what others have made since, the query does not see it.
    const fixed = alone && (inBlock || s.boundSinceSync) && !SEES_OTHERS.has(isolation ?? '');
    // A hold or a refusal may come of the catalog that was read before.
    if (s.judged?.verdict?.type !== 'pass') s.judged = null;
    s.ownCatalogRead = { changes: catalog.changes, mark: fixed ? s.queriedMark : catalog.mark, again_at, fixed };
  }
  const answer = answers[0] ?? null;
  if (s.first) {
    s.firstRole = s.role;
    s.firstRoleHasSchema = answer?.startsWith('t') === true;
    s.temporaryBegan = answer?.slice(1) !== '0';
    return s.first();
  }
  if (answer !== null) {
    s.names.replaced(answer);
    s.namesDoubted = false;
  }
  if (phase.hold === null) return s.resume(phase);
  // It is read once more when it is let through, which may take its time.
  s.fresh = false;
  s.phase = phase.hold;
  phase.hold.looked();
};

/** transaction_isolation: each query has a snapshot of its own. */
const SEES_OTHERS: ReadonlySet<string> = new Set(['read committed', 'read uncommitted']);

/** A catalog that lacks something, since somebody has locked a table, is read again with the next statement after this time. */
const AGAIN_MS = 1000;

/** Of a time that runs since the transaction began. */
const leftOf = (s: State, timeout_ms: number | null): number | null =>
  timeout_ms === null ? null : Math.max(0, timeout_ms - (performance.now() - s.begun));

/** Our own SHOW failed (a cancel hit it, the transaction was ended): the client's message gets that error. */
const rereadFailed = (s: State, { hold }: Rereading, error: Buffer): void => {
  if (s.first) return s.first();
  hold?.leave('upstream-gone');
  s.dropReady();
  s.cancelled = false;
  s.toClient.write(error);
  const simple = s.in.next() === FRAME && s.in.type === FRONTEND.Query;
  if (simple) {
    // The server waits for a Sync; its answer ends the client's Query.
    if (s.replies.length === 0 && s.sentSinceSync) {
      s.toServer.write(SYNC);
      s.replies.push(SYNC_OP, null, null, null, 0);
    } else s.toClient.write(readyForQuery(s.status));
    s.pipelineEnds(SYNC_OP);
    s.phase = OPEN;
  } else {
    s.in.unread_last();
    s.phase = DISCARDING;
  }
  s.goOn();
};

/** The server keeps the name as it was written: 'UTF8', 'utf-8' and 'UNICODE' are one encoding. */
export const isUtf8Name = (name: string): boolean => /^(UTF8|UNICODE)$/i.test(name.replace(/[^A-Za-z0-9]/g, ''));

const NO_ROW: Buffer[] = [];

/** The text of the first column of a DataRow; '' for NULL. */
const firstColumn = (row: Buffer): string => {
  const length = row.length >= 11 ? row.readInt32BE(7) : -1;
  return length < 0 ? '' : row.toString('utf8', 11, 11 + length);
};
