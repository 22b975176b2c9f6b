// Makes the folder: verifies the log, gathers the period's records, folds them to tables, proves them, and says what it could not. Reads the
// log only. Must never end without saying, first of all, that a log does not verify.

import { readdir } from 'node:fs/promises';
import { closeSync, openSync, readSync } from 'node:fs';
import { AuditError } from '../../audit/error.ts';
import { realFs } from '../../audit/files.ts';
import { Keys } from '../../audit/keys.ts';
import { Hashes } from '../../audit/proof.ts';
import { leafOfBytes, type Line, unsealed as unseal } from '../../audit/record.ts';
import { receiptFrom } from '../../audit/receipt.ts';
import type { MasterKey } from '../../audit/wrap.ts';
import type { Given, LogReport } from '../../audit/verify/log.ts';
import { VERSION } from '../version.ts';
import { Collector, type GapRow } from './collect.ts';
import { CONTROLS, MEASURES } from './controls.ts';
import { Folder, type Sink } from './folder.ts';
import { gather, type Gathered, type Period, place_numbers, type Places, touched } from './gather.ts';
import { indexPage, morePage, page_rows_max, type PageFacts, rowHtml, type Shown } from './page.ts';
import { type Checkpoint, writeProof } from './proof.ts';
import type { Fields } from './read.ts';
import { readme } from './readme.ts';
import { RequestFold, type Unsealed } from './request.ts';
import { lineOf, Source } from './source.ts';
import { TABLE_NAMES, type TableName } from './tables.ts';

/** With more requests than these, one proof for all takes the place of a receipt for each. */
export const receipts_max = 1000;
/** Findings of a verification that are told. */
const findings_shown_max = 50;

/** Of the log's verification: what was found, or why nothing could be. */
export type Verified =
  | {
      readonly report: LogReport;
      readonly checkpoints: readonly Given[];
      readonly own: boolean;
      readonly keys: readonly string[];
    }
  | { readonly impossible: string };

export interface EvidenceOptions {
  /** The log's own folder. */
  readonly dir: string;
  readonly out: string;
  readonly period: Period;
  readonly with_text: boolean;
  /** What the keys of texts are wrapped with; null: with nothing. */
  readonly master_key: MasterKey | null;
  readonly verified: Verified;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What is done, and how far. */
  readonly progress: (what: string, done: number, of: number) => void;
}

export interface Made {
  /** The log verified, and all records of the period that its checkpoint covers are proved. */
  readonly sound: boolean;
  readonly requests: number;
  readonly records: number;
  /** How many of these are proved. */
  readonly proved: number;
  readonly manifest_sha256: string;
}

/** Throws Failure where the folder holds something, or the period has more requests than one folder may. */
export async function makeEvidence(options: EvidenceOptions): Promise<Made> {
  const { dir, period, progress } = options;
  const folder = await Folder.make(options.out);
  const source = await Source.open(dir);
  const months = await keyMonths(dir);
  const unsealed = unsealer(options);
  const tables = new Tables(folder, period);
  const collector = new Collector({
    period,
    put: (name, row) => tables.put(name, row),
    unsealed,
    hasKey: (month) => months.has(month),
  });
  const found = await touched(source, period, (done) => progress('looking for requests', done, source.bytes));
  const gathered = await gather(source, period, found, {
    folder,
    hearer: collector,
    progress: (done) => progress('gathering records', done, source.bytes),
  });
  const checkpoint = checkpointOf(options.verified);
  const proved =
    checkpoint &&
    (await writeProof(folder, dir, gathered.runs, checkpoint, (done, of) => progress('proving', done, of)));
  const tally = await tellRequests(options, { folder, collector, gathered, tables, unsealed, checkpoint });
  await collector.finish();
  const gaps = gapsOf(options, collector, { copied: gathered.copied, proved });
  for (const gap of gaps) await tables.put('gaps', { ...gap });
  const controls = controlRows(collector);
  for (const row of controls) await tables.put('controls', row);
  const shown = await tables.close();

  const facts = pageFacts(options, { collector, gathered, tally, gaps, controls, shown, proved, checkpoint });
  await folder.write(
    'summary.json',
    `${JSON.stringify(summaryOf(options, facts, { gathered, tally, proved }), null, 1)}\n`,
  );
  const page = await folder.sink('index.html');
  for (const piece of indexPage(facts)) await page.text(piece);
  await folder.done('index.html', page);
  await folder.write('README.txt', readme(facts, folder.files));
  const manifest_sha256 = await folder.manifest({
    period,
    made: facts.made,
    by: `holdpoint ${VERSION}`,
    log: facts.log,
  });
  const sound = isSound(options.verified) && proved !== null;
  return { sound, requests: gathered.requests.size, records: gathered.copied, proved: proved ?? 0, manifest_sha256 };
}

function isSound(verified: Verified): boolean {
  return 'report' in verified && verified.report.verified;
}

/** The largest good one before the first that is wrong: what it covers is as it was signed, whatever the rest is. */
function checkpointOf(verified: Verified): Checkpoint | null {
  if (!('report' in verified)) return null;
  const { report, checkpoints } = verified;
  const one = checkpoints.findLast(({ size }) => size === report.covered && size > 0);
  return one ? { size: one.size, root: one.root.toString('hex'), note: one.note } : null;
}

async function keyMonths(dir: string): Promise<ReadonlySet<string>> {
  const names = await readdir(`${dir}/keys`).catch(() => []);
  return new Set(names.flatMap((name) => /^(\d{4}-\d{2})\.key$/.exec(name)?.[1] ?? []));
}

function unsealer({ dir, with_text, master_key }: EvidenceOptions): (line: Line) => Promise<Unsealed | undefined> {
  if (!with_text) return () => Promise.resolve(undefined);
  const keys = new Keys(realFs, dir, master_key);
  return async (line) => {
    if (line.sealed === undefined) return null;
    try {
      return (await unseal(line, keys)).sealed ?? 'deleted';
    } catch (error) {
      // A key that does not open, for want of the master key, is the caller's to mend.
      if ((error instanceof AuditError && error.kind === 'damaged') || error instanceof SyntaxError) return 'damaged';
      throw error;
    }
  };
}

// --- tables

interface Written {
  readonly sink: Sink;
  count: number;
  first: string[];
  rest: string[];
  readonly more: string[];
}

/** A JSON file for each table, and its rows as the page shows them: a page's worth in memory. */
class Tables {
  readonly #folder: Folder;
  readonly #open = new Map<TableName, Written>();
  readonly #period: string;

  constructor(folder: Folder, { from, to }: Period) {
    this.#folder = folder;
    this.#period = `${from.slice(0, 10)} to ${to.slice(0, 10)}`;
  }

  async put(name: TableName, row: Fields): Promise<void> {
    const table = await this.#table(name);
    await table.sink.text(`${table.count === 0 ? '[\n' : ',\n'}${json(row)}`);
    table.count++;
    if (name === 'controls') return;
    const shown = rowHtml(name, row);
    if (table.count <= page_rows_max) table.first.push(shown);
    else if (table.rest.push(shown) === page_rows_max) await this.#page(name, table);
  }

  async #table(name: TableName): Promise<Written> {
    const known = this.#open.get(name);
    if (known) return known;
    const made = { sink: await this.#folder.sink(`${name}.json`), count: 0, first: [], rest: [], more: [] };
    this.#open.set(name, made);
    return made;
  }

  async #page(name: Exclude<TableName, 'controls'>, table: Written): Promise<void> {
    const number = table.more.length + 2;
    const path = `pages/${name}-${number}.html`;
    await this.#folder.write(path, morePage(name, number, this.#period, table.rest.join('')));
    table.more.push(path);
    table.rest = [];
  }

  async close(): Promise<PageFacts['tables']> {
    const shown: Partial<Record<TableName, Shown>> = {};
    for (const name of TABLE_NAMES) {
      const table = await this.#table(name);
      if (name !== 'controls' && table.rest.length > 0) await this.#page(name, table);
      await table.sink.text(table.count === 0 ? '[]\n' : '\n]\n');
      await this.#folder.done(`${name}.json`, table.sink);
      shown[name] = { count: table.count, rows: table.first.join(''), more: table.more };
    }
    return shown as Record<TableName, Shown>;
  }
}

/** What hides or reorders text is spelt out, so that a terminal or an editor shows it; it reads back as it was. */
function json(row: Fields): string {
  return JSON.stringify(row).replaceAll(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (char) =>
    Array.from({ length: char.length }, (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  );
}

// --- requests

interface Tally {
  readonly states: Map<string, number>;
  approved: number;
  denied: number;
  carried_over: number;
  broke_glass: number;
  glass_unreviewed: number;
  not_separate: number;
  receipts: number;
}

interface Telling {
  readonly folder: Folder;
  readonly collector: Collector;
  readonly gathered: Gathered;
  readonly tables: Tables;
  readonly unsealed: (line: Line) => Promise<Unsealed | undefined>;
  readonly checkpoint: Checkpoint | null;
}

async function tellRequests(options: EvidenceOptions, telling: Telling): Promise<Tally> {
  const { folder, gathered, collector } = telling;
  const tally: Tally = {
    states: new Map(),
    approved: 0,
    denied: 0,
    carried_over: 0,
    broke_glass: 0,
    glass_unreviewed: 0,
    not_separate: 0,
    receipts: 0,
  };
  const { from } = options.period;
  const receipts =
    telling.checkpoint !== null && gathered.requests.size <= receipts_max
      ? new Hashes(realFs, options.dir, true)
      : null;
  const file = openSync(folder.in('records.jsonl'), 'r');
  try {
    let done = 0;
    for (const [id, places] of gathered.requests) {
      options.progress('writing requests', done++, gathered.requests.size);
      const fold = new RequestFold(id);
      for (const bytes of linesAt(file, places)) {
        const line = lineOf(bytes);
        if (line !== null) fold.add(line, await telling.unsealed(line));
      }
      const receipt =
        receipts && fold.decisions.length > 0
          ? await writeReceipt(telling, id, fold.opened.policy, places, file, options.dir)
          : null;
      if (receipt !== null) tally.receipts++;
      await tellRequest(telling, fold, from, receipt, tally);
      const last = fold.decisions.at(-1);
      if (fold.released && fold.approvals >= 2 && last?.at && isAt(last.at, options.period))
        collector.measure('two-approvals', last.record, last.at);
    }
  } finally {
    closeSync(file);
  }
  return tally;
}

function isAt(time: string, { from, to }: Period): boolean {
  return time >= from && time < to;
}

async function tellRequest(
  { tables, collector }: Telling,
  fold: RequestFold,
  from: string,
  receipt: string | null,
  tally: Tally,
): Promise<void> {
  const row = fold.row(from, receipt);
  await tables.put('requests', row);
  const duty = fold.duty();
  await tables.put('duty', duty);
  const glass = fold.brokeGlass();
  if (glass) {
    await tables.put('break-glass', glass);
    tally.broke_glass++;
    if (glass.reviewed_by === null) tally.glass_unreviewed++;
    else collector.measure('break-glass-reviewed', row.last_record, glass.reviewed ?? glass.at);
  }
  if (row.carried_over) tally.carried_over++;
  if (duty.separate === false) tally.not_separate++;
  tally.states.set(row.state, (tally.states.get(row.state) ?? 0) + 1);
  // What it came to: an approval that lapsed was one all the same.
  const ended = fold.decisions.findLast(({ counts }) => counts);
  if (row.state === 'denied') tally.denied++;
  else if (ended?.decision === 'approve' && row.decided !== null) tally.approved++;
}

function* linesAt(file: number, places: Places): Generator<Buffer> {
  for (let at = 0; at < places.length; at += place_numbers) {
    const bytes = Buffer.alloc(places[at + 1] ?? 0);
    readSync(file, bytes, 0, bytes.length, places[at] ?? 0);
    yield bytes;
  }
}

/** Null: not all of its records are covered, or the log's hashes do not lead to the checkpoint. */
async function writeReceipt(
  { folder, gathered, checkpoint }: Telling,
  id: string,
  policy: string,
  places: Places,
  file: number,
  dir: string,
): Promise<string | null> {
  const all = [...(gathered.policies.get(policy) ?? []), ...places];
  const lines = [...linesAt(file, all)];
  const found = lines
    .map((bytes, n) => ({
      index: all[n * place_numbers + 2] ?? 0,
      line: bytes.toString('utf8'),
      leaf: Buffer.from(leafOfBytes(bytes), 'hex'),
    }))
    // The policy's record may be one of a later start.
    .filter(({ index }, n) => n > 0 || index <= (places[2] ?? 0));
  if (checkpoint === null || !/^[\w-]{1,40}$/.test(id) || found.some(({ index }) => index >= checkpoint.size))
    return null;
  const receipt = await receiptFrom(realFs, dir, id, { records: found, policy }, checkpoint);
  if (receipt === null) return null;
  const path = `receipts/${id}.json`;
  await folder.write(path, `${JSON.stringify(receipt, null, 1)}\n`);
  return path;
}

// --- what is missing

function gapsOf(
  { period, verified, now }: EvidenceOptions,
  collector: Collector,
  { copied, proved }: { readonly copied: number; readonly proved: number | null },
): GapRow[] {
  const gaps: GapRow[] = [];
  const tell = (kind: string, says: string, at: Partial<GapRow> = {}): void => {
    gaps.push({ kind, time: null, to: null, record: null, says, facts: null, ...at });
  };
  if ('impossible' in verified) tell('not-verified', `The log could not be verified: ${verified.impossible}`);
  else {
    const { report } = verified;
    for (const { text: says, record } of report.findings.slice(0, findings_shown_max))
      tell('not-verified', says, { record });
    if (report.more || report.findings.length > findings_shown_max)
      tell('not-verified', 'And more than that: run holdpoint audit verify on the log.');
    if (!report.verified && report.findings.length === 0) tell('not-verified', 'The log is not what was signed.');
  }
  const { first_time, last_time } = collector;
  if (first_time === null) tell('before-the-log', 'The log has no record at all.');
  else if (first_time > period.from)
    tell(
      'before-the-log',
      `The log\u2019s first record is of ${first_time}; of the period before that nothing is known.`,
      { time: period.from, to: first_time < period.to ? first_time : period.to },
    );
  const end = new Date(now).toISOString();
  if (period.to > end)
    tell('not-over', `The period was not over when this was made, at ${end}.`, { time: end, to: period.to });
  if (last_time !== null && last_time < period.to && last_time >= period.from)
    tell('end-of-log', `The log\u2019s last record is of ${last_time}; after that it has nothing of the period.`, {
      time: last_time,
      to: period.to,
    });
  if (proved === null) tell('not-covered', 'No proof could be made for the records of the period.');
  else if (proved < copied)
    tell(
      'not-covered',
      `The last ${copied - proved} of ${copied} records lie after the checkpoint: not yet covered, so nobody can say that they are whole.`,
    );
  if (collector.unreadable > 0)
    tell('unreadable', `${collector.unreadable} lines of the log are no records that this version reads.`);
  for (const [month, times] of collector.deleted)
    tell(
      'text-deleted',
      `The key of ${month} is not in the folder: the sealed texts of ${times} records cannot be read any more, or the key was not copied. Their records and proofs stand.`,
    );
  if (collector.gaps_untold > 0)
    tell('more', `${collector.gaps_untold} more records of such kinds are in records.jsonl, and have no row here.`);
  return [...gaps, ...collector.gaps];
}

// --- controls

function controlRows({ seen }: Collector): Fields[] {
  return CONTROLS.map(({ framework, id, title, fedramp, shows, not_shown, tables, records }) => {
    const evidence = records.map((what) => {
      const one = seen.get(what);
      const words = what in MEASURES ? MEASURES[what as keyof typeof MEASURES] : what;
      return { what: words, count: one?.count ?? 0, first: one?.first ?? null, last: one?.last ?? null };
    });
    const count = evidence.reduce((sum, one) => sum + one.count, 0);
    return { framework, id, title, fedramp, shows, not_shown, tables, evidence, count };
  });
}

// --- the page

interface Told {
  readonly collector: Collector;
  readonly gathered: Gathered;
  readonly tally: Tally;
  readonly gaps: readonly GapRow[];
  readonly controls: readonly Fields[];
  readonly shown: PageFacts['tables'];
  readonly proved: number | null;
  readonly checkpoint: Checkpoint | null;
}

function pageFacts(options: EvidenceOptions, told: Told): PageFacts {
  const { period, verified, dir, now } = options;
  const { collector, gathered, tally, gaps, controls, shown, proved, checkpoint } = told;
  const seen = (what: string): number => collector.seen.get(what)?.count ?? 0;
  const log = checkpoint?.note.split('\n')[0] ?? dir;
  return {
    period,
    made: new Date(now).toISOString(),
    version: VERSION,
    log,
    alerts: alertsOf(options, told),
    tiles: [
      ['Requests', gathered.requests.size],
      ['Approved', tally.approved],
      ['Denied', tally.denied],
      ['Ran', tally.states.get('executed') ?? 0],
      ['Not separate', tally.not_separate],
      ['Own decisions refused', seen('own-refused')],
      ['Break-glass', tally.broke_glass],
      ['Denied by rules', seen('statement.denied')],
      ['Refused', seen('statement.refused')],
      ['Only observed', seen('statement.observed')],
      ['Allowed statements', collector.allowed],
      ['Sessions', seen('session.opened')],
      ['Not let in', seen('session.refused')],
      ['Reviewer sign-ins', seen('reviewer.signed_in')],
      ['Refused sign-ins', seen('reviewer.sign_in_refused')],
      ['Permits', collector.permits.size],
      ['Policies', collector.policies.filter(({ result }) => result === 'loaded').length],
      ['Gaps and doubts', gaps.filter(({ kind }) => kind !== 'started').length],
    ],
    verification: verificationOf(verified, gathered, proved),
    text: textNote(options, collector),
    tables: shown,
    controls,
    unproved: [
      `Allowed statements stand in the log in blocks; they are counted here (${collector.allowed.toLocaleString('en-GB')}) and not copied. \u2018holdpoint audit\u2019 on the log has them.`,
      tally.receipts === 0 && gathered.requests.size > receipts_max
        ? `There are more than ${receipts_max} requests, so proof.jsonl stands for all of them; holdpoint audit receipt ID --dir LOG makes one for a single request.`
        : `${tally.receipts} receipts are in receipts/.`,
    ],
  };
}

function textNote({ with_text }: EvidenceOptions, { sealed, deleted }: Collector): string {
  if (with_text)
    return 'Made with --text: full statements, parameters, the requesters\u2019 reasons and rationales are in it, where their keys were there. A tool that only reads cannot put that on record in the log; keep this folder as you keep the databases themselves.';
  const gone = [...deleted.values()].reduce((sum, one) => sum + one, 0);
  return `Statements are in redacted form, without literals and comments. ${sealed.toLocaleString('en-GB')} records of the period have sealed texts, which stay sealed in records.jsonl${gone > 0 ? `; the keys of ${gone.toLocaleString('en-GB')} are not there any more` : ''}.`;
}

function requests(count: number): string {
  return count === 1 ? '1 request' : `${count} requests`;
}

function alertsOf(
  { verified }: EvidenceOptions,
  { gaps, collector, tally, proved, gathered }: Told,
): PageFacts['alerts'] {
  const alerts: { tone: 'critical' | 'high' | 'ok'; title: string; lines: string[] }[] = [];
  const wrong = gaps.filter(({ kind }) => kind === 'not-verified').map(({ says }) => says);
  if (!isSound(verified))
    alerts.push({
      tone: 'critical',
      title: 'THE LOG DOES NOT VERIFY. What stands below was read from it as it is.',
      lines: [...wrong.slice(0, 5), ...(wrong.length > 5 ? [`And ${wrong.length - 5} more, in Gaps and doubts.`] : [])],
    });
  else if (proved === null)
    alerts.push({
      tone: 'critical',
      title: 'The records of this period are not proved.',
      lines: ['The log verifies, but its leaf hashes and tiles do not lead to the checkpoint.'],
    });
  if (tally.not_separate > 0)
    alerts.push({
      tone: 'critical',
      title: `${requests(tally.not_separate)} decided by somebody of the requester\u2019s side.`,
      lines: ['See Separation of duty.'],
    });
  const observed = gaps.some(({ kind }) => kind === 'observed-only');
  if (observed)
    alerts.push({
      tone: 'critical',
      title: 'In a part of the period the policy was only observed: nothing was held or denied.',
      lines: ['See Policy history.'],
    });
  if (tally.glass_unreviewed > 0)
    alerts.push({
      tone: 'high',
      title: `Break-glass, and nobody has reviewed it: ${requests(tally.glass_unreviewed)}.`,
      lines: ['See Break-glass.'],
    });
  const kinds = new Set([
    'overridden',
    'removed',
    'forwarding-stopped',
    'recovered',
    'clock-jumped',
    'clock-back',
    'unreadable',
    'before-the-log',
    'not-covered',
  ]);
  const doubts = gaps.filter(({ kind }) => kinds.has(kind));
  if (doubts.length > 0)
    alerts.push({
      tone: 'high',
      title: `Gaps and doubts to know of before reading on: ${doubts.length}.`,
      lines: [
        ...doubts.slice(0, 3).map(({ says }) => says),
        ...(doubts.length > 3 ? ['The others are in Gaps and doubts.'] : []),
      ],
    });
  if (!collector.seen.has('any'))
    alerts.push({ tone: 'high', title: 'Nothing is on record in this period.', lines: [] });
  if (isSound(verified) && proved !== null && proved === gathered.copied && proved > 0)
    alerts.push({
      tone: 'ok',
      title: `The log verifies, and all ${proved.toLocaleString('en-GB')} records of this folder are proved to be in it.`,
      lines: [],
    });
  return alerts;
}

function removedText({ removed }: LogReport): string {
  return removed === null
    ? 'none'
    : `records ${removed.from} to ${removed.to}, as record ${removed.by} says; their hashes are left`;
}

function verificationOf(
  verified: Verified,
  { copied }: Gathered,
  proved: number | null,
): (readonly [string, string])[] {
  if ('impossible' in verified) return [['Result', `Not verified: ${verified.impossible}`]];
  const { report, keys, own, checkpoints } = verified;
  const used = checkpoints.findLast(({ size }) => size === report.covered);
  return [
    ['Result', report.verified ? 'The log verifies' : 'THE LOG DOES NOT VERIFY'],
    [
      'Records of the log',
      `${report.records.toLocaleString('en-GB')} in ${report.segments} file${report.segments === 1 ? '' : 's'}`,
    ],
    [
      'Verified',
      report.covered > 0
        ? `records 1 to ${report.covered}${report.covered_time === '' ? '' : `, the last of ${report.covered_time}`}`
        : 'none',
    ],
    ['Removed by retention', removedText(report)],
    ['Not yet covered', report.uncovered ? `records ${report.uncovered.from} to ${report.uncovered.to}` : 'none'],
    ['Proved in this folder', `${proved ?? 0} of ${copied} records`],
    ['Checkpoint', used?.note ?? 'none'],
    [
      'Checkpoints are from',
      own
        ? 'the log\u2019s own folder: whoever can write there and has the signing key could have made both anew. One that was kept elsewhere says more (--checkpoint).'
        : [...new Set(checkpoints.map(({ from }) => from))].slice(0, 5).join(', '),
    ],
    ['Verifier keys', keys.join('  ')],
    ['Notes', report.notes.join('; ') || 'none'],
  ];
}

function summaryOf(
  { period, verified, with_text }: EvidenceOptions,
  facts: PageFacts,
  { gathered, tally, proved }: Pick<Told, 'gathered' | 'tally' | 'proved'>,
): Fields {
  return {
    holdpoint: 'evidence summary',
    v: 1,
    period,
    made: facts.made,
    version: facts.version,
    log: facts.log,
    with_text,
    verified: isSound(verified),
    verification:
      'report' in verified
        ? { ...verified.report, keys: verified.keys, own_checkpoint: verified.own }
        : { impossible: verified.impossible },
    records: gathered.copied,
    records_proved: proved ?? 0,
    counts: Object.fromEntries(
      facts.tiles.map(([title, value]) => [title.toLowerCase().replaceAll(/[^a-z]+/g, '_'), value]),
    ),
    states: Object.fromEntries([...tally.states].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    tables: Object.fromEntries(
      TABLE_NAMES.map((name) => [name, name === 'controls' ? facts.controls.length : facts.tables[name].count]),
    ),
    alerts: facts.alerts,
  };
}
