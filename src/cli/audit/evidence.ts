// `holdpoint audit evidence`: a folder that an auditor takes away. Needs no gateway and no network, and writes nothing into the log: so that
// somebody read full texts with --text is on record nowhere. Must never exit with 0 for a log that does not verify.
import { resolve, sep } from 'node:path';
import { Command } from 'commander';
import { errorCode, realFs } from '../../audit/files.ts';
import { segmentsOf } from '../../audit/scan.ts';
import { verifierKeys } from '../../audit/signer.ts';
import { verifyLog } from '../../audit/verify/log.ts';
import { BadInput, parseKeys } from '../../audit/verify/note.ts';
import { openKeys } from '../../audit/wrap.ts';
import { loadAuditPaths } from '../../config/config.ts';
import { type Made, makeEvidence, type Verified } from '../evidence/make.ts';
import type { Period } from '../evidence/gather.ts';
import { EXIT, Failure } from '../failure.ts';
import { checkpointsFor, DEFAULT_FOLDER, keysOf, logFolder, OWN, ownCheckpoint } from './given.ts';
import { masterKeyOf } from './master-key.ts';

const PROGRESS_MS = 200;

const HELP = `
  <time>  a day (2026-01-01, its beginning, UTC) or an instant (2026-01-01T08:00:00Z). --to is not part of the period:
          --from 2026-01-01 --to 2026-04-01 is the first quarter

The folder has a page for people (index.html), a JSON file for each table, the records they rest on, a proof that these
are in the log, and README.txt, which says how to verify all of it offline ('holdpoint audit verify <folder>').
Statements are in redacted form. With --text they are there in full, where the keys are: that cannot be put on record in
the log by a tool that only reads it. An auditor's reading through the reviewers' API is.

Exit status: 0 made, 1 made and the log does not verify (the folder says so first), or not made, 2 wrong usage or input.`;

interface Arguments {
  readonly from: string;
  readonly to: string;
  readonly out: string;
  readonly dir: string;
  readonly text?: true;
  readonly config?: string;
  readonly key?: readonly string[];
  readonly checkpoint?: readonly string[];
}

export function evidenceCommand(): Command {
  return new Command('evidence')
    .description('a folder with what happened in a period, for auditors: tables, records, proofs, control mapping')
    .requiredOption('--from <time>', 'first day of the period')
    .requiredOption('--to <time>', 'the day after its last')
    .requiredOption('--out <folder>', 'where to; it must be new or empty')
    .option('--dir <folder>', "the log's folder", DEFAULT_FOLDER)
    .option('--text', 'full statements, parameters, reasons and rationales, where the keys are')
    .option('--config <file>', 'with --text: where audit.master_key stands, if there is one')
    .option('--key <key...>', "verifier keys that were kept elsewhere; default: the log's own")
    .option('--checkpoint <file...>', "checkpoints that were kept elsewhere; default: the log's own newest")
    .addHelpText('after', HELP)
    .action(async (options: Arguments) => {
      const period = periodOf(options);
      const dir = await logFolder(options.dir);
      if ((await segmentsOf(realFs, dir)).length === 0)
        throw new Failure(`there is no audit log in ${dir}`, EXIT.usage);
      if (`${resolve(options.out)}${sep}`.startsWith(`${resolve(dir)}${sep}`))
        throw new Failure(`${options.out} is in the log's own folder: take another one`, EXIT.usage);
      const tty = process.stderr.isTTY;
      const progress = tty ? progressLine() : () => undefined;
      try {
        const { config } = options;
        const master_key = config === undefined ? null : await masterKeyOf((await loadAuditPaths(config)).master_key);
        // Before anything is written: with --text a key that does not open is the caller's to mend.
        if (options.text) await openKeys(realFs, `${dir}/keys`, master_key).catch(notMissing);
        const verified = await verify(dir, options, progress);
        const made = await makeEvidence({
          dir,
          out: options.out,
          period,
          with_text: options.text === true,
          master_key,
          verified,
          now: Date.now(),
          progress,
        });
        if (tty) process.stderr.write('\r\u001b[K');
        process.stdout.write(madeText(options.out, made));
        process.exitCode = made.sound ? EXIT.ok : EXIT.failed;
      } catch (error) {
        if (error instanceof BadInput) throw new Failure(error.message, EXIT.usage);
        throw error;
      }
    });
}

/** A copy of a log may come without its keys. */
function notMissing(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error;
}

function periodOf({ from, to }: Arguments): Period {
  const period = { from: timeOf(from, '--from'), to: timeOf(to, '--to') };
  if (period.from >= period.to) throw new Failure(`--from ${from} must be before --to ${to}`, EXIT.usage);
  return period;
}

function timeOf(given: string, option: string): string {
  const sound = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(given);
  const ms = sound ? Date.parse(given) : Number.NaN;
  // Date.parse takes the 30th of February for the 2nd of March.
  if (Number.isNaN(ms) || (given.length === 10 && new Date(ms).toISOString().slice(0, 10) !== given))
    throw new Failure(`${option} ${given} is no time: 2026-01-01, or 2026-01-01T08:00:00Z`, EXIT.usage);
  return new Date(ms).toISOString();
}

type Progress = (what: string, done: number, of: number) => void;

/** Throws BadInput for what was given; what is wrong with the log's own is a finding. */
async function verify(dir: string, options: Arguments, progress: Progress): Promise<Verified> {
  const given = options.key ? await keysOf(options.key) : null;
  const own_keys = given === null ? await verifierKeys(realFs, dir) : [];
  if (given === null && own_keys.length === 0)
    return { impossible: 'there is no verifier key in its folder, and none was given' };
  try {
    const keys = given ?? parseKeys(own_keys.join('\n'));
    const checkpoints = (await checkpointsFor(dir, options.checkpoint ?? [], keys)).toSorted((a, b) => a.size - b.size);
    const report = await verifyLog({
      folder: dir,
      checkpoints,
      own: await ownCheckpoint(dir, keys),
      progress: (done, of) => progress('verifying', done, of),
    });
    const names = keys.map(({ name, id }) => `${name}+${id}`);
    return {
      report,
      checkpoints,
      own: checkpoints.every(({ from }) => from === OWN),
      keys: given === null ? own_keys : names,
    };
  } catch (error) {
    if (error instanceof BadInput && options.checkpoint === undefined) return { impossible: error.message };
    throw error;
  }
}

function progressLine(): Progress {
  let last = 0;
  return (what, done, of) => {
    const now = Date.now();
    if (now - last < PROGRESS_MS) return;
    last = now;
    process.stderr.write(`\r${what}: ${Math.floor((100 * done) / Math.max(1, of))} %\u001b[K`);
  };
}

/** Ends with a newline. */
function madeText(out: string, { sound, requests, records, proved, manifest_sha256 }: Made): string {
  const lines = [
    `${out}: ${requests} requests, ${records} records, ${proved} of them proved`,
    `manifest.json has the SHA-256 ${manifest_sha256}`,
    sound ? `Open ${out}/index.html.` : `THE LOG DOES NOT VERIFY. ${out}/index.html says what is wrong.`,
  ];
  return `${lines.join('\n')}\n`;
}
