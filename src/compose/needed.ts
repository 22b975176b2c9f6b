// What still needs the texts that were sealed in a period: requests that may yet be decided or run, permits in force. Reads the log and
// writes nothing. Must never leave out what a start would bring back to life.
import { apply, isTerminal, isUndecided } from '../approval/lifecycle.ts';
import type { ApprovalEvent, Request } from '../approval/types.ts';
import { readLog } from '../audit/read.ts';
import type { MasterKey } from '../audit/wrap.ts';
import type { Needed } from '../cli/ports.ts';
import { fromRecord, permitFromRecord } from '../gate/journal.ts';

interface Live {
  readonly request: Request;
  /** The month in which its text was sealed. */
  readonly period: string;
}

/** `dir`: the log's own folder. Rejects as `readLog` does. */
export async function neededTexts(dir: string, period: string, master_key: MasterKey | null): Promise<Needed> {
  const now = Date.now();
  const live = new Map<string, Live>();
  const permits = new Map<string, { readonly period: string; readonly until: number; uses: number }>();
  let sealed = 0;
  for await (const record of readLog(dir, { master_key })) {
    const month = record.time.slice(0, 7);
    if (record.sealed && month === period) sealed += 1;
    const event = fromRecord(record);
    if (event !== null) follow(live, event, month);
    const permit = permitFromRecord(record);
    if (permit?.type === 'permit_granted')
      permits.set(permit.permit.id, { period: month, until: permit.permit.until, uses: permit.permit.uses });
    else if (permit?.type === 'permit_revoked') permits.delete(permit.id);
    else if (permit?.type === 'permit_used') {
      const known = permits.get(permit.id);
      if (known) known.uses -= 1;
    }
  }
  return {
    sealed,
    requests: [...live.values()]
      .filter(({ request, period: of }) => of === period && mayYetRun(request, now))
      .map(({ request: { id, state } }) => ({ id, state })),
    permits: [...permits]
      .filter(([, { period: of, until, uses }]) => of === period && until > now && uses > 0)
      .map(([id]) => id),
  };
}

function follow(live: Map<string, Live>, event: ApprovalEvent, month: string): void {
  const id = event.type === 'opened' ? event.request.id : event.id;
  const known = live.get(id);
  if (known === undefined && event.type !== 'opened') return;
  const request = apply(known?.request, event);
  if (isTerminal(request.state)) live.delete(id);
  else live.set(id, { request, period: event.type === 'changed' ? month : (known?.period ?? month) });
}

/** What is over by the clock ends at the next start; what was released is never sent again. */
function mayYetRun({ state, deadline, use_until }: Request, now: number): boolean {
  return isUndecided(state) ? deadline > now : state === 'approved' && (use_until ?? 0) > now;
}
