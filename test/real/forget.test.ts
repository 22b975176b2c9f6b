// A month's key is deleted, before a real gateway with wrapped keys: what was live in it ends and never runs, what is shown says that the text
// is gone, the log and its receipts verify. The clock is moved, so that a month ends in between; nothing waits for it.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { newestNote } from '../../src/audit/checkpoint.ts';
import { realFs } from '../../src/audit/files.ts';
import { verifierKeys } from '../../src/audit/signer.ts';
import { verifyLog } from '../../src/audit/verify/log.ts';
import { parseCheckpoints, parseKeys } from '../../src/audit/verify/note.ts';
import { verifyReceipt } from '../../src/audit/verify/receipt.ts';
import { forget } from '../../src/cli/audit/forget.ts';
import { deps } from '../../src/main.ts';
import { open, outcome, until } from './clients.ts';
import { startGateway, type TestGateway } from './gateway.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const POLICY = `version: 1
default: allow
rules:
  - id: writes
    when: stmt.does("write")
    then: hold
    ask: {deadline: 4h, permit: {for: 7d, uses: 5, rows: 100, writes: true}}
`;

let server: TestServer;
let admin: pg.Client;
let gateway: TestGateway | undefined;
let dir: string;

beforeAll(async () => {
  server = await startServer(NEWEST);
  admin = await server.admin('CREATE TABLE effects (name text NOT NULL)');
});
afterAll(async () => {
  await server?.stop();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await gateway?.stop(true);
  await rm(dir, { recursive: true, force: true });
});

/** From now on it is `at`, and goes on from there. */
function clockAt(at: number): void {
  vi.restoreAllMocks();
  const from = performance.now();
  vi.spyOn(Date, 'now').mockImplementation(() => Math.floor(at + performance.now() - from));
}

const insert = (name: string): string => `INSERT INTO effects VALUES ('${name}')`;

test('a month is forgotten', async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdpoint-forget-'));
  const master = join(dir, 'master.key');
  await writeFile(master, randomBytes(32).toString('hex'));
  const started = (): Promise<TestGateway> =>
    startGateway({ dir, upstream: server.url, policy: POLICY, config: { audit: { master_key: `file:${master}` } } });
  const today = new Date();
  const turn = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), 1);
  const month = new Date(turn - 1).toISOString().slice(0, 7);
  const log = join(dir, 'data', 'audit');

  // --- half an hour before the month ends
  clockAt(turn - 30 * 60_000);
  gateway = await started();
  const held = async (name: string) => {
    const skip = (await gateway?.grace.list({ state: 'open' }))?.requests.map(({ id }) => id) ?? [];
    const client = await open(gateway?.agentUrl() ?? '');
    const answer = outcome(client.query(insert(name)));
    const request = await gateway?.opened(skip);
    if (!request) throw new Error('nothing was held');
    return { client, answer, request };
  };
  const ran = await held('ran');
  await gateway.approve(ran.request);
  await ran.answer;
  await ran.client.end();
  const waits = await held('waits');
  waits.client.connection.stream.destroy();
  await gateway.reaches(waits.request.id, 'open');
  const approved = await held('approved');
  approved.client.connection.stream.destroy();
  await until(async () => (await gateway?.grace.get(approved.request.id))?.holds === 'ticket');
  await gateway.approve(approved.request);
  const standing = await held('standing');
  await gateway.grace.decide(standing.request.id, {
    decision: 'approve',
    digest: standing.request.digest,
    revision: standing.request.revision,
    rationale: 'each day',
    permit: { for: '1d', uses: 5, rows: 10 },
  });
  await standing.answer;
  await standing.client.end();
  const permit = (await gateway.grace.permits()).permits[0];
  if (!permit) throw new Error('no permit was made');
  await gateway.stop(true);
  gateway = undefined;

  // --- ten minutes into the next
  clockAt(turn + 10 * 60_000);
  const config = join(dir, 'holdpoint.yaml');
  const never = async (): Promise<boolean> => false;
  const live = [`${waits.request.id} (open)`, `${approved.request.id} (approved)`, permit.id];
  const refused = await forget(month, { config, yes: true }, deps, never).catch((error: Error) => error.message);
  for (const one of live) expect(refused).toContain(one);
  await expect(forget(month, { config, force: true }, deps, never)).rejects.toThrow('nothing was deleted');
  await expect(
    forget(new Date(turn).toISOString().slice(0, 7), { config, yes: true, force: true }, deps, never),
  ).rejects.toThrow('is not over');
  expect(await readdir(join(log, 'keys'))).toContain(`${month}.key`);
  expect(await forget(month, { config, yes: true, force: true }, deps, never)).toContain(
    `The key of ${month} is deleted`,
  );
  expect((await readdir(join(log, 'keys'))).filter((name) => name.includes(month))).toEqual([]);

  const keys = parseKeys((await verifierKeys(realFs, log)).join('\n'));
  const verified = async () => {
    const note = await newestNote(realFs, log);
    if (note === null) throw new Error('there is no checkpoint');
    const given = parseCheckpoints(note, keys, 'own').map((one) => ({ ...one, from: 'own' }));
    return (await verifyLog({ folder: log, checkpoints: given })).verified;
  };
  expect(await verified()).toBe(true);

  gateway = await started();
  const { requests } = await gateway.grace.list({ state: 'all' });
  const states = Object.fromEntries(requests.map(({ id, state }) => [id, state]));
  expect(states).toEqual({
    [ran.request.id]: 'executed',
    [waits.request.id]: 'withdrawn',
    [approved.request.id]: 'lapsed',
    [standing.request.id]: 'executed',
  });
  for (const { statement, parameters, reason } of requests)
    expect([statement.text, statement.deleted, parameters, reason]).toEqual(['', true, [], null]);
  expect((await gateway.grace.get(waits.request.id)).withdrawn).toMatchObject({ by: 'holdpoint' });
  expect((await gateway.grace.permits()).permits).toMatchObject([
    { id: permit.id, state: 'revoked', statement: { text: '', deleted: true } },
  ]);
  expect(verifyReceipt(JSON.stringify(await gateway.grace.receipt(ran.request.id)), keys, 'receipt').verified).toBe(
    true,
  );
  const { records } = await gateway.root.audit({ type: 'request.opened', limit: 10 });
  expect(records.map(({ sealed }) => sealed)).toEqual(['gone', 'gone', 'gone', 'gone']);
  expect((await gateway.records()).filter(({ type }) => type === 'log.key_deleted').map(({ clear }) => clear)).toEqual([
    { period: month },
  ]);

  // What was approved is asked for anew, and what the permit covered too.
  const client = await open(gateway.agentUrl());
  const skip = requests.map(({ id }) => id);
  for (const name of ['approved', 'standing']) {
    const answer = outcome(client.query(insert(name)));
    const request = await gateway.opened(skip);
    skip.push(request.id);
    expect(request.statement).toMatchObject({ text: insert(name), deleted: false });
    await gateway.deny(request);
    expect(await answer).toMatchObject({ code: '42501' });
  }
  await client.end();
  const { rows } = await admin.query('SELECT name FROM effects ORDER BY name');
  expect(rows).toEqual([{ name: 'ran' }, { name: 'standing' }]);
  await gateway.stop(true);
  gateway = undefined;
  expect(await verified()).toBe(true);

  // It ended once: a further start has nothing to end.
  gateway = await started();
  const ends = (await gateway.records()).filter(({ type }) =>
    ['request.withdrawn', 'request.lapsed', 'permit.revoked'].includes(type),
  );
  expect(ends.map(({ type }) => type)).toEqual(['permit.revoked', 'request.withdrawn', 'request.lapsed']);
}, 120_000);
