// `holdpoint audit verify|key|checkpoint|receipt|rotate-key`: what an auditor, or whoever keeps the log, runs. `verify` needs no gateway, no
// network and no secret. Must never print a good word about a record that no checkpoint covers.
import { stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { Command } from 'commander';
import { newestNote, noteFields } from '../audit/checkpoint.ts';
import { realFs } from '../audit/files.ts';
import { rotateKey } from '../audit/rotate.ts';
import { type Receipt, receipt_bytes_max, receiptOf } from '../audit/receipt.ts';
import { verifierKeys } from '../audit/signer.ts';
import { type LogReport, verifyLog } from '../audit/verify/log.ts';
import { BadInput, type VerifierKey } from '../audit/verify/note.ts';
import { type EvidenceReport, isEvidence, verifyEvidence } from '../audit/verify/evidence.ts';
import { type ReceiptReport, verifyReceipt } from '../audit/verify/receipt.ts';
import { loadAuditPaths } from '../config/config.ts';
import { evidenceCommand } from './audit/evidence.ts';
import {
  checkpointsFor,
  ownCheckpoint,
  DEFAULT_FOLDER,
  keysOf,
  logFolder,
  megabytes,
  OWN,
  progressLine,
  readText,
} from './audit/given.ts';
import { forgetCommand } from './audit/forget.ts';
import { exportCommand } from './audit/export.ts';
import { indexCommand } from './audit/indexes.ts';
import { masterKeyOf } from './audit/master-key.ts';
import { rotateMasterKeyCommand } from './audit/rotate-master-key.ts';
import { searchCommand } from './audit/search.ts';
import { tailCommand } from './audit/tail.ts';
import { timelineCommand } from './audit/timeline.ts';
import { EXIT, Failure } from './failure.ts';
import type { Deps } from './ports.ts';
import { drawn } from './review/cells.ts';
import { REVIEW_EXIT_HELP, signedIn, told } from './reviewer.ts';

const VERIFY_HELP = `
  <key>         a verifier key as 'holdpoint audit key' prints it, or a file with some, one a line
  <checkpoint>  a file with one or more, or a folder with such files: best what an anchor kept elsewhere.
                Without one the log's own is taken, which proves nothing against who holds the signing key

Exit status: 0 everything that a checkpoint covers is as it was signed, 1 it is not, 2 wrong usage or input
(no key, a forged checkpoint). What lies after the newest checkpoint is told as not yet covered, and is no failure
unless it contradicts itself.`;

export function auditCommand(deps: Pick<Deps, 'neededTexts'>): Command {
  const command = new Command('audit').description(
    'the audit log: read, search, export it; as evidence: verify it, its key, checkpoints, receipts',
  );
  for (const one of [tailCommand(), searchCommand(), timelineCommand(), exportCommand(), indexCommand()])
    command.addCommand(one);
  command.addCommand(verifyCommand());
  command.addCommand(evidenceCommand());
  command.addCommand(
    new Command('key')
      .description('print the public key that checkpoints are verified with')
      .argument('[dir]', "the log's folder", DEFAULT_FOLDER)
      .option('--all', 'earlier ones too, oldest first')
      .action(async (dir: string, options: { readonly all?: true }) => {
        const keys = await verifierKeys(realFs, await logFolder(dir));
        if (keys.length === 0) throw new Failure(`${dir} has no key yet: the gateway, or 'holdpoint init', makes one`);
        process.stdout.write(`${(options.all ? keys : keys.slice(-1)).join('\n')}\n`);
      }),
  );
  command.addCommand(
    new Command('checkpoint')
      .description('print the newest checkpoint')
      .argument('[dir]', "the log's folder", DEFAULT_FOLDER)
      .action(async (dir: string) => {
        const note = await newestNote(realFs, await logFolder(dir));
        if (note === null) throw new Failure(`${dir} has no checkpoint yet`);
        process.stdout.write(note);
      }),
  );
  command.addCommand(
    new Command('rotate-key')
      .description('make another key sign checkpoints; the gateway must be stopped')
      .argument('[dir]', "the log's folder", DEFAULT_FOLDER)
      .option('--config <file>', 'where audit.master_key stands, if there is one')
      .action(async (dir: string, { config }: { readonly config?: string }) => {
        const master = config === undefined ? null : await masterKeyOf((await loadAuditPaths(config)).master_key);
        const { old_key, new_key } = await rotateKey(await logFolder(dir), hostname(), master);
        process.stdout.write(
          `was  ${old_key}\nnow  ${new_key}\nBoth signed the checkpoint in which the log says so. Give the new one to whoever verifies.\n`,
        );
      }),
  );
  command.addCommand(
    new Command('receipt')
      .description("a request's records with a proof for each that the log has it")
      .argument('<id>', 'HP-...')
      .option('--out <file>', 'where to; default: standard output')
      .option('--dir <folder>', "read a log's folder, without a gateway; its newest checkpoint must cover the records")
      .addHelpText('after', REVIEW_EXIT_HELP)
      .action(async (id: string, options: { readonly out?: string; readonly dir?: string }) => {
        const request = id.toUpperCase();
        const receipt =
          options.dir === undefined ? await askedFor(request) : await readFrom(await logFolder(options.dir), request);
        const text = `${JSON.stringify(receipt, null, 2)}\n`;
        if (options.out === undefined) process.stdout.write(text);
        else await writeFile(options.out, text);
      }),
  );
  command.addCommand(rotateMasterKeyCommand());
  command.addCommand(forgetCommand(deps));
  return command;
}

async function askedFor(request: string): Promise<unknown> {
  const { client } = await signedIn();
  return told(client.receipt(request));
}

async function readFrom(dir: string, request: string): Promise<Receipt> {
  const cover = async (size: number) => {
    const newest = noteFields(await newestNote(realFs, dir));
    return newest !== null && newest.size >= size ? newest : null;
  };
  const receipt = await receiptOf(request, { dir, cover });
  if (receipt === 'unknown') throw new Failure(`${dir} has no record of ${request}`);
  if (receipt === 'uncovered')
    throw new Failure(`the newest checkpoint in ${dir} does not cover all records of ${request} yet`);
  return receipt;
}

interface VerifyArguments {
  readonly key?: readonly string[];
  readonly checkpoint?: readonly string[];
  readonly json?: true;
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('does a log, a receipt, or evidence, say what was signed? Offline, with public keys alone')
    .argument('[what]', "the log's folder, a receipt's file, or a folder of evidence", DEFAULT_FOLDER)
    .option('--key <key...>', 'a verifier key, or a file with some')
    .option('--checkpoint <file...>', 'checkpoints that were kept elsewhere')
    .option('--json', 'one JSON object')
    .addHelpText('after', VERIFY_HELP)
    .action(async (what: string, options: VerifyArguments) => {
      try {
        const keys = await keysOf(options.key ?? []);
        const found = await stat(what).catch(() => null);
        if (found?.isFile()) await verifyFile(what, keys, options);
        else if (await isEvidence(what)) await verifyEvidenceFolder(what, keys, options);
        else await verifyFolder(await logFolder(what), keys, options);
      } catch (error) {
        if (error instanceof BadInput) throw new Failure(error.message, EXIT.usage);
        throw error;
      }
    });
}

async function verifyFile(path: string, keys: readonly VerifierKey[], options: VerifyArguments): Promise<void> {
  if (options.checkpoint) throw new BadInput('a receipt has its own checkpoint; --checkpoint is for logs');
  const { size } = await stat(path);
  if (size > 2 * receipt_bytes_max) throw new BadInput(`${path} is larger than any receipt`);
  const report = verifyReceipt(await readText(path), keys, path);
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : receiptText(report));
  process.exitCode = report.verified ? EXIT.ok : EXIT.failed;
}

/** Ends with a newline. What was read from a receipt is spelled out: it may be anything. */
export function receiptText({ verified, request, policy, checkpoint, records, problems }: ReceiptReport): string {
  const lines = [
    `receipt       ${drawn(request)}, ${records.length} records`,
    `checkpoint    of ${checkpoint.size} records, signed by ${checkpoint.signed_by.join(', ')}`,
    `policy        ${drawn(policy) || 'none is named'}`,
    ...records.map(
      ({ record, time, type, proved }) =>
        `${(proved ? 'proved' : 'NOT PROVED').padEnd(13)} record ${record}  ${drawn(time)}  ${drawn(type)}`,
    ),
    ...problems.map((problem) => `WRONG         ${drawn(problem)}`),
    verified
      ? 'The receipt verifies: the log has these records, as they stand here. That it has no later ones of this request it does not say.'
      : 'THE RECEIPT DOES NOT VERIFY.',
  ];
  return `${lines.join('\n')}\n`;
}

async function verifyEvidenceFolder(
  folder: string,
  keys: readonly VerifierKey[],
  options: VerifyArguments,
): Promise<void> {
  if (options.checkpoint) throw new BadInput('evidence has its own checkpoint; --checkpoint is for logs');
  const report = await verifyEvidence(folder, keys);
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : evidenceText(report));
  process.exitCode = report.verified ? EXIT.ok : EXIT.failed;
}

/** Ends with a newline. */
function evidenceText({
  verified,
  files,
  manifest_sha256,
  checkpoint,
  records,
  proved,
  problems,
}: EvidenceReport): string {
  const lines = [
    `evidence      ${files} files; manifest.json has the SHA-256 ${manifest_sha256}`,
    checkpoint === null
      ? 'checkpoint    none'
      : `checkpoint    of ${checkpoint.size} records, signed by ${checkpoint.signed_by.join(', ')}`,
    `proved        ${proved} of ${records} records are in the log as they stand here`,
    ...(proved < records && verified
      ? [`not covered   the last ${records - proved}: after the checkpoint, so nobody can say that they are whole`]
      : []),
    ...problems.map((problem) => `WRONG         ${drawn(problem)}`),
    verified
      ? 'The evidence verifies: its files are those of its manifest, and the log has its records. That the log has no others, and that the tables say what the records say, it does not say.'
      : 'THE EVIDENCE DOES NOT VERIFY.',
  ];
  return `${lines.join('\n')}\n`;
}

async function verifyFolder(folder: string, keys: readonly VerifierKey[], options: VerifyArguments): Promise<void> {
  const checkpoints = await checkpointsFor(folder, options.checkpoint ?? [], keys);
  const own = await ownCheckpoint(folder, keys);
  const progress = process.stderr.isTTY && { progress: progressLine() };
  const report = await verifyLog({ folder, checkpoints, own, ...progress });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  process.exitCode = report.verified ? EXIT.ok : EXIT.failed;
}

/** Of a log; ends with a newline. */
export function reportText(report: LogReport): string {
  const { records, segments, bytes, checkpoints, newest, covered, covered_time, uncovered, findings, interval } =
    report;
  const { removed } = report;
  const kept = removed?.to ?? 0;
  const lines = [
    `${records - kept} records in ${segments} file${segments === 1 ? '' : 's'}, ${megabytes(bytes)}`,
    `checkpoints   ${checkpoints.good} good, ${checkpoints.wrong} wrong; the newest covers ${newest.size} records, from ${newest.from}, signed by ${newest.signed_by.join(', ')}`,
  ];
  if (newest.from === OWN)
    lines.push(
      '              kept beside the log: who can write there and has the signing key could have made both anew',
    );
  lines.push(...report.notes.map((note) => `note          ${note}`));
  for (const { text, where } of findings)
    lines.push(`WRONG         ${text}${where ? ` (${where.file}, byte ${where.byte})` : ''}`);
  if (report.more) lines.push('WRONG         and more than that');
  if (interval !== null)
    lines.push(
      `              the first difference lies in records ${interval.from} to ${interval.to}: the good checkpoint before it covers ${interval.from - 1}, the first wrong one ${interval.to}`,
    );
  if (removed) lines.push(removedText(removed, covered));
  if (covered > kept)
    lines.push(
      `verified      records ${kept + 1} to ${covered} are as they were signed${covered_time === '' ? '' : `, the last of ${covered_time}`}`,
    );
  else if (findings.length > 0 || removed) lines.push('verified      nothing');
  if (uncovered)
    lines.push(
      `not covered   record${uncovered.from === uncovered.to ? ` ${uncovered.from}` : `s ${uncovered.from} to ${uncovered.to}`}: after the newest checkpoint, not yet covered, so nobody can say that they are whole`,
    );
  lines.push(report.verified ? 'The log verifies.' : 'THE LOG DOES NOT VERIFY.');
  return `${lines.join('\n')}\n`;
}

/** Never that they are good: nobody can read them. */
function removedText({ to, by, why }: NonNullable<LogReport['removed']>, covered: number): string {
  const hashes =
    covered >= to
      ? 'Their hashes lead to what was signed'
      : covered === 0
        ? 'Their hashes do not lead to what was signed'
        : `The hashes of records 1 to ${covered} lead to what was signed, those of the others nobody can say of`;
  return `removed       records 1 to ${to}: by retention (${why}), as record ${by} says. ${hashes}; what they said nobody can see`;
}
