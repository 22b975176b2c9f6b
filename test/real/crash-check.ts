// What must be true of a log and of the server's tables after any crash, and the set-up that its tests share.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type pg from 'pg';
import { transformWithOxc } from 'vite';
import { expect } from 'vitest';
import { apply } from '../../src/approval/lifecycle.ts';
import type { ApprovalEvent, PermitEvent, Request } from '../../src/approval/types.ts';
import type { ReadRecord } from '../../src/audit/types.ts';
import { fromRecord, permitFromRecord } from '../../src/gate/journal.ts';
import type { PermitView, RequestView } from '../../src/review/client.ts';
import { until } from './clients.ts';
import { PermitLives } from './crash-permits.ts';
import type { CrashPoint } from './crash-points.ts';
import type { Decision } from './gateway.ts';

export const POLICY = `version: 1
default: allow
break_glass: [oncall]
unparsed: deny
unknown: hold
unresolved: hold
code: hold
reviewers: { dba: { groups: [dba] }, owner: { groups: [owner] }, oncall: { groups: [oncall] } }
rules:
  - { id: writes, when: 'stmt.writes("public.effects")', then: hold }
  - { id: no-ticket, when: 'stmt.writes("public.no_ticket")', then: hold, ask: { ticket: false } }
  - { id: brief, when: 'stmt.writes("public.brief")', then: hold, ask: { deadline: 1s } }
  - { id: soon, when: 'stmt.writes("public.soon")', then: hold, ask: { use_within: 1s } }
  - { id: permitted, when: 'stmt.writes("public.permitted")', then: hold, ask: { permit: { for: 1h, uses: 4, rows: 10, writes: true } } }
  - { id: pairs, when: 'stmt.writes("public.pairs")', then: hold, ask: { of_each: [dba, owner] } }
`;
/** Groups of users.yaml, in which further reviewers are in turn. */
export const GROUPS = ['dba', 'owner'] as const;
/** May break the glass. */
export const ON_CALL = 'lena';

/** The tables of the policy: a row is a statement that took effect, by its name. */
export const TABLES = ['effects', 'no_ticket', 'brief', 'soon', 'pairs', 'permitted'] as const;
export const SCHEMA = TABLES.map(
  (table) => `CREATE TABLE ${table} (name text NOT NULL CHECK (name NOT LIKE '%bad%'))`,
).join(';');

/** How often each name took effect, once no backend of a gateway is left. */
export const effects = async (admin: pg.Client): Promise<Map<string, number>> => {
  await until(async () => {
    const { rowCount } = await admin.query(
      "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    );
    return rowCount === 0;
  });
  const { rows } = await admin.query<{ name: string; n: number }>(
    `SELECT name, count(*)::int AS n FROM (TABLE ${TABLES.join(' UNION ALL TABLE ')}) AS ran GROUP BY name`,
  );
  return new Map(rows.map(({ name, n }) => [name, n]));
};

/** A gateway that is started with this module kills itself where it is armed to. */
export interface Trap {
  readonly preload: string;
  arm(point: CrashPoint): Promise<void>;
  disarm(): Promise<void>;
}

/** crash-points.ts as a module in that folder. */
export const trapIn = async (dir: string): Promise<Trap> => {
  const source = new URL('./crash-points.ts', import.meta.url).pathname;
  const { code } = await transformWithOxc(await readFile(source, 'utf8'), source);
  const module = join(dir, 'crash-points.mjs');
  await writeFile(module, code);
  const point = join(dir, 'crash-point');
  return {
    preload: `${pathToFileURL(module).href}?${new URLSearchParams({ point })}`,
    arm: (at) => writeFile(point, JSON.stringify(at)),
    disarm: () => rm(point, { force: true }),
  };
};

/** The name that a statement inserts; each logical statement has its own. */
export const nameIn = (sql: string): string => /VALUES \('([^']*)'/.exec(sql)?.[1] ?? '';

/** Something that somebody was told had happened. */
export interface Told {
  readonly id: string;
  /** As the log names it, without `request.`; 'executed' and 'failed' are an outcome. Of a request 'granted', too: it has a permit. */
  readonly type: string;
  /** Of the record; absent where its author alone was told. */
  readonly seq?: number;
  readonly by?: string;
  readonly decision?: Decision;
  /** Of a permit. */
  readonly use?: number;
}

interface Happened {
  readonly type: string;
  readonly seq: number;
  readonly event: ApprovalEvent | PermitEvent;
}

export interface Checked {
  /** Every request as the log leaves it. */
  readonly requests: ReadonlyMap<string, Request>;
  readonly permits: PermitLives;
  readonly released: number;
  readonly glass: number;
  readonly unknown: number;
}

/**
 * The log against the server's own tables (how often each name took effect) and what people were told: every request's life is legal,
 * nothing ran without a release of its own and enough approvals before that, or a use of a permit within what it gives, nothing that anybody was told of is missing, nothing that is
 * on record as executed is missing on the server.
 */
export const check = (
  records: readonly ReadRecord[],
  counts: ReadonlyMap<string, number>,
  told: readonly Told[],
): Checked => {
  const requests = new Map<string, Request>();
  const permits = new PermitLives();
  const lives = new Map<string, Happened[]>();
  const happened = (id: string, one: Happened): void => void lives.set(id, [...(lives.get(id) ?? []), one]);
  const releases = new Map<string, number>();
  const uses = new Map<string, number>();
  const executions = new Map<string, number>();
  const add = (to: Map<string, number>, sql: string): void => void to.set(nameIn(sql), (to.get(nameIn(sql)) ?? 0) + 1);
  for (const [index, { seq, type, ...record }] of records.entries()) {
    if (seq !== index + 1) expect.fail(`record ${seq} is in place ${index + 1}`);
    const event = fromRecord({ type, ...record });
    const permitted = permitFromRecord({ type, ...record });
    if (permitted !== null) {
      permits.add(permitted, (id) => requests.get(id));
      const { id, request } =
        permitted.type === 'permit_granted' ? permitted.permit : { id: permitted.id, request: null };
      happened(id, { type, seq, event: permitted });
      if (request !== null) happened(request, { type: 'granted', seq, event: permitted });
      if (permitted.type === 'permit_used') add(uses, permitted.sql);
      if (permitted.type === 'permit_use_ended' && permitted.outcome?.sqlstate === null)
        add(executions, permits.all.get(id)?.permit.sql ?? '');
    }
    if (event === null) continue;
    const id = event.type === 'opened' ? event.request.id : event.id;
    const before = requests.get(id);
    // Throws on what the lifecycle does not know, a second release among it.
    const after = apply(before, event);
    requests.set(id, after);
    happened(id, { type: type.slice('request.'.length), seq, event });
    if (event.type === 'released') {
      if (before === undefined || !mayRun(before)) expect.fail(`${id} was released and not approved`);
      add(releases, after.sql);
    }
    // What was executed inside a transaction may have been taken back.
    if (event.type === 'finished' && after.state === 'executed' && !after.in_transaction) add(executions, after.sql);
  }
  for (const one of told)
    if (!lives.get(one.id)?.some((event) => is(one, event))) expect.fail(`lost: ${JSON.stringify(one)}`);
  for (const [name, count] of counts)
    expect(count, name).toBeLessThanOrEqual((releases.get(name) ?? 0) + (uses.get(name) ?? 0));
  for (const [name, count] of executions) expect(counts.get(name) ?? 0, name).toBeGreaterThanOrEqual(count);
  return {
    requests,
    permits,
    released: [...releases.values()].reduce((sum, count) => sum + count, 0),
    glass: [...requests.values()].filter(({ broken_glass }) => broken_glass !== null).length,
    unknown: [...requests.values()].filter(({ state }) => state === 'outcome_unknown').length,
  };
};

const is = (told: Told, { type, seq, event }: Happened): boolean => {
  if (type !== told.type || (told.seq ?? seq) !== seq) return false;
  if (event.type === 'permit_used') return (told.use ?? event.use) === event.use;
  if (event.type !== 'decided') return true;
  const { by, decision } = event.decision;
  return (told.by ?? by) === by && (told.decision ?? decision) === decision;
};

const mayRun = (request: Request): boolean =>
  request.broken_glass === null ? approvedEnough(request) : request.who.id === ON_CALL;

/** Counted anew: somebody's last word is an approval, and where the rule asks two groups, of somebody of each. */
const approvedEnough = ({ decisions, ask: { of, each } }: Request): boolean => {
  const last = new Map(decisions.map((decision) => [decision.by, decision]));
  const approvals = [...last.values()].filter(({ decision }) => decision === 'approve');
  if ([...last.values()].some(({ decision }) => decision === 'deny')) return false;
  return each ? of.every((group) => approvals.some(({ groups }) => groups.includes(group))) : approvals.length > 0;
};

/**
 * What a gateway that has just started says of its requests, against the log that the one before left: the same, but that nobody waits any
 * more, and that what had been released has an outcome that nobody can know. `shown`: by its API, newest first; whether those are `all`.
 */
export const checkRestored = (
  { requests, permits }: Checked,
  shown: readonly RequestView[],
  all: boolean,
  permitted: readonly PermitView[],
): void => {
  permits.checkRestored(permitted);
  for (const view of shown) {
    const before = requests.get(view.id);
    if (before === undefined) {
      expect.fail(`${view.id} is in no log`);
      continue;
    }
    const state = before.state === 'released' ? 'outcome_unknown' : before.state;
    expect([state, ...(MEANWHILE[state] ?? [])], view.id).toContain(view.state);
    expect(view.decisions.map(({ by, decision, at, rationale }) => ({ by, decision, at, rationale }))).toEqual(
      before.decisions.map(({ by, decision, at, rationale }) => ({ by, decision, at, rationale })),
    );
    expect(view.said.map(({ kind, by, text, at }) => ({ kind, by, text, at }))).toEqual(
      before.said.map(({ kind, by, text, at }) => ({ kind, by, text, at })),
    );
    expect(view.broken_glass?.reviewed ?? null).toEqual(before.broken_glass?.reviewed ?? null);
    expect(view.escalated).toBe(before.escalated);
    if (isLive(view.state)) expect(view.holds, view.id).toBe('ticket');
    expect([view.digest, view.revision, view.opened, view.deadline]).toEqual([
      before.digest_tag,
      before.revision,
      before.opened,
      before.deadline,
    ]);
  }
  if (!all) return;
  const ids = new Set(shown.map(({ id }) => id));
  for (const [id, { state }] of requests) if (isLive(state) && !ids.has(id)) expect.fail(`${id}, ${state}, is gone`);
};

const isLive = (state: string): boolean => state === 'open' || state === 'asked' || state === 'approved';
/** What the clock, and a client that is gone, make of it at the restart at the latest. */
const MEANWHILE: Readonly<Record<string, readonly string[]>> = {
  open: ['expired', 'withdrawn'],
  asked: ['expired', 'withdrawn'],
  approved: ['lapsed'],
};
