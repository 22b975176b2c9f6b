// What must be true of a log and of the server's tables after any crash, and the few steps that its tests share.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { transformWithOxc } from 'vite';
import { expect } from 'vitest';
import { apply } from '../../src/approval/lifecycle.ts';
import type { Request } from '../../src/approval/types.ts';
import type { ReadRecord } from '../../src/audit/types.ts';
import { fromRecord } from '../../src/gate/journal.ts';
import type { RequestView, ReviewClient } from '../../src/review/client.ts';

export type Decision = 'approve' | 'deny';

/** crash-points.ts as a module that a gateway can be started with; its file is written into the folder. */
export const preloadIn = async (dir: string): Promise<string> => {
  const source = new URL('./crash-points.ts', import.meta.url).pathname;
  const { code } = await transformWithOxc(await readFile(source, 'utf8'), source);
  const file = join(dir, 'crash-points.mjs');
  await writeFile(file, code);
  return file;
};

export const outcome = (result: Promise<pg.QueryResult>): Promise<pg.QueryResult | pg.DatabaseError> =>
  result.catch((error: pg.DatabaseError) => error);

export const until = async (so: () => Promise<boolean>): Promise<void> => {
  while (!(await so())) await new Promise((resolve) => setTimeout(resolve, 20));
};

export const decide = (reviewer: ReviewClient, request: RequestView, decision: Decision): Promise<RequestView> =>
  reviewer.decide(request.id, {
    decision,
    digest: request.digest,
    revision: request.revision,
    rationale: decision === 'approve' ? 'fine' : 'no',
  });

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
