// What is asked of Holdpoint alone is answered here: SHOW HOLDPOINT at once; SELECT holdpoint.answer(...) and the like when the gate has put on
// record what they say. Nothing of it reaches the server.
import type { WireText } from '../../errors/catalogue.ts';
import { resultSet } from '../../wire/mysql/results.ts';
import type { OwnAnswer } from '../gate.ts';
import { argumentsOf } from '../own-call.ts';
import { broken } from './end.ts';
import { type Answered, columns } from './own.ts';
import { refuse } from './refuse.ts';
import { CALLING, OPEN, type State, type Step } from './state.ts';

/** Answers the command at hand. `values`: bound to its parameters; `binary`: it was prepared. */
export const answer = (s: State, command: Answered, values: readonly (string | null)[], binary: boolean): Step => {
  if (command.op !== 'call') return tell(s, command, s.gate.show(command), binary);
  s.settled();
  s.phase = CALLING;
  s.gate.call(command.name, argumentsOf(command, values)).then(
    (result) => {
      if (s.phase !== CALLING) return;
      s.phase = OPEN;
      s.in.expect(0);
      s.in.message();
      tell(s, command, result, binary);
      s.goOn();
    },
    (error) => broken(s, 'a statement of our own could not be answered', error),
  );
  return 'wait';
};

const tell = (s: State, command: Answered, result: OwnAnswer | WireText, binary: boolean): Step => {
  if ('sqlstate' in result) return refuse(s, result);
  s.settled();
  s.toClient.write(resultSet(s.in.sequence + 1, columns(command), result.rows, s.status, s.format, binary));
  return 'done';
};
