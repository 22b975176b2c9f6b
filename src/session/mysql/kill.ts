// KILL of this session, by whoever may: what is judged or held ends here, what runs is the server's to end. Must never let a KILL QUERY hit another
// statement than the one it was meant for.
import { finish, tell } from './end.ts';
import type { State } from './state.ts';
import { KILLED } from './texts.ts';

/** KILL: the session ends, and with it what it waits for. */
export const kill = (s: State): void => {
  const { phase } = s;
  if (s.closed) return;
  if (phase.name === 'busy' || phase.name === 'importing') void s.upstream.cancel();
  tell(s, KILLED);
  finish(s, 'killed', 'cancelled');
};

/** KILL QUERY: what the session is at ends. */
export const killQuery = (s: State): void => {
  const { phase, limiting } = s;
  if (phase.name === 'held') phase.cancel();
  else if (limiting?.name === 'paused') limiting.hold.cancel();
  else if (phase.name === 'judging' || phase.name === 'rereading') {
    s.cancelled = true;
    if (phase.name === 'judging') s.resume(phase);
  } else if (limiting === null && (phase.name === 'busy' || phase.name === 'importing')) interrupt(s);
};

/** The server is told to end what it runs. Nothing else is sent until that is there, and a question of ours is the first thing behind it. */
export const interrupt = (s: State): void => {
  s.interrupting++;
  s.toServer.flush();
  void s.upstream.cancel().then(() => {
    s.interrupting--;
    s.factsKnown = false;
    s.killed = true;
    if (!s.closed) s.goOn();
  });
};
