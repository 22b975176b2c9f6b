// SELECT holdpoint.answer(...) and the like: the message at hand is answered when the gate has put on record what it says. Nothing of it
// reaches the server.
import { readyForQuery } from '../../wire/postgres/messages.ts';
import type { OwnCall } from '../gate.ts';
import { argumentsOf } from '../own-call.ts';
import { broken } from './end.ts';
import { answered } from './own.ts';
import { type Mode, refuse } from './refuse.ts';
import { CALLING, OPEN, type State, type Step } from './state.ts';

/** Everything before is answered. `values`: bound to its parameters. */
export const callOwn = (s: State, mode: Mode, command: OwnCall, values: readonly (string | null)[]): Step => {
  s.phase = CALLING;
  s.gate.call(command.name, argumentsOf(command, values)).then(
    (answer) => {
      if (s.phase !== CALLING) return;
      s.phase = OPEN;
      s.in.next();
      if ('sqlstate' in answer) refuse(s, mode, answer);
      else {
        s.toClient.write(answered(command, answer, mode === 'extended'));
        if (mode === 'simple') s.toClient.write(readyForQuery(s.status));
      }
      s.goOn();
    },
    (error) => broken(s, 'a statement of our own could not be answered', error),
  );
  return 'wait';
};
