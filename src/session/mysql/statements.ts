// Prepared statements: COM_STMT_PREPARE and what is done with what it made. A statement is judged when it is prepared and at each execution, with
// its parameters; nothing of an execution that is refused has reached the server.
import { Buffer } from 'node:buffer';
import {
  asksForCursor,
  CLOSE_BYTES,
  COM,
  LAST_STATEMENT,
  LONG_DATA_HEAD_BYTES,
  statementId,
} from '../../wire/mysql/commands.ts';
import {
  decodeBulk,
  decodeExecution,
  type Execution,
  isWhole,
  readBulk,
  readExecution,
  withBulkTypes,
  withTypes,
} from '../../wire/mysql/parameters.ts';
import {
  CURSOR_REPLY,
  NO_REPLY,
  PREPARE_REPLY,
  RESULT_REPLY,
  ROWS_REPLY,
  STATUS_REPLY,
} from '../../wire/mysql/replies.ts';
import { HEADER_BYTES } from '../../wire/mysql/frame.ts';
import type { WireText } from '../../errors/catalogue.ts';
import type { MysqlError } from '../../errors/mysql.ts';
import type { BoundParameter, Release } from '../gate.ts';
import { answer } from './call.ts';
import { decide, decidePrepare } from './decide.ts';
import { meterOf } from './limit.ts';
import { answeredIn, mustBeAlone, ownProblem, standIn } from './own.ts';
import type { LongData, Prepared } from './prepared.ts';
import { refuse, refuseReleased } from './refuse.ts';
import { forward, send, sendPayload } from './send.ts';
import type { State, Step } from './state.ts';
import { MALFORMED, NOT_ALONE, NOT_PREPARABLE, tooLarge, tooMany, unknownStatement } from './texts.ts';

export const onPrepare = (s: State): Step => {
  const { body, from, to } = s.in;
  const { statement_bytes_max, prepared_statements_max, prepared_bytes_max } = s.limits;
  s.statements.noLast();
  const text = body.toString('latin1', from + 1, to);
  if (text.length > statement_bytes_max) return refuse(s, tooLarge('statement', statement_bytes_max));
  if (s.statements.size >= prepared_statements_max)
    return refuse(s, tooMany('prepared statements', prepared_statements_max));
  if (s.statements.bytes + text.length > prepared_bytes_max)
    return refuse(s, tooMany('bytes of prepared statements', prepared_bytes_max));
  const decided = decidePrepare(s, text);
  if ('step' in decided) return decided.step;
  const { plan, release } = decided;
  if (plan.own.some(({ op }) => op === 'reset')) return refuseReleased(s, release, NOT_PREPARABLE);
  const command = answeredIn(plan);
  if (mustBeAlone(plan)) return refuseReleased(s, release, NOT_ALONE);
  s.preparing = text;
  // Nothing runs: only what somebody let through is reported.
  s.plan = release === null ? null : plan;
  s.release = release;
  if (command) return sendPayload(s, Buffer.from(`${PREPARES}${standIn(command)}`), PREPARE_REPLY);
  return plan.forward === null
    ? send(s, COM.STMT_PREPARE, PREPARE_REPLY)
    : forward(s, PREPARE_REPLY, from + 1, plan.forward);
};

/** The command's byte. */
const PREPARES = String.fromCodePoint(COM.STMT_PREPARE);

export const onExecute = (s: State): Step => {
  const { body, from, to } = s.in;
  const prepared = at(s, 'mysqld_stmt_execute');
  if (prepared === null) return 'done';
  if (to - from > s.limits.bind_bytes_max || prepared.longLost) return tooLong(s, prepared);
  const execution = readExecution(body, from, to, prepared.parameters, s.attributes, prepared.types);
  if (execution === null || execution.types.length < 2 * execution.count) return malformed(s, prepared);
  keepTypes(prepared, execution);
  return execute(s, prepared, execution, false);
};

export const onBulkExecute = (s: State): Step => {
  const { body, from, to } = s.in;
  const prepared = at(s, 'mysqld_stmt_bulk_execute');
  if (prepared === null) return 'done';
  if (to - from > s.limits.bind_bytes_max || prepared.longLost) return tooLong(s, prepared);
  const execution = readBulk(body, from, to, prepared.parameters, prepared.types);
  if (execution === null || execution.types.length < 2 * execution.count) return malformed(s, prepared);
  keepTypes(prepared, execution);
  return execute(s, prepared, execution, true);
};

/** The client does not tell them again, whether the server got them or not. */
const keepTypes = (prepared: Prepared, { types }: Execution): void => {
  if (prepared.types === types) return;
  prepared.types = types;
  prepared.typesSent = false;
};

const execute = (s: State, prepared: Prepared, execution: Execution, bulk: boolean): Step => {
  const { typed, count } = execution;
  const parametersOf = bulk ? bulkParameters : parameters;
  const decided = decide(s, prepared.text, prepared, parametersOf);
  // Refused or held: what it was sent with is kept until it is known what becomes of it.
  if ('step' in decided) {
    if (decided.step === 'done') s.statements.dropLong(prepared);
    return decided.step;
  }
  const { plan, release } = decided;
  if (plan.own.length > 0) {
    const values = parametersOf(s);
    if (values === null) return dropped(s, prepared, release, MALFORMED);
    s.values = values.map(({ value }) => value);
    const command = answeredIn(plan);
    if (command && bulk) return dropped(s, prepared, release, NOT_PREPARABLE);
    if (command) {
      s.statements.dropLong(prepared);
      return answer(s, command, s.values, true);
    }
    const problem = ownProblem(plan, s.values);
    if (problem) return dropped(s, prepared, release, problem);
  }
  if (!bulk && !isWhole(s.in.body, s.in.to, execution, isLongOf(prepared)))
    return dropped(s, prepared, release, MALFORMED);
  s.plan = plan;
  s.release = release;
  const counts = plan.limited || release !== null;
  s.meter = counts ? meterOf(s, plan, release, parametersLater(s, prepared, bulk)) : null;
  s.executing = prepared;
  for (const { packets } of prepared.long) s.toServer.write(packets);
  if (prepared.long.length > 0 || prepared.longLost) s.statements.dropLong(prepared);
  const { body, from, to } = s.in;
  // The id of the last one prepared is said in full: there is nothing to mistake then.
  body.writeUInt32LE(prepared.id, from + 1);
  const command = bulk ? COM.STMT_BULK_EXECUTE : COM.STMT_EXECUTE;
  const reply = !bulk && asksForCursor(body, from) ? CURSOR_REPLY : RESULT_REPLY;
  if (typed || count === 0 || prepared.typesSent) {
    if (typed) prepared.typesSent = true;
    if (body === s.in.buffer) return send(s, command, reply);
    return sendPayload(s, body.subarray(from, to), reply);
  }
  // The execution that told the types was refused, and the client does not tell them again.
  const again = reading(s, prepared, bulk) as Execution;
  prepared.typesSent = true;
  const payload = bulk ? withBulkTypes(body, from, to, again) : withTypes(body, from, to, again, s.attributes);
  return sendPayload(s, payload, reply);
};

const dropped = (s: State, prepared: Prepared, release: Release | null, text: WireText | MysqlError): Step => {
  s.statements.dropLong(prepared);
  return refuseReleased(s, release, text);
};

const reading = (s: State, { parameters: count, types }: Prepared, bulk: boolean): Execution | null => {
  const { body, from, to } = s.in;
  return bulk ? readBulk(body, from, to, count, types) : readExecution(body, from, to, count, s.attributes, types);
};

const parameters = (s: State): readonly BoundParameter[] | null => {
  const prepared = preparedAt(s);
  const execution = prepared && reading(s, prepared, false);
  if (!prepared || !execution) return null;
  return decodeExecution(s.in.body, s.in.to, execution, (index) => longOf(prepared.long, index));
};

const bulkParameters = (s: State): readonly BoundParameter[] | null => {
  const prepared = preparedAt(s);
  const execution = prepared && reading(s, prepared, true);
  return execution ? decodeBulk(s.in.body, s.in.to, execution) : null;
};

/** The same for when the command is not at hand any more. */
const parametersLater = (s: State, prepared: Prepared, bulk: boolean): (() => readonly BoundParameter[]) => {
  const { body, from, to } = s.in;
  const { parameters: count, types, long } = prepared;
  const { attributes } = s;
  return () => {
    const execution = bulk
      ? readBulk(body, from, to, count, types)
      : readExecution(body, from, to, count, attributes, types);
    if (execution === null) return [];
    if (bulk) return decodeBulk(body, to, execution) ?? [];
    return decodeExecution(body, to, execution, (index) => longOf(long, index)) ?? [];
  };
};

const longOf = (long: readonly LongData[], index: number): Buffer | undefined => {
  const pieces = long.filter(({ parameter }) => parameter === index);
  return pieces.length === 0 ? undefined : Buffer.concat(pieces.map(({ data }) => data));
};

const isLongOf = ({ long }: Prepared): ((index: number) => boolean) | null =>
  long.length === 0 ? null : (index) => long.some(({ parameter }) => parameter === index);

/** Kept until the execution may be sent, so that the server has nothing of one that is refused. */
export const onLongData = (s: State): Step => {
  const { body, from, to, buffer, start, end } = s.in;
  const prepared = preparedAt(s);
  // The server, too, tells of what is wrong when the statement is executed.
  if (!prepared || to - from < LONG_DATA_HEAD_BYTES) return 'done';
  if (prepared.longLost || s.statements.longBytes + end - start > s.limits.bind_bytes_max) {
    s.statements.dropLong(prepared);
    prepared.longLost = true;
    return 'done';
  }
  const packets = Buffer.from(buffer.subarray(start, end));
  // By then another one may be the last one prepared.
  packets.writeUInt32LE(prepared.id, HEADER_BYTES + 1);
  s.statements.keepLong(prepared, {
    parameter: body.readUInt16LE(from + 5),
    packets,
    data: Buffer.from(body.subarray(from + LONG_DATA_HEAD_BYTES, to)),
  });
  return 'done';
};

/** Rows of a cursor that an execution has opened: they belong to it. */
export const onFetch = (s: State): Step => {
  const prepared = at(s, 'mysqld_stmt_fetch');
  if (prepared === null) return 'done';
  const gone = prepared.permitted?.gone() ?? null;
  if (gone !== null) return refuse(s, gone);
  s.plan = prepared.plan;
  s.meter = prepared.meter;
  return sendNamed(s, prepared, ROWS_REPLY);
};

export const onResetStatement = (s: State): Step => {
  const prepared = at(s, 'mysqld_stmt_reset');
  if (prepared === null) return 'done';
  s.statements.dropLong(prepared);
  prepared.plan = prepared.meter = prepared.permitted = null;
  return sendNamed(s, prepared, STATUS_REPLY);
};

/** The id of the last one prepared is said in full: there is nothing to mistake then. */
const sendNamed = (s: State, { id }: Prepared, reply: number): Step => {
  const { body, from, to } = s.in;
  body.writeUInt32LE(id, from + 1);
  return body === s.in.buffer ? send(s, body[from] as number, reply) : sendPayload(s, body.subarray(from, to), reply);
};

export const onClose = (s: State): Step => {
  const { from, to } = s.in;
  // MySQL answers one that is cut off, which nobody expects: everything behind it would be matched with the answer before.
  if (to - from !== CLOSE_BYTES) return 'done';
  const prepared = preparedAt(s);
  if (!prepared) return send(s, COM.STMT_CLOSE, NO_REPLY);
  s.statements.close(prepared.id);
  return sendNamed(s, prepared, NO_REPLY);
};

const preparedAt = (s: State): Prepared | undefined =>
  s.statements.get(statementId(s.in.body, s.in.from, s.in.to), s.mariadb);

/** The statement that the command at hand names; null: it is refused. */
const at = (s: State, what: string): Prepared | null => {
  const id = statementId(s.in.body, s.in.from, s.in.to);
  const prepared = id < 0 ? undefined : s.statements.get(id, s.mariadb);
  if (prepared) return prepared;
  refuse(s, id < 0 ? MALFORMED : unknownStatement(id === LAST_STATEMENT ? -1 : id, what));
  return null;
};

const malformed = (s: State, prepared: Prepared): Step => dropped(s, prepared, null, MALFORMED);

const tooLong = (s: State, prepared: Prepared): Step =>
  dropped(s, prepared, null, tooLarge("execution's parameters", s.limits.bind_bytes_max));
