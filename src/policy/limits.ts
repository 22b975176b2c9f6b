// When a limit on results has to be judged: while the rows pass, or before the statement runs. One that writes cannot be stopped
// half-way, as its rows come when it has all happened; nor can one behind which its message writes, or ends a transaction that was open.
// Source: design, "Result limits"; DELETE ... RETURNING had committed when its 100th row came.
import type { Action } from '../sql/findings.ts';
import type { PolicyQuestion } from './types.ts';

/** What leaves nothing behind when it is cut short. */
const STOPPABLE: ReadonlySet<Action> = new Set(['read', 'export', 'settings', 'transaction']);

/**
 * A limit of so many rows (null: of bytes alone) on this statement of the message. 'in-stream': its rows are stopped at the cap;
 * 'before': judged before it runs; 'counts-only': it writes, but cannot return more rows than that.
 */
export function upFront(
  { analysis, session }: PolicyQuestion,
  index: number,
  rows: number | null,
): 'in-stream' | 'before' | 'counts-only' | 'returns-nothing' {
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
  return few ? 'counts-only' : 'before';
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
