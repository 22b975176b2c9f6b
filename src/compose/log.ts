// The audit log as the gateway keeps it: with its key, its checkpoints and the anchors that these go to, and what of all that reviewers can
// ask for. Nothing here is waited for by a statement.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Anchor, type AnchorHealth, AnchorRefused, Anchors, folderAnchor } from '../audit/anchor.ts';
import { type Checkpoints, openCheckpoints } from '../audit/checkpoint.ts';
import type { ClockJump } from '../audit/clock.ts';
import { realFs } from '../audit/files.ts';
import { openAuditLog } from '../audit/log.ts';
import { receiptOf } from '../audit/receipt.ts';
import type { Ship, Behind } from '../audit/ship/ship.ts';
import type { End } from '../audit/ship/types.ts';
import { BackgroundIndexer } from '../audit/search/background.ts';
import { Retention, type RetentionOptions } from '../audit/retention.ts';
import type { AuditLog } from '../audit/types.ts';
import { masterKeyOf } from '../cli/audit/master-key.ts';
import type { AnchorConfig, Config } from '../config/config.ts';
import type { EvidencePort } from '../review/ports.ts';
import { resolveBySystem } from '../review/webhooks/guard.ts';
import { Sender } from '../review/webhooks/send.ts';
import type { Log } from '../telemetry/log.ts';
import { inTurn } from './in-turn.ts';
import { openShip } from './ship.ts';

/** How long a receipt waits for a checkpoint that covers its records. */
const COVER_MS = 5_000;
/** Receipts that are made at once; each reads the log. The next ones wait for these. */
const RECEIPTS_MAX = 2;

interface KeptLog {
  readonly log: AuditLog;
  readonly evidence: EvidencePort;
  readonly shipping: {
    /** Because of whom nothing may be forwarded; null: of nobody. */
    readonly behind: Behind | null;
  };
  /** From here on what `audit.keep` says is removed, and what an earlier run had begun to remove. */
  retain(parts: Pick<RetentionOptions, 'needed' | 'facts'>): void;
  /** The log first, then what is brought elsewhere. */
  close(): Promise<void>;
}

interface Options {
  readonly config: Config;
  readonly node: string;
  readonly version: string;
  readonly log: Log;
}

/** Rejects as `openAuditLog` does, and AuditError 'key' where the master key can't be had. */
export async function openLog({ config, node, version, log }: Options): Promise<KeptLog> {
  const dir = join(config.data, 'audit');
  const { checkpoint: every_ms, checkpoint_records: every_records } = config.audit;
  const warn = (text: string): void => log.warn(text);
  let anchors: Anchors | null = null;
  const indexer = new BackgroundIndexer(dir, warn);
  let retention: Retention | null = null;
  let checkpoints!: Checkpoints;
  let ship: Ship | null = null;
  let end: End = { seq: 0, segment: 1, offset: 0 };
  const opened = await openAuditLog({
    dir,
    node,
    master_key: await masterKeyOf(config.audit.master_key),
    jumped: (jump) => warn(jumpText(jump)),
    durable: (to) => {
      end = to;
      ship?.durable(to);
    },
    checkpoints: async () => {
      checkpoints = await openCheckpoints({
        dir,
        node,
        every_ms,
        every_records,
        warn,
        made: (one) => {
          anchors?.offer(one);
          retention?.rolled();
        },
      });
      anchors = new Anchors(
        config.audit.anchors.map((anchor) => anchorOf(anchor, version)),
        { origin: checkpoints.signer.name, warn, info: (text) => log.info(text) },
      );
      return checkpoints;
    },
  });
  const one = inTurn(RECEIPTS_MAX);
  try {
    ship = await openShip({ config, end, audit: opened, version, log });
  } catch (error) {
    await opened.close();
    await (anchors as Anchors | null)?.close();
    throw error;
  }
  // What became durable while cursors were read.
  ship?.durable(end);
  return {
    log: opened,
    evidence: {
      receipt: (id) => one(() => receiptOf(id, { dir, cover: (size) => checkpoints.cover(size, COVER_MS) })),
      anchors: () => anchors?.health() ?? [],
      shipping: () => ship?.health() ?? [],
    },
    shipping: {
      get behind() {
        return ship?.blocking ?? null;
      },
    },
    retain: (parts) => {
      const { age: age_ms, size: bytes_max } = config.audit.keep;
      if (age_ms === null && bytes_max === null && opened.found.removal === null) return;
      retention = new Retention({
        ...parts,
        dir,
        log: opened,
        age_ms,
        bytes_max,
        cover: (size, within_ms) => checkpoints.cover(size, within_ms),
        followers: () => [{ what: 'shipping', record: ship?.shippedUpTo() ?? Infinity }],
        anchored: (record) => isAnchored(anchors?.health() ?? [], record),
        info: (text) => log.info(text),
        warn,
      });
      void retention.look();
    },
    close: async () => {
      await retention?.close();
      await opened.close();
      await Promise.all([anchors?.close(), ship?.close(), indexer.close()]);
    },
  };
}

function jumpText({ by_ms, before, after, at_start }: ClockJump): string {
  const [was, is] = [before, after].map((ms) => new Date(ms).toISOString());
  const by = `${(Math.abs(by_ms) / 1000).toFixed(1)} s`;
  if (at_start)
    return `the clock shows ${is}, ${by} before the log's last record (${was}): it was set back, or is wrong. Look at it before anything else`;
  return `the clock was set ${by_ms < 0 ? 'back' : 'forward'} by ${by}, from ${was} to ${is}, or the machine slept. Requests and permits go on by the time that has passed`;
}

/** One of them has it: the others may be down for as long as they like. */
function isAnchored(anchors: readonly AnchorHealth[], record: number): boolean {
  return anchors.length === 0 || anchors.some((one) => one.record !== null && one.record >= record);
}

function anchorOf(config: AnchorConfig, version: string): Anchor {
  const { name, every: every_ms } = config;
  if ('folder' in config) return folderAnchor(realFs, { name, every_ms, folder: config.folder, layout: config.layout });
  const hook = { ...config, events: [], text: false, words: false };
  const sender = new Sender(hook, { resolve: resolveBySystem, now: () => Date.now(), version });
  return {
    name,
    every_ms,
    put: async ({ size, note }, origin) => {
      // The same for the same checkpoint, so that a receiver tells a repetition from news.
      const id = `cp_${createHash('sha256').update(origin).digest('hex').slice(0, 12)}_${size}`;
      const sent = await sender.send(
        id,
        JSON.stringify({ type: 'audit.checkpoint', log: origin, records: size, checkpoint: note }),
      );
      if (sent.type === 'failed') throw new AnchorRefused(sent.why, sent.retry_after_ms ?? 0);
      if (sent.type === 'gone') throw new AnchorRefused('it answers 410');
    },
    close: () => sender.close(),
  };
}
