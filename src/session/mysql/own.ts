// Statements addressed to Holdpoint itself. What is told to it by SET of a user variable runs on the server as well, which keeps the variable;
// SHOW HOLDPOINT and SELECT holdpoint.answer(...) are answered here, and never sent. They are not transactional.
import type { WireText } from '../../errors/catalogue.ts';
import {
  CONVERSATION_COLUMNS,
  type OwnCall,
  type OwnCommand,
  type OwnSetting,
  type OwnShow,
  type Plan,
  REQUEST_COLUMNS,
} from '../gate.ts';
import type { State } from './state.ts';

export const REASON_BYTES_MAX = 2000;
/** A number of ms, or with a unit, as on PostgreSQL. */
const DURATION = /^(\d{1,9})\s*(ms|s|min|h)?$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

type Values = readonly (string | null)[];

/** Answered here, and never sent. */
export type Answered = OwnShow | OwnCall;

const isAnswered = (command: OwnCommand): command is Answered =>
  command.op === 'call' || command.op === 'show-requests' || command.op === 'show-request';

/** What a statement asks of Holdpoint alone; undefined: it is the server's. */
export const answeredIn = ({ own }: Plan): Answered | undefined => own.find(isAnswered);

/** It is answered by us, or about the next statement: nothing else may be in its message. */
export const mustBeAlone = ({ own, statements }: Plan): boolean =>
  statements > 1 && own.some((command) => isAnswered(command) || (isSet(command) && command.name === 'break_glass'));

/** What the server prepares in its place: as many parameters and the same columns, so that a client is told of them. */
export const standIn = (command: Answered): string => {
  let parameters = command.op === 'call' ? command.arguments.filter((one) => typeof one === 'number').length : 0;
  return `SELECT ${columns(command)
    .map((name) => `${parameters-- > 0 ? '?' : "''"} AS ${name}`)
    .join(', ')}`;
};

export const columns = ({ op }: Answered): readonly string[] =>
  op === 'show-request' ? CONVERSATION_COLUMNS : REQUEST_COLUMNS;

/** What is wrong with what a statement tells Holdpoint, before it is sent; null: nothing. `values`: bound to its parameters. */
export const ownProblem = ({ own }: Plan, values: Values): WireText | null => {
  for (const command of own) {
    const value = valueOf(command, values);
    if (value === null || !isSet(command)) continue;
    if (command.name !== 'hold' && Buffer.byteLength(value) > REASON_BYTES_MAX)
      return {
        severity: 'ERROR',
        sqlstate: '22023',
        message: `@holdpoint_${command.name} is longer than ${REASON_BYTES_MAX} bytes`,
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
  if (value === null || !isSet(command)) return;
  if (command.name !== 'hold') {
    s[command.name] = value;
    if (command.name === 'reason') s.reason_at = Date.now();
    return;
  }
  const match = DURATION.exec(value.trim());
  s.hold_ms = match ? Number(match[1]) * (UNIT_MS[match[2] ?? 'ms'] as number) : null;
};

/** Forgets what the agent told Holdpoint, as the server forgets its variables. */
export const reset = (s: State): void => {
  clear(s, 'reason');
  clear(s, 'hold');
  clear(s, 'break_glass');
};

type Set = Extract<OwnCommand, { op: 'set' | 'set_config' }>;

const isSet = (command: OwnCommand): command is Set => command.op === 'set' || command.op === 'set_config';

const valueOf = (command: OwnCommand, values: Values): string | null => {
  if (!isSet(command)) return null;
  return typeof command.value === 'number' ? (values[command.value - 1] ?? '') : command.value;
};

const clear = (s: State, name: OwnSetting): void => {
  if (name === 'hold') s.hold_ms = null;
  else s[name] = '';
  if (name === 'reason') s.reason_at = 0;
};
