// `holdpoint audit key|checkpoint|verify|receipt|rotate-key|evidence` as processes, on a log that a whole gateway wrote: a statement held and
// approved, its sponsor's attempt to approve it, one denied by a person, one by a rule. What they print, and how they end.
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { open, outcome } from './clients.ts';
import { decide, startGateway, type TestGateway } from './gateway.ts';
import { Run } from './run.ts';
import { NEWEST, startServer, type TestServer } from './servers.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
const SECRET = 'sentinel-of-a-literal-8842';
const DAY_MS = 86_400_000;

/** Each command is a process. */
vi.setConfig({ testTimeout: 240_000 });

let server: TestServer;
let gateway: TestGateway;
let log: string;
let key: string;
let approved: string;
let denied: string;
let period: string[];

const holdpoint = (...args: readonly string[]) =>
  new Run(process.execPath, ['--import', 'tsx', MAIN, 'audit', ...args]).end();
const path = (...parts: readonly string[]) => join(gateway.dir, ...parts);

beforeAll(async () => {
  server = await startServer(NEWEST);
  gateway = await startGateway({ upstream: server.url });
  log = path('data', 'audit');
  const agent: pg.Client = await open(gateway.agentUrl());
  await agent.query('SELECT 1');
  const first = agent.query(`CREATE TABLE kept AS SELECT '${SECRET}' AS note`);
  const request = await gateway.opened();
  await expect(decide(gateway.ada, request, 'approve')).rejects.toThrow('sponsor');
  await gateway.approve(request);
  await first;
  await gateway.reaches(request.id, 'executed');
  approved = request.id;
  const second = outcome(agent.query('DROP TABLE kept'));
  const other = await gateway.opened([approved]);
  await gateway.deny(other);
  expect(await second).toMatchObject({ code: '42501' });
  denied = other.id;
  expect(await outcome(agent.query(`COPY kept TO '/nowhere/${SECRET}'`))).toMatchObject({ code: '42501' });
  await agent.end();
  // While it runs, nobody else writes to its log.
  const refused = await holdpoint('rotate-key', log);
  expect(refused).toMatchObject({ exit: 1, out: '' });
  expect(refused.err).toContain(`${process.pid}`);
  await gateway.stop(true);
  const dates = [-DAY_MS, DAY_MS].map((by) => new Date(Date.now() + by).toISOString().slice(0, 10));
  period = ['--from', dates[0] ?? '', '--to', dates[1] ?? ''];
  key = (await holdpoint('key', log)).out.trim();
  const note = await readFile(join(log, 'checkpoint'), 'utf8');
  await writeFile(path('forged'), note.replace(/\n(\d+)\n/, '\n9$1\n'));
  await mkdir(path('no-log'));
}, 240_000);
afterAll(async () => {
  await server?.stop();
  if (gateway) await rm(gateway.dir, { recursive: true, force: true });
});

/** A copy of the log in which one word of one record is another. */
const edited = async (name: string): Promise<string> => {
  const dir = path(name);
  await cp(log, dir, { recursive: true });
  const file = join(dir, '00000001.jsonl');
  const text = await readFile(file, 'utf8');
  expect(text).toContain('"by":"grace"');
  await writeFile(file, text.replace('"by":"grace"', '"by":"gruce"'));
  return dir;
};

test('key and checkpoint: what is given away', async () => {
  expect(key).toMatch(/^holdpoint\/\S+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$/);
  // data/ is taken for data/audit/.
  expect(await holdpoint('key', '--all', path('data'))).toMatchObject({ out: `${key}\n`, exit: 0 });
  const checkpoint = await holdpoint('checkpoint', log);
  expect(checkpoint).toMatchObject({ out: await readFile(join(log, 'checkpoint'), 'utf8'), err: '', exit: 0 });
  const nothing = path('nothing');
  await mkdir(nothing);
  expect(await holdpoint('key', nothing)).toMatchObject({
    exit: 1,
    err: expect.stringContaining('has no key yet') as string,
  });
  expect(await holdpoint('checkpoint', nothing)).toMatchObject({
    exit: 1,
    err: expect.stringContaining('has no checkpoint yet') as string,
  });
  expect(await holdpoint('key', path('not-there'))).toMatchObject({
    exit: 2,
    err: `${path('not-there')} cannot be read (ENOENT)\n`,
  });
});

test('verify: as it was signed, and edited', async () => {
  const good = await holdpoint('verify', log, '--key', key);
  expect(good).toMatchObject({ err: '', exit: 0 });
  expect(good.out).toMatch(/\nverified {6}records 1 to (\d+) are as they were signed[^]*\nThe log verifies\.\n$/);
  // Nobody kept this checkpoint elsewhere.
  expect(good.out).toContain('kept beside the log');
  await writeFile(path('held'), await readFile(join(log, 'checkpoint')));
  await writeFile(path('keys'), `# of the log\n${key}\n`);
  const kept = await holdpoint('verify', log, '--key', path('keys'), '--checkpoint', path('held'), '--json');
  expect(kept).toMatchObject({ err: '', exit: 0 });
  expect(JSON.parse(kept.out)).toMatchObject({ verified: true, findings: [], newest: { from: path('held') } });
  const bad = await holdpoint('verify', await edited('edited'), '--key', key, '--checkpoint', path('held'));
  expect(bad).toMatchObject({ err: '', exit: 1 });
  expect(bad.out).toMatch(
    /WRONG {9}record \d+: edited \(00000001\.jsonl, byte \d+\)[^]*\nTHE LOG DOES NOT VERIFY\.\n$/,
  );
});

test('verify: wrong input is told from a wrong log', async () => {
  expect(await holdpoint('verify', log)).toMatchObject({
    out: '',
    exit: 2,
    err: expect.stringContaining("--key is missing: the log's verifier key") as string,
  });
  expect(await holdpoint('verify', log, '--key', key.replace(/\+[0-9a-f]{8}\+/, '+00000000+'))).toMatchObject({
    out: '',
    exit: 2,
    err: expect.stringContaining('is damaged: its id is 00000000') as string,
  });
  expect(await holdpoint('verify', log, '--key', key, '--checkpoint', path('forged'))).toMatchObject({
    out: '',
    exit: 2,
    err: expect.stringContaining('is wrong: it is forged or damaged') as string,
  });
  expect(await holdpoint('verify', path('no-log'), '--key', key)).toMatchObject({
    out: '',
    exit: 2,
    err: expect.stringContaining('there is no checkpoint in') as string,
  });
  expect(await holdpoint('verify', log, '--no-such-option')).toMatchObject({
    out: '',
    exit: 2,
    err: expect.stringContaining('unknown option') as string,
  });
});

test('receipt: made from the folder, verified alone, and not when it was edited', async () => {
  const file = path('receipt.json');
  expect(await holdpoint('receipt', approved.toLowerCase(), '--dir', log, '--out', file)).toMatchObject({
    out: '',
    err: '',
    exit: 0,
  });
  const good = await holdpoint('verify', file, '--key', key);
  expect(good).toMatchObject({ err: '', exit: 0 });
  for (const type of [
    'policy.loaded',
    'request.opened',
    'request.refused',
    'request.decided',
    'request.released',
    'request.executed',
  ])
    expect(good.out).toMatch(new RegExp(`\nproved {8}record \\d+ {2}\\S+ {2}${type.replace('.', '\\.')}\n`));
  expect(good.out).toContain('The receipt verifies:');
  const text = await readFile(file, 'utf8');
  expect(text).not.toContain(SECRET);
  await writeFile(file, text.replace('\\"by\\":\\"grace\\"', '\\"by\\":\\"gruce\\"'));
  const bad = await holdpoint('verify', file, '--key', key);
  expect(bad.exit).toBe(1);
  expect(bad.out).toMatch(/\nNOT PROVED {4}record \d+ [^]*\nTHE RECEIPT DOES NOT VERIFY\.\n$/);
  expect(await holdpoint('verify', file, '--key', key, '--checkpoint', join(log, 'checkpoint'))).toMatchObject({
    exit: 2,
    err: expect.stringContaining('a receipt has its own checkpoint') as string,
  });
  expect(await holdpoint('receipt', 'HP-00000000', '--dir', log)).toMatchObject({
    out: '',
    exit: 1,
    err: `${log} has no record of HP-00000000\n`,
  });
});

test('rotate-key: the old key vouches for the new one', async () => {
  const dir = path('rotated');
  await cp(log, dir, { recursive: true });
  const done = await holdpoint('rotate-key', dir);
  expect(done).toMatchObject({ exit: 0, err: '' });
  const [, was = '', now = ''] = /^was {2}(\S+)\nnow {2}(\S+)\n/.exec(done.out) ?? [];
  expect(was).toBe(key);
  expect(now).not.toBe(key);
  expect(await holdpoint('key', '--all', dir)).toMatchObject({ out: `${was}\n${now}\n`, exit: 0 });
  for (const one of [was, now]) expect(await holdpoint('verify', dir, '--key', one)).toMatchObject({ exit: 0 });
});

test('evidence: what an auditor takes away says who asked, who decided and who was refused', async () => {
  const out = path('evidence');
  const made = await holdpoint('evidence', ...period, '--out', out, '--dir', log);
  expect(made).toMatchObject({ err: '', exit: 0 });
  const [, sha256 = ''] =
    /^\S+: 2 requests, (?:\d+) records, \d+ of them proved\nmanifest\.json has the SHA-256 ([0-9a-f]{64})\n/.exec(
      made.out,
    ) ?? [];
  const table = async (name: string) =>
    JSON.parse(await readFile(join(out, `${name}.json`), 'utf8')) as Readonly<Record<string, unknown>>[];
  expect(await table('requests')).toMatchObject([
    {
      id: approved,
      requester: 'bot',
      sponsor: 'ada',
      state: 'executed',
      actions: ['ddl'],
      decisions: [{ decision: 'approve', by: 'grace', signed_in: { by: ['link'] } }],
      receipt: `receipts/${approved}.json`,
    },
    { id: denied, state: 'denied', decisions: [{ decision: 'deny', by: 'grace' }] },
  ]);
  expect(await table('refusals')).toMatchObject([{ request: approved, by: 'ada', why: 'own', own: true }]);
  expect(await table('duty')).toMatchObject([{ separate: true, deciders: ['grace'] }, { separate: true }]);
  expect((await table('statements')).map(({ kind, rule }) => [kind, rule])).toEqual([['denied', 'server-files']]);
  expect((await table('sign-ins')).map(({ user, result }) => [user, result])).toContainEqual(['grace', 'in']);
  expect(await table('policies')).toMatchObject([{ mode: 'enforce', requests: 2, to: null }]);
  expect(await table('guarded')).toMatchObject([{ upstream: 'app', engine: 'postgres', requests: 2 }]);
  for (const name of await readdir(out, { recursive: true, withFileTypes: true }))
    if (name.isFile())
      expect(await readFile(join(name.parentPath, name.name), 'utf8'), name.name).not.toContain(SECRET);

  const verified = await holdpoint('verify', out, '--key', key);
  expect(verified).toMatchObject({ err: '', exit: 0 });
  expect(verified.out).toContain(`manifest.json has the SHA-256 ${sha256}`);
  expect(verified.out).toContain('The evidence verifies:');
  expect(await holdpoint('verify', join(out, 'receipts', `${approved}.json`), '--key', key)).toMatchObject({ exit: 0 });
  await writeFile(join(out, 'duty.json'), '[]\n');
  const changed = await holdpoint('verify', out, '--key', key);
  expect(changed.exit).toBe(1);
  expect(changed.out).toMatch(/\nWRONG {9}duty\.json: [^]*\nTHE EVIDENCE DOES NOT VERIFY\.\n$/);

  const full = path('full');
  expect(await holdpoint('evidence', ...period, '--out', full, '--dir', log, '--text', '--key', key)).toMatchObject({
    exit: 0,
  });
  expect(await readFile(join(full, 'index.html'), 'utf8')).toContain(SECRET);
});

test('evidence: of a log that does not verify it is made, says so first, and ends with 1; wrong usage makes nothing', async () => {
  const out = path('red');
  const made = await holdpoint('evidence', ...period, '--out', out, '--dir', await edited('edited-too'));
  expect(made).toMatchObject({ err: '', exit: 1 });
  expect(made.out).toContain('THE LOG DOES NOT VERIFY.');
  expect(await readFile(join(out, 'index.html'), 'utf8')).toContain(
    '<div class="alert critical"><p><b>THE LOG DOES NOT VERIFY',
  );

  const wrong: readonly (readonly [string, readonly string[], string])[] = [
    [
      'not empty',
      [...period, '--out', out, '--dir', log],
      'is not empty: evidence is written into a new or empty folder',
    ],
    ['no period', ['--out', path('none'), '--dir', log], "required option '--from <time>' not specified"],
    [
      'backwards',
      ['--from', '2026-03-01', '--to', '2026-03-01', '--out', path('none'), '--dir', log],
      'must be before',
    ],
    ['no folder', [...period, '--out', path('none'), '--dir', path('not-there')], 'cannot be read (ENOENT)'],
    ['in the log', [...period, '--out', join(log, 'evidence'), '--dir', log], "is in the log's own folder"],
    ['no log', [...period, '--out', path('none'), '--dir', path('no-log')], 'there is no audit log in'],
    [
      'a forged checkpoint',
      [...period, '--out', path('none'), '--dir', log, '--checkpoint', path('forged')],
      'forged or damaged',
    ],
  ];
  for (const [what, args, says] of wrong) {
    const run = await holdpoint('evidence', ...args);
    expect(run, what).toMatchObject({ out: '', exit: 2, err: expect.stringContaining(says) as string });
  }
  expect(await readdir(gateway.dir)).not.toContain('none');
});
