// The extended protocol's messages: what is parsed, bound and executed under which name, and what of it is judged when. A statement is judged
// at Parse, again at Bind with its parameters, and once more wherever the facts have changed since.
// Source: manual 55.2.3, "Extended Query".
import { Buffer } from 'node:buffer';
import { performance } from 'node:perf_hooks';
import {
  BIND_COMPLETE,
  CLOSE_COMPLETE,
  cstring,
  FAILED_BLOCK,
  FLUSH,
  PARSE_COMPLETE,
  readBind,
  readParse,
} from '../../wire/postgres/messages.ts';
import type { Plan } from '../gate.ts';
import { callOwn } from './call.ts';
import { bindAhead, decide, judge } from './decide.ts';
import { limit, meterOf, permit } from './limit.ts';
import { CERTAIN, type Portal, type Prepared, serverName, type Undo } from './names.ts';
import { describeOwn, runOwn } from './own.ts';
import { malformed, refuse, refuseOrWait } from './refuse.ts';
import { BIND, CLOSE, DESCRIBE, EXECUTE, PARSE } from './replies.ts';
import { SETTLING, type State, type Step } from './state.ts';
import { CHANGED, cursorExists, FAILED_TRANSACTION, noSuch, ONE_COMMAND, tooLarge, tooMany } from './texts.ts';
import { reread, settle } from './wait.ts';

export const onParse = (s: State): Step => {
  const { buffer, start, end } = s.in;
  const message = readParse(buffer, start, end);
  if (!message) return malformed(s, 'Parse');
  const name = serverName(message.name);
  if (message.text.length > s.limits.statement_bytes_max)
    return refuseOrWait(s, 'extended', tooLarge('statement', s.limits.statement_bytes_max));
  if (!s.names.statements.has(name) && s.names.statements.size >= s.limits.prepared_statements_max)
    return refuseOrWait(s, 'extended', tooMany('prepared statements', s.limits.prepared_statements_max));
  if (s.names.bytes + message.text.length > s.limits.prepared_bytes_max)
    return refuseOrWait(s, 'extended', tooMany('bytes of prepared statements', s.limits.prepared_bytes_max));
  // It would be there, although the client was told that its pipeline had failed.
  if (s.limited && name !== '') return settle(s);
  const decided = decide(s, 'parse', message.text, message.types);
  if ('step' in decided) return decided.step;
  const { plan, release } = decided;
  if (plan.own.length > 0) {
    if (s.replies.length > 0) return settle(s);
    if (plan.statements !== 1) return refuse(s, 'extended', ONE_COMMAND);
    if (s.status === FAILED_BLOCK) return refuse(s, 'extended', FAILED_TRANSACTION);
    if (name === '') {
      s.names.setStatement('', { ...prepare(s, plan, []), pipeline: CERTAIN });
      s.toClient.write(PARSE_COMPLETE);
      return 'drop';
    }
    // A name is the server's to give and to take away: it gets an empty statement.
  }
  const prepared = prepare(s, plan, message.types);
  if (release) s.accounts.parse(prepared, bindAhead(s)?.bytes ?? null, release);
  if (plan.forward !== null) buffer.write(plan.forward, message.textStart, 'latin1');
  const undo = s.names.setStatement(name, prepared);
  s.replies.push(PARSE, plan, null, undo, 0);
  s.sentSinceSync = true;
  return 'keep';
};

export const onBind = (s: State): Step => {
  const { buffer, start, end } = s.in;
  const portalName = cstring(buffer, start + 5, end);
  const statementName = portalName && cstring(buffer, portalName.next, end);
  if (!statementName) return malformed(s, 'Bind');
  if (end - start > s.limits.bind_bytes_max)
    return refuseOrWait(s, 'extended', tooLarge('Bind message', s.limits.bind_bytes_max));
  const name = serverName(portalName.text);
  const prepared = s.names.statements.get(serverName(statementName.text));
  if (!prepared) return refuseOrWait(s, 'extended', noSuch('26000', 'prepared statement', statementName.text));
  let portal = s.names.portals.get(name);
  if (!portal && s.names.portals.size >= s.limits.prepared_statements_max)
    return refuseOrWait(s, 'extended', tooMany('portals', s.limits.prepared_statements_max));
  if (prepared.local) return bindOwn(s, prepared, name);
  if (!s.replies.settled(prepared.pipeline)) return settle(s);
  let release = s.accounts.granted ? s.accounts.takeGrant(prepared, buffer.subarray(start, end)) : null;
  let plan: Plan;
  if (release) plan = prepared.plan as Plan;
  else {
    const text = textOf(prepared, serverName(statementName.text));
    const decided = decide(s, 'bind', text, prepared.types, null, s.plannedAt(prepared));
    if ('step' in decided) return decided.step;
    ({ plan, release } = decided);
  }
  const mark = s.gate.catalogMark();
  let undo: Undo | null = null;
  if (
    !portal ||
    release ||
    portal.prepared !== prepared ||
    portal.plan !== plan ||
    portal.epoch !== s.epoch ||
    portal.mark !== mark ||
    portal.changes !== s.catalog_changes ||
    portal.inBlock !== s.in_transaction ||
    portal.release
  ) {
    const { pipeline } = s.replies;
    portal = {
      prepared,
      plan,
      epoch: s.epoch,
      mark,
      changes: s.catalog_changes,
      names: s.names.changes,
      portals: s.portals,
      inBlock: s.in_transaction,
      release,
      values: [],
      resultFormat: 0,
      pipeline,
      meter: null,
      bound: null,
      boundStart: 0,
      boundEnd: 0,
      rows: 0,
      bytes: 0,
    };
    undo = s.names.setPortal(name, portal);
  } else {
    portal.pipeline = s.replies.pipeline;
    portal.names = s.names.changes;
    portal.portals = s.portals;
  }
  portal.meter = release?.permitted?.meter ?? null;
  portal.bound = plan.limited && release === null ? buffer : null;
  portal.boundStart = start;
  portal.boundEnd = end;
  // FETCH may take its rows, too.
  if (name !== '' && portal.bound) meterOf(s, plan, portal);
  if (name !== '') s.fetchable(plan);
  s.replies.push(BIND, plan, portal, undo, 0);
  s.sentSinceSync = true;
  s.boundSinceSync = true;
  return 'keep';
};

export const onExecute = (s: State): Step => {
  const { buffer, start, end } = s.in;
  const name = cstring(buffer, start + 5, end);
  if (!name || name.next + 4 !== end) return malformed(s, 'Execute');
  const portal = s.names.portals.get(serverName(name.text));
  if (!portal) return executeCursor(s, serverName(name.text));
  if (portal.prepared.local) return executeOwn(s, portal);
  let { plan } = portal;
  if (!s.replies.settled(portal.pipeline)) return settle(s);
  const gone = portal.release?.permitted?.gone() ?? null;
  if (gone !== null) return refuseOrWait(s, 'extended', gone);
  if (s.barrier && s.replies.length > 0) return settle(s);
  if (!s.factsKnown && s.status !== FAILED_BLOCK) return reread(s);
  // Bound under other facts, or before a name that it executes was made anew: such a portal has to be bound again.
  const changed =
    portal.epoch !== s.epoch ||
    // What somebody let through is one statement, to its end.
    portal.changes !== s.catalog_changes ||
    (portal.release === null && (portal.mark !== s.gate.catalogMark() || portal.inBlock !== s.in_transaction)) ||
    (plan.by_name && portal.names !== s.names.changes) ||
    (plan.runs_late && portal.portals !== s.portals);
  if (changed) {
    // Its plan is that of its Bind.
    const planned = portal.prepared.planned ?? portal.changes;
    const judgement = judge(s, plan.text, portal.prepared.types, null, planned);
    if (judgement === null) return 'wait';
    if (judgement.type !== 'pass' || portal.release) return refuseOrWait(s, 'extended', CHANGED);
    // What it does now, its effects too.
    ({ plan } = judgement);
  }
  if (s.limited && !(plan.only_reads && plan.cursors.length === 0)) return settle(s);
  const now = performance.now();
  const entry = s.replies.push(EXECUTE, plan, portal, null, now);
  if (portal.release !== null) permit(s, entry, portal.release);
  else if (plan.limited || plan.cursors.length > 0) limit(s, entry, meterOf(s, plan, portal));
  s.sentSinceSync = true;
  s.executedSinceSync = true;
  s.sent(plan, now);
  if (plan.copy_in) {
    s.toServer.keep();
    s.toServer.write(FLUSH);
    s.phase = SETTLING;
    return 'drop';
  }
  return 'keep';
};

/** What Bind did not make may be a cursor of SQL's: portals and cursors have one space of names. */
const executeCursor = (s: State, name: string): Step => {
  // A Close that is under way may be skipped: then it is no cursor.
  if (s.replies.length > 0) return settle(s);
  if (name === '') return refuse(s, 'extended', noSuch('34000', 'portal', name));
  if (!s.factsKnown && s.status !== FAILED_BLOCK) return reread(s);
  const judgement = judge(s, `FETCH ALL FROM ${quoted(name)}`, []);
  if (judgement === null) return 'wait';
  if (judgement.type !== 'pass') return refuseOrWait(s, 'extended', CHANGED);
  const now = performance.now();
  limit(s, s.replies.push(EXECUTE, judgement.plan, null, null, now), meterOf(s, judgement.plan, null));
  s.sentSinceSync = true;
  s.executedSinceSync = true;
  s.sent(judgement.plan, now);
  return 'keep';
};

export const onDescribe = (s: State): Step => {
  const { buffer, start, end } = s.in;
  const kind = buffer[start + 5];
  const name = cstring(buffer, start + 6, end);
  if (!name || name.next !== end) return malformed(s, 'Describe');
  const key = serverName(name.text);
  const portal = kind === 0x50 ? s.names.portals.get(key) : undefined;
  const prepared = portal?.prepared ?? (kind === 0x53 ? s.names.statements.get(key) : undefined);
  // The server may still have one that a refused message would have dropped.
  if (kind === 0x53 && !prepared && name.text === '')
    return refuseOrWait(s, 'extended', noSuch('26000', 'prepared statement', ''));
  if (prepared?.local) {
    if (s.replies.length > 0) return settle(s);
    const command = (prepared.plan as Plan).own[0] as Plan['own'][number];
    s.toClient.write(describeOwn(command, portal ? 'portal' : 'statement', portal?.resultFormat ?? 0));
    return 'drop';
  }
  // Describing a statement analyses it again under the settings of now, which may run what parsing runs.
  if (kind === 0x53 && prepared && prepared.plan?.parse_is_harmless !== true) {
    if (s.barrier && s.replies.length > 0) return settle(s);
    if (!s.factsKnown && s.status !== FAILED_BLOCK) return reread(s);
    if (prepared.epoch !== s.epoch) {
      const judgement = judge(s, textOf(prepared, key), prepared.types, null, s.plannedAt(prepared));
      if (judgement === null) return 'wait';
      if (judgement.type !== 'pass') return refuseOrWait(s, 'extended', CHANGED);
    }
  }
  if (kind === 0x53 && prepared) s.plannedAt(prepared);
  s.replies.push(DESCRIBE, null, null, null, 0).prepared = kind === 0x53 ? (prepared ?? null) : null;
  s.sentSinceSync = true;
  return 'keep';
};

export const onClose = (s: State): Step => {
  const { buffer, start, end } = s.in;
  const kind = buffer[start + 5];
  const name = cstring(buffer, start + 6, end);
  if (!name || name.next !== end) return malformed(s, 'Close');
  const key = serverName(name.text);
  const unsent =
    kind === 0x53 ? key === '' && s.names.statements.get('')?.local : s.names.portals.get(key)?.prepared.local;
  if (unsent) {
    if (s.replies.length > 0) return settle(s);
    if (kind === 0x53) s.names.setStatement('', undefined);
    else s.names.setPortal(key, undefined);
    s.toClient.write(CLOSE_COMPLETE);
    return 'drop';
  }
  // A name that is made just now must not be taken back together with this.
  if ((s.barrier && s.replies.length > 0) || (s.limited && kind === 0x53)) return settle(s);
  const undo = kind === 0x53 ? s.names.setStatement(key, undefined) : s.names.setPortal(key, undefined);
  s.replies.push(CLOSE, null, null, undo, 0);
  s.sentSinceSync = true;
  return 'keep';
};

const prepare = (s: State, plan: Plan, types: readonly number[]): Prepared => {
  const { pipeline } = s.replies;
  const planned = s.temporaryBegan ? s.catalog_changes : null;
  return { plan, inner: null, text: plan.text, types, local: plan.own.length > 0, epoch: s.epoch, planned, pipeline };
};

const bindOwn = (s: State, prepared: Prepared, portal: string): Step => {
  if (s.replies.length > 0) return settle(s);
  const message = readBind(s.in.buffer, s.in.start, s.in.end);
  if (!message) return malformed(s, 'Bind');
  const values = message.values.map((value) => value?.toString('utf8') ?? null);
  const plan = prepared.plan as Plan;
  const resultFormat = message.resultFormats[0] ?? 0;
  const epoch = s.epoch;
  const known: Portal = {
    prepared,
    plan,
    epoch,
    mark: s.gate.catalogMark(),
    changes: s.catalog_changes,
    names: s.names.changes,
    portals: s.portals,
    inBlock: s.in_transaction,
    release: null,
    values,
    resultFormat,
    pipeline: CERTAIN,
    meter: null,
    bound: null,
    boundStart: 0,
    boundEnd: 0,
    rows: 0,
    bytes: 0,
  };
  const before = s.names.portals.get(portal);
  if (portal !== '' && before?.prepared.local === false) return refuse(s, 'extended', cursorExists(portal));
  if (before) s.accounts.endPortal(before);
  s.names.setPortal(portal, known);
  s.toClient.write(BIND_COMPLETE);
  return 'drop';
};

const executeOwn = (s: State, portal: Portal): Step => {
  if (s.replies.length > 0) return settle(s);
  if (s.status === FAILED_BLOCK) return refuse(s, 'extended', FAILED_TRANSACTION);
  const command = portal.plan.own[0] as Plan['own'][number];
  if (command.op === 'call') return callOwn(s, 'extended', command, portal.values);
  const result = runOwn(command, s, s.gate, portal.values, true);
  if (!Buffer.isBuffer(result)) return refuse(s, 'extended', result);
  s.toClient.write(result);
  return 'drop';
};

/** What is judged when it runs. Made by SQL PREPARE, it means what EXECUTE of its name means. */
const textOf = ({ plan }: Prepared, name: string): string => (plan ? plan.text : `EXECUTE ${quoted(name)}`);
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
