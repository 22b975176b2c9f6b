// When a limit on results has to be judged: while the rows pass, or before the statement runs. One that writes cannot be stopped
// half-way, as its rows come when it has all happened; nor can one behind which its message writes, or ends a transaction that was open.
// RETURNING is mostly of a single row, which no text tells: to ask before it runs would hold an ORM's every UPDATE. So it is counted, and the rest
// of its result withheld.
// Source: design, "Result limits"; DELETE ... RETURNING had committed when its 100th row came.
import type { Action } from '../sql/findings.ts';
import type { PolicyQuestion } from './types.ts';

/** What leaves nothing behind when it is cut short. */
const STOPPABLE: ReadonlySet<Action> = new Set(['read', 'export', 'settings', 'transaction']);

/**
 * A limit of so many rows (null: of bytes alone) on this statement of the message. 'in-stream': its rows are stopped at the cap;
 * 'before': judged before it runs; 'withheld': it returns what it changes, which is all done by then: it runs to its end, and beyond the cap
 * its rows do not pass; 'counts-only': it writes, but cannot return more rows than that.
 */
export function upFront(
  { analysis, session }: PolicyQuestion,
  index: number,
  rows: number | null,
): 'in-stream' | 'before' | 'withheld' | 'counts-only' | 'returns-nothing' {
  const { statements, findings } = analysis;
  const statement = statements[index];
  if (!statement) return 'in-stream';
  const { rows_max, folds_rows, cursor } = statement;
  // A cursor's rows come later, by FETCH: its limit goes with it.
  if (rows_max === 0 && cursor?.op !== 'open') return 'returns-nothing';
  // What stands before it is told by the server's word; what comes behind it must not be decided by a cut that comes too late.
  const writes = findings.some(
    // What becomes of the session's own tables is nobody else's affair.
    ({ action, object, statement: at }) => at >= index && !STOPPABLE.has(action) && !object.startsWith('pg_temp.'),
  );
  if (!writes && !endsTransaction(analysis, index, session.in_transaction)) return 'in-stream';
  const few = rows_max !== null && !folds_rows && rows_max <= (rows ?? 1);
  if (few) return 'counts-only';
  return statement.returns_written ? 'withheld' : 'before';
}

/** Does a later statement of the message end a transaction that was open before it? What that holds must not be decided by a cut. */
function endsTransaction({ effects }: PolicyQuestion['analysis'], index: number, in_transaction: boolean): boolean {
  let open = in_transaction;
  for (const effect of effects) {
    if (effect.type !== 'transaction') continue;
    const ends = effect.op === 'commit' || effect.op === 'rollback' || effect.op === 'prepare-transaction';
    if (ends && open && effect.statement > index) return true;
    if (ends) open = false;
  }
  return false;
}
