// How much of what a client sends is kept while it can't be handled: a client that sends more is not read until it can.
// While a person decides it is read all the same, since it may leave; then what it sends is bounded by ending the hold.
import { FRONTEND } from '../../wire/postgres/messages.ts';
import { clientLeft } from './end.ts';
import type { Phase, State } from './state.ts';

/** To be called whenever bytes came, or whoever waited goes on. */
export const watchBacklog = (s: State): void => {
  const { phase } = s;
  if (phase.name === 'closed') return;
  if (phase.name === 'held' && phase.waiting) return watchHeld(s);
  if (s.limiting?.name === 'paused') return watchPaused(s);
  s.pace.watch(WAITING.has(phase.name) || s.limiting !== null, s.in.unread > s.limits.backlog_bytes_max);
};

/** While a result waits at its limit: the same. */
export const watchPaused = (s: State): void => {
  const { limiting } = s;
  if (limiting?.name !== 'paused' || !limiting.hold.waiting) return;
  let terminate = false;
  s.in.peek((type, start, end) => {
    terminate = type === FRONTEND.Terminate && end - start === 5;
    return !terminate;
  });
  if (terminate) return clientLeft(s);
  if (s.in.unread > s.limits.held_bytes_max) limiting.hold.end('overflow');
};

/** While its statement is held the client is still read: it may leave, or send more than it should. */
export const watchHeld = (s: State): void => {
  const { phase } = s;
  if (phase.name !== 'held' || !phase.waiting) return;
  let terminate = false;
  let first = true;
  s.in.peek((type, start, end) => {
    // The first message is the held one itself.
    if (!first && type === FRONTEND.Terminate && end - start === 5) terminate = true;
    first = false;
    return !terminate;
  });
  if (terminate) return clientLeft(s);
  if (s.in.unread - (s.in.length + 1) > s.limits.held_bytes_max) phase.end('overflow');
};

const WAITING: ReadonlySet<Phase['name']> = new Set(['settling', 'rereading', 'judging', 'calling', 'held']);
