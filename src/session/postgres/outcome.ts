// What follows from the server's word that something has ended, or will not be done: who is told, what has other names or settings now,
// and what a reviewer of this transaction's next statement is shown of it. Sends nothing.
import type { Plan } from '../gate.ts';
import { IDLE, IN_BLOCK } from '../../wire/postgres/messages.ts';
import { NOT_RUN } from '../hold.ts';
import { CERTAIN } from './names.ts';
import { reset } from './own.ts';
import { type Entry, EXECUTE } from './replies.ts';
import { DISCARDING, type State } from './state.ts';

/** Statements of an open transaction that a reviewer is shown, and bytes of their texts. */
const EARLIER_MAX = 100;
const EARLIER_BYTES_MAX = 1024 * 1024;

/** A statement has ended: accounts for it. Exactly one of tag and sqlstate is set. */
export const ended = (s: State, head: Entry, tag: string | null, sqlstate: string | null): void => {
  const { plan, op } = head;
  if (!plan) return;
  const at = s.accounts.ended(head, plan, tag, sqlstate);
  follow(s, plan, op, tag, sqlstate);
  for (const use of plan.cursors) {
    if (tag === null) s.cursors.perhaps(use, head.meter);
    else s.cursors.done(use, head.meter);
  }
  // What a portal without a name has brought, it brings no more.
  if (head.portal?.meter && s.names.portals.get('') === head.portal) head.portal.meter = null;
  const open = s.in_transaction || s.status !== IDLE || s.executedSinceSync;
  if (tag !== null && plan.block === 'closed') s.earlier = [];
  else if (open && !isDeallocate(plan) && earlierFits(s, plan.text))
    s.earlier.push({ sql: plan.text, at, outcome: sqlstate ?? tag ?? '' });
};

const earlierFits = (s: State, text: string): boolean => {
  if (s.earlier.length >= EARLIER_MAX) return false;
  return s.earlier.reduce((sum, { sql }) => sum + sql.length, text.length) <= EARLIER_BYTES_MAX;
};

/** What a finished statement changed: names of SQL PREPARE, settings told to Holdpoint, the block. */
const follow = (s: State, plan: Plan, op: number, tag: string | null, sqlstate: string | null): void => {
  const done = sqlstate === null ? plan.statements : s.queryDone;
  for (const effect of plan.names) {
    if (effect.statement > done) break;
    // The one that failed: a commit that fails behind it does not take names back.
    if (effect.statement === done) {
      const commits = s.status === IDLE && plan.statements > 1;
      if (commits || !NAME_UNCHANGED.has(sqlstate ?? '')) s.names.doubt(effect.name);
    } else if (effect.type === 'prepare')
      s.names.setStatement(effect.name, {
        plan: null,
        inner: effect.inner,
        text: plan.text,
        types: [],
        local: false,
        epoch: s.epoch,
        // In a message that makes temporary objects too, perhaps before them.
        planned: s.temporaryBegan ? s.catalog_changes - (plan.statements > 1 ? 1 : 0) : null,
        pipeline: CERTAIN,
      });
    else if (effect.name !== null) s.names.setStatement(effect.name, undefined);
    else s.names.forgetAll();
  }
  if (tag === null) return;
  if (plan.resets) reset(s, 'all');
  if (op === EXECUTE && plan.block !== null) s.status = plan.block === 'open' ? IN_BLOCK : IDLE;
};

/** A transaction's end closes its portals, all but those that a later one has made already. */
export const portalsEnded = (s: State): void => {
  const unnamed = s.names.portals.size === 1 ? s.names.portals.get('') : undefined;
  // Drivers bind the same again and again, so its entry stays: the server refuses to execute a portal that it has not.
  if (unnamed?.release === null && !unnamed.prepared.local) return;
  for (const [name, portal] of s.names.portals)
    if (portal.pipeline < s.replies.answered) {
      s.accounts.endPortal(portal);
      s.names.portals.delete(name);
    }
};

/** Takes back what the server skips. False: no Sync has been sent yet. */
export const skipToSync = (s: State, sqlstate: string): boolean =>
  s.replies.skipToSync((undo, newer) => {
    const portal = s.names.undo(undo, newer);
    // Let through with its Parse, which failed.
    portal?.release?.finished({ ...NOT_RUN, sqlstate });
  });

/** The server skips to the next Sync: so does what was waited for. */
export const discard = (s: State): void => {
  const { hold } = s;
  s.phase = DISCARDING;
  hold?.leave('upstream-gone');
  s.dropReady();
  s.cancelled = false;
  s.accounts.dropGrant();
};

/** After these PREPARE and DEALLOCATE have done nothing: a failed block, a name that is taken, one that is not there. */
const NAME_UNCHANGED: ReadonlySet<string> = new Set(['25P02', '42P05', '26000']);

/** Drivers forget a statement under a new name each time, which is no part of what a transaction did. */
const isDeallocate = ({ names, statements }: Plan): boolean =>
  statements === 1 && names.length === 1 && names[0]?.type === 'deallocate';
