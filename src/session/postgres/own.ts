// Statements addressed to Holdpoint itself, answered as the server would answer a statement of that kind.
// Never sent to the server. They are not transactional.
import type { WireText } from '../../errors/catalogue.ts';
import {
  commandComplete,
  dataRowOfText,
  NO_DATA,
  parameterDescription,
  rowDescriptionOfText,
} from '../../wire/postgres/messages.ts';
import {
  CONVERSATION_COLUMNS,
  type GateSession,
  type OwnAnswer,
  type OwnCall,
  type OwnCommand,
  type OwnSetting,
  type PostgresFacts,
  REQUEST_COLUMNS,
} from '../gate.ts';

const TEXT_OID = 25;
export const REASON_BYTES_MAX = 2000;

/** Time settings as PostgreSQL writes them: a number of ms, or with a unit. */
const DURATION = /^(\d{1,9})\s*(ms|s|min|h)?$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** Columns of its result; null: it returns no rows. */
const columns = (command: OwnCommand): readonly string[] | null => {
  switch (command.op) {
    case 'set':
    case 'reset':
      return null;
    case 'set_config':
      return ['set_config'];
    case 'show-setting':
      return [`holdpoint.${command.name}`];
    case 'show-request':
      return CONVERSATION_COLUMNS;
    case 'show-requests':
    case 'call':
      return REQUEST_COLUMNS;
  }
};

const tag = (command: OwnCommand): string =>
  ({
    set: 'SET',
    reset: 'RESET',
    set_config: 'SELECT 1',
    'show-setting': 'SHOW',
    'show-request': 'SHOW',
    'show-requests': 'SHOW',
    call: 'SELECT 1',
  })[command.op];

/** Replies to Describe of the statement (with its parameters) or of a portal (in its result format). */
export const describeOwn = (command: OwnCommand, of: 'statement' | 'portal', format: number): Buffer => {
  const names = columns(command);
  const rows = names ? rowDescriptionOfText(names, of === 'portal' ? format : 0) : NO_DATA;
  if (of === 'portal') return rows;
  return Buffer.concat([parameterDescription(Array.from({ length: parameters(command) }, () => TEXT_OID)), rows]);
};

/** How many it has. */
const parameters = (command: OwnCommand): number => {
  const given = command.op === 'call' ? command.arguments : command.op === 'set_config' ? [command.value] : [];
  return Math.max(0, ...given.filter((one) => typeof one === 'number'));
};

/**
 * Runs it. Bytes to send (rows and CommandComplete; with RowDescription in the simple protocol), or the error.
 * `values` are the bound parameters as text.
 */
export const runOwn = (
  command: Exclude<OwnCommand, OwnCall>,
  facts: PostgresFacts,
  gate: GateSession,
  values: readonly (string | null)[],
  described: boolean,
): Buffer | WireText => {
  let rows: readonly (readonly (string | null)[])[] = [];
  switch (command.op) {
    case 'set':
    case 'set_config': {
      const value = typeof command.value === 'number' ? (values[command.value - 1] ?? '') : command.value;
      const problem = set(command.name, value, facts);
      if (problem) return problem;
      if (command.op === 'set_config') rows = [[value]];
      break;
    }
    case 'reset':
      reset(facts, command.name);
      break;
    case 'show-setting':
      rows = [[shown(command.name, facts)]];
      break;
    case 'show-request':
    case 'show-requests': {
      const answer = gate.show(command);
      if ('sqlstate' in answer) return answer;
      rows = answer.rows;
      break;
    }
  }
  return answered(command, { rows }, described);
};

/** What a client gets for it; `described`: the columns were told. */
export const answered = (command: OwnCommand, { rows }: OwnAnswer, described: boolean): Buffer => {
  const names = columns(command);
  const head = names && !described ? [rowDescriptionOfText(names)] : [];
  return Buffer.concat([...head, ...rows.map((row) => dataRowOfText(row)), commandComplete(tag(command))]);
};

const shown = (name: OwnSetting, { reason, hold_ms, break_glass }: PostgresFacts): string => {
  if (name === 'hold') return hold_ms === null ? '' : `${hold_ms}ms`;
  return name === 'reason' ? reason : break_glass;
};

/** Forgets what the agent told Holdpoint: RESET of one, or RESET ALL and DISCARD ALL. */
export const reset = (facts: PostgresFacts, name: OwnSetting | 'all'): void => {
  if (name === 'reason' || name === 'all') {
    facts.reason = '';
    facts.reason_at = 0;
  }
  if (name === 'hold' || name === 'all') facts.hold_ms = null;
  if (name === 'break_glass' || name === 'all') facts.break_glass = '';
};

const set = (name: OwnSetting, value: string, facts: PostgresFacts): WireText | null => {
  if (name !== 'hold') {
    if (Buffer.byteLength(value) > REASON_BYTES_MAX)
      return {
        severity: 'ERROR',
        sqlstate: '22023',
        message: `holdpoint.${name} is longer than ${REASON_BYTES_MAX} bytes`,
        hint: 'Say who needs it, what for and until when, in a sentence or two.',
      };
    facts[name] = value;
    if (name === 'reason') facts.reason_at = Date.now();
    return null;
  }
  if (value.trim() === '') {
    facts.hold_ms = null;
    return null;
  }
  const match = DURATION.exec(value.trim());
  if (!match)
    return {
      severity: 'ERROR',
      sqlstate: '22023',
      message: 'invalid value for holdpoint.hold',
      hint: "A time such as '20s', '2min' or '0'; it shortens how long a connection waits for approval.",
    };
  facts.hold_ms = Number(match[1]) * (UNIT_MS[match[2] ?? 'ms'] as number);
  return null;
};
