// Evidence folders out of logs as a gateway writes them: what each table says, what is not let into a page, what is said of what is missing;
// and both verifiers, ours and docs/verify.py, of what was changed afterwards.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RECORD_TYPES } from '../../../../src/audit/record-types.ts';
import { verifyEvidence } from '../../../../src/audit/verify/evidence.ts';
import { verifyLog } from '../../../../src/audit/verify/log.ts';
import { BadInput, parseCheckpoints, parseKey } from '../../../../src/audit/verify/note.ts';
import { verifyReceipt } from '../../../../src/audit/verify/receipt.ts';
import { controlsPage, PAGE } from '../../../../tools/print-evidence.ts';
import { CONTROLS } from '../../../../src/cli/evidence/controls.ts';
import { gaps_max } from '../../../../src/cli/evidence/collect.ts';
import { makeEvidence, type Verified } from '../../../../src/cli/evidence/make.ts';
import { TABLE_NAMES, TABLES } from '../../../../src/cli/evidence/tables.ts';
import { keptLog } from '../../audit/removing.ts';
import { everything, HOSTILE, HOSTILE_NAME, POLICY, type Sample, writeLog, type Writer } from './sample.ts';

const QUARTER = { from: '2026-01-01T00:00:00.000Z', to: '2026-04-01T00:00:00.000Z' };
const root = mkdtempSync(join(tmpdir(), 'holdpoint-evidence-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = (): string => join(root, `made-${folders++}`);

type Row = Readonly<Record<string, unknown>>;
const table = (folder: string, name: string): Row[] =>
  JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Row[];
const page = (folder: string): string => readFileSync(join(folder, 'index.html'), 'utf8');

/** What hides or reorders text, as it is. */
const raw = (text: string): string[] =>
  Array.from(text).filter((char) => char === '\u001b' || /[\p{Bidi_Control}\p{Zl}]/u.test(char));

const verify = async ({ dir, key }: Sample): Promise<Verified> => {
  const keys = [parseKey(key)];
  const note = readFileSync(join(dir, 'checkpoint'), 'utf8');
  const checkpoints = parseCheckpoints(note, keys, 'kept').map((one) => ({ ...one, from: 'kept' }));
  const report = await verifyLog({ folder: dir, checkpoints });
  return { report, checkpoints, own: false, keys: [key] };
};

const make = async (sample: Sample, more: { period?: typeof QUARTER; with_text?: boolean; out?: string } = {}) => {
  const out = more.out ?? fresh();
  const { period = QUARTER, with_text = false } = more;
  const verified = await verify(sample);
  const now = Date.parse('2026-05-01T00:00:00Z');
  const made = await makeEvidence({
    dir: sample.dir,
    out,
    period,
    with_text,
    master_key: null,
    verified,
    now,
    progress: () => undefined,
  });
  return { out, made };
};

const python = (...args: string[]): Promise<{ readonly status: number; readonly out: string }> =>
  new Promise((resolve) => {
    const script = join(import.meta.dirname, '../../../../docs/verify.py');
    execFile('python3', [script, ...args], { encoding: 'utf8' }, (error, out, errors) => {
      resolve({ status: error === null ? 0 : Number(error.code), out: out + errors });
    });
  });

let sample: Sample;
let out: string;
let made: Awaited<ReturnType<typeof makeEvidence>>;
beforeAll(async () => {
  sample = await writeLog(join(root, 'log'), everything, '2025-12-31T23:50:00.000Z');
  ({ out, made } = await make(sample));
});

describe('the tables', () => {
  it('have the fields that are documented, in every row, and there is a row of each but none is there for nothing', () => {
    for (const name of TABLE_NAMES) {
      const names = TABLES[name].fields.map((field) => field.name).filter((field) => field !== 'text');
      const rows = table(out, name);
      expect(rows.length, name).toBeGreaterThan(0);
      for (const row of rows) expect(Object.keys(row).toSorted(), name).toEqual(names.toSorted());
    }
  });

  it('requests: those that the period touches, with all of their records, and no other', () => {
    const rows = table(out, 'requests');
    expect(rows.map(({ id, carried_over, state }) => [id, carried_over, state])).toEqual([
      ['HP-EARLY111', true, 'executed'],
      ['HP-HOSTILE1', false, 'executed'],
      ['HP-DENIED11', false, 'denied'],
      ['HP-OWNSIDE1', false, 'approved'],
      ['HP-GLASS111', false, 'executed'],
      ['HP-GLASS222', false, 'executed'],
      // Decided behind the end of the period, and told all the same.
      ['HP-LATE1111', false, 'approved'],
    ]);
    expect(rows[0]).toMatchObject({
      waited_ms: 900_000,
      requester: 'bot',
      sponsor: 'ada',
      rule: 'exports',
      policy: POLICY,
      needs: 'one of dba',
    });
    expect(rows[1]).toMatchObject({
      questions: 1,
      answers: 1,
      refused_acts: 1,
      needs: 'two of dba',
      objects: [{ action: 'export', object: HOSTILE_NAME }],
      outcome: { tag: 'COPY 20', rows: 20 },
      decisions: [
        { decision: 'approve', by: 'grace', signed_in: null, counts: true },
        { decision: 'approve', by: 'tomasz', signed_in: { by: ['local', 'totp'] }, channel: 'console', counts: true },
      ],
    });
    expect(rows[2]).toMatchObject({
      waited_ms: 5000,
      decisions: [{ decision: 'deny', by: 'grace' }],
      outcome: null,
      released: null,
    });
  });

  it('duty: whoever is on both sides is found, in any spelling; refused attempts', () => {
    const rows = table(out, 'duty');
    expect(rows.filter(({ separate }) => separate === false)).toMatchObject([
      { request: 'HP-OWNSIDE1', both_sides: ['ADA'] },
    ]);
    expect(rows.filter(({ how }) => how === 'break-glass')).toHaveLength(2);
    expect(table(out, 'refusals')).toMatchObject([
      { request: 'HP-HOSTILE1', by: 'ada', why: 'own', own: true, decision: 'approve' },
      { request: 'HP-NEVERWAS', by: 'ada', why: 'not-found', own: false },
    ]);
  });

  it('people: reviewers, sign-ins of both sides, who asked, what was guarded, acts of administrators', () => {
    expect(table(out, 'reviewers').find(({ user }) => user === 'grace')).toMatchObject({
      sign_ins: 1,
      refused: 1,
      approved: 2,
      denied: 1,
      by: ['local', 'totp'],
    });
    expect(table(out, 'sign-ins').map(({ side, user, result, why }) => [side, user, result, why])).toEqual([
      ['review', 'grace', 'refused', 'wrong'],
      ['review', 'grace', 'in', null],
      ['database', 'mallory<u>', 'refused', 'password, 28P01'],
      ['review', 'grace', 'out', null],
    ]);
    expect(table(out, 'requesters').find(({ id }) => id === 'bot')).toMatchObject({
      sessions: 1,
      allowed: 5,
      stopped: 2,
      observed: 1,
      sponsors: ['ada'],
    });
    expect(table(out, 'guarded')).toMatchObject([
      { upstream: 'app', database: 'shop', engine: 'postgres', tags: { env: 'prod' }, sessions: 1, allowed: 5 },
    ]);
    expect(table(out, 'administration').map(({ type, by }) => [type, by])).toEqual([
      ['permit.revoked', 'root'],
      ['reviewer.token_issued', 'ada'],
      ['reviewer.read_text', 'root'],
      ['config.loaded', null],
      ['config.loaded', null],
    ]);
  });

  it('policies: from when to when, enforced or observed, refused; loaded again is the same one', () => {
    expect(
      table(out, 'policies').map(({ from, to, result, mode, loads, requests }) => [
        from,
        to,
        result,
        mode,
        loads,
        requests,
      ]),
    ).toEqual([
      ['2025-12-31T23:50:00.000Z', '2026-02-01T00:00:00.000Z', 'loaded', 'enforce', 1, 5],
      ['2026-02-01T00:00:00.000Z', null, 'refused', null, 1, 0],
      ['2026-02-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z', 'loaded', 'observe', 1, 0],
      ['2026-02-01T00:00:00.000Z', null, 'loaded', 'enforce', 2, 1],
    ]);
  });

  it('permits and break-glass with their reviews; statements that were stopped', () => {
    expect(table(out, 'permits')).toMatchObject([
      {
        id: 'PM-PERMIT11',
        request: 'HP-HOSTILE1',
        by: ['grace', 'tomasz'],
        uses: 2,
        rows: 14,
        uses_max: 9,
        rows_max: 50,
        revoked_by: 'root',
      },
    ]);
    expect(table(out, 'break-glass')).toMatchObject([
      { request: 'HP-GLASS111', by: 'petra', reviewed_by: 'grace', separate: true },
      { request: 'HP-GLASS222', by: 'petra', reviewed_by: null, separate: null },
    ]);
    expect(table(out, 'statements').map(({ kind, rule, sqlstate }) => [kind, rule, sqlstate])).toEqual([
      ['denied', 'no-drop', null],
      ['refused', 'unparsed', '42601'],
      ['observed', 'exports', null],
    ]);
  });

  it('gaps: forwarding stopped from when to when, the clock set back, a policy only observed', () => {
    expect(table(out, 'gaps').map(({ kind }) => kind)).toEqual([
      'observed-only',
      'forwarding-stopped',
      'clock-back',
      'clock-jumped',
    ]);
    expect(table(out, 'gaps')[1]).toMatchObject({
      time: '2026-02-01T00:00:00.000Z',
      says: expect.stringContaining('3 records were rejected') as string,
    });
  });

  it('controls: counted from the records, with the first and the last', () => {
    const dual = table(out, 'controls').find(({ id }) => id === 'AC-3(2)');
    expect(dual).toMatchObject({
      count: 1,
      fedramp: [],
      evidence: [{ count: 1, first: { time: '2026-01-15T10:01:05.000Z' } }],
    });
    expect(table(out, 'controls').find(({ id }) => id === 'AC-5')).toMatchObject({ fedramp: ['moderate', 'high'] });
    const privileged = table(out, 'controls').find(({ id }) => id === 'AC-6(9)')?.['evidence'] as Row[];
    expect(privileged.find(({ what }) => what === 'reviewer.read_text')).toMatchObject({ count: 1 });
  });
});

describe('the page', () => {
  const pages = (folder: string) => [page(folder), readFileSync(join(folder, 'README.txt'), 'utf8')];

  it('lets no markup, script or hidden character of a statement in, with and without texts', async () => {
    const full = await make(sample, { with_text: true });
    for (const folder of [out, full.out]) {
      for (const text of pages(folder)) {
        expect(raw(text)).toEqual([]);
        if (text.startsWith('<!doctype')) expect(text).not.toMatch(/<(script|img|b>report|u>)/);
      }
      expect(page(folder)).toContain(
        '&lt;img src=x onerror=alert(2)&gt;<span class="ctl" title="U+202E RIGHT-TO-LEFT OVERRIDE">RLO</span>gro',
      );
    }
    expect(page(full.out)).toContain('<span class="ctl" title="U+001B ESCAPE">ESC</span>[31mred');
    expect(page(full.out)).toContain('nedd<span class="glyph" title="U+0456 CYRILLIC LETTER">\u0456</span>h');
    expect(page(full.out)).toContain('weekly &lt;b&gt;report&lt;/b&gt;');
  });

  it('reaches for nothing outside of the folder', () => {
    expect(page(out)).toContain("default-src 'none'");
    expect(page(out)).not.toMatch(/(src|href)="?(https?:)?\/\//);
    const links = [...page(out).matchAll(/href="([^"#]+)"/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(15);
    for (const link of links) expect(existsSync(join(out, link)), link).toBe(true);
  });

  it('says first what is wrong', () => {
    const said = page(out);
    expect(said).toContain('1 request decided by somebody of the requester');
    expect(said.indexOf('only observed: nothing was held')).toBeLessThan(said.indexOf('The log verifies, and all'));
  });

  it('a JSON file spells out what would turn a terminal around, and reads back as it was', () => {
    const text = readFileSync(join(out, 'requests.json'), 'utf8');
    expect(raw(text)).toEqual([]);
    expect(JSON.stringify(table(out, 'requests'))).toContain('\u202e');
  });
});

describe('texts', () => {
  it('are in it with --text alone', async () => {
    const { out: full } = await make(sample, { with_text: true });
    const texts = table(full, 'requests').find(({ id }) => id === 'HP-HOSTILE1');
    expect(texts).toMatchObject({
      text: { sql: HOSTILE, reason: 'weekly <b>report</b>' },
      decisions: [{ rationale: 'one' }, { rationale: 'fine by tomasz <i>' }],
    });
    for (const name of readdirSync(out)) {
      if (!statSync(join(out, name)).isFile()) continue;
      expect(readFileSync(join(out, name), 'utf8'), name).not.toContain('weekly <b>report');
    }
  });

  it('whose key is gone are said to be deleted, and everything else stands', async () => {
    const dir = join(root, 'keyless');
    cpSync(sample.dir, dir, { recursive: true });
    rmSync(join(dir, 'keys/2026-01.key'));
    const { out: folder, made: done } = await make({ ...sample, dir }, { with_text: true });
    expect(done).toMatchObject({ sound: true, proved: made.proved });
    const rows = table(folder, 'requests');
    expect(rows.find(({ id }) => id === 'HP-HOSTILE1')).toMatchObject({
      text: 'deleted',
      shape: expect.stringContaining('COPY t') as string,
    });
    expect(rows.find(({ id }) => id === 'HP-LATE1111')).toMatchObject({ text: { sql: 'COPY customers TO STDOUT' } });
    expect(page(folder)).toContain('Text deleted: its key is not there.');
    expect(table(folder, 'gaps').map(({ kind }) => kind)).toContain('text-deleted');
  });
});

describe('periods', () => {
  it('with nothing in it', async () => {
    const { out: folder, made: done } = await make(sample, {
      period: { from: '2026-03-01T00:00:00.000Z', to: '2026-03-02T00:00:00.000Z' },
    });
    expect(done).toMatchObject({ sound: true, requests: 0 });
    expect(page(folder)).toContain('Nothing is on record in this period.');
    expect(table(folder, 'requests')).toEqual([]);
    // What was in force is known all the same.
    expect(table(folder, 'policies')).toMatchObject([{ mode: 'enforce', to: null }]);
    expect((await verifyEvidence(folder, [parseKey(sample.key)])).verified).toBe(true);
    expect(await python('evidence', folder, sample.key)).toMatchObject({ status: 0 });
  });

  it('before the log begins, and after its end', async () => {
    const before = await make(sample, { period: { from: '2025-01-01T00:00:00.000Z', to: '2025-02-01T00:00:00.000Z' } });
    expect(table(before.out, 'gaps').map(({ kind }) => kind)).toEqual(['before-the-log']);
    const last = await make(sample, { period: { from: '2026-04-01T00:00:00.000Z', to: '2026-07-01T00:00:00.000Z' } });
    expect(table(last.out, 'gaps').map(({ kind }) => kind)).toEqual(['not-over', 'end-of-log', 'clock-jumped']);
    expect(table(last.out, 'requests').map(({ id }) => id)).toEqual(['HP-LATE1111', 'HP-NEXTQTR1']);
  });

  it('with more requests than a page holds: further pages, one proof for all', async () => {
    const count = 2100;
    const id = (n: number) => `HP-${String(n).padStart(8, '0')}`;
    const many = await writeLog(join(root, 'many'), async (to: Writer) => {
      const all = Array.from({ length: count }, async (_, n) => {
        await Promise.all([to.open(id(n)), to.decide(id(n), 'grace', 'deny')]);
      });
      await Promise.all(all);
    });
    const { out: folder, made: done } = await make(many);
    expect(done).toMatchObject({ sound: true, requests: count, proved: done.records });
    expect(readdirSync(join(folder, 'pages')).toSorted()).toEqual([
      'duty-2.html',
      'duty-3.html',
      'requests-2.html',
      'requests-3.html',
    ]);
    expect(existsSync(join(folder, 'receipts'))).toBe(false);
    expect(page(folder)).toContain('<a href="pages/requests-3.html">3</a>');
    const ids = [
      page(folder),
      ...[2, 3].map((n) => readFileSync(join(folder, `pages/requests-${n}.html`), 'utf8')),
    ].flatMap((text) => [...text.matchAll(/id="r-(HP-\d{8})"/g)].map(([, one = '']) => one));
    expect(ids).toEqual(Array.from({ length: count }, (_, n) => id(n)));
    expect((await verifyEvidence(folder, [parseKey(many.key)])).proved).toBe(done.records);
  });
});

describe('a log that does not verify', () => {
  it('is told first and in red; what was read stands, and what the good part covers is proved', async () => {
    const dir = join(root, 'edited');
    cpSync(sample.dir, dir, { recursive: true });
    const path = join(dir, '00000001.jsonl');
    const text = readFileSync(path, 'utf8');
    expect(text).toContain('"by":"tomasz"');
    writeFileSync(path, text.replace('"by":"tomasz"', '"by":"mallet"'));
    const { out: folder, made: done } = await make({ ...sample, dir });
    expect(done.sound).toBe(false);
    const said = page(folder);
    expect(said.indexOf('class="alert critical"')).toBe(said.indexOf('class="alert'));
    expect(said).toMatch(/class="alert critical"><p><b>THE LOG DOES NOT VERIFY[^]*record \d+: edited/);
    expect(readFileSync(join(folder, 'README.txt'), 'utf8')).toContain('* THE LOG DOES NOT VERIFY');
    expect(JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'))).toMatchObject({ verified: false });
    expect(table(folder, 'requests')).toHaveLength(7);
    expect((await verifyEvidence(folder, [parseKey(sample.key)])).verified).toBe(false);
    expect(await python('evidence', folder, sample.key)).toMatchObject({ status: 1 });
  });

  it('whose lines are no records at all', async () => {
    const dir = join(root, 'garbage');
    cpSync(sample.dir, dir, { recursive: true });
    writeFileSync(join(dir, '00000001.jsonl'), '{"v":1}\n\u0000\u0000\n{"v":1,"seq":1,"type":3}\nnull\n[]\n');
    const { out: folder, made: done } = await make({ ...sample, dir });
    expect(done).toMatchObject({ sound: false, requests: 0, records: 0 });
    expect(table(folder, 'gaps').map(({ kind }) => kind)).toContain('unreadable');
  });
});

it('a log whose first files retention removed: what is left is proved, and the gap is told', async () => {
  const dir = join(root, 'trimmed');
  const kept = await keptLog({ dir, bytes_max: 12_000 });
  for (let n = 0; n < 60; n++) await kept.log.append({ type: 'config.loaded', clear: { n, pad: 'x'.repeat(200) } });
  await kept.retention.look();
  await kept.log.append({ type: 'config.loaded', clear: { n: 'last' } });
  await kept.close();
  expect(existsSync(join(dir, '00000001.jsonl'))).toBe(false);
  const trimmed = { dir, key: kept.checkpoints.signer.verifier_key };
  const { out: folder, made: done } = await make(trimmed, {
    period: { from: '2000-01-01T00:00:00.000Z', to: '2200-01-01T00:00:00.000Z' },
  });
  expect(done).toMatchObject({ sound: true, proved: done.records });
  expect(table(folder, 'gaps').find(({ kind }) => kind === 'removed')?.['says']).toMatch(/all records up to \d+;/);
  expect(page(folder)).toMatch(/Removed by retention<\/dt><dd>records 1 to \d+, as record \d+ says/);
  expect(await verifyEvidence(folder, [parseKey(trimmed.key)])).toMatchObject({ verified: true, proved: done.records });
  expect(await python('evidence', folder, trimmed.key)).toMatchObject({ status: 0 });
});

it('of very many gaps some are told, and how many are not', async () => {
  const many = await writeLog(join(root, 'gaps'), async (to: Writer) => {
    await Promise.all(Array.from({ length: gaps_max + 25 }, () => to.put('webhook.gone', { webhook: 'one' })));
  });
  const { out: folder } = await make(many);
  expect(table(folder, 'gaps').find(({ kind }) => kind === 'more')?.['says']).toMatch(/^2[56] more records/);
  expect(table(folder, 'gaps').length).toBeLessThan(gaps_max + 10);
});

it('a folder that holds something is left as it is', async () => {
  const folder = fresh();
  await make(sample, { out: folder });
  const before = readFileSync(join(folder, 'manifest.json'));
  await expect(make(sample, { out: folder })).rejects.toThrow('is not empty');
  expect(readFileSync(join(folder, 'manifest.json'))).toEqual(before);
});

describe('whoever takes the folder away', () => {
  const keys = () => [parseKey(sample.key)];

  it('verifies it, and each receipt, offline, with both programs', async () => {
    expect(await verifyEvidence(out, keys())).toMatchObject({
      verified: true,
      records: made.records,
      proved: made.records,
      manifest_sha256: made.manifest_sha256,
      problems: [],
    });
    expect(await python('evidence', out, sample.key)).toMatchObject({
      status: 0,
      out: expect.stringContaining(`${made.records} records proved`) as string,
    });
    const receipts = readdirSync(join(out, 'receipts'));
    expect(receipts).toHaveLength(5);
    for (const name of receipts) {
      const path = join(out, 'receipts', name);
      expect(verifyReceipt(readFileSync(path, 'utf8'), keys(), path), name).toMatchObject({ verified: true });
    }
    expect(await python('receipt', join(out, 'receipts/HP-HOSTILE1.json'), sample.key)).toMatchObject({ status: 0 });
  });

  const edit = (name: string, how: (text: string) => string) => (folder: string) => {
    const before = readFileSync(join(folder, name), 'utf8');
    const after = how(before);
    expect(after).not.toBe(before);
    writeFileSync(join(folder, name), after);
  };
  /** As whoever changes a file would: the manifest fits again. */
  const withManifest = (name: string, how: (text: string) => string) => async (folder: string) => {
    edit(name, how)(folder);
    const { createHash } = await import('node:crypto');
    const bytes = readFileSync(join(folder, name));
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      files: { path: string; bytes: number; sha256: string }[];
    };
    const files = manifest.files.map((file) =>
      file.path === name
        ? { path: name, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
        : file,
    );
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, files }));
  };
  const lines = (how: (all: string[]) => string[]) => (text: string) =>
    `${how(text.trimEnd().split('\n')).join('\n')}\n`;

  it.each<[string, (folder: string) => void | Promise<void>]>([
    ['a table was changed', edit('requests.json', (text) => text.replace('grace', 'trace'))],
    ['a file is missing', (folder) => rmSync(join(folder, 'duty.json'))],
    ['a file was added', (folder) => writeFileSync(join(folder, 'more.json'), '[]')],
    ['a record was changed', edit('records.jsonl', (text) => text.replace('HP-DENIED11', 'HP-DENIED12'))],
    ['the proof is gone', (folder) => rmSync(join(folder, 'proof.jsonl'))],
    [
      'a record was changed, and the manifest',
      withManifest('records.jsonl', (text) => text.replace('HP-DENIED11', 'HP-DENIED12')),
    ],
    [
      'a record was removed, and the manifest',
      withManifest(
        'records.jsonl',
        lines((all) => all.toSpliced(7, 1)),
      ),
    ],
    [
      'two records changed places, and the manifest',
      withManifest(
        'records.jsonl',
        lines((all) => all.toSpliced(7, 2, all[8] ?? '', all[7] ?? '')),
      ),
    ],
    [
      'a subtree is told for another height, and the manifest',
      withManifest('proof.jsonl', (text) => text.replace('[0,', '[1,')),
    ],
    [
      'the proof ends early, and the manifest',
      withManifest(
        'proof.jsonl',
        lines((all) => all.slice(0, -1)),
      ),
    ],
    [
      'the proof says that all is one subtree, and the manifest',
      withManifest(
        'proof.jsonl',
        lines((all) => [...all.slice(0, 1), `[6,"${'A'.repeat(43)}="]`]),
      ),
    ],
  ])('%s: neither program takes it', async (_, change) => {
    const folder = fresh();
    cpSync(out, folder, { recursive: true });
    await change(folder);
    const report = await verifyEvidence(folder, keys());
    expect(report.verified).toBe(false);
    expect(report.problems.length).toBeGreaterThan(0);
    expect(await python('evidence', folder, sample.key)).toMatchObject({ status: 1 });
  });

  it('another key, a forged checkpoint, a manifest that names files elsewhere: wrong input', async () => {
    const other = await writeLog(join(root, 'other'), (to) => to.put('config.loaded', {}).then(() => undefined));
    await expect(verifyEvidence(out, [parseKey(other.key)])).rejects.toThrow(BadInput);
    const forged = fresh();
    cpSync(out, forged, { recursive: true });
    await withManifest('proof.jsonl', (text) => text.replace(/\\n(\d+)\\n/, '\\n9$1\\n'))(forged);
    await expect(verifyEvidence(forged, keys())).rejects.toThrow('forged or damaged');
    edit('manifest.json', (text) => text.replace('"records.jsonl"', '"../records.jsonl"'))(forged);
    await expect(verifyEvidence(forged, keys())).rejects.toThrow('outside of the folder');
    expect(await python('evidence', forged, sample.key)).toMatchObject({ status: 2 });
  });
});

it('the control mapping names records that there are, each control once', () => {
  const ids = CONTROLS.map(({ framework, id }) => `${framework} ${id}`);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { tables, shows, not_shown, id, framework, fedramp } of CONTROLS) {
    expect(
      tables.filter((name) => !TABLE_NAMES.includes(name)),
      id,
    ).toEqual([]);
    expect(shows.length * not_shown.length, id).toBeGreaterThan(0);
    if (!framework.startsWith('NIST')) expect(fedramp).toEqual([]);
  }
  const types = CONTROLS.flatMap(({ records }) => [...records]).filter((one) => one.includes('.'));
  expect(types.filter((one) => !(one in RECORD_TYPES))).toEqual([]);
});

it('docs/generated/evidence.md is what tools/print-evidence.ts prints', async () => {
  if (process.env['UPDATE'] === '1') writeFileSync(PAGE, controlsPage());
  expect(controlsPage()).toBe(readFileSync(PAGE, 'utf8'));
});
