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
import type { GateSession, OwnCommand, PostgresFacts } from '../gate.ts';

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
    case 'show-requests':
      return ['id', 'state', 'approvals', 'ends', 'next'];
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
  })[command.op];

/** Replies to Describe of the statement (with its parameters) or of a portal (in its result format). */
export const describeOwn = (command: OwnCommand, of: 'statement' | 'portal', format: number): Buffer => {
  const names = columns(command);
  const rows = names ? rowDescriptionOfText(names, of === 'portal' ? format : 0) : NO_DATA;
  if (of === 'portal') return rows;
  const parameters = command.op === 'set_config' && typeof command.value === 'number' ? command.value : 0;
  return Buffer.concat([parameterDescription(Array.from({ length: parameters }, () => TEXT_OID)), rows]);
};

/**
 * Runs it. Bytes to send (rows and CommandComplete; with RowDescription in the simple protocol), or the error.
 * `values` are the bound parameters as text.
 */
export const runOwn = (
  command: OwnCommand,
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
      rows = [[command.name === 'reason' ? facts.reason : facts.hold_ms === null ? '' : `${facts.hold_ms}ms`]];
      break;
    case 'show-request':
    case 'show-requests': {
      const answer = gate.show(command);
      if ('sqlstate' in answer) return answer;
      rows = answer.rows;
      break;
    }
  }
  const names = columns(command);
  const head = names && !described ? [rowDescriptionOfText(names)] : [];
  return Buffer.concat([...head, ...rows.map((row) => dataRowOfText(row)), commandComplete(tag(command))]);
};

/** Forgets what the agent told Holdpoint: RESET of one, or RESET ALL and DISCARD ALL. */
export const reset = (facts: PostgresFacts, name: 'reason' | 'hold' | 'all'): void => {
  if (name !== 'hold') {
    facts.reason = '';
    facts.reason_at = 0;
  }
  if (name !== 'reason') facts.hold_ms = null;
};

const set = (name: 'reason' | 'hold', value: string, facts: PostgresFacts): WireText | null => {
  if (name === 'reason') {
    if (Buffer.byteLength(value) > REASON_BYTES_MAX)
      return {
        severity: 'ERROR',
        sqlstate: '22023',
        message: `holdpoint.reason is longer than ${REASON_BYTES_MAX} bytes`,
        hint: 'Say who needs it, what for and until when, in a sentence or two.',
      };
    facts.reason = value;
    facts.reason_at = Date.now();
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
