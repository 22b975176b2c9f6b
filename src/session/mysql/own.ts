// Statements addressed to Holdpoint itself. What is told to it by SET of a user variable runs on the server as well, which keeps the variable;
// SHOW HOLDPOINT is answered here, and never sent. They are not transactional.
import type { WireText } from '../../errors/catalogue.ts';
import { resultSet } from '../../wire/mysql/results.ts';
import type { OwnCommand, Plan } from '../gate.ts';
import type { State } from './state.ts';

export const REASON_BYTES_MAX = 2000;
const COLUMNS = ['id', 'state', 'approvals', 'ends', 'next'] as const;
/** A number of ms, or with a unit, as on PostgreSQL. */
const DURATION = /^(\d{1,9})\s*(ms|s|min|h)?$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

type Values = readonly (string | null)[];

/** Is it answered here? */
export const isShow = ({ op }: OwnCommand): boolean => op === 'show-requests' || op === 'show-request';

/** The answer to a SHOW, as packets from this sequence id on; or the error. */
export const show = (s: State, command: OwnCommand, sequence: number): Buffer | WireText => {
  const answer = s.gate.show(command);
  return 'sqlstate' in answer ? answer : resultSet(sequence, COLUMNS, answer.rows, s.status, s.format);
};

/** What is wrong with what a statement tells Holdpoint, before it is sent; null: nothing. `values`: bound to its parameters. */
export const ownProblem = ({ own }: Plan, values: Values): WireText | null => {
  for (const command of own) {
    const value = valueOf(command, values);
    if (value === null || (command.op !== 'set' && command.op !== 'set_config')) continue;
    if (command.name === 'reason' && Buffer.byteLength(value) > REASON_BYTES_MAX)
      return {
        severity: 'ERROR',
        sqlstate: '22023',
        message: `@holdpoint_reason is longer than ${REASON_BYTES_MAX} bytes`,
        hint: 'Say who needs it, what for and until when, in a sentence or two.',
      };
    if (command.name === 'hold' && value.trim() !== '' && !DURATION.test(value.trim()))
      return {
        severity: 'ERROR',
        sqlstate: '22023',
        message: 'invalid value for @holdpoint_hold',
        hint: "A time such as '20s', '2min' or '0'; it shortens how long a connection waits for approval.",
      };
  }
  return null;
};

/** A statement that tells Holdpoint something has run. */
export const apply = (s: State, command: OwnCommand, values: Values): void => {
  if (command.op === 'reset') clear(s, command.name);
  const value = valueOf(command, values);
  if (value === null || (command.op !== 'set' && command.op !== 'set_config')) return;
  if (command.name === 'reason') {
    s.reason = value;
    s.reason_at = Date.now();
    return;
  }
  const match = DURATION.exec(value.trim());
  s.hold_ms = match ? Number(match[1]) * (UNIT_MS[match[2] ?? 'ms'] as number) : null;
};

/** Forgets what the agent told Holdpoint, as the server forgets its variables. */
export const reset = (s: State): void => {
  clear(s, 'reason');
  clear(s, 'hold');
};

const valueOf = (command: OwnCommand, values: Values): string | null => {
  if (command.op !== 'set' && command.op !== 'set_config') return null;
  return typeof command.value === 'number' ? (values[command.value - 1] ?? '') : command.value;
};

const clear = (s: State, name: 'reason' | 'hold'): void => {
  if (name === 'hold') s.hold_ms = null;
  else {
    s.reason = '';
    s.reason_at = 0;
  }
};
