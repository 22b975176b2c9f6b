// The simple protocol's two messages that run something. Everything before is answered first, so the server has nothing else under way.
import { performance } from 'node:perf_hooks';
import { IDLE, latin1, readFunctionCall } from '../../wire/postgres/messages.ts';
import { decodeParameters } from '../../wire/postgres/parameters.ts';
import type { BoundParameter, Meter, Plan, Release } from '../gate.ts';
import { ownQuery } from './batch.ts';
import { decide } from './decide.ts';
import { limit, meterOf, permit } from './limit.ts';
import { dropUnnamed, malformed, refuseOrWait } from './refuse.ts';
import { type Entry, QUERY } from './replies.ts';
import { SETTLING, type State, type Step } from './state.ts';
import { MALFORMED, tooLarge, UNSYNCED } from './texts.ts';
import { settle } from './wait.ts';

const NO_TYPES: readonly number[] = [];

export const onQuery = (s: State): Step => {
  const { buffer, start, end } = s.in;
  if (s.replies.length > 0) return settle(s);
  if (end - start - 6 > s.limits.statement_bytes_max)
    return refuseOrWait(s, 'simple', tooLarge('statement', s.limits.statement_bytes_max));
  if (buffer.indexOf(0, start + 5) !== end - 1) return refuseOrWait(s, 'simple', MALFORMED);
  const text = latin1(buffer, start + 5, end - 1);
  const decided = decide(s, 'query', text, NO_TYPES);
  if ('step' in decided) return decided.step;
  const plan = decided.plan;
  if (plan.own.length === plan.statements && plan.statements > 0) return ownQuery(s, plan);
  if (plan.forward !== null) buffer.write(plan.forward, start + 5, 'latin1');
  const { release } = decided;
  if (isUnsynced(s, plan, release)) return refuseOrWait(s, 'simple', UNSYNCED);
  const now = performance.now();
  const meter = counted(s, s.replies.push(QUERY, plan, null, null, now), plan, release);
  s.accounts.query(release);
  s.sent(plan, now);
  s.pipelineEnds(QUERY);
  // A simple Query drops the unnamed statement and portal.
  dropUnnamed(s);
  const unnamed = s.names.portals.get('');
  if (unnamed) s.accounts.endPortal(unnamed);
  s.names.portals.delete('');
  // In a block nothing behind it may run: it must fail if this is cut.
  if (plan.copy_in || (meter !== null && s.in_transaction)) {
    s.toServer.keep();
    s.phase = SETTLING;
    return 'drop';
  }
  return 'keep';
};

export const onFunctionCall = (s: State): Step => {
  const { buffer, start, end } = s.in;
  if (s.replies.length > 0) return settle(s);
  if (end - start > s.limits.bind_bytes_max)
    return refuseOrWait(s, 'simple', tooLarge('FunctionCall message', s.limits.bind_bytes_max));
  const call = readFunctionCall(buffer, start, end);
  if (!call) return malformed(s, 'FunctionCall');
  const decided = decide(s, 'call', `FunctionCall ${call.oid}`, NO_TYPES, call.oid);
  if ('step' in decided) return decided.step;
  const now = performance.now();
  const { plan, release } = decided;
  if (isUnsynced(s, plan, release)) return refuseOrWait(s, 'simple', UNSYNCED);
  const parameters = () => decodeParameters(call, NO_TYPES);
  const meter = counted(s, s.replies.push(QUERY, plan, null, null, now), plan, release, parameters);
  s.accounts.query(release);
  s.sent(plan, now);
  s.pipelineEnds(QUERY);
  if (meter === null || !s.in_transaction) return 'keep';
  s.toServer.keep();
  s.phase = SETTLING;
  return 'drop';
};

/** Its cut could take along what was executed before it. */
const isUnsynced = (s: State, plan: Plan, release: Release | null): boolean => {
  const stoppable = plan.limited || (release?.permitted ?? null) !== null;
  if (!stoppable || !s.executedSinceSync || s.status !== IDLE) return false;
  release?.unsent();
  return true;
};

/** What is sent now is counted, if anything limits it. */
const counted = (
  s: State,
  entry: Entry,
  plan: Plan,
  release: Release | null,
  parameters?: () => readonly BoundParameter[],
): Meter | null => {
  if (release !== null) return permit(s, entry, release);
  const meter = meterOf(s, plan, null, parameters);
  limit(s, entry, meter);
  return meter;
};
