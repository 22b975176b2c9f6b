// What must be true of a log and of the server's tables after any crash, and the set-up that its tests share.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type pg from 'pg';
import { transformWithOxc } from 'vite';
import { expect } from 'vitest';
import { apply } from '../../src/approval/lifecycle.ts';
import type { Request } from '../../src/approval/types.ts';
import type { ReadRecord } from '../../src/audit/types.ts';
import { fromRecord } from '../../src/gate/journal.ts';
import { until } from './clients.ts';
import type { CrashPoint } from './crash-points.ts';
import type { Decision } from './gateway.ts';

export const POLICY = `version: 1
default: allow
unparsed: deny
unknown: hold
unresolved: hold
code: hold
rules:
  - { id: writes, when: 'stmt.writes("public.effects")', then: hold }
  - { id: no-ticket, when: 'stmt.writes("public.no_ticket")', then: hold, ask: { ticket: false } }
  - { id: brief, when: 'stmt.writes("public.brief")', then: hold, ask: { deadline: 1s } }
  - { id: soon, when: 'stmt.writes("public.soon")', then: hold, ask: { use_within: 1s } }
`;

/** The tables of the policy: a row is a statement that took effect, by its name. */
export const TABLES = ['effects', 'no_ticket', 'brief', 'soon'] as const;
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

/**
 * The log against the server's own tables (how often each name took effect) and what reviewers were told: every request's life is legal,
 * nothing ran without a release of its own and an approval before that, no acknowledged decision is missing, nothing that is on record
 * as executed is missing on the server.
 */
export const check = (
  records: readonly ReadRecord[],
  counts: ReadonlyMap<string, number>,
  acknowledged: ReadonlyMap<string, Decision>,
): { readonly requests: number; readonly released: number; readonly unknown: number } => {
  const requests = new Map<string, Request>();
  const releases = new Map<string, number>();
  const executions = new Map<string, number>();
  const add = (to: Map<string, number>, sql: string): void => void to.set(nameIn(sql), (to.get(nameIn(sql)) ?? 0) + 1);
  for (const [index, record] of records.entries()) {
    if (record.seq !== index + 1) expect.fail(`record ${record.seq} is in place ${index + 1}`);
    const event = fromRecord(record);
    if (event === null) continue;
    const id = event.type === 'opened' ? event.request.id : event.id;
    const before = requests.get(id);
    // Throws on what the lifecycle does not know, a second release among it.
    const after = apply(before, event);
    requests.set(id, after);
    if (event.type === 'released') {
      if (before?.decisions.at(-1)?.decision !== 'approve') expect.fail(`${id} was released and not approved`);
      add(releases, after.sql);
    }
    // What was executed inside a transaction may have been taken back.
    if (after.state === 'executed' && !after.in_transaction) add(executions, after.sql);
  }
  for (const [id, decision] of acknowledged) expect(requests.get(id)?.decisions.at(-1)?.decision, id).toBe(decision);
  for (const [name, count] of counts) expect(count, name).toBeLessThanOrEqual(releases.get(name) ?? 0);
  for (const [name, count] of executions) expect(counts.get(name) ?? 0, name).toBeGreaterThanOrEqual(count);
  const all = [...requests.values()];
  return {
    requests: all.length,
    released: [...releases.values()].reduce((sum, count) => sum + count, 0),
    unknown: all.filter(({ state }) => state === 'outcome_unknown').length,
  };
};
