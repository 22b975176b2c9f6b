// How much of what a client sends is kept while it can't be handled: a client that sends more is not read until it can.
// While a person decides it is read all the same, since it may leave; then what it sends is bounded by ending the hold.
import { COM } from '../../wire/mysql/commands.ts';
import { HEADER_BYTES } from '../../wire/mysql/frame.ts';
import { clientLeft } from './end.ts';
import type { State } from './state.ts';

/** To be called whenever bytes came, or whoever waited goes on. */
export const watchBacklog = (s: State): void => {
  const { phase } = s;
  if (phase.name === 'closed') return;
  if (phase.name === 'held' && phase.waiting) return watchHeld(s);
  if (s.limiting?.name === 'paused') return watchPaused(s);
  const waiting = phase.name === 'open' ? s.interrupting > 0 : phase.name !== 'importing';
  s.pace.watch(waiting || s.limiting !== null, s.in.unread > s.limits.backlog_bytes_max);
};

/** While its statement is held the client is still read: it may leave, or send more than it should. */
export const watchHeld = (s: State): void => {
  const { phase } = s;
  if (phase.name !== 'held' || !phase.waiting) return;
  // The first message is the held one itself.
  const held = s.in.end - s.in.start;
  if (saysGoodbye(s, held)) return clientLeft(s);
  if (s.in.unread - held > s.limits.held_bytes_max) phase.end('overflow');
};

/** While a result waits at its limit: the same. */
export const watchPaused = (s: State): void => {
  const { limiting } = s;
  if (limiting?.name !== 'paused' || !limiting.hold.waiting) return;
  if (saysGoodbye(s, 0)) return clientLeft(s);
  if (s.in.unread > s.limits.held_bytes_max) limiting.hold.end('overflow');
};

/** COM_QUIT is among what is unread, behind so many bytes. */
const saysGoodbye = (s: State, behind: number): boolean => {
  let goodbye = false;
  let bytes = 0;
  s.in.peek((start, end) => {
    bytes += end - start;
    if (bytes > behind && end - start === HEADER_BYTES + 1) goodbye = s.in.buffer[start + HEADER_BYTES] === COM.QUIT;
    return !goodbye;
  });
  return goodbye;
};
